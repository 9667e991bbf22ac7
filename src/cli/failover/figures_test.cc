#include "cli/failover/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/failover/rehearsal_report.h"
#include "failover/steps.h"

namespace databus {
namespace {

using failover::Kind;
using failover::Step;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const Figure* Find(const std::vector<Figure>& figures, const std::string& id) {
  const auto found = std::ranges::find(figures, id, &Figure::id);
  return found == figures.end() ? nullptr : &*found;
}

TEST(FiguresTest, WhatIsNotKnownIsLeftOut) {
  EXPECT_TRUE(FiguresOf({}).empty());
  EXPECT_EQ(RenderFigures({}), "");
  const auto list = FiguresOf({.ways = {{.kind = Kind::kPlanned, .commands = 1}}, .lost = 0});
  EXPECT_EQ(list.size(), 2U);
  EXPECT_EQ(Find(list, "doubled"), nullptr);
}

TEST(FiguresTest, EachHasTheLimitOfItsKind) {
  WayFigures way{.kind = Kind::kPlanned,
                 .commands = 2,
                 .refused = 0,
                 .disconnected = 1,
                 .swap = seconds(30),
                 .first_file = seconds(61)};
  auto list = FiguresOf({.ways = {way}});
  for (const char* beyond : {"commands", "disconnected", "swap_s"}) {
    EXPECT_FALSE(Find(list, beyond)->IsWithin()) << beyond;
  }
  EXPECT_TRUE(Find(list, "refused")->IsWithin());
  EXPECT_EQ(Find(list, "first_file_s")->kind, Figure::Limit::kNone);
  EXPECT_THAT(RenderFigures(list), AllOf(HasSubstr("under 30.0 s"), HasSubstr("NO")));

  way.disturbed = true;
  list = FiguresOf({.ways = {way}});
  EXPECT_TRUE(Find(list, "commands")->IsWithin()) << "whoever is killed is resumed";
  way.kind = Kind::kUnplanned;
  list = FiguresOf({.ways = {way}});
  EXPECT_FALSE(Find(list, "first_file_s")->IsWithin());
  EXPECT_EQ(Find(list, "swap_s")->kind, Figure::Limit::kNone);
}

TEST(FiguresTest, AShareIsNeverRoundedUpToAll) {
  const FailoverFigures figures{
      .loss = LossFigures{
          .lines = 2, .recovered = 1, .missing = 1, .recovered_files = 9999, .missing_files = 1}};
  const auto list = FiguresOf(figures);
  EXPECT_FALSE(Find(list, "salvaged_percent")->IsWithin());
  EXPECT_THAT(RenderFigures(list), HasSubstr("99.9 %"));
  EXPECT_EQ(Find(list, "loss_lines_open")->seen, 1);
  const auto json = FiguresToJson(list);
  EXPECT_EQ(json[0]["id"], "loss_lines");
  EXPECT_TRUE(json[0]["within"].is_null());
  EXPECT_EQ(json[1]["within"], false);
  EXPECT_EQ(Find(FiguresOf({.loss = LossFigures{.lines = 1, .recovered = 1}}), "salvaged_percent"),
            nullptr)
      << "of nothing there is no share";
}

// From the epoch until the step despool is over, by the journal's own words.
TEST(FiguresTest, TheTimesOfTheSwapAreReadFromTheJournal) {
  failover::Journal journal;
  const WallTime start;
  journal.step = Step::kSpool;
  journal.epochs = {{Step::kSpool, 2, "a"}};
  journal.Note(start + seconds(1), "topology epoch 2 is stored");
  journal.swapped = start + seconds(5);
  WayFigures way;
  MeasureJournal(journal, way);
  EXPECT_FALSE(way.swap.has_value()) << "it is not over";
  journal.step = Step::kDespool;
  journal.Note(start + seconds(8), "despool: over");
  MeasureJournal(journal, way);
  EXPECT_EQ(way.swap, Milliseconds(3'000));
  EXPECT_EQ(way.kept, Milliseconds(7'000));
}

RehearsalTraffic::History HistoryOf(const std::string& cluster,
                                    std::vector<RehearsalTraffic::Mark> marks) {
  return {{"s", cluster + "/c1"}, cluster, std::move(marks)};
}

TEST(LackTest, WhatWasAcknowledgedBeforeTheSwapAndIsNotThereIsLacking) {
  const WallTime start;
  const std::vector<RehearsalTraffic::History> histories = {
      HistoryOf("dc1", {{start + seconds(1), 2}, {start + seconds(4), 3}, {start + seconds(9), 8}}),
      HistoryOf("dc2", {{start + seconds(3), 1}})};
  const auto has = [](const NumberedMessage& message) {
    return message.source.collector == "dc1/c1" && message.number == 1;
  };
  const LackFigures lack = LackAt(start + seconds(6), histories, "dc1", has);
  EXPECT_EQ(lack.messages, 3U) << "numbers 2 and 3 of dc1, and 1 of dc2";
  EXPECT_EQ(lack.from_lost, 2U);
  EXPECT_EQ(lack.oldest, Milliseconds(5'000));
  EXPECT_EQ(LackAt(start, histories, "dc1", has).messages, 0U);
}

// One lost and one doubled do not cancel out.
TEST(RehearsalReportTest, ItIsCleanWhenNothingIsLostAndNothingDoubled) {
  RehearsalReport report{.from = "dc1", .to = "dc2", .figures = {.ways = {{}, {}}}};
  report.counts = {.sent = 10, .acknowledged = 10, .arrived = 10};
  EXPECT_TRUE(report.IsClean());
  report.counts.lost = 1;
  report.counts.doubled = 1;
  EXPECT_FALSE(report.IsClean());
  EXPECT_EQ(RehearsalToJson(report)["rpo_messages"], 1);
  EXPECT_EQ(RehearsalToJson(report)["doubled_messages"], 1);
  EXPECT_THAT(RenderRehearsal(report),
              AllOf(HasSubstr("1 messages lost, 1 doubled"), Not(HasSubstr("lost for good"))));
  report.counts = {};
  report.figures.loss = LossFigures{.lines = 2, .recovered = 1, .unknown = 1};
  EXPECT_FALSE(report.IsClean());
}

}  // namespace
}  // namespace databus
