#include "failover/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "failover/test_model.h"

namespace databus::failover {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const Request kOver{.kind = Kind::kPlanned, .from = "dc1", .to = "dc2"};
const Request kUnplanned{.kind = Kind::kUnplanned, .from = "dc1", .to = "dc2"};

SeenCollector& CollectorOf(Observation& seen, const std::string& cluster) {
  return *std::ranges::find(seen.collectors, cluster, &SeenCollector::cluster);
}

TEST(PlanTest, AHealthyInstallationMayBeFailedOverAndThePlanSaysHow) {
  TestModel model;
  const Plan plan = MakePlan(kOver, model.See(), {});
  EXPECT_TRUE(plan.MayRun()) << plan.refusals.at(0).what;
  EXPECT_THAT(plan.warnings, testing::IsEmpty());
  ASSERT_EQ(plan.steps.size(), 7U);
  EXPECT_EQ(plan.steps[0].epoch, 2U);
  EXPECT_EQ(plan.steps[2].epoch, 3U);
  EXPECT_EQ(plan.steps[4].epoch, 4U);
  EXPECT_GT(plan.Expected().count(), 0);
}

TEST(PlanTest, TheIdNamesWhatIsDoneAndFromWhere) {
  TestModel model;
  const std::string id = MakePlan(kOver, model.See(), {}).id;
  EXPECT_EQ(MakePlan(kOver, model.See(), {}).id, id) << "a moment later";
  Request without = kOver;
  without.without = {"dc3/c1"};
  EXPECT_NE(MakePlan(without, model.See(), {}).id, id);
  Request elsewhere = kOver;
  elsewhere.redirect_to = {{"h9", 1463}};
  EXPECT_NE(MakePlan(elsewhere, model.See(), {}).id, id);
  model.Store(TopologyEpoch::Of(model.Newest().stored.Next("somebody")));
  EXPECT_NE(MakePlan(kOver, model.See(), {}).id, id) << "the topology changed";
}

// What is wrong, what the refusal says, and what it advises.
struct Wrong {
  const char* what;
  const char* next;
  std::function<void(Observation&)> make;
};

TEST(PlanTest, WhateverIsWrongIsRefusedByNameWithANextStep) {
  const Wrong kWrongs[] = {
      {"cluster dc1 does not answer", "--unplanned",
       [](Observation& seen) { seen.trees["dc1"].why_away = "gone"; }},
      {"cluster dc2 does not answer", "bring it back",
       [](Observation& seen) { seen.trees["dc2"].why_away = "gone"; }},
      {"cluster dc3 does not answer", "--without dc3",
       [](Observation& seen) { seen.trees["dc3"].why_away = "gone"; }},
      {"clocks of cluster dc2", "NTP",
       [](Observation& seen) { seen.trees["dc2"].clock_ahead = std::chrono::minutes(-5); }},
      {"no worker of dc2 is alive", "start one",
       [](Observation& seen) { seen.workers["dc2"].life = Life::kSilent; }},
      {"no worker of dc2 holds its lease: worker-dc2-standby-h-7 waits for it", "databus status",
       [](Observation& seen) {
         seen.workers["dc2"].life = Life::kSilent;
         seen.workers["dc2"].standby = "worker-dc2-standby-h-7 waits for it";
       }},
      {"the worker of dc1 obeys topology epoch 0", "version",
       [](Observation& seen) { seen.workers["dc1"].epoch = 0; }},
      {"the worker of dc2 is of a version that cannot be taken", "start it with this program",
       [](Observation& seen) { seen.workers["dc2"].steering = 0; }},
      {"collector dc3/c1 is of a version that cannot be taken", "start it with this program",
       [](Observation& seen) { CollectorOf(seen, "dc3").steering = 0; }},
      {"dc2 is putting right what it had published of clicks", "databus status",
       [](Observation& seen) { seen.workers["dc2"].divergent["clicks"] = "3 minutes"; }},
      {"collector dc3/c1 has said nothing since", "--without dc3/c1",
       [](Observation& seen) { CollectorOf(seen, "dc3").life = Life::kSilent; }},
      {"collector dc1/c1 is stopped, with 7 bytes in its spool", "--without dc1/c1",
       [](Observation& seen) {
         CollectorOf(seen, "dc1").life = Life::kStopped;
         CollectorOf(seen, "dc1").spool_bytes = 7;
       }},
      {"collector dc3/c1 obeys topology epoch 0", "version",
       [](Observation& seen) { CollectorOf(seen, "dc3").epoch = 0; }},
      {"bytes free for its spool", "make room",
       [](Observation& seen) { CollectorOf(seen, "dc1").free_bytes = 1000; }},
      {"bytes free for its spool", "make room",
       [](Observation& seen) {  // 1 GB came in within a second
         SeenCollector& collector = CollectorOf(seen, "dc1");
         collector.spool_bytes = 1'000'000'000;
         collector.lag = std::chrono::seconds(1);
         collector.free_bytes = 2'000'000'000;
       }},
      {"dc3/scribe7 delivers into dc3 and never says anything", "--without dc3/scribe7",
       [](Observation& seen) { seen.trees["dc3"].flow["clicks"].data_files["scribe7"] = 1; }},
      {"no collector of dc2 is alive to receive", "--redirect-to",
       [](Observation& seen) { CollectorOf(seen, "dc2").life = Life::kStopped; }},
      {"not among the addresses", "databus.collector.allow",
       [](Observation& seen) {
         CollectorOf(seen, "dc1").host = "192.0.2.7";
         CollectorOf(seen, "dc2").allow = "198.51.100.0/24";
       }},
      {"mirror dc2 of clicks: no answer", "bring it back",
       [](Observation& seen) { seen.mirrors[{"clicks", "dc2"}].why_unknown = "no answer"; }},
      {"in conflict: one of them; and another", "topology choose",
       [](Observation& seen) { seen.conflicts = {"one of them", "another"}; }},
      {"has a stored topology", "start a worker", [](Observation& seen) { seen.newest.reset(); }},
  };
  for (const Wrong& wrong : kWrongs) {
    TestModel model;
    Observation seen = model.See();
    wrong.make(seen);
    const Plan plan = MakePlan(kOver, seen, {});
    ASSERT_FALSE(plan.refusals.empty()) << wrong.what;
    EXPECT_THAT(plan.refusals[0].what, HasSubstr(wrong.what));
    EXPECT_THAT(plan.refusals[0].next, HasSubstr(wrong.next)) << wrong.what;
    EXPECT_EQ(plan.refusals.size(), 1U) << plan.refusals[1].what;
  }
}

// Whoever goes has all of its streams drained, wherever they are merged.
TEST(PlanTest, WhatAWorkerSaysKeepsAStreamIsRefused) {
  const auto refusal = [](const std::string& cluster, const Problem& problem) {
    TestModel model;
    Observation seen = model.See();
    seen.workers[cluster].problems = {problem};
    const Plan plan = MakePlan(kOver, seen, {});
    EXPECT_EQ(plan.refusals.size(), 1U);
    return plan.refusals.empty() ? Refusal() : plan.refusals.front();
  };
  EXPECT_EQ(refusal("dc1", {"2 files of clicks: denied", {}, "let it write", {"clicks"}}),
            (Refusal{"the worker of dc1 says: 2 files of clicks: denied", "let it write"}));
  EXPECT_EQ(refusal("dc2", {"merge into orders", {}, "let it write", {"views2", "orders"}}),
            (Refusal{"the worker of dc2 says: merge into orders", "let it write"}));
  EXPECT_EQ(refusal("dc3", {"mirror stream views", {}, "mend it", {"views"}}),
            (Refusal{"the worker of dc3 says: mirror stream views",
                     "mend it; or go on without it: --without dc3"}));
}

TEST(PlanTest, WhatAWorkerSaysOfAStreamThatMovesIsTold) {
  TestModel model;
  Observation seen = model.See();
  seen.workers["dc3"].problems = {
      {"dc3 merge dc1 clicks: no answer", {}, "tried again", {}},
      {"dc3 stream clicksy: is not merged", {}, "add it", {}},
      {"dc3 local group 1 minutes: dc3: streams_local/orders/2031: denied", {}, "-", {"orders"}}};
  const Plan plan = MakePlan(kOver, seen, {});
  EXPECT_TRUE(plan.MayRun());
  EXPECT_THAT(plan.warnings,
              ElementsAre("the worker of dc3 says: dc3 merge dc1 clicks: no answer; tried again"));
}

// Nothing is drained then, and nobody may be there to mend it.
TEST(PlanTest, WhatAWorkerSaysDoesNotForbidWhatIsUnplanned) {
  TestModel model;
  Observation seen = model.See();
  const size_t before =
      MakePlan({.kind = Kind::kUnplanned, .from = "dc1", .to = "dc2"}, seen, {}).warnings.size();
  seen.workers["dc1"].problems = {{"dc1 merge into clicks: denied", {}, "-", {"clicks"}}};
  seen.workers["dc2"].problems = {{"dc2 mirror stream clicks: denied", {}, "-", {"clicks"}}};
  seen.workers["dc3"].life = Life::kSilent;
  seen.workers["dc3"].problems = {{"dc3 mirror stream clicks: denied", {}, "-", {"clicks"}}};
  const Plan plan = MakePlan({.kind = Kind::kUnplanned, .from = "dc1", .to = "dc2"}, seen, {});
  EXPECT_TRUE(plan.MayRun());
  ASSERT_EQ(plan.warnings.size(), before + 1);
  EXPECT_THAT(plan.warnings,
              Contains("the worker of dc2 says: dc2 mirror stream clicks: denied; -"));
}

// Who could do without force is told what keeps that from being done.
TEST(PlanTest, WhatForbidsThePlannedWayIsToldToWhomItWouldServe) {
  const Request forced{.kind = Kind::kUnplanned, .from = "dc1", .to = "dc2"};
  TestModel model;
  Observation seen = model.See();
  EXPECT_THAT(MakePlan(forced, seen, {}).warnings,
              Contains(AllOf(HasSubstr("nothing would be at risk ("),
                             HasSubstr("failover run --from dc1 --to dc2"))));
  seen.workers["dc1"].problems = {{"clicks cannot be read: denied", {}, "-", {"clicks"}}};
  const Plan plan = MakePlan(forced, seen, {});
  EXPECT_TRUE(plan.MayRun());
  EXPECT_THAT(plan.warnings,
              Contains(HasSubstr("nothing would be at risk once this is mended: the worker of dc1 "
                                 "says: clicks cannot be read: denied (")));
}

TEST(PlanTest, ACollectorThatTellsOfLossIsAWarning) {
  TestModel model;
  Observation seen = model.See();
  seen.collectors.front().losses = {{"gone from the spool: 00000007.seg", {}, "put it back"}};
  const Plan plan = MakePlan(kOver, seen, {});
  EXPECT_TRUE(plan.MayRun());
  EXPECT_THAT(plan.warnings, Contains("collector dc1/c1 says: gone from the spool: 00000007.seg; "
                                      "put it back"));
}

TEST(PlanTest, WrongNamesAreToldFromWhatThereIs) {
  TestModel model;
  const auto refusal = [&](const Request& request) {
    const Plan plan = MakePlan(request, model.See(), {});
    EXPECT_EQ(plan.fault, Plan::Fault::kRequest);
    return plan.refusals.at(0).what;
  };
  EXPECT_THAT(refusal({.from = "dc9", .to = "dc2"}), HasSubstr("'dc9'; there are dc1, dc2, dc3"));
  EXPECT_THAT(refusal({.from = "dc1", .to = "dc9"}), HasSubstr("'dc9'"));
  EXPECT_THAT(refusal({.from = "dc1", .to = "dc1"}), HasSubstr("the same cluster"));
  EXPECT_THAT(refusal({.from = "dc1", .to = "dc2", .without = {"dc9/c1"}}),
              HasSubstr("--without dc9/c1"));
}

TEST(PlanTest, StreamsWithoutAMirrorAtTheTargetAreNamedWithTheCommandThatAddsIt) {
  TestModel model;
  const Plan plan = MakePlan({.from = "dc2", .to = "dc3"}, model.See(), {});
  ASSERT_FALSE(plan.refusals.empty());
  EXPECT_EQ(plan.refusals[0].what, "dc3 is no mirror of orders");
  EXPECT_THAT(plan.refusals[0].next, HasSubstr("'databus topology mirror dc3 --of dc2'"));
}

TEST(PlanTest, ThereIsNothingToDoForWhoIsThePrimaryOfNothing) {
  StoredTopology base = TestBase();
  for (int i = 0; i < 2; ++i) {
    base.topology.streams[i].destinations[0].role = Role::kMirror;
    base.topology.streams[i].destinations[1].role = Role::kPrimary;
  }
  TestModel model(base);
  const Plan plan = MakePlan(kOver, model.See(), {});
  EXPECT_EQ(plan.fault, Plan::Fault::kNothingToDo);
  EXPECT_THAT(plan.refusals.at(0).next, HasSubstr("'databus topology mode dc1 redirect --to dc2'"))
      << "it is a source";
  EXPECT_EQ(MakePlan({.kind = Kind::kFailback, .from = "", .to = "dc1"}, model.See(), {}).fault,
            Plan::Fault::kNothingToDo);
}

// Else a misspelt name would let a spool be left behind, or excuse nobody.
TEST(PlanTest, ACollectorThatIsGivenUpMustBeOneThatThereIs) {
  TestModel model;
  Request request = kOver;
  request.without = {"dc1/zz"};
  Observation seen = model.See();
  const Plan plan = MakePlan(request, seen, {});
  ASSERT_EQ(plan.refusals.size(), 1U);
  EXPECT_EQ(plan.refusals[0].what, "--without dc1/zz: there is no such collector");
  EXPECT_EQ(plan.refusals[0].next, "dc1 has dc1/c1");
  request.kind = Kind::kUnplanned;
  seen.trees["dc1"].why_away = "burnt down";
  const Plan lost = MakePlan(request, seen, {});
  EXPECT_TRUE(lost.MayRun());
  EXPECT_THAT(lost.warnings, testing::Contains(HasSubstr("of which nothing is known here")));
}

TEST(PlanTest, ReceiversThatNobodyHearsOfAreAWarning) {
  TestModel model;
  Observation seen = model.See();
  CollectorOf(seen, "dc2").host = "h2";
  CollectorOf(seen, "dc2").port = 1463;
  Request request = kOver;
  request.redirect_to = {{"h2", 1463}, {"relay", 1464}};
  const Plan plan = MakePlan(request, seen, {});
  EXPECT_TRUE(plan.MayRun());
  EXPECT_THAT(plan.warnings, testing::ElementsAre(HasSubstr("is reached at relay:1464")));
}

TEST(PlanTest, AnOpenJournalIsNamedAndRefused) {
  TestModel model;
  const Journal open = Begin(MakePlan(kOver, model.See(), {}), model.now);
  const Plan plan = MakePlan(kOver, model.See(), {{open.id, open}});
  ASSERT_FALSE(plan.refusals.empty());
  EXPECT_THAT(plan.refusals[0].what, HasSubstr(open.id));
  EXPECT_THAT(plan.refusals[0].next, HasSubstr("databus failover resume"));
}

TEST(PlanTest, UnplannedNeedsNothingOfTheClusterThatIsLost) {
  TestModel model;
  Observation seen = model.See();
  seen.trees["dc1"].why_away = "burnt down";
  seen.trees["dc3"].why_away = "cut off, too";
  seen.workers.erase("dc1");
  CollectorOf(seen, "dc1").life = Life::kSilent;
  CollectorOf(seen, "dc3").life = Life::kSilent;
  const Plan plan = MakePlan(kUnplanned, seen, {});
  EXPECT_TRUE(plan.MayRun()) << plan.refusals.at(0).what;
  ASSERT_EQ(plan.steps.size(), 3U);
  EXPECT_EQ(plan.steps[0].step, Step::kSwap);
}

TEST(PlanTest, TheLastFailoverOfAClusterIsUndoneOnce) {
  TestModel model;
  const StoredTopology base = TestBase();
  Journal first = Begin(MakePlan(kOver, model.See(), {}), model.now);
  first.step = Step::kDone;
  Journal second = first;
  second.id = "later";
  second.started += std::chrono::hours(1);
  Journal of_dc3 = second;
  of_dc3.id = "of dc3";
  of_dc3.change.site = "dc3";
  std::map<std::string, Journal> journals = {
      {first.id, first}, {second.id, second}, {of_dc3.id, of_dc3}};
  ASSERT_NE(FindUndoable(journals, base, "dc1"), nullptr);
  EXPECT_EQ(FindUndoable(journals, base, "dc1")->id, "later");
  Journal back = second;
  back.id = "back";
  back.kind = Kind::kFailback;
  back.undoes = "later";
  journals.emplace(back.id, back);
  EXPECT_EQ(FindUndoable(journals, base, "dc1")->id, first.id);
  EXPECT_EQ(FindUndoable(journals, base, "dc2"), nullptr);
}

// Lost after the swap, so given up: the swap stands, and is undone like that of any other.
TEST(PlanTest, WhatWasGivenUpAfterItsSwapIsUndoneWhereTheSwapStands) {
  const StoredTopology base = TestBase();
  const RoleChange away = TakeAway(base, "dc1", "dc2", {});
  const TopologyEpoch swap = TopologyEpoch::Of(Swapped(base, away, {}, "swap"));
  Journal given_up;
  given_up.id = "given up";
  given_up.step = Step::kAborted;
  given_up.change = away;
  given_up.epochs = {{Step::kSpool, 1, "earlier"}, {Step::kSwap, swap.stored.epoch, swap.digest}};
  std::map<std::string, Journal> journals = {{given_up.id, given_up}};
  const Request back = {.kind = Kind::kFailback, .from = "", .to = "dc1"};
  for (const StoredTopology& newest : {swap.stored, swap.stored.Next("something else")}) {
    TestModel model(newest);
    const Plan plan = MakePlan(back, model.See(), journals);
    EXPECT_TRUE(plan.MayRun()) << plan.refusals.at(0).what;
    EXPECT_EQ(plan.undoes, "given up");
    EXPECT_THAT(plan.change.Moving(), testing::ElementsAre("clicks", "views"));
  }
  // It never came to that, or was undone.
  TestModel before(base.Next("undo"));
  EXPECT_EQ(MakePlan(back, before.See(), journals).fault, Plan::Fault::kNothingToDo);
  // A failback that was given up likewise has undone it.
  Journal undoing = given_up;
  undoing.id = "undoing";
  undoing.kind = Kind::kFailback;
  undoing.undoes = "given up";
  journals.emplace(undoing.id, undoing);
  EXPECT_EQ(FindUndoable(journals, swap.stored, "dc1"), nullptr);
}

TEST(PlanTest, AFailbackNamesWhatItLeavesElsewhere) {
  const RoleChange away = TakeAway(TestBase(), "dc1", "dc2", {});
  StoredTopology over = Swapped(TestBase(), away, {}, "over");
  for (DestinationSpec& destination : over.topology.streams[0].destinations) {
    destination.role = destination.cluster == "dc3" ? Role::kPrimary : Role::kMirror;
  }
  Journal journal;
  journal.id = "first";
  journal.step = Step::kDone;
  journal.change = away;
  TestModel model(over);
  const Plan plan = MakePlan({.kind = Kind::kFailback, .from = "", .to = "dc1"}, model.See(),
                             {{journal.id, journal}});
  EXPECT_THAT(plan.change.Moving(), testing::ElementsAre("views"));
  EXPECT_THAT(plan.warnings, testing::Contains(HasSubstr("clicks is not brought back")));
}

// Not "no minute": the cut would come before what is there.
TEST(PlanTest, AMirrorWhoseNewestMinuteCannotBeReadIsNotTakenForOneWithoutMinutes) {
  TestModel model;
  Observation seen = model.See();
  seen.mirrors[{"clicks", "dc3"}].why_newest_unknown = "no answer";
  const Plan plan = MakePlan(kUnplanned, seen, {});
  ASSERT_FALSE(plan.MayRun());
  EXPECT_THAT(plan.refusals[0].what, HasSubstr("clicks at dc3 cannot be read: no answer"));
}

TEST(PlanTest, ProcessesOfDifferentVersionsThatAllCanAreAWarningByName) {
  TestModel model;
  Observation seen = model.See();
  CollectorOf(seen, "dc3").program = "9.9.9";
  Plan plan = MakePlan(kOver, seen, {});
  EXPECT_TRUE(plan.MayRun());
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_THAT(plan.warnings[0], HasSubstr("9.9.9 (1 of them, as collector dc3/c1)"));
  CollectorOf(seen, "dc3").steering = kSteeringVersion + 1;
  plan = MakePlan(kOver, seen, {});
  EXPECT_TRUE(plan.MayRun());
  EXPECT_THAT(plan.warnings, testing::Contains(HasSubstr("run the newer one")));
  CollectorOf(seen, "dc1").steering = 0;  // of the cluster that is lost nothing is needed
  EXPECT_TRUE(MakePlan(kUnplanned, seen, {}).MayRun());
}

Milliseconds ExpectedOf(const Plan& plan, Step step) {
  const auto found = std::ranges::find(plan.steps, step, &PlannedStep::step);
  EXPECT_NE(found, plan.steps.end());
  return found->expected;
}

TEST(PlanTest, TheDrainTakesLongerByWhatIsOnItsWayThatItWaitsFor) {
  TestModel model;
  Observation seen = model.See();
  const Milliseconds idle = ExpectedOf(MakePlan(kOver, seen, {}), Step::kDrain);
  seen.trees["dc3"].flow["logs"].to_merge["dc3"] = 500'000;  // does not move
  EXPECT_EQ(ExpectedOf(MakePlan(kOver, seen, {}), Step::kDrain), idle);
  seen.trees["dc2"].flow["clicks"].to_merge["dc1"] = 6'000;
  seen.trees["dc1"].flow["clicks"].data_files["c1"] = 3'000;
  const Plan plan = MakePlan(kOver, seen, {});
  EXPECT_EQ(ExpectedOf(plan, Step::kDrain), idle + std::chrono::seconds(90));
  EXPECT_THAT(plan.assumptions, testing::Contains(HasSubstr("of which 9000 are on their way")));
}

TEST(PlanTest, TheMirrorsTakeLongerByWhatTheyLackAndByTheRunInterval) {
  TestModel model;
  Observation seen = model.See();
  const Milliseconds idle = ExpectedOf(MakePlan(kOver, seen, {}), Step::kMirror);
  seen.mirrors[{"clicks", "dc2"}].newest = kTestMinute + (-600);
  seen.trees["dc1"].flow["clicks"].to_mirror["dc2"] = 1'000;
  EXPECT_EQ(ExpectedOf(MakePlan(kOver, seen, {}), Step::kMirror),
            idle + std::chrono::seconds(60) + std::chrono::seconds(10));
  seen = model.See();
  seen.workers["dc2"].run_interval = std::chrono::seconds(60);
  const Plan slow = MakePlan(kOver, seen, {});
  EXPECT_EQ(ExpectedOf(slow, Step::kMirror), std::chrono::seconds(120));
  EXPECT_THAT(slow.assumptions, testing::Contains("workers run every 1 min 0 s"));
}

TEST(PlanTest, TheSpoolsTakeAsLongToEmptyAsTheyHoldAtTheSwap) {
  TestModel model;
  Observation seen = model.See();
  const Milliseconds idle = ExpectedOf(MakePlan(kOver, seen, {}), Step::kDespool);
  SeenCollector& collector = CollectorOf(seen, "dc1");
  collector.spool_bytes = 600'000'000;
  collector.lag = std::chrono::hours(100);  // hardly anything comes in
  EXPECT_NEAR(
      static_cast<double>((ExpectedOf(MakePlan(kOver, seen, {}), Step::kDespool) - idle).count()),
      60'000, 100);
  collector.spool_bytes = 1'000'000;  // a second of its intake, which goes on until the swap
  collector.lag = std::chrono::seconds(1);
  const Plan plan = MakePlan(kOver, seen, {});
  Milliseconds spooling{0};
  for (const PlannedStep& step : plan.steps) {
    if (step.step < Step::kSwap) spooling += step.expected;
  }
  EXPECT_EQ(ExpectedOf(plan, Step::kDespool), idle + spooling / 10 + Milliseconds(100));
  collector.life = Life::kStopped;
  EXPECT_EQ(ExpectedOf(MakePlan(kUnplanned, seen, {}), Step::kDespool), idle);
}

TEST(PlanTest, WhatOnlyTakesLongerIsAWarning) {
  TestModel model;
  Observation seen = model.See();
  seen.mirrors[{"clicks", "dc2"}].newest = kTestMinute + (-60);
  seen.trees["dc2"].flow["clicks"].to_merge["dc1"] = 100'000;
  CollectorOf(seen, "dc1").host = "h1.example";
  CollectorOf(seen, "dc2").allow = "198.51.100.0/24";
  const Plan plan = MakePlan(kOver, seen, {});
  EXPECT_TRUE(plan.MayRun());
  EXPECT_THAT(plan.warnings,
              testing::UnorderedElementsAre(HasSubstr("60 minutes behind"), HasSubstr("100000"),
                                            HasSubstr("make sure that dc2/c1 lets")));
}

}  // namespace
}  // namespace databus::failover
