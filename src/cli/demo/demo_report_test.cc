#include "cli/demo/demo_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace databus {
namespace {

using failover::Kind;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

DemoReport Unplanned() {
  DemoReport report;
  report.kind = DemoStory::kUnplanned;
  report.arrived = true;
  report.sequences = {{.stream = "clicks",
                       .hop = Hop::kMerged,
                       .clusters = {"dc1"},
                       .acknowledged = 900,
                       .seen = 900}};
  const WayFigures over{.kind = Kind::kUnplanned,
                        .disturbed = true,
                        .commands = 2,
                        .took = Milliseconds(4'500),
                        .refused = 0,
                        .disconnected = 12,
                        .swap = Milliseconds(1'500),
                        .first_file = Milliseconds(2'500)};
  const WayFigures back{.kind = Kind::kFailback,
                        .disturbed = true,
                        .commands = 1,
                        .took = Milliseconds(9'000),
                        .refused = 0,
                        .disconnected = 0,
                        .kept = Milliseconds(8'000),
                        .swap = Milliseconds(1'500)};
  report.story.commands = {{"failover --unplanned", "dc2", over, over.first_file},
                           {"failback", "dc1", back, {}}};
  report.story.kills = {{"the command", "swap"}, {"worker-dc2", "verify"}, {"dc1-c1", "spool"}};
  report.figures.ways = {over, back};
  report.figures.lost = 0;
  report.figures.doubled = 0;
  report.figures.loss = LossFigures{.lines = 4, .recovered = 4, .recovered_files = 10};
  report.figures.stale_commits = 0;
  report.figures.bootstrap = BootstrapFigures{.missing = 30, .copied = 44, .not_missing = 0};
  return report;
}

// tools/drills_test.py runs this one too, and reads what it leaves.
TEST(DemoReportTest, ItsJsonHasViewsCommandsKillsAndFigures) {
  const DemoReport report = Unplanned();
  const auto json = DemoReportToJson(report);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["story"], "unplanned");
  EXPECT_EQ(json["clean"], true);
  EXPECT_EQ(json["views"][0]["seen"], 900);
  EXPECT_EQ(json["commands"][0]["first_visible_ms"], 2500);
  EXPECT_TRUE(json["commands"][1]["first_visible_ms"].is_null());
  EXPECT_EQ(json["kills"][1]["who"], "worker-dc2");
  EXPECT_EQ(json["figures"].size(), FiguresOf(report.figures).size());
  if (const char* const path = std::getenv("DEMO_REPORT")) {
    std::ofstream(path) << json.dump(1);
  }
}

TEST(DemoReportTest, PeopleSeeEachFigureWithItsLimit) {
  const std::string text = RenderDemoReport(Unplanned());
  EXPECT_THAT(text,
              AllOf(HasSubstr("figure"), HasSubstr("salvaged of what survives"),
                    HasSubstr("Nothing is lost and nothing is doubled."), Not(HasSubstr("NO"))));
  EXPECT_THAT(text, HasSubstr("something new in the merged stream of dc2 after 2.5 s"));
  DemoReport planned = Unplanned();
  planned.story.commands.front().measured.kind = Kind::kPlanned;
  EXPECT_THAT(RenderDemoReport(planned), Not(HasSubstr("something new")))
      << "it may be from the old primary";
  DemoReport kills = Unplanned();
  kills.kind = DemoStory::kKills;
  kills.story.commands.clear();
  EXPECT_THAT(RenderDemoReport(kills), Not(HasSubstr("figure")));
}

TEST(DemoReportTest, WhatALossStatementNamesHasToComeBack) {
  DemoReport report = Unplanned();
  report.figures.loss->unknown = 1;
  report.figures.loss->recovered = 3;
  EXPECT_FALSE(report.Clean());
  EXPECT_THAT(RenderDemoReport(report),
              HasSubstr("not all that the loss statement names is recovered"));
  report.figures.loss.reset();
  EXPECT_FALSE(report.Clean()) << "nothing is known of it";
  report.kind = DemoStory::kPlanned;
  EXPECT_TRUE(report.Clean());
}

}  // namespace
}  // namespace databus
