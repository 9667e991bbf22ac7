#include "telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kByStream[] = {"stream"};
constexpr double kBounds[] = {1, 10};
constexpr MetricSpec kFilesTotal{
    .name = "databus_files_total", .doc = "Files.", .labels = kByStream};
constexpr MetricSpec kSpoolBytes{
    .name = "databus_spool_bytes", .doc = "Bytes in the spool.", .kind = MetricKind::kGauge};
constexpr MetricSpec kSyncMs{.name = "databus_sync_ms",
                             .doc = "One sync.",
                             .kind = MetricKind::kHistogram,
                             .buckets = kBounds};

TEST(MetricsTest, WhatWasCountedIsExposedByLabel) {
  Metrics metrics;
  metrics.Count(kFilesTotal, {"clicks"}, 2);
  metrics.Count(kFilesTotal, {"clicks"});
  metrics.Count(kFilesTotal, {"orders"});
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("# HELP databus_files_total Files.\n"));
  EXPECT_THAT(text, HasSubstr("databus_files_total{stream=\"clicks\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("databus_files_total{stream=\"orders\"} 1\n"));
}

TEST(MetricsTest, ACounterIsBroughtUpToATotalAndNeverLowered) {
  Metrics metrics;
  metrics.CountUpTo(kFilesTotal, {"clicks"}, 7);
  metrics.CountUpTo(kFilesTotal, {"clicks"}, 5);
  EXPECT_THAT(metrics.Expose(), HasSubstr("{stream=\"clicks\"} 7\n"));
}

TEST(MetricsTest, GaugesAreRefreshedBeforeTheyAreRead) {
  Metrics metrics;
  metrics.BeforeExpose([](Metrics& m) { m.Set(kSpoolBytes, {}, 42); });
  EXPECT_THAT(metrics.Expose(), HasSubstr("databus_spool_bytes 42\n"));
}

TEST(MetricsTest, AHistogramCountsIntoItsBuckets) {
  Metrics metrics;
  metrics.Observe(kSyncMs, {}, 5);
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("databus_sync_ms_bucket{le=\"1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("databus_sync_ms_bucket{le=\"10\"} 1\n"));
}

TEST(MetricsTest, LabelsBeyondTheBoundAreCountedTogether) {
  constexpr MetricSpec kSmall{
      .name = "databus_small_total", .doc = "Few.", .labels = kByStream, .series_max = 2};
  Metrics metrics;
  for (const char* stream : {"a", "b", "c", "d", "d"}) metrics.Count(kSmall, {stream});
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("{stream=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{stream=\"other\"} 3\n"));
  EXPECT_THAT(text, Not(HasSubstr("stream=\"c\"")));
}

TEST(MetricsTest, ADeclarationThatBreaksARuleIsNamed) {
  EXPECT_EQ(CheckMetricSpec(kFilesTotal), "");
  EXPECT_EQ(CheckMetricSpec(kSyncMs), "");
  EXPECT_THAT(CheckMetricSpec({.name = "databus_files", .doc = "Files."}), HasSubstr("_total"));
  EXPECT_THAT(CheckMetricSpec({.name = "files_total", .doc = "Files."}), HasSubstr("databus_"));
  EXPECT_THAT(CheckMetricSpec({.name = "databus_files_total", .doc = "Files"}),
              HasSubstr("sentence"));
  EXPECT_THAT(
      CheckMetricSpec({.name = "databus_x_ms", .doc = "X.", .kind = MetricKind::kHistogram}),
      HasSubstr("buckets"));
}

TEST(MetricsTest, ThePageHasALineForEveryDeclaration) {
  constexpr MetricSpec kList[] = {kFilesTotal, kSpoolBytes};
  const MetricList lists[] = {{"worker", kList}};
  const std::string page = RenderMetricsPage(lists);
  EXPECT_THAT(page, HasSubstr("## worker\n"));
  EXPECT_THAT(page, HasSubstr("| `databus_files_total` | counter | stream | Files. |\n"));
  EXPECT_THAT(page, HasSubstr("| `databus_spool_bytes` | gauge |  | Bytes in the spool. |\n"));
}

}  // namespace
}  // namespace databus
