#include "failover/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "control/settle_conflict.h"
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
        const auto aborted = Abort(machine.journal, machine.model.See(), {});
        if (machine.journal.Ended()) {
          EXPECT_EQ(aborted.code(), Code::kExists);
        } else if (machine.journal.EpochOf(Step::kSwap) != nullptr) {
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
    machine.journal = *Abort(machine.journal, machine.model.See(), {});
    machine.Do(machine.Next(), until);
    machine.RunToEnd();
    EXPECT_EQ(machine.journal.step, Step::kAborted);
    EXPECT_TRUE(machine.Quiet());
    for (const auto& [cluster, tip] : machine.model.tips) {
      EXPECT_EQ(tip.digest, machine.model.Newest().digest) << cluster;
    }
  }
}

// What an operator, or another command, stores.
TopologyEpoch ForeignAfter(const TopologyEpoch& epoch) {
  StoredTopology theirs = epoch.stored.Next("an operator");
  theirs.topology.streams.back().sources.push_back({"dc3", std::chrono::hours(1)});
  return TopologyEpoch::Of(theirs);
}

TEST(StepsTest, SomebodyElsesEpochBeforeTheSwapStopsItAndAbortLeavesEverythingAsItIs) {
  for (const Kind kind : kKinds) {
    for (int at = 0; at < ActionsOf(kind); ++at) {
      SCOPED_TRACE(testing::Message() << KindName(kind) << ", action " << at);
      Machine machine(kind);
      for (int i = 0; i < at; ++i) machine.Do(machine.Next());
      machine.model.Store(ForeignAfter(machine.model.Newest()));
      const TopologyEpoch theirs = machine.model.Newest();
      if (machine.journal.EpochOf(Step::kSwap) != nullptr) {  // it goes on from there
        machine.RunToEnd();
        EXPECT_EQ(machine.journal.step, Step::kDone);
        continue;
      }
      if (machine.journal.step == Step::kBegin) {  // there is nothing to be undone
        machine.RunToEnd();
        EXPECT_EQ(machine.journal.step, Step::kAborted);
        EXPECT_THAT(machine.journal.report.dump(), HasSubstr("Plan it again"));
        EXPECT_EQ(machine.model.Newest().digest, theirs.digest);
        continue;
      }
      const Action action = machine.Next();
      ASSERT_EQ(action.what, What::kStop);
      EXPECT_EQ(action.stop.code(), Code::kExists);
      EXPECT_THAT(action.stop.message(), HasSubstr("an operator"));
      const auto aborted = Abort(machine.journal, machine.model.See(), {});
      ASSERT_TRUE(aborted.ok()) << aborted.status().message();
      machine.journal = *aborted;
      machine.RunToEnd();
      EXPECT_EQ(machine.journal.step, Step::kAborted);
      EXPECT_EQ(machine.model.Newest().digest, theirs.digest) << "nothing was stored";
      if (machine.journal.epochs.empty()) continue;
      EXPECT_EQ(machine.journal.report["undone"], false);
      const std::string sentence = machine.journal.report["sentence"];
      EXPECT_THAT(sentence, HasSubstr("an operator"));
      EXPECT_EQ(machine.Quiet(), sentence.find("In force") == std::string::npos &&
                                     sentence.find("is frozen") == std::string::npos)
          << sentence;
    }
  }
}

// Resumes, and where that cannot go on, aborts; or aborts, and where that is refused, resumes. What
// it cannot end by either way is the error. With conflicts somebody has to choose first.
enum class First : uint8_t { kResume, kAbort };

void ExpectItCanBeEnded(Machine machine, First first) {
  bool aborts = first == First::kAbort;
  for (int turn = 0; turn < 2 && !machine.journal.Ended(); ++turn, aborts = !aborts) {
    if (aborts) {
      const auto aborted = Abort(machine.journal, machine.model.See(), {});
      if (!aborted.ok()) continue;
      machine.journal = *aborted;
    }
    for (int i = 0; i < 100 && !machine.journal.Ended(); ++i) {
      const Action action = machine.Next();
      if (action.what == What::kStop || action.what == What::kWait) break;
      machine.Do(action);
    }
  }
  EXPECT_TRUE(machine.journal.Ended())
      << "open at step " << StepName(machine.journal.step) << ": " << machine.Next().stop.message()
      << "; " << Abort(machine.journal, machine.model.See(), {}).status().message();
  const bool swapped = machine.Primary("clicks") != "dc1";
  const bool over = machine.journal.kind != Kind::kFailback;
  if (machine.journal.step == Step::kDone) {
    EXPECT_EQ(swapped, over) << "what is called done is done";
  }
}

// One of the two sides of a conflict becomes the next epoch.
void Choose(Machine& machine, const TopologyEpoch& chosen, const TopologyEpoch& other) {
  StoredTopology next = chosen.stored.Next("choose");
  SettleConflict(
      {std::make_shared<const TopologyEpoch>(chosen), std::make_shared<const TopologyEpoch>(other)},
      chosen, next);
  machine.model.Store(TopologyEpoch::Of(next));
}

TEST(StepsTest, AForeignEpochAtAnyPointLeavesNothingOpenThatNeitherResumeNorAbortEnds) {
  using Until = Machine::Until;
  for (const Kind kind : kKinds) {
    for (int at = 0; at < ActionsOf(kind); ++at) {
      for (const Until until : {Until::kNothing, Until::kJournal, Until::kOneCluster}) {
        for (const First first : {First::kResume, First::kAbort}) {
          SCOPED_TRACE(testing::Message()
                       << KindName(kind) << ", action " << at << ", until "
                       << static_cast<int>(until) << ", first " << static_cast<int>(first));
          Machine machine(kind);
          for (int i = 0; i < at; ++i) machine.Do(machine.Next());
          machine.Do(machine.Next(), until);
          machine.model.Store(ForeignAfter(machine.model.Newest()));
          ExpectItCanBeEnded(machine, first);
        }
      }
    }
  }
}

TEST(StepsTest, NorDoesAForeignEpochWhileItIsUndone) {
  using Until = Machine::Until;
  for (const Until until : {Until::kNothing, Until::kJournal, Until::kOneCluster}) {
    for (int actions = 0; actions < 2; ++actions) {
      for (const First first : {First::kResume, First::kAbort}) {
        Machine machine(Kind::kPlanned);
        while (machine.journal.step != Step::kFreeze) machine.Do(machine.Next());
        machine.journal = *Abort(machine.journal, machine.model.See(), {});
        for (int i = 0; i < actions; ++i) machine.Do(machine.Next());
        if (!machine.journal.Ended()) machine.Do(machine.Next(), until);
        machine.model.Store(ForeignAfter(machine.model.Newest()));
        ExpectItCanBeEnded(machine, first);
      }
    }
  }
}

// Each epoch of it reaches dc2 alone, and another one the others: whichever side is chosen.
TEST(StepsTest, NorDoesAConflictThatWasSettledThisWayOrThat) {
  for (const Kind kind : kKinds) {
    for (int at = 0; at < ActionsOf(kind); ++at) {
      for (const bool ours : {true, false}) {
        for (const First first : {First::kResume, First::kAbort}) {
          SCOPED_TRACE(testing::Message() << KindName(kind) << ", action " << at << ", ours "
                                          << ours << ", first " << static_cast<int>(first));
          Machine machine(kind);
          for (int i = 0; i < at; ++i) machine.Do(machine.Next());
          const TopologyEpoch before = machine.model.Newest();
          machine.Do(machine.Next(), Machine::Until::kOneCluster);
          const TopologyEpoch own = machine.model.tips.at("dc2");
          if (own.digest == before.digest) continue;
          const TopologyEpoch theirs = ForeignAfter(before);
          machine.model.tips.at("dc1") = theirs;
          machine.model.tips.at("dc3") = theirs;
          const Action stopped = machine.Next();
          EXPECT_EQ(stopped.what, What::kStop);
          EXPECT_THAT(stopped.stop.message(), HasSubstr("topology choose"));
          Choose(machine, ours ? own : theirs, ours ? theirs : own);
          ExpectItCanBeEnded(machine, first);
        }
      }
    }
  }
}

TEST(StepsTest, AForeignEpochIsNeverTakenForTheSwap) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kSwap) machine.Do(machine.Next());
  EXPECT_FALSE(MayHaveSwapped(machine.journal)) << "nothing is journaled yet";
  machine.Do(machine.Next(), Machine::Until::kJournal);
  EXPECT_TRUE(MayHaveSwapped(machine.journal));
  EXPECT_EQ(Abort(machine.journal, machine.model.See(), {}).code(), Code::kRefused);
  machine.model.Store(ForeignAfter(machine.model.Newest()));
  EXPECT_EQ(machine.Next().what, What::kStop) << "it stands where the swap would";
  machine.journal = *Abort(machine.journal, machine.model.See(), {});
  machine.RunToEnd();
  EXPECT_EQ(machine.journal.step, Step::kAborted);
  EXPECT_EQ(machine.Primary("clicks"), "dc1");
}

// The cluster that takes over dies, before and after it has.
TEST(StepsTest, WhenTheTargetIsLostTheFailoverIsGivenUpByAnExplicitWord) {
  for (const bool stored : {false, true}) {
    Machine machine(Kind::kPlanned);
    while (machine.journal.step != Step::kSwap) machine.Do(machine.Next());
    machine.Do(machine.Next(), stored ? Machine::Until::kAll : Machine::Until::kJournal);
    Observation seen = machine.model.See();
    EXPECT_EQ(Abort(machine.journal, seen, {"dc2"}).code(), Code::kRefused) << "it answers";
    seen.trees["dc2"].why_away = "burnt down";
    const auto refused = Abort(machine.journal, seen, {});
    EXPECT_EQ(refused.code(), Code::kRefused);
    EXPECT_THAT(refused.status().message(), HasSubstr("abort --without dc2"));
    const auto given_up = Abort(machine.journal, seen, {"dc2"});
    ASSERT_TRUE(given_up.ok());
    if (stored) {
      EXPECT_EQ(given_up->step, Step::kAborted);
      EXPECT_THAT(std::string(given_up->report["sentence"]),
                  HasSubstr("failover plan --unplanned --from dc2 --to dc1"));
      continue;
    }
    machine.journal = *given_up;
    machine.RunToEnd();
    EXPECT_EQ(machine.journal.step, Step::kAborted);
    EXPECT_TRUE(machine.Quiet());
    EXPECT_EQ(machine.Primary("clicks"), "dc1");
  }
}

TEST(StepsTest, OfSeveralThatBeginAtOnceTheOthersGiveWayToOne) {
  using Has = OpenFailover::Has;
  Machine machine(Kind::kPlanned);
  ASSERT_EQ(machine.journal.step, Step::kBegin);
  const auto among = [&](const std::vector<OpenFailover>& others) {
    Observation seen = machine.model.See();
    seen.others = others;
    return NextAction(machine.journal, seen);
  };
  EXPECT_EQ(among({}).journal.step, Step::kSpool);
  const Action waits = among({{"9", "h2:7", Has::kBegun}});
  ASSERT_EQ(waits.what, What::kWait);
  EXPECT_THAT(waits.gate.waits.front(), HasSubstr("9 was begun at the same time, by h2:7"));
  for (const OpenFailover& other :
       {OpenFailover{"1", "h2:7", Has::kBegun}, OpenFailover{"9", "h2:7", Has::kGoneOn}}) {
    const Action gives_way = among({{"8", "h3:7", Has::kBegun}, other});
    ASSERT_EQ(gives_way.what, What::kAdvance);
    EXPECT_EQ(gives_way.journal.step, Step::kAborted);
    EXPECT_THAT(std::string(gives_way.journal.report["sentence"]), HasSubstr("h2:7 began"));
  }
  Observation unknown = machine.model.See();
  unknown.why_others_unknown = "dc3: damaged";
  const Action action = NextAction(machine.journal, unknown);
  ASSERT_EQ(action.what, What::kWait);
  EXPECT_THAT(action.gate.waits.front(), HasSubstr("dc3: damaged"));
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
  const Journal aborted = *Abort(machine.journal, machine.model.See(), {});
  while (!machine.journal.swapped) machine.Do(machine.Next());
  const Action action = NextAction(aborted, machine.model.See());
  ASSERT_EQ(action.what, What::kAdvance);
  EXPECT_EQ(action.journal.step, Step::kAborted);
  EXPECT_EQ(action.journal.report["undone"], false);
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

SeenCollector& CollectorOf(Observation& seen, const std::string& cluster) {
  return *std::ranges::find(seen.collectors, cluster, &SeenCollector::cluster);
}

std::vector<Obstacle> Obstacles() {
  const auto collector = &CollectorOf;
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
      {Step::kSpool, "does not say which mode it has for views",
       [=](Observation& seen) { collector(seen, "dc2").modes.erase("views"); }},
      {Step::kSpool, "2 deliveries under way",
       [=](Observation& seen) { collector(seen, "dc2").backlog["clicks"].open_intents = 2; }},
      {Step::kSpool, "1 delivery under way",
       [=](Observation& seen) { collector(seen, "dc1").open_intents = 1; }},
      {Step::kSpool, "dc1/c1 is stopped, with 1 delivery under way",
       [=](Observation& seen) {
         collector(seen, "dc1").life = Life::kStopped;
         collector(seen, "dc1").open_intents = 1;
       }},
      {Step::kSpool, "go on without it (--without dc2/c1)",
       [=](Observation& seen) {
         collector(seen, "dc2").life = Life::kStopped;
         collector(seen, "dc2").backlog["clicks"].open_intents = 1;
       }},
      {Step::kSpool, "dc3 does not answer",
       [](Observation& seen) { seen.trees["dc3"].why_away = "unmounted"; }},
      {Step::kDrain, "dc3 does not answer",
       [](Observation& seen) { seen.trees["dc3"].why_away = "unmounted"; }},
      {Step::kDrain, "changed hands",
       [](Observation& seen) { seen.trees["dc2"].why_flow_unknown = "changed hands"; }},
      {Step::kDrain, "dc2 has 1 file of clicks to publish",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].data_files["c1"] = 1; }},
      {Step::kDrain, "dc2 has 1 file of clicks to publish",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].in_commit = 1; }},
      {Step::kDrain, "dc2 has 3 files of clicks to be merged",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].to_merge["dc1"] = 3; }},
      // Of a primary before dc1, and not put into its queue yet (P31).
      {Step::kDrain, "dc2 has 3 files of clicks to be merged",
       [](Observation& seen) { seen.trees["dc2"].flow["clicks"].to_merge["dc3"] = 3; }},
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
  };
}

std::vector<Obstacle> ObstaclesBeforeTheSwap() {
  const auto collector = &CollectorOf;
  return {
      {Step::kFreeze, "no worker of dc1 holds its lease: h-7 waits",
       [](Observation& seen) { seen.workers["dc1"] = {.written = {}, .standby = "h-7 waits"}; }},
      {Step::kMirror, "is not compared yet",
       [](Observation& seen) {
         seen.mirrors.begin()->second.why_not_compared = "is not compared yet";
       }},
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
  };
}

std::vector<Obstacle> DespoolObstacles() {
  const auto collector = &CollectorOf;
  return {
      {Step::kDespool, "dc1/c1 still has 7 bytes from before the swap",
       [=](Observation& seen) { collector(seen, "dc1").bytes_before_epoch = 7; }},
      {Step::kDespool, "dc3/c1 does not say what its spool holds",
       [=](Observation& seen) { collector(seen, "dc3").bytes_before_epoch.reset(); }},
      {Step::kDespool, "dc1/c1 obeys topology epoch 3",
       [=](Observation& seen) { collector(seen, "dc1").epoch = 3; }},
      {Step::kDespool, "dc3/c1 has said nothing",
       [=](Observation& seen) { collector(seen, "dc3").life = Life::kSilent; }},
      {Step::kDespool, "dc1/c1 has said nothing since 2031",
       [=](Observation& seen) {
         collector(seen, "dc1").life = Life::kSilent;
         collector(seen, "dc1").spool_bytes = 7;
       }},
      {Step::kDespool, "go on without it (--without dc1/c1)",
       [=](Observation& seen) {
         collector(seen, "dc1").life = Life::kSilent;
         collector(seen, "dc1").epoch = 3;
       }},
      {Step::kDespool, "dc1/c1 is stopped, with 7 bytes in its spool",
       [=](Observation& seen) {
         collector(seen, "dc1").life = Life::kStopped;
         collector(seen, "dc1").spool_bytes = 7;
       }},
      {Step::kDespool, "dc1/c1 says what cannot be read: newer, and did not obey",
       [=](Observation& seen) {
         collector(seen, "dc1") = {.cluster = "dc1",
                                   .name = "c1",
                                   .life = Life::kSilent,
                                   .why_unreadable = "newer",
                                   .written = {}};
       }},
  };
}

TEST(StepsTest, WhateverIsMissingOrUnknownKeepsAGateShutAndIsNamed) {
  std::vector<Obstacle> obstacles = Obstacles();
  std::ranges::copy(ObstaclesBeforeTheSwap(), std::back_inserter(obstacles));
  std::ranges::copy(DespoolObstacles(), std::back_inserter(obstacles));
  for (const Obstacle& obstacle : obstacles) {
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

// The first wait is what a terminal shows.
TEST(StepsTest, WhatKeepsTheRestFromComingIsToldFirst) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kDrain) machine.Do(machine.Next());
  Observation seen = machine.model.See();
  seen.trees["dc1"].flow["clicks"].data_files["c1"] = 3;
  seen.trees["dc3"].why_away = "no route";
  const Action action = NextAction(machine.journal, seen);
  ASSERT_EQ(action.gate.waits.size(), 2U);
  EXPECT_THAT(action.gate.waits[0], HasSubstr("cluster dc3 does not answer: no route"));
  EXPECT_THAT(action.gate.waits[1], HasSubstr("dc1 has 3 files of clicks"));
}

TEST(StepsTest, ACollectorThatTheOperatorGaveUpIsNotWaitedFor) {
  Machine machine(Kind::kPlanned);
  machine.journal.without = {"dc3/c1"};
  while (machine.journal.EpochOf(Step::kSpool) == nullptr) machine.Do(machine.Next());
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
  // Streams that are not looked for are not in the flow.
  seen.trees["dc3"].flow.erase("logs");
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

// Who holds the newest does not answer just now: the roles of before say nothing of what is lost.
TEST(StepsTest, AfterTheSwapNothingIsJudgedByATopologyFromBefore) {
  Machine machine(Kind::kUnplanned);
  while (machine.journal.step != Step::kVerify) machine.Do(machine.Next());
  Observation seen = machine.model.See();
  EXPECT_EQ(NextAction(machine.journal, seen).what, What::kVerify);
  seen.newest->stored.epoch = machine.journal.base_epoch;
  const Action action = NextAction(machine.journal, seen);
  EXPECT_EQ(action.what, What::kWait);
  ASSERT_EQ(action.gate.waits.size(), 1U);
}

// The clocks of its collectors may say what they like.
TEST(StepsTest, WhatCameAfterTheSwapIsNotWaitedForHoweverOldItIsSaidToBe) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kDespool) machine.Do(machine.Next());
  Observation seen = machine.model.See();
  for (SeenCollector& collector : seen.collectors) {
    collector.lag = std::chrono::hours(1);
    collector.spool_bytes = 1000;
  }
  EXPECT_EQ(NextAction(machine.journal, seen).what, What::kAdvance);
}

TEST(StepsTest, ASpoolThatDoesNotDrainSaysWhatIsGoneFromIt) {
  Machine machine(Kind::kPlanned);
  while (machine.journal.step != Step::kDespool) machine.Do(machine.Next());
  Observation seen = machine.model.See();
  SeenCollector& kept = *std::ranges::find(seen.collectors, "dc1", &SeenCollector::cluster);
  kept.bytes_before_epoch = 7;
  kept.losses = {{"gone from the spool: 00000007.seg", {}, "put it back"}};
  seen.collectors.back().bytes_before_epoch = 8;
  const Action action = NextAction(machine.journal, seen);
  ASSERT_EQ(action.gate.waits.size(), 2U);
  EXPECT_EQ(action.gate.waits[0],
            "collector dc1/c1 still has 7 bytes from before the swap in its spool, and says: gone "
            "from the spool: 00000007.seg; put it back");
}

TEST(StepsTest, ASwitchedOffCollectorThatKeepsMessagesNeedsTheOperatorsWord) {
  for (const Life life : {Life::kSilent, Life::kStopped}) {
    Machine machine(Kind::kPlanned);
    while (machine.journal.step != Step::kDespool) machine.Do(machine.Next());
    Observation seen = machine.model.See();
    seen.trees["dc1"].why_away = "switched off";
    SeenCollector& kept = *std::ranges::find(seen.collectors, "dc1", &SeenCollector::cluster);
    kept.life = life;
    kept.spool_bytes = 7;
    EXPECT_EQ(NextAction(machine.journal, seen).what, What::kWait);
    machine.journal.without = {"dc1/c1"};
    EXPECT_EQ(NextAction(machine.journal, seen).what, What::kAdvance);
  }
}

TEST(StepsTest, AStreamThatWaitsWhenAloneGetsAnotherPrimaryOnlyWhenTheOldOneMustHaveStopped) {
  StoredTopology base = TestBase();
  base.topology.streams[0].when_alone = WhenAlone::kWait;
  Machine machine(Kind::kUnplanned);
  machine.model = TestModel(base);
  machine.Begin(Kind::kUnplanned, {});
  machine.Do(machine.Next());
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
    // What the clocks of the day say does not matter.
    then.now = kTestNow + std::chrono::hours(24);
    then.boot = *machine.journal.fenced + later;
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
  machine.Do(machine.Next());
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
  EXPECT_THAT(waits([](Observation& seen) {
                seen.mirrors[{"clicks", "dc1"}].why_not_compared = "is not compared yet";
              }),
              HasSubstr("mirror dc1 of clicks: is not compared yet"));
  EXPECT_THAT(waits([](Observation& seen) { seen.trees["dc1"].why_away = "unmounted"; }),
              HasSubstr("dc1 does not answer"));
  EXPECT_THAT(waits([](Observation& seen) { seen.workers["dc1"].epoch = 1; }),
              HasSubstr("obeys topology epoch 1"));
}

}  // namespace
}  // namespace databus::failover
