#include "failover/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/names.h"
#include "failover/plan.h"
#include "failover/steps.h"
#include "failover/test_puppets.h"

namespace databus::failover {
namespace {

using testing::HasSubstr;

// One command that drives a failover, with an installation of puppets around it.
class Command {
 public:
  explicit Command(Puppets& world) : world_(world), desk_(world.Desk(&plan)) {}

  FaultPlan plan{FaultPlan::Trace::kNone};
  std::function<void(const Progress&)> on_progress;
  int verifications = 0;

  std::map<std::string, Journal> Journals() {
    desk_.Look();
    return JournalStore(desk_).ReadAll().by_id;
  }
  Plan MakePlan(const Request& request) {
    const auto journals = Journals();
    Observer observer(desk_, world_.clock);
    return failover::MakePlan(request, observer.Look(ScopeOf(request, TestTopology())), journals);
  }
  Result<Journal> Drive(const Journal& journal) {
    Runner runner({.desk = desk_,
                   .clock = world_.clock,
                   .random = SystemRandom(),
                   .hooks = {.verify = [this](const Journal&) { return Verify(); },
                             .join_queue = {},
                             .tell = [this](const Progress& p) { Tell(p); }},
                   .driver = "test:1"});
    return runner.Drive(journal, stop);
  }
  StopFlag stop;

 private:
  // The first comparison finds something under way.
  Result<Verification> Verify() {
    if (++verifications == 1) return Verification{{"a file is to be merged"}, {}};
    return Verification{{}, {{"equal", true}}};
  }
  void Tell(const Progress& progress) {
    world_.Obey();
    if (on_progress) on_progress(progress);
  }

  Puppets& world_;
  TopologyDesk desk_;
};

const Request kOver{.kind = Kind::kPlanned, .from = "dc1", .to = "dc2"};

Journal BeginOver(Puppets& world) {
  Command command(world);
  const Plan plan = command.MakePlan(kOver);
  EXPECT_TRUE(plan.MayRun()) << plan.refusals.at(0).what;
  return Begin(plan, world.clock.Wall());
}

void ExpectFailedOver(Puppets& world, const std::string& id) {
  const SharedEpoch newest = world.Newest();
  EXPECT_EQ(newest->stored.topology.FindStream("clicks")->Primary(), "dc2");
  EXPECT_EQ(newest->stored.topology.FindStream("clicks")->cut, kTestMinute);
  EXPECT_EQ(newest->stored.epoch, 4U);
  for (const auto& [cluster, tree] : world.trees) {
    EXPECT_EQ(ReadEpoch(*tree, 4)->digest, newest->digest) << cluster;
    const auto text = tree->ReadFile(paths::FailoverJournal(id));
    ASSERT_TRUE(text.ok()) << cluster;
    EXPECT_EQ(Journal::Decode(*text, cluster)->step, Step::kDone) << cluster;
  }
}

TEST(RunTest, AFailoverAndAFailbackGoThrough) {
  Puppets world;
  const Journal over = BeginOver(world);
  Command command(world);
  const auto done = command.Drive(over);
  ASSERT_TRUE(done.ok()) << done.status().message();
  ExpectFailedOver(world, over.id);
  EXPECT_EQ(done->report["equal"], true);

  Command back(world);
  const Plan plan = back.MakePlan({.kind = Kind::kFailback, .from = "", .to = "dc1"});
  ASSERT_TRUE(plan.MayRun()) << plan.refusals.at(0).what;
  EXPECT_EQ(plan.undoes, over.id);
  const auto returned = back.Drive(Begin(plan, world.clock.Wall()));
  ASSERT_TRUE(returned.ok()) << returned.status().message();
  const StoredTopology stored = world.Newest()->stored;
  EXPECT_EQ(PlainDigest(stored.topology), PlainDigest(TestTopology()));
  EXPECT_TRUE(stored.modes.empty());
}

// Who dies between two changes is like who dies before the second.
TEST(RunTest, KilledAtAnyChangeItIsCarriedThroughByWhoeverResumesIt) {
  for (const Fault& fault : {Fault::CrashBefore(), Fault::CrashAfter()}) {
    bool died = true;
    for (uint64_t change = 1; died; ++change) {
      SCOPED_TRACE(testing::Message() << "change " << change);
      Puppets world;
      const Journal over = BeginOver(world);
      Command command(world);
      uint64_t changes = 0;
      command.plan.SetCallback([&](const Call& call) {
        return Changes(call.verb) && ++changes == change ? fault : Fault{};
      });
      died = false;
      try {
        const auto driven = command.Drive(over);
        ASSERT_TRUE(driven.ok()) << driven.status().message();
      } catch (const Crash&) {
        died = true;
      }
      Command another(world);
      const auto journals = another.Journals();
      const auto found = journals.find(over.id);
      if (found == journals.end()) {  // it was not begun
        ASSERT_TRUE(died);
        EXPECT_EQ(world.Newest()->stored.epoch, 1U);
        continue;
      }
      const auto resumed = another.Drive(found->second);
      ASSERT_TRUE(resumed.ok()) << resumed.status().message();
      ExpectFailedOver(world, over.id);
    }
  }
}

TEST(RunTest, AnAnswerThatIsLostAtAnyChangeMakesNoDifference) {
  for (uint64_t change = 1;; ++change) {
    SCOPED_TRACE(testing::Message() << "change " << change);
    Puppets world;
    const Journal over = BeginOver(world);
    Command command(world);
    uint64_t changes = 0;
    command.plan.SetCallback([&](const Call& call) {
      if (!Changes(call.verb)) return Fault{};
      return ++changes == change ? Fault::AnswerLost() : Fault{};
    });
    auto driven = command.Drive(over);
    if (driven.unknown()) {  // at the very first write
      Command again(world);
      driven = again.Drive(over);
    }
    ASSERT_TRUE(driven.ok()) << driven.status().message();
    if (changes < change) break;
    ExpectFailedOver(world, over.id);
  }
}

TEST(RunTest, WhoTakesOverIsObeyedAndTheOtherStops) {
  Puppets world;
  const Journal over = BeginOver(world);
  Command first(world);
  bool taken = false;
  first.on_progress = [&](const Progress& progress) {
    if (taken || progress.journal.step != Step::kFreeze) return;
    taken = true;
    Command second(world);
    const auto journals = second.Journals();
    ASSERT_TRUE(second.Drive(journals.at(over.id)).ok());
  };
  const auto driven = first.Drive(over);
  EXPECT_EQ(driven.code(), Code::kExists);
  EXPECT_THAT(driven.status().message(), HasSubstr("has taken over"));
  ExpectFailedOver(world, over.id);
}

TEST(RunTest, AnAbortBySomebodyElseStopsItAndNothingIsLeft) {
  for (const Step at : {Step::kSpool, Step::kDrain, Step::kFreeze, Step::kMirror}) {
    SCOPED_TRACE(StepName(at));
    Puppets world;
    const Journal over = BeginOver(world);
    Command first(world);
    bool aborted = false;
    first.on_progress = [&](const Progress& progress) {
      if (aborted || progress.journal.step != at) return;
      aborted = true;
      Command second(world);
      const auto undo = Abort(second.Journals().at(over.id), world.clock.Wall());
      ASSERT_TRUE(undo.ok()) << undo.status().message();
      const auto undone = second.Drive(*undo);
      ASSERT_TRUE(undone.ok()) << undone.status().message();
      EXPECT_EQ(undone->step, Step::kAborted);
    };
    EXPECT_EQ(first.Drive(over).code(), Code::kExists);
    EXPECT_TRUE(aborted);
    const StoredTopology stored = world.Newest()->stored;
    EXPECT_EQ(PlainDigest(stored.topology), PlainDigest(TestTopology()));
    EXPECT_TRUE(stored.modes.empty());
    EXPECT_EQ(stored.topology.FindStream("clicks")->publication, Publication::kOpen);
  }
}

TEST(RunTest, WhatIsUnderWayIsWaitedForAndStopLeavesItOpen) {
  Puppets world;
  const Journal over = BeginOver(world);
  const DataFileName name{"clicks", kTestMinute, 1, true};
  world.Put("dc2", paths::DataFile("clicks", "c1", name.ToString()), "x");
  Command command(world);
  std::string waits;
  command.on_progress = [&](const Progress& progress) {
    if (progress.journal.step != Step::kDrain || progress.gate.waits.empty()) return;
    waits = progress.gate.waits.front();
    command.stop.Stop();
  };
  EXPECT_EQ(command.Drive(over).code(), Code::kStopped);
  EXPECT_EQ(waits, "dc2 has 1 files of clicks to publish");
  Command later(world);
  EXPECT_NE(FindOpen(later.Journals()), nullptr);
  ASSERT_TRUE(world.trees["dc2"]->Remove(paths::DataFile("clicks", "c1", name.ToString())).ok());
  ASSERT_TRUE(later.Drive(later.Journals().at(over.id)).ok());
  ExpectFailedOver(world, over.id);
}

TEST(RunTest, AnotherOperatorsEpochStopsItBeforeTheSwap) {
  Puppets world;
  const Journal over = BeginOver(world);
  Command command(world);
  bool stored = false;
  command.on_progress = [&](const Progress& progress) {
    if (stored || progress.journal.step != Step::kFreeze) return;
    stored = true;
    TopologyDesk desk = world.Desk(nullptr);
    const SharedEpoch newest = *desk.Look().Newest();
    const auto theirs = TopologyEpoch::Of(newest->stored.Next("an operator"));
    ASSERT_TRUE(desk.Store(theirs).ok());
  };
  const auto driven = command.Drive(over);
  EXPECT_EQ(driven.code(), Code::kExists);
  EXPECT_THAT(driven.status().message(), HasSubstr("an operator"));
}

TEST(RunTest, ASilentCollectorKeepsTheGateShutUntilItSpeaks) {
  Puppets world;
  const Journal over = BeginOver(world);
  world.asleep.insert("dc3/c1");
  Command command(world);
  int waited = 0;
  command.on_progress = [&](const Progress& progress) {
    if (progress.journal.step != Step::kSpool || progress.gate.waits.empty()) return;
    const bool silent =
        progress.gate.waits.front().starts_with("collector dc3/c1 has said nothing");
    if (silent && ++waited == 20) world.asleep.clear();
  };
  EXPECT_TRUE(command.Drive(over).ok());
  EXPECT_GE(waited, 20);
}

}  // namespace
}  // namespace databus::failover
