#include "failover/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "failover/test_model.h"

namespace databus::failover {
namespace {

using testing::HasSubstr;
using What = Action::What;

Request RequestOf(Kind kind) {
  if (kind == Kind::kFailback) return {.kind = kind, .from = "", .to = "dc1"};
  return {.kind = kind, .from = "dc1", .to = "dc2"};
}

// The installation and the journal of a failover; how it dies is up to the test.
struct Machine {
  TestModel model;
  Journal journal;

  explicit Machine(Kind kind) {
    if (kind == Kind::kFailback) {
      Begin(Kind::kPlanned, {});
      RunToEnd();
      const Journal over = journal;
      Begin(kind, {{over.id, over}});
    } else {
      Begin(kind, {});
    }
  }

  void Begin(Kind kind, const std::map<std::string, Journal>& journals) {
    const Plan plan = MakePlan(RequestOf(kind), model.See(), journals);
    EXPECT_TRUE(plan.MayRun()) << plan.refusals.at(0).what;
    journal = failover::Begin(plan, model.now);
  }

  Action Next() { return NextAction(journal, model.See()); }
  // How much of an action is done before the process dies.
  enum class Until : uint8_t { kNothing, kJournal, kOneCluster, kAll };
  void Do(const Action& action, Until until = Until::kAll) {
    EXPECT_NE(action.what, What::kStop) << action.stop.message();
    EXPECT_NE(action.what, What::kWait) << action.gate.waits.at(0);
    if (until == Until::kNothing) return;
    if (action.what == What::kVerify) {
      journal = Verified(journal, {{"equal", true}}, model.now);
    } else {
      journal = action.journal;
    }
    // What is read again must say the same.
    const auto read = Journal::Decode(journal.Encode(), "journal");
    ASSERT_TRUE(read.ok()) << read.status().message();
    journal = *read;
    if (!action.epoch || until == Until::kJournal) return;
    if (until == Until::kOneCluster) {
      model.tips.at("dc2") = *action.epoch;
    } else {
      model.Store(*action.epoch);
    }
  }
  void RunToEnd() {
    for (int i = 0; i < 100 && !journal.Ended(); ++i) Do(Next());
    EXPECT_TRUE(journal.Ended());
  }
  std::string Primary(const std::string& stream) const {
    return model.Newest().stored.topology.FindStream(stream)->Primary();
  }
  // Nothing of a failover is left in force: no stream frozen, no collector made to spool.
  bool Quiet() const {
    const StoredTopology& stored = model.Newest().stored;
    for (const StreamSpec& stream : stored.topology.streams) {
      if (stream.publication != Publication::kOpen) return false;
    }
    for (const ModeRule& rule : stored.modes) {
      if (rule.mode == DeliveryMode::kSpool) return false;
    }
    return true;
  }
};

constexpr Kind kKinds[] = {Kind::kPlanned, Kind::kUnplanned, Kind::kFailback};

int ActionsOf(Kind kind) {
  Machine machine(kind);
  int actions = 0;
  for (; !machine.journal.Ended() && actions < 100; ++actions) machine.Do(machine.Next());
  return actions;
}

TEST(StepsTest, EachKindGoesThroughItsStepsAndStoresItsEpochs) {
  for (const Kind kind : kKinds) {
    SCOPED_TRACE(KindName(kind));
    Machine machine(kind);
    std::vector<Step> seen;
    while (!machine.journal.Ended()) {
      if (seen.empty() || seen.back() != machine.journal.step) seen.push_back(machine.journal.step);
      machine.Do(machine.Next());
    }
    const auto steps = StepsOf(kind);
    EXPECT_EQ(seen, std::vector<Step>(steps.begin(), steps.end()));
    EXPECT_EQ(machine.journal.step, Step::kDone);
    EXPECT_EQ(machine.Primary("clicks"), kind == Kind::kFailback ? "dc1" : "dc2");
    EXPECT_TRUE(machine.Quiet());
    EXPECT_EQ(machine.journal.epochs.size(), kind == Kind::kUnplanned ? 1U : 3U);
  }
}

TEST(StepsTest, KilledBeforeInAndAfterEveryActionItEndsTheSame) {
  using Until = Machine::Until;
  for (const Kind kind : kKinds) {
    Machine whole(kind);
    whole.RunToEnd();
    const StoredTopology& expected = whole.model.Newest().stored;
    const int actions = ActionsOf(kind);
    for (int killed = 0; killed < actions; ++killed) {
      for (const Until until : {Until::kNothing, Until::kJournal, Until::kOneCluster}) {
        SCOPED_TRACE(testing::Message() << KindName(kind) << ", action " << killed << ", until "
                                        << static_cast<int>(until));
        Machine machine(kind);
        for (int i = 0; i < killed; ++i) machine.Do(machine.Next());
        machine.Do(machine.Next(), until);
        machine.RunToEnd();
        EXPECT_EQ(machine.journal.step, Step::kDone);
        const StoredTopology& stored = machine.model.Newest().stored;
        EXPECT_EQ(stored.epoch, expected.epoch);
        EXPECT_EQ(PlainDigest(stored.topology), PlainDigest(expected.topology));
        EXPECT_EQ(stored.modes, expected.modes);
        EXPECT_EQ(stored.topology.FindStream("clicks")->cut,
                  expected.topology.FindStream("clicks")->cut);
        for (const auto& [cluster, tip] : machine.model.tips) {
          EXPECT_EQ(tip.digest, machine.model.Newest().digest) << cluster;
        }
      }
    }
  }
}

TEST(StepsTest, UntilTheSwapItCanBeAbortedAndThenNothingOfItIsLeft) {
  using Until = Machine::Until;
  for (const Kind kind : {Kind::kPlanned, Kind::kFailback}) {
    for (int at = 0; at < ActionsOf(kind); ++at) {
      for (const Until until : {Until::kNothing, Until::kJournal, Until::kOneCluster}) {
        SCOPED_TRACE(testing::Message() << KindName(kind) << ", action " << at << ", until "
                                        << static_cast<int>(until));
        Machine machine(kind);
        const StoredTopology before = machine.model.Newest().stored;
        for (int i = 0; i < at; ++i) machine.Do(machine.Next());
        machine.Do(machine.Next(), until);
        const auto aborted = Abort(machine.journal, machine.model.now);
        if (machine.journal.Ended()) {
          EXPECT_EQ(aborted.code(), Code::kExists);
        } else if (machine.journal.step >= Step::kSwap) {
          EXPECT_EQ(aborted.code(), Code::kRefused);
          EXPECT_THAT(aborted.status().message(), HasSubstr("resume"));
        } else {
          ASSERT_TRUE(aborted.ok()) << aborted.status().message();
          machine.journal = *aborted;
          machine.RunToEnd();
          EXPECT_EQ(machine.journal.step, Step::kAborted);
          const StoredTopology& stored = machine.model.Newest().stored;
          EXPECT_EQ(stored.modes, before.modes);
          EXPECT_EQ(PlainDigest(stored.topology), PlainDigest(before.topology));
          EXPECT_TRUE(machine.Quiet());
        }
      }
    }
  }
}

TEST(StepsTest, AnUndoThatIsKilledIsFinished) {
  using Until = Machine::Until;
  for (const Until until : {Until::kNothing, Until::kJournal, Until::kOneCluster}) {
    Machine machine(Kind::kPlanned);
    while (machine.journal.step != Step::kFreeze) machine.Do(machine.Next());
    machine.journal = *Abort(machine.journal, machine.model.now);
    machine.Do(machine.Next(), until);
    machine.RunToEnd();
    EXPECT_EQ(machine.journal.step, Step::kAborted);
    EXPECT_TRUE(machine.Quiet());
    for (const auto& [cluster, tip] : machine.model.tips) {
      EXPECT_EQ(tip.digest, machine.model.Newest().digest) << cluster;
    }
  }
}

TEST(StepsTest, SomebodyElsesEpochBeforeTheSwapStopsItAndAbortKeepsThatEpoch) {
  for (const Kind kind : kKinds) {
    for (int at = 0; at < ActionsOf(kind); ++at) {
      SCOPED_TRACE(testing::Message() << KindName(kind) << ", action " << at);
      Machine machine(kind);
      for (int i = 0; i < at; ++i) machine.Do(machine.Next());
      StoredTopology theirs = machine.model.Newest().stored.Next("an operator");
      theirs.topology.streams.back().sources.push_back({"dc3", std::chrono::hours(1)});
      machine.model.Store(TopologyEpoch::Of(theirs));
      if (machine.journal.EpochOf(Step::kSwap) != nullptr) {  // it goes on
        machine.RunToEnd();
        continue;
      }
      const Action action = machine.Next();
      ASSERT_EQ(action.what, What::kStop);
      EXPECT_EQ(action.stop.code(), Code::kExists);
      EXPECT_THAT(action.stop.message(), HasSubstr("an operator"));
      const auto aborted = Abort(machine.journal, machine.model.now);
      if (!aborted.ok()) continue;
      machine.journal = *aborted;
      machine.RunToEnd();
      EXPECT_TRUE(machine.Quiet());
      EXPECT_TRUE(machine.model.Newest().stored.topology.streams.back().HasSource("dc3"));
    }
  }
}

TEST(StepsTest, AConflictStopsItBeforeTheSwap) {
  Machine machine(Kind::kPlanned);
  Observation seen = machine.model.See();
  seen.conflicts = {"dc3 has another one"};
  const Action action = NextAction(machine.journal, seen);
  ASSERT_EQ(action.what, What::kStop);
  EXPECT_THAT(action.stop.message(), HasSubstr("databus topology choose"));
}

TEST(StepsTest, ASwapThatIsStoredAfterAllIsNotUndone) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kMirror) machine.Do(machine.Next());
  const Journal aborted = *Abort(machine.journal, machine.model.now);
  while (machine.journal.EpochOf(Step::kSwap) == nullptr) machine.Do(machine.Next());
  const Action action = NextAction(aborted, machine.model.See());
  ASSERT_EQ(action.what, What::kStop);
  EXPECT_THAT(action.stop.message(), HasSubstr("failback"));
}

TEST(StepsTest, AnEpochThatNobodyShowsAnyMoreIsWaitedFor) {
  Machine machine(Kind::kPlanned);
  const TopologyEpoch base = machine.model.Newest();
  while (machine.journal.step != Step::kDrain) machine.Do(machine.Next());
  machine.model.Store(base);
  const Action action = machine.Next();
  EXPECT_EQ(action.what, What::kWait);
}

TEST(StepsTest, NothingIsDecidedWithoutATopology) {
  Machine machine(Kind::kPlanned);
  Observation seen = machine.model.See();
  seen.newest.reset();
  EXPECT_EQ(NextAction(machine.journal, seen).what, What::kWait);
}

// Every gate, with everything that may keep it shut.
struct Obstacle {
  Step step;
  const char* names;  // what the reason must say
  std::function<void(Observation&)> put;
};

std::vector<Obstacle> Obstacles() {
  const auto collector = [](Observation& seen, const std::string& cluster) -> SeenCollector& {
    return *std::ranges::find(seen.collectors, cluster, &SeenCollector::cluster);
  };
  return {
      {Step::kSpool, "dc3/c1 has said nothing",
       [=](Observation& seen) { collector(seen, "dc3").life = Life::kSilent; }},
      {Step::kSpool, "dc3/c1 obeys topology epoch 1",
       [=](Observation& seen) { collector(seen, "dc3").epoch = 1; }},
      {Step::kSpool, "obeys topology epoch",
       [=](Observation& seen) { collector(seen, "dc3").digest = "another"; }},
      {Step::kSpool, "still has mode deliver for clicks",
       [=](Observation& seen) { collector(seen, "dc2").modes["clicks"] = "deliver"; }},
      {Step::kSpool, "still has mode deliver for orders",
       [=](Observation& seen) { collector(seen, "dc1").modes["orders"] = "deliver"; }},
      {Step::kSpool, "2 deliveries under way",
       [=](Observation& seen) { collector(seen, "dc2").backlog["clicks"].open_intents = 2; }},
      {Step::kSpool, "1 deliveries under way",
       [=](Observation& seen) { collector(seen, "dc1").open_intents = 1; }},
      {Step::kSpool, "dc3 does not answer",
       [](Observation& seen) { seen.trees["dc3"].why_away = "unmounted"; }},
      {Step::kDrain, "dc3 does not answer",
       [](Observation& seen) { seen.trees["dc3"].why_away = "unmounted"; }},
      {Step::kDrain, "changed hands",
       [](Observation& seen) { seen.trees["dc2"].why_flow_unknown = "changed hands"; }},
      {Step::kDrain, "dc2 has 1 files of clicks to publish",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].data_files["c1"] = 1; }},
      {Step::kDrain, "dc2 has 1 files of clicks to publish",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].in_commit = 1; }},
      {Step::kDrain, "dc2 has 3 files of clicks to be merged",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].to_merge["dc1"] = 3; }},
      {Step::kDrain, "dc1 has 3 files of orders to be merged",
       [](Observation& seen) { seen.trees["dc1"].flow["orders"].to_merge["dc2"] = 3; }},
      {Step::kDrain, "dc1 is merging clicks",
       [](Observation& seen) { seen.trees["dc1"].flow["clicks"].merging = 1; }},
      {Step::kFreeze, "no worker of dc1 is alive",
       [](Observation& seen) { seen.workers["dc1"].life = Life::kSilent; }},
      {Step::kFreeze, "the worker of dc1 obeys topology epoch 2",
       [](Observation& seen) { seen.workers["dc1"].epoch = 2; }},
      {Step::kFreeze, "last minute of views",
       [](Observation& seen) { seen.workers["dc1"].frozen.erase("views"); }},
      {Step::kMirror, "mirror dc3 of views is at minute",
       [](Observation& seen) { seen.mirrors[{"views", "dc3"}].newest = kTestMinute + (-1); }},
      {Step::kMirror, "no answer",
       [](Observation& seen) { seen.mirrors[{"views", "dc2"}].why_unknown = "no answer"; }},
      {Step::kMirror, "is not equal in minute",
       [](Observation& seen) {
         seen.mirrors[{"clicks", "dc2"}].differs = kTestMinute;
         seen.mirrors[{"clicks", "dc2"}].difference = "a.gz is missing";
       }},
      {Step::kMirror, "2 lines of clicks in the queue of mirror dc3",
       [](Observation& seen) { seen.trees["dc1"].flow["clicks"].to_mirror["dc3"] = 2; }},
      {Step::kSwap, "no worker of dc2 is alive",
       [](Observation& seen) { seen.workers["dc2"].life = Life::kStopped; }},
      {Step::kSwap, "dc1/c1 obeys topology epoch 3",
       [=](Observation& seen) { collector(seen, "dc1").epoch = 3; }},
      {Step::kDespool, "dc1/c1 still has messages",
       [=](Observation& seen) { collector(seen, "dc1").lag = std::chrono::hours(1); }},
  };
}

TEST(StepsTest, WhateverIsMissingOrUnknownKeepsAGateShutAndIsNamed) {
  for (const Obstacle& obstacle : Obstacles()) {
    SCOPED_TRACE(testing::Message() << StepName(obstacle.step) << ": " << obstacle.names);
    Machine machine(Kind::kPlanned);
    while (machine.journal.step != obstacle.step) machine.Do(machine.Next());
    // The epoch of the step itself first.
    if (Stores(obstacle.step)) machine.Do(machine.Next());
    ASSERT_EQ(machine.journal.step, obstacle.step);
    Observation seen = machine.model.See();
    obstacle.put(seen);
    const Action action = NextAction(machine.journal, seen);
    ASSERT_EQ(action.what, What::kWait);
    ASSERT_FALSE(action.gate.waits.empty());
    EXPECT_THAT(action.gate.waits.front(), HasSubstr(obstacle.names));
    EXPECT_GT(action.gate.outstanding, 0U);
    EXPECT_NE(machine.Next().what, What::kWait) << "only that kept it shut";
  }
}

TEST(StepsTest, ACollectorThatTheOperatorGaveUpIsNotWaitedFor) {
  Machine machine(Kind::kPlanned);
  machine.journal.without = {"dc3/c1"};
  machine.Do(machine.Next());
  Observation seen = machine.model.See();
  std::ranges::find(seen.collectors, "dc3", &SeenCollector::cluster)->life = Life::kSilent;
  EXPECT_EQ(NextAction(machine.journal, seen).what, What::kAdvance);
}

TEST(StepsTest, WhatDoesNotConcernTheClustersNamedIsNotWaitedFor) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kDrain) machine.Do(machine.Next());
  Observation seen = machine.model.See();
  seen.trees["dc3"].flow["logs"].data_files["c1"] = 5;
  seen.trees["dc3"].flow["logs"].to_merge["dc3"] = 5;
  // Streams that are not looked for are not in the flow; those of other clusters' queues may be.
  seen.trees["dc3"].flow.erase("logs");
  seen.trees["dc2"].flow["clicks"].to_merge["dc3"] = 5;
  EXPECT_EQ(NextAction(machine.journal, seen).what, What::kAdvance);
}

TEST(StepsTest, AfterTheSwapNobodyWaitsForTheClusterThatWentAway) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kDespool) machine.Do(machine.Next());
  Observation seen = machine.model.See();
  seen.trees["dc1"].why_away = "switched off";
  std::ranges::find(seen.collectors, "dc1", &SeenCollector::cluster)->life = Life::kSilent;
  EXPECT_EQ(NextAction(machine.journal, seen).what, What::kAdvance);
}

TEST(StepsTest, AStreamThatWaitsWhenAloneGetsAnotherPrimaryOnlyWhenTheOldOneMustHaveStopped) {
  StoredTopology base = TestBase();
  base.topology.streams[0].when_alone = WhenAlone::kWait;
  Machine machine(Kind::kUnplanned);
  machine.model = TestModel(base);
  machine.Begin(Kind::kUnplanned, {});
  ASSERT_EQ(machine.journal.step, Step::kFence);
  machine.Do(machine.Next(), Machine::Until::kJournal);
  machine.Do(machine.Next(), Machine::Until::kOneCluster);
  const StreamSpec& clicks = *machine.model.Newest().stored.topology.FindStream("clicks");
  EXPECT_EQ(clicks.publication, Publication::kFrozen);
  // dc1 and dc3 are a majority without it, unless dc3 has it, too.
  Observation cut_off = machine.model.See();
  cut_off.tips.erase("dc1");
  cut_off.tips.erase("dc3");
  const Action waits = NextAction(machine.journal, cut_off);
  ASSERT_EQ(waits.what, What::kWait);
  EXPECT_THAT(waits.gate.waits.front(), HasSubstr("on 1 of 3 clusters, 2 are needed"));
  machine.model.tips.at("dc3") = machine.model.Newest();
  Observation seen = machine.model.See();
  seen.tips.erase("dc1");
  machine.journal = NextAction(machine.journal, seen).journal;
  ASSERT_TRUE(machine.journal.fenced.has_value());
  const auto next = [&](std::chrono::seconds later) {
    Observation then = machine.model.See();
    then.tips.erase("dc1");
    then.now = *machine.journal.fenced + later;
    return NextAction(machine.journal, then);
  };
  EXPECT_EQ(next(kAloneAfter).what, What::kWait);
  EXPECT_EQ(next(std::chrono::seconds(0)).what, What::kWait);
  const Action swap = next(kAloneAfter + std::chrono::seconds(6));
  EXPECT_EQ(swap.what, What::kAdvance);
  EXPECT_EQ(swap.journal.step, Step::kSwap);
}

TEST(StepsTest, OfTwoClustersTheOneThatIsLeftNeedNotAskTheOther) {
  StoredTopology base = TestBase();
  base.topology.clusters.pop_back();
  base.topology.streams.pop_back();
  for (StreamSpec& stream : base.topology.streams) {
    std::erase_if(stream.sources, [](const SourceSpec& s) { return s.cluster == "dc3"; });
    std::erase_if(stream.destinations, [](const DestinationSpec& d) { return d.cluster == "dc3"; });
    stream.when_alone = WhenAlone::kWait;
  }
  TestModel model(base);
  const Plan plan = MakePlan(RequestOf(Kind::kUnplanned), model.See(), {});
  EXPECT_EQ(plan.change.alone, "dc2");
  EXPECT_EQ(Swapped(base, plan.change, {}, "x").alone, "dc2");
  EXPECT_EQ(MakePlan(RequestOf(Kind::kPlanned), model.See(), {}).warnings.size(), 1U);
}

TEST(StepsTest, AFailbackWaitsUntilTheClusterHasCaughtUp) {
  Machine machine(Kind::kFailback);
  ASSERT_EQ(machine.journal.step, Step::kCatchUp);
  const auto waits = [&](const std::function<void(Observation&)>& put) {
    Observation seen = machine.model.See();
    put(seen);
    const Action action = NextAction(machine.journal, seen);
    return action.gate.waits.empty() ? "" : action.gate.waits.front();
  };
  EXPECT_EQ(waits([](Observation&) {}), "");
  EXPECT_THAT(
      waits([](Observation& seen) { seen.mirrors[{"clicks", "dc1"}].newest = kTestMinute + (-3); }),
      HasSubstr("mirror dc1 of clicks is at minute"));
  EXPECT_THAT(waits([](Observation& seen) {
                seen.mirrors[{"clicks", "dc1"}].differs = kTestMinute + (-9);
              }),
              HasSubstr("is not equal in minute"));
  EXPECT_THAT(
      waits([](Observation& seen) { seen.workers["dc1"].divergent["clicks"] = "2 minutes"; }),
      HasSubstr("puts right what it had published of clicks"));
  EXPECT_THAT(waits([](Observation& seen) { seen.trees["dc1"].why_away = "unmounted"; }),
              HasSubstr("dc1 does not answer"));
  EXPECT_THAT(waits([](Observation& seen) { seen.workers["dc1"].epoch = 1; }),
              HasSubstr("obeys topology epoch 1"));
}

}  // namespace
}  // namespace databus::failover
