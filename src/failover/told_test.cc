// What an operator is told who waits: who is away and what can be done about it, which step of how
// many it is, and that a cluster which was given up is back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "failover/steps.h"
#include "failover/test_model.h"

namespace databus::failover {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using What = Action::What;

// Goes on by itself until it is told to stop.
struct Story {
  TestModel model;
  Journal journal;

  explicit Story(Kind kind, const StoredTopology& base = TestBase()) : model(base) {
    const Kind first = kind == Kind::kFailback ? Kind::kPlanned : kind;
    Begin({.kind = first, .from = "dc1", .to = "dc2"}, {});
    if (kind != Kind::kFailback) return;
    GoTo(Step::kDone);
    Begin({.kind = kind, .from = "", .to = "dc1"}, {{journal.id, journal}});
  }
  void Begin(const Request& request, const std::map<std::string, Journal>& journals) {
    journal = failover::Begin(MakePlan(request, model.See(), journals), model.now);
  }
  void Do(const Action& action) {
    ASSERT_TRUE(action.what == What::kStore || action.what == What::kAdvance ||
                action.what == What::kVerify);
    journal = action.what == What::kVerify ? Verified(journal, {}, model.now) : action.journal;
    if (action.epoch) model.Store(*action.epoch);
  }
  // As far as the gate of the step; what passes by itself is waited for.
  void GoTo(Step step) {
    while (journal.step != step && !testing::Test::HasFailure()) {
      const Action action = NextAction(journal, model.See());
      if (action.what == What::kWait && journal.fenced) {
        model.boot += kAloneAfter;
      } else {
        Do(action);
      }
    }
    if (Stores(step)) Do(NextAction(journal, model.See()));
  }
  Observation Without(const std::string& cluster) {
    Observation seen = model.See();
    seen.trees[cluster].why_away = "burnt down";
    seen.tips.erase(cluster);
    return seen;
  }
  std::vector<std::string> Waits(const std::string& cluster) {
    return NextAction(journal, Without(cluster)).gate.waits;
  }
};

StoredTopology BaseThatWaits() {
  StoredTopology base = TestBase();
  base.topology.streams[0].when_alone = WhenAlone::kWait;
  return base;
}

TEST(ToldTest, WhoeverIsAwayIsNamedWithWhatCanBeDoneAtThatStep) {
  const struct {
    Kind kind;
    Step step;
    const char* away;
    const char* way;
  } kRows[] = {
      {Kind::kPlanned, Step::kSpool, "dc2", "'databus failover abort --without dc2'"},
      {Kind::kPlanned, Step::kDrain, "dc2", "'databus failover abort --without dc2'"},
      {Kind::kPlanned, Step::kSwap, "dc2", "'databus failover abort --without dc2'"},
      {Kind::kPlanned, Step::kDespool, "dc2", "'databus failover abort --without dc2'"},
      {Kind::kUnplanned, Step::kSwap, "dc2", "'databus failover abort --without dc2'"},
      {Kind::kUnplanned, Step::kDespool, "dc2", "'databus failover abort --without dc2'"},
      {Kind::kFailback, Step::kCatchUp, "dc1", "'databus failback abort --without dc1'"},
      {Kind::kFailback, Step::kDespool, "dc1", "'databus failback abort --without dc1'"},
      {Kind::kPlanned, Step::kDrain, "dc1",
       "'databus failover abort', then 'databus failover plan --unplanned --from dc1 --to dc2'"},
      {Kind::kPlanned, Step::kFreeze, "dc1", "--unplanned --from dc1 --to dc2"},
      {Kind::kPlanned, Step::kMirror, "dc1", "--unplanned --from dc1 --to dc2"},
      {Kind::kFailback, Step::kDrain, "dc2",
       "'databus failback abort', then 'databus failover plan --unplanned --from dc2 --to dc1'"},
      {Kind::kFailback, Step::kDespool, "dc2", "'databus failback resume --without dc2'"},
      {Kind::kPlanned, Step::kDrain, "dc3", "'databus failover resume --without dc3'"},
      {Kind::kPlanned, Step::kDespool, "dc3", "'databus failover resume --without dc3'"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(testing::Message()
                 << KindName(row.kind) << " " << StepName(row.step) << " without " << row.away);
    Story story(row.kind);
    story.GoTo(row.step);
    EXPECT_THAT(story.Waits(row.away),
                Contains(AllOf(HasSubstr(std::string("cluster ") + row.away + " does not answer"),
                               HasSubstr("Bring it back"), HasSubstr(row.way))));
  }
}

TEST(ToldTest, WhatCanBeDoneDependsOnTheSwapAndOnWhetherTheReceiverLives) {
  Story story(Kind::kPlanned);
  story.GoTo(Step::kDrain);
  EXPECT_THAT(
      WaysOn(story.journal, story.model.See()),
      ElementsAre("'databus failover resume' goes on", "'databus failover abort' undoes it"));
  EXPECT_THAT(WaysOn(story.journal, story.Without("dc2")),
              Contains("if dc2 is lost, 'databus failover abort --without dc2' undoes it"));
  story.GoTo(Step::kDespool);
  EXPECT_THAT(WaysOn(story.journal, story.model.See()),
              ElementsAre("'databus failover resume' goes on"));
  const Observation without = story.Without("dc2");
  EXPECT_THAT(WaysOn(story.journal, without),
              Contains("if dc2 is lost, 'databus failover abort --without dc2' gives it up"));
  EXPECT_TRUE(Abort(story.journal, without, {"dc2"}).ok()) << "and it does";
  story.GoTo(Step::kDone);
  EXPECT_THAT(WaysOn(story.journal, story.model.See()), IsEmpty());
}

TEST(ToldTest, WhoUndoesIsNotToldToUndo) {
  Story story(Kind::kPlanned);
  story.GoTo(Step::kDrain);
  story.journal = *Abort(story.journal, story.model.See(), {});
  EXPECT_THAT(WaysOn(story.journal, story.model.See()),
              ElementsAre("'databus failover resume' goes on"));
  EXPECT_THAT(WaysOn(story.journal, story.Without("dc2")),
              Contains(HasSubstr("abort --without dc2")));
  story.journal.without = {"dc2"};
  EXPECT_THAT(WaysOn(story.journal, story.Without("dc2")), SizeIs(1));
}

TEST(ToldTest, WhoseSwapIsLostMayUndo) {
  Story story(Kind::kPlanned);
  story.GoTo(Step::kMirror);
  story.Do(NextAction(story.journal, story.model.See()));
  ASSERT_EQ(story.journal.step, Step::kSwap);
  const Action store = NextAction(story.journal, story.model.See());
  ASSERT_EQ(store.what, What::kStore);
  story.journal = store.journal;  // it is journaled, and somebody else stores first
  EXPECT_THAT(WaysOn(story.journal, story.model.See()), SizeIs(1)) << "nobody is sure yet";
  story.model.Store(TopologyEpoch::Of(story.model.See().newest->stored.Next("somebody")));
  EXPECT_THAT(WaysOn(story.journal, story.model.See()),
              Contains("'databus failover abort' undoes it"));
  EXPECT_TRUE(Abort(story.journal, story.model.See(), {}).ok()) << "and it does";
}

TEST(ToldTest, TheTimeLeftIsOfThePresentStepAndOfThoseAfterIt) {
  using std::chrono::seconds;
  Journal journal;
  journal.kind = Kind::kPlanned;
  journal.step = Step::kDrain;
  const WallTime since = journal.step_since = WallTime(seconds(1'000'000));
  EXPECT_EQ(TimeLeft(journal, since), std::nullopt) << "of an earlier version";
  journal.expected = {
      {Step::kSpool, seconds(5)}, {Step::kDrain, seconds(10)}, {Step::kMirror, seconds(4)}};
  EXPECT_EQ(TimeLeft(journal, since), seconds(14));
  EXPECT_EQ(TimeLeft(journal, since + seconds(3)), seconds(11));
  EXPECT_EQ(TimeLeft(journal, since + seconds(60)), seconds(4)) << "late, and not before its time";
  journal.step = Step::kUndo;
  EXPECT_EQ(TimeLeft(journal, since), std::nullopt);
}

TEST(ToldTest, AStepHasItsPlaceAmongThoseThatThePlanHas) {
  const auto place = [](const Journal& journal) {
    const auto found = PlaceOf(journal);
    return found ? std::to_string(found->number) + " of " + std::to_string(found->of) : "none";
  };
  Story planned(Kind::kPlanned);
  EXPECT_EQ(place(planned.journal), "1 of 8");
  planned.GoTo(Step::kDrain);
  EXPECT_EQ(place(planned.journal), "3 of 8");
  planned.GoTo(Step::kVerify);
  EXPECT_EQ(place(planned.journal), "8 of 8");
  planned.GoTo(Step::kDone);
  EXPECT_EQ(place(planned.journal), "none");
  Story unplanned(Kind::kUnplanned);
  unplanned.GoTo(Step::kSwap);
  EXPECT_EQ(place(unplanned.journal), "2 of 4") << "no stream waits: there is no fence";
  unplanned.journal.step = Step::kFence;
  EXPECT_EQ(place(unplanned.journal), "none") << "it is passed at once";
  Story fenced(Kind::kUnplanned, BaseThatWaits());
  fenced.GoTo(Step::kFence);
  EXPECT_EQ(place(fenced.journal), "2 of 5");
}

TEST(ToldTest, OneOfAThingIsNotMany) {
  EXPECT_EQ(Counted(1, "file"), "1 file");
  EXPECT_EQ(Counted(0, "file"), "0 files");
  Story story(Kind::kPlanned);
  story.GoTo(Step::kDrain);
  Observation seen = story.model.See();
  seen.trees["dc1"].flow["clicks"].in_commit = 1;
  EXPECT_THAT(NextAction(story.journal, seen).gate.waits,
              Contains(HasSubstr("dc1 has 1 file of clicks to publish")));
}

TEST(ToldTest, WhoIsGivenUpAfterTheSwapIsReplacedByACommandThatIsWhole) {
  Story story(Kind::kPlanned);
  story.GoTo(Step::kDespool);
  const auto given_up = Abort(story.journal, story.Without("dc2"), {"dc2"});
  ASSERT_TRUE(given_up.ok());
  EXPECT_THAT(std::string(given_up->report["sentence"]),
              HasSubstr("'databus failover plan --unplanned --from dc2 --to dc1'"));
}

TEST(ToldTest, AClusterThatWasGivenUpAndIsBackIsToldWithWhatItObeys) {
  Story story(Kind::kUnplanned, BaseThatWaits());
  const auto told = [&](const Observation& seen) { return ReturnOfTheLost(story.journal, seen); };
  EXPECT_EQ(told(story.model.See()), "") << "nothing has been stored that it could obey";
  story.GoTo(Step::kFence);
  EXPECT_EQ(told(story.Without("dc1")), "");
  EXPECT_THAT(
      told(story.model.See()),
      AllOf(HasSubstr("cluster dc1 answers: its worker obeys topology epoch 2"),
            HasSubstr("'databus failover abort', then 'databus failover run --from dc1 --to "
                      "dc2', would put nothing at risk")));
  story.GoTo(Step::kSwap);
  EXPECT_THAT(told(story.model.See()),
              AllOf(HasSubstr("its worker obeys topology epoch 3"), Not(HasSubstr("abort")),
                    HasSubstr("'databus failover status' accounts for it")));
  Observation seen = story.model.See();
  seen.workers["dc1"].epoch = 1;
  EXPECT_THAT(told(seen), HasSubstr("its worker obeys topology epoch 1, not yet 3"));
  seen.workers["dc1"].life = Life::kSilent;
  EXPECT_THAT(told(seen), HasSubstr("start its worker, which obeys topology epoch 3 before"));
  Story planned(Kind::kPlanned);
  planned.GoTo(Step::kDrain);
  EXPECT_EQ(ReturnOfTheLost(planned.journal, planned.model.See()), "") << "it never went";
}

TEST(ToldTest, ThatItIsBackHoldsNothingUpAndIsWrittenDownOnce) {
  Story story(Kind::kUnplanned, BaseThatWaits());
  story.GoTo(Step::kFence);
  const Action waits =
      NextAction(NextAction(story.journal, story.model.See()).journal, story.model.See());
  ASSERT_EQ(waits.what, What::kWait);
  EXPECT_THAT(waits.gate.waits, ElementsAre(HasSubstr("may publish for another")));
  EXPECT_THAT(waits.gate.notes, ElementsAre(HasSubstr("cluster dc1 answers")));
  story.GoTo(Step::kDone);
  const auto notes = std::ranges::count_if(story.journal.events, [](const JournalEvent& event) {
    return event.text.starts_with("note: cluster dc1 answers");
  });
  EXPECT_EQ(notes, 1);
}

// clicks, views and orders wait; of one of them a worker says why.
TEST(ToldTest, TheStreamThatWaitsIsToldFirstAndWhy) {
  Story story(Kind::kPlanned);
  story.GoTo(Step::kDrain);
  const auto waits = [&](const std::string& cluster, const std::string& stream,
                         const std::function<void(Underway&)>& put) {
    Observation seen = story.model.See();
    for (const char* each : {"clicks", "orders", "views"}) put(seen.trees["dc1"].flow[each]);
    seen.workers[cluster].problems = {
        {"dc1 group 3: " + stream + ": denied", {}, "let it write", {stream}}};
    const Action action = NextAction(story.journal, seen);
    EXPECT_EQ(action.gate.outstanding, 3U);
    return action.gate.waits;
  };
  EXPECT_THAT(waits("dc1", "views", [](Underway& all) { all.merging = 1; }),
              ElementsAre("dc1 is merging views, as the worker of dc1 says: dc1 group 3: "
                          "views: denied; let it write",
                          "dc1 is merging clicks", "dc1 is merging orders"));
  EXPECT_THAT(waits("dc1", "orders", [](Underway& all) { all.in_commit = 1; }).front(),
              HasSubstr("dc1 has 1 file of orders to publish, as the worker of dc1 says"));
  // It is merged at its primary.
  EXPECT_THAT(waits("dc2", "orders", [](Underway& all) { all.to_merge["dc2"] = 1; }).front(),
              HasSubstr("dc1 has 1 file of orders to be merged, as the worker of dc2 says"));
}

TEST(ToldTest, AMinuteAndAMirrorThatWaitSayWhy) {
  Story story(Kind::kPlanned);
  const auto first_wait = [&](Step step, const std::function<void(Observation&)>& put) {
    story.GoTo(step);
    Observation seen = story.model.See();
    put(seen);
    const Action action = NextAction(story.journal, seen);
    return action.gate.waits.empty() ? "" : action.gate.waits.front();
  };
  EXPECT_THAT(first_wait(Step::kFreeze,
                         [](Observation& seen) {
                           seen.workers["dc1"].frozen.clear();
                           seen.workers["dc1"].problems = {{"denied", {}, "mend it", {"views"}}};
                         }),
              HasSubstr("last minute of views, as the worker of dc1 says: denied; mend it"));
  EXPECT_THAT(first_wait(Step::kMirror,
                         [](Observation& seen) {
                           for (const char* mirror : {"dc2", "dc3"}) {
                             seen.mirrors[{"clicks", mirror}].newest = kTestMinute + -1;
                           }
                           seen.workers["dc3"].problems = {{"denied", {}, "mend it", {"clicks"}}};
                         }),
              AllOf(HasSubstr("mirror dc3 of clicks is at minute"),
                    HasSubstr("as the worker of dc3 says: denied; mend it")));
}

}  // namespace
}  // namespace databus::failover
