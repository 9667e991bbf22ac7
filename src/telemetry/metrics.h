// Metrics, from declared lists. Each area declares what it counts once, completely, in its own
// metrics.h; docs/metrics.md is generated from these lists (RenderMetricsPage) and compared by a
// test. Names at call sites do not exist: a call site names the declaration.
//
//   inline constexpr std::string_view kByStream[] = {"stream"};
//   inline constexpr MetricSpec kFilesTotal{
//       .name = "databus_publish_files_total", .doc = "Files made visible.", .labels = kByStream};
//   metrics.Count(kFilesTotal, {"clicks"}, 3);
//
// A label's value comes from a bounded set (streams, clusters, kinds), never from a path or a
// message. The bound is enforced: what goes beyond `series_max` is counted under "other".
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace databus {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

struct MetricSpec {
  std::string_view name;  // counters end in _total, nothing else does; units last: _ms, _bytes
  std::string_view doc;   // one sentence: what is counted
  MetricKind kind = MetricKind::kCounter;
  std::span<const std::string_view> labels = {};
  std::span<const double> buckets = {};  // histograms: upper bounds, ascending
  int series_max = 2000;                 // greatest number of different label values
};

// What is wrong with a declaration ("name: rule"), empty when nothing is. For tests of the lists.
std::string CheckMetricSpec(const MetricSpec& spec);

// The values of one process. Thread-safe.
class Metrics {
 public:
  using Labels = std::initializer_list<std::string_view>;  // in the order of spec.labels

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // REQUIRES, for these three: the matching kind, and one value for each declared label.
  void Count(const MetricSpec& counter, Labels labels, uint64_t by = 1);
  void Set(const MetricSpec& gauge, Labels labels, double value);
  void Observe(const MetricSpec& histogram, Labels labels, double value);
  // For a component that keeps its own count: brings a counter up to `total`; never lowers it.
  void CountUpTo(const MetricSpec& counter, Labels labels, uint64_t total);

  // `refresh` runs before each Expose, to bring gauges up to date. Added before the endpoint
  // starts.
  void BeforeExpose(std::function<void(Metrics&)> refresh);

  // Everything, in the Prometheus text format.
  std::string Expose();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct MetricList {
  std::string_view area;
  std::span<const MetricSpec> metrics;
};
// docs/metrics.md.
std::string RenderMetricsPage(std::span<const MetricList> lists);

}  // namespace databus
