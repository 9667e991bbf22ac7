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
                   .host = "test",
                   .pid = 1});
    return runner.Drive(journal, stop);
  }
  // As `abort` does.
  Result<Journal> AbortIt(const std::string& id, const std::vector<std::string>& without = {}) {
    const Journal journal = Journals().at(id);
    Observer observer(desk_, world_.clock);
    DATABUS_ASSIGN_OR_RETURN(const Journal aborted,
                             Abort(journal, observer.Look(ScopeOf(journal)), without));
    return Drive(aborted);
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

// What one cluster's tree says by itself.
Journal JournalAt(Storage& tree, const std::string& id) {
  paths::FailoverJournalName newest{id, 0};
  const auto entries = tree.List(paths::FailoverRoot());
  if (!entries.ok()) return {};
  for (const DirEntry& entry : *entries) {
    const auto name = paths::FailoverJournalName::Parse(entry.name);
    if (name && name->id == id && name->revision > newest.revision) newest = *name;
  }
  const auto text = tree.ReadFile(paths::FailoverJournal(newest));
  return text.ok() ? Journal::Decode(*text, id).value() : Journal();
}

void ExpectFailedOver(Puppets& world, const std::string& id) {
  const SharedEpoch newest = world.Newest();
  EXPECT_EQ(newest->stored.topology.FindStream("clicks")->Primary(), "dc2");
  EXPECT_EQ(newest->stored.topology.FindStream("clicks")->cut, kTestMinute);
  EXPECT_EQ(newest->stored.epoch, 4U);
  for (const auto& [cluster, tree] : world.trees) {
    EXPECT_EQ(ReadEpoch(*tree, 4)->digest, newest->digest) << cluster;
    EXPECT_EQ(JournalAt(*tree, id).step, Step::kDone) << cluster;
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
      const auto journals = again.Journals();
      driven = again.Drive(journals.contains(over.id) ? journals.at(over.id) : over);
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
      const auto undone = second.AbortIt(over.id);
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
  EXPECT_EQ(waits, "dc2 has 1 file of clicks to publish");
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

// A driver that sleeps before any of its renames, while another command ends the run: what it
// wakes up to do has no effect.
TEST(RunTest, WhoSleptWhileSomebodyElseEndedItChangesNothingWhenItWakes) {
  bool slept = true;
  for (uint64_t rename = 1; slept; ++rename) {
    SCOPED_TRACE(testing::Message() << "rename " << rename);
    Puppets world;
    const Journal over = BeginOver(world);
    Command first(world);
    uint64_t renames = 0;
    slept = false;
    Result<Journal> ended = over;
    StoredTopology left;
    const auto somebody_else = [&] {
      slept = true;
      Command second(world);
      const auto journals = second.Journals();
      if (!journals.contains(over.id)) return;  // it has not begun; nobody knows of it
      if (journals.at(over.id).Ended()) return;
      ended = second.AbortIt(over.id);
      if (ended.code() == Code::kRefused) {
        Command third(world);
        ended = third.Drive(third.Journals().at(over.id));
      }
      ASSERT_TRUE(ended.ok()) << ended.status().message();
      left = world.Newest()->stored;
    };
    first.plan.SetCallback([&](const Call& call) {
      const bool chosen = call.verb == Verb::kRename && ++renames == rename;
      return chosen ? Fault::Delayed(somebody_else) : Fault{};
    });
    const auto driven = first.Drive(over);
    if (!slept || !ended->Ended()) {
      EXPECT_TRUE(driven.ok()) << driven.status().message();
      continue;
    }
    // Only who had nothing left to do but to copy the end is not told.
    if (!driven.ok()) {
      EXPECT_EQ(driven.code(), Code::kExists) << driven.status().message();
    } else {
      EXPECT_EQ(driven->step, ended->step);
    }
    EXPECT_EQ(world.Newest()->stored.epoch, left.epoch);
    EXPECT_EQ(world.Newest()->stored.author, left.author);
    Command after(world);
    EXPECT_EQ(after.Journals().at(over.id).step, ended->step);
    if (ended->step == Step::kAborted) {
      EXPECT_EQ(PlainDigest(left.topology), PlainDigest(TestTopology()));
      EXPECT_TRUE(left.modes.empty());
      EXPECT_EQ(left.topology.FindStream("clicks")->publication, Publication::kOpen);
    } else {
      ExpectFailedOver(world, over.id);
    }
  }
}

// Two operators say yes at the same time; the second one begins at any call of the first.
TEST(RunTest, OfTwoThatBeginAtOnceExactlyOneGoesOn) {
  const std::vector<Request> seconds = {{.from = "dc1", .to = "dc2"}, {.from = "dc2", .to = "dc1"}};
  for (const Request& second : seconds) {
    for (const auto later : {std::chrono::seconds(-5), std::chrono::seconds(5)}) {
      for (uint64_t number = 1; number < 60; number += second.from == "dc1" ? 5 : 1) {
        SCOPED_TRACE(testing::Message()
                     << second.from << " " << later.count() << " call " << number);
        Puppets world;
        Command planner(world);
        const Journal a = BeginOver(world);
        const Journal b = Begin(planner.MakePlan(second), a.started + later);
        ASSERT_NE(a.id, b.id);
        Command one(world);
        Command other(world);
        other.on_progress = [&](const Progress& progress) {
          if (progress.journal.step == Step::kBegin && !progress.gate.waits.empty()) {
            other.stop.Stop();  // it waits for the one that sleeps
          }
        };
        Result<Journal> of_b(Code::kStopped, "not begun");
        bool begun = false;
        one.plan.SetCallback([&](const Call& call) {
          if (begun || call.number < number) return Fault{};
          begun = true;
          return Fault::Delayed([&] { of_b = other.Drive(b); });
        });
        const auto of_a = one.Drive(a);
        ASSERT_TRUE(of_a.ok()) << of_a.status().message();
        Command after(world);
        if (begun && of_b.code() == Code::kStopped) of_b = after.Drive(after.Journals().at(b.id));
        ASSERT_TRUE(of_b.ok()) << of_b.status().message();
        EXPECT_NE(of_a->step == Step::kDone, of_b->step == Step::kDone);
        const Journal& loser = of_a->step == Step::kDone ? *of_b : *of_a;
        EXPECT_EQ(loser.step, Step::kAborted);
        EXPECT_THAT(loser.report.dump(), HasSubstr("nothing was changed"));
        EXPECT_EQ(FindOpen(after.Journals()), nullptr);
      }
    }
  }
}

TEST(RunTest, TheSameFailoverBegunTwiceInOneSecondIsBegunOnce) {
  Puppets world;
  const Journal over = BeginOver(world);
  Command first(world);
  bool tried = false;
  first.on_progress = [&](const Progress&) {
    if (std::exchange(tried, true)) return;
    Command second(world);
    const auto refused = second.Drive(over);
    EXPECT_EQ(refused.code(), Code::kExists);
    EXPECT_THAT(refused.status().message(), HasSubstr("has taken over"));
  };
  EXPECT_TRUE(first.Drive(over).ok());
  EXPECT_TRUE(tried);
}

// Neither the old nor the new primary must be there for a planned failover to be called off; but
// that the new one is lost, and cannot go on with it, somebody has to say.
TEST(RunTest, OneOfTheTwoClustersDiesInTheMiddleAndItIsAbortedWithoutIt) {
  for (const char* dead : {"dc1", "dc2"}) {
    for (const Step at : {Step::kSpool, Step::kFreeze}) {
      SCOPED_TRACE(testing::Message() << dead << " at " << StepName(at));
      Puppets world;
      const Journal over = BeginOver(world);
      Command command(world);
      command.on_progress = [&](const Progress& progress) {
        if (progress.journal.step != at) return;
        world.asleep = {"dc1/worker", "dc3/c1"};  // the gate stays shut
        command.stop.Stop();
      };
      EXPECT_EQ(command.Drive(over).code(), Code::kStopped);
      Command dies(world);
      dies.plan.SetCallback([&](const Call& call) {
        return call.store.ends_with(dead) ? Fault::RequestLost() : Fault{};
      });
      const bool is_to = std::string(dead) == "dc2";
      if (is_to) {
        EXPECT_EQ(dies.AbortIt(over.id).code(), Code::kRefused);
      }
      const auto aborted = dies.AbortIt(
          over.id, is_to ? std::vector<std::string>{"dc2"} : std::vector<std::string>());
      ASSERT_TRUE(aborted.ok()) << aborted.status().message();
      EXPECT_EQ(aborted->step, Step::kAborted);
      Command returned(world);  // with an old revision and an old epoch at the one that was away
      EXPECT_EQ(returned.Journals().at(over.id).step, Step::kAborted);
      EXPECT_TRUE(world.Newest()->stored.modes.empty());
    }
  }
}

// What it waited for was measured by the clock of another machine.
TEST(RunTest, WhoTakesOverWaitsAnewForAPrimaryThatIsCutOff) {
  Puppets world;
  Journal over = BeginOver(world);
  over.fenced = BootTime(std::chrono::hours(1));
  Command command(world);
  std::optional<BootTime> fenced = over.fenced;
  command.on_progress = [&](const Progress& progress) { fenced = progress.journal.fenced; };
  ASSERT_TRUE(command.Drive(over).ok());
  EXPECT_EQ(fenced, std::nullopt);
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
