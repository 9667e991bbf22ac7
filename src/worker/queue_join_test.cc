// Joining and splitting queue entries: the order is kept, groups are never mixed, and no line is
// ever without a visible entry, whoever dies or runs at the same time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "commit/cluster_id.h"
#include "worker/queue.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;
using Settled = Installation::Settled;

constexpr Group kGroups = 2;
const std::string kQueue = paths::Consumers("dc1");

std::string Line(const std::string& stream, int n) {
  return fmt::format("hdfs://nn:8020/databus/streams_local/{}/2031/05/06/10/58/c-{}.gz", stream, n);
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool HoldsAll(Group /*group*/) { return true; }

class QueueJoinTest : public ::testing::Test {
 protected:
  QueueJoinTest() {
    for (const std::string dir : {"system", "system/tmp", "system/consumers"}) {
      EXPECT_TRUE(EnsureDir(tree_, dir).ok());
    }
    EXPECT_TRUE(EnsureDir(tree_, kQueue).ok());
    EXPECT_NE(GroupOf("clicks", kGroups), GroupOf("views", kGroups));
  }

  void Put(const std::string& name, const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    EXPECT_TRUE(tree_.WriteFile(paths::Join(kQueue, name), text).ok());
  }
  // Ours, of the group of `stream`.
  void PutOurs(const std::string& stream, uint64_t epoch, uint64_t number, int n) {
    const paths::QueueEntryName name{GroupOf(stream, kGroups), epoch, number};
    Put(name.ToString(), {Line(stream, n)});
  }
  // What a queue of some length looks like: ours, the original's, and one that mixes groups.
  void PutAll() {
    for (int n = 0; n < 4; ++n) {
      PutOurs("clicks", 9 + n / 2, 100 - n, n);
      PutOurs("views", 9, 8 + n, n);
    }
    Put("1346828461234", {Line("clicks", 20), Line("views", 20), Line("clicks", 21)});
    Put("1346828461235", {Line("clicks", 22)});
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const DirEntry& entry : *tree_.List(kQueue)) names.push_back(entry.name);
    return names;
  }
  // The lines of a stream in the order in which a reader takes them.
  std::vector<std::string> Read(const std::string& stream) {
    QueueReader reader(kQueue, kGroups, HoldsAll);
    EXPECT_TRUE(reader.Refresh(tree_).ok());
    std::vector<std::string> files;
    for (const QueueEntry* entry : reader.OfGroup(GroupOf(stream, kGroups))) {
      for (const paths::MinutePath& line : entry->lines) {
        if (line.stream == stream) files.push_back(line.file);
      }
    }
    return files;
  }
  std::set<std::string> AllLines() {
    std::set<std::string> all;
    for (const std::string& name : Names()) {
      const std::string text = *tree_.ReadFile(paths::Join(kQueue, name));
      for (const std::string& line : LinesOf(text)) all.insert(line);
    }
    return all;
  }
  bool HasMixed() {
    QueueReader reader(kQueue, kGroups, HoldsAll);
    EXPECT_TRUE(reader.Refresh(tree_).ok());
    return !reader.MixedOf().empty();
  }
  Result<JoinReport> Join(Storage& storage, JoinMode mode = JoinMode::kJoin) {
    return JoinQueue({storage, kQueue, kGroups}, *random_, mode);
  }

  MemoryStorage tree_;
  const std::unique_ptr<Random> random_ = SeededRandom(5);
};

TEST_F(QueueJoinTest, OneEntryPerGroupIsLeftInTheOrderInWhichTheLinesWereMade) {
  PutAll();
  const std::vector<std::string> clicks = Read("clicks");
  const std::vector<std::string> views = Read("views");
  EXPECT_THAT(clicks,
              ElementsAre("c-20.gz", "c-21.gz", "c-22.gz", "c-1.gz", "c-0.gz", "c-3.gz", "c-2.gz"));
  const auto report = Join(tree_);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->entries_before, 10U);
  EXPECT_EQ(report->entries_after, 2U);
  EXPECT_EQ(report->joined, 10U);
  EXPECT_EQ(report->lines, 12U);
  EXPECT_THAT(Names(), SizeIs(2));
  EXPECT_FALSE(HasMixed());
  EXPECT_EQ(Read("clicks"), clicks);
  EXPECT_EQ(Read("views"), views);
  EXPECT_THAT(*tree_.List(paths::Tmp()), IsEmpty());
}

TEST_F(QueueJoinTest, WhatIsEnqueuedLaterComesLater) {
  PutOurs("clicks", 9, 9, 1);
  PutOurs("clicks", 9, 10, 2);
  ASSERT_TRUE(Join(tree_).ok());
  PutOurs("clicks", 9, 11, 3);
  PutOurs("clicks", 10, 1, 4);
  EXPECT_THAT(Read("clicks"), ElementsAre("c-1.gz", "c-2.gz", "c-3.gz", "c-4.gz"));
  ASSERT_TRUE(Join(tree_).ok());
  EXPECT_THAT(Names(), SizeIs(1));
  EXPECT_THAT(Read("clicks"), ElementsAre("c-1.gz", "c-2.gz", "c-3.gz", "c-4.gz"));
}

TEST_F(QueueJoinTest, NoNameIsUsedTwice) {
  std::set<std::string> used;
  for (int i = 0; i < 5; ++i) {
    PutOurs("clicks", 9, 9, 1);
    PutOurs("clicks", 9, 10, 2);
    ASSERT_TRUE(Join(tree_).ok());
    ASSERT_THAT(Names(), SizeIs(1));
    EXPECT_TRUE(used.insert(Names()[0]).second) << Names()[0];
    ASSERT_TRUE(tree_.Remove(paths::Join(kQueue, Names()[0])).ok());
  }
}

TEST_F(QueueJoinTest, ALineThatStandsTwiceIsWrittenOnce) {
  Put("1", {Line("clicks", 1), Line("clicks", 2)});
  Put("2", {Line("clicks", 1), Line("clicks", 3) + "\r"});
  ASSERT_TRUE(Join(tree_).ok());
  EXPECT_THAT(LinesOf(*tree_.ReadFile(paths::Join(kQueue, Names()[0]))),
              ElementsAre(Line("clicks", 1), Line("clicks", 2), Line("clicks", 3)));
}

TEST_F(QueueJoinTest, AShortQueueAndADryRunChangeNothing) {
  PutOurs("clicks", 9, 9, 1);
  PutOurs("views", 9, 9, 1);
  const std::vector<std::string> before = Names();
  EXPECT_EQ(Join(tree_)->joined, 0U);
  EXPECT_EQ(Names(), before);
  PutOurs("views", 9, 10, 2);
  const auto report = Join(tree_, JoinMode::kDryRun);
  EXPECT_EQ(report->joined, 2U);
  EXPECT_EQ(report->entries_after, 2U);
  EXPECT_THAT(Names(), SizeIs(3));
}

TEST_F(QueueJoinTest, WhatIsNoEntryIsLeftAloneAndNamed) {
  PutOurs("clicks", 9, 9, 1);
  PutOurs("clicks", 9, 10, 2);
  Put("3", {});
  Put("_hidden", {Line("clicks", 3)});
  ASSERT_TRUE(tree_.MakeDir(paths::Join(kQueue, "directory")).ok());
  const auto report = Join(tree_);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->joined, 2U);
  EXPECT_THAT(report->left_alone,
              ElementsAre(HasSubstr("directory is no file"), HasSubstr("3 is empty")));
  EXPECT_THAT(Names(), SizeIs(4));
}

TEST_F(QueueJoinTest, ALineThatNamesNoPathIsKept) {
  Put("1", {Line("clicks", 1), "what is this"});
  Put("2", {Line("clicks", 2)});
  Put("3", {"and this"});
  ASSERT_TRUE(Join(tree_).ok());
  EXPECT_THAT(AllLines(), IsSupersetOf({std::string("what is this"), std::string("and this")}));
}

TEST_F(QueueJoinTest, ALongQueueBecomesSeveralEntriesAndTheyAreNotJoinedAgain) {
  constexpr int kLinesEach = 10'000;  // about 0.7 MB
  std::vector<std::string> expected;
  for (int entry = 0; entry < 14; ++entry) {
    std::vector<std::string> lines;
    for (int i = 0; i < kLinesEach; ++i) lines.push_back(Line("clicks", entry * kLinesEach + i));
    for (const std::string& line : lines) expected.push_back(line.substr(line.rfind('/') + 1));
    const paths::QueueEntryName name{GroupOf("clicks", kGroups), 9, 95 + uint64_t(entry)};
    Put(name.ToString(), lines);
  }
  ASSERT_TRUE(Join(tree_).ok());
  EXPECT_THAT(Names(), SizeIs(3));
  EXPECT_EQ(Read("clicks"), expected);
  for (const std::string& name : Names()) {
    EXPECT_LT(tree_.Stat(paths::Join(kQueue, name))->length, kQueueEntryBytesMax);
  }
  const std::vector<std::string> before = Names();
  EXPECT_EQ(Join(tree_)->joined, 0U);
  EXPECT_EQ(Names(), before);
}

TEST_F(QueueJoinTest, ALineIsAlwaysInAnEntryWhateverHappensToTheJoin) {
  PutAll();
  FaultPlan none;
  FaultStorage counted(tree_, none);
  ASSERT_TRUE(Join(counted).ok());
  ASSERT_GT(none.calls(), 30U);
  for (const Fault& fault :
       {Fault::CrashBefore(), Fault::CrashAfter(), Fault::CrashTorn(3), Fault::AnswerLost(),
        Fault::RequestLost(), Fault::Full(), Fault::Refused(Code::kRefused)}) {
    for (uint64_t number = 1; number <= none.calls(); ++number) {
      for (const std::string& name : Names()) {
        ASSERT_TRUE(tree_.Remove(paths::Join(kQueue, name)).ok());
      }
      PutAll();
      const std::set<std::string> before = AllLines();
      FaultPlan plan;
      FaultStorage storage(tree_, plan);
      plan.Add({.number = number, .fault = fault});
      try {
        Join(storage).ok();
      } catch (const Crash&) {
      }
      ASSERT_EQ(AllLines(), before) << "fault at call " << number;
      ASSERT_TRUE(Join(tree_).ok());
      ASSERT_EQ(AllLines(), before) << "fault at call " << number;
      ASSERT_THAT(Names(), SizeIs(2)) << "fault at call " << number;
    }
  }
}

// --- With workers that run.

// dc2's queue towards dc1, and dc1's towards dc2's mirror.
class JoinWhileWorkersRun : public ::testing::Test {
 protected:
  struct Story {
    TwoWorkers workers;
    std::unique_ptr<Random> random = SeededRandom(6);

    // Queues of some entries: while one side is away the other goes on.
    Story() {
      for (int i = 0; i < 3; ++i) {
        for (const std::string stream : {"clicks", "views", "orders"}) {
          workers.world.Deliver("dc2", stream, "c3");
          workers.world.Deliver("dc1", stream, "c1");
        }
        Alone(i == 0 ? workers.dc1 : workers.dc2);
        Alone(workers.dc2);
      }
    }
    // Publishes, and takes nothing from the other.
    void Alone(WorkerProcess& worker) {
      worker.of().Prepare().ok();
      worker.of().LeaseStep();
      worker.of().LocalStep();
      workers.world.clock.Advance(seconds(1));
    }
    void JoinAll(FaultPlan& plan) {
      for (const std::string cluster : {"dc1", "dc2"}) {
        FaultStorage storage(workers.world.at(cluster), plan);
        for (const std::string peer : {"dc1", "dc2"}) {
          JoinQueue({storage, paths::Consumers(peer), kGroups}, *random, JoinMode::kJoin).ok();
          JoinQueue({storage, paths::Mirrors(peer), kGroups}, *random, JoinMode::kJoin).ok();
        }
      }
    }
    void JoinAll() {
      FaultPlan plan;
      JoinAll(plan);
    }
    std::vector<std::string> Settle() {
      std::vector<std::string> violations = workers.world.Violations(Settled::kNo);
      workers.dc1.plan.Clear();
      workers.dc2.plan.Clear();
      workers.Step(3);
      workers.world.clock.Advance(seconds(50));
      workers.Step(20);
      const auto last = workers.world.Violations(Settled::kYes);
      violations.insert(violations.end(), last.begin(), last.end());
      for (const std::string cluster : {"dc1", "dc2"}) {
        for (const std::string peer : {"dc1", "dc2"}) {
          for (const std::string& queue : {paths::Consumers(peer), paths::Mirrors(peer)}) {
            const auto left = workers.world.at(cluster).List(queue);
            if (left.ok() && !left->empty()) violations.push_back(cluster + " " + queue);
          }
        }
      }
      return violations;
    }
  };
};

TEST_F(JoinWhileWorkersRun, AJoinInTheMiddleOfAnyCallOfAWorkerLosesAndDoublesNothing) {
  for (const std::string cluster : {"dc1", "dc2"}) {
    uint64_t calls = 1;
    for (uint64_t number = 1; number <= calls; number += 2) {
      Story story;
      WorkerProcess& worker = cluster == "dc1" ? story.workers.dc1 : story.workers.dc2;
      const uint64_t begun = worker.plan.calls();
      worker.plan.Add(
          {.number = begun + number, .fault = Fault::Delayed([&story] { story.JoinAll(); })});
      story.workers.Step(2);
      calls = std::max(calls, worker.plan.calls() - begun);
      ASSERT_THAT(story.Settle(), IsEmpty()) << cluster << " call " << number;
    }
    EXPECT_GT(calls, 100U);
  }
}

TEST_F(JoinWhileWorkersRun, WorkersThatRunInTheMiddleOfAnyCallOfAJoinAndItsDeathLoseNothing) {
  uint64_t calls = 1;
  for (uint64_t number = 1; number <= calls; ++number) {
    Story story;
    FaultPlan plan;
    plan.Add({.number = number, .fault = Fault::Delayed([&story] { story.workers.Step(); })});
    plan.Add({.number = number + 3, .fault = Fault::CrashAfter()});
    try {
      story.JoinAll(plan);
    } catch (const Crash&) {
    }
    calls = std::max(calls, plan.calls());
    ASSERT_THAT(story.Settle(), IsEmpty()) << "call " << number;
  }
  EXPECT_GT(calls, 30U);
}

// --- Entries of the original, which mix groups.

class MixedEntryTest : public ::testing::Test {
 protected:
  struct Story {
    TwoWorkers workers;
    Story() {
      for (const std::string stream : {"clicks", "views"}) {
        workers.world.Deliver("dc2", stream, "c3");
        workers.world.Deliver("dc2", stream, "c4");
      }
      workers.dc2.Step();
      Mix();
    }
    // As the original writes it: all of a run in one file.
    void Mix() {
      Storage& tree = workers.world.at("dc2");
      std::string text;
      for (const DirEntry& entry : *tree.List(kQueue)) {
        text += *tree.ReadFile(paths::Join(kQueue, entry.name));
        EXPECT_TRUE(tree.Remove(paths::Join(kQueue, entry.name)).ok());
      }
      EXPECT_TRUE(tree.WriteFile(paths::Join(kQueue, "1346828461234"), text).ok());
    }
    std::vector<std::string> Names() {
      std::vector<std::string> names;
      for (const DirEntry& entry : *workers.world.at("dc2").List(kQueue)) {
        names.push_back(entry.name);
      }
      return names;
    }
  };
};

TEST_F(MixedEntryTest, IsSplitByTheHolderOfGroupZeroBeforeItIsRead) {
  Story story;
  EXPECT_THAT(story.Names(), ElementsAre("1346828461234"));
  std::vector<std::string> at_first_copy;
  story.workers.dc1.plan.Add({.verb = Verb::kOpen,
                              .path_part = "streams_local/clicks",
                              .fault = Fault::Delayed([&] { at_first_copy = story.Names(); })});
  story.workers.Step(2);
  EXPECT_THAT(at_first_copy, SizeIs(2));
  EXPECT_THAT(at_first_copy, Each(HasSubstr("1346828461234~")));
  EXPECT_THAT(story.Names(), IsEmpty());
  EXPECT_THAT(story.workers.world.Files("dc1", View::kMerged), SizeIs(4));
}

TEST_F(MixedEntryTest, ThatCannotBeSplitIsReadAllTheSame) {
  Story story;
  story.workers.dc1.plan.Add({.path_part = "system/tmp/queue.",
                              .times = FaultRule::kAlways,
                              .fault = Fault::Refused(Code::kRefused)});
  story.workers.Step(2);
  EXPECT_THAT(story.workers.world.Files("dc1", View::kMerged), SizeIs(4));
  EXPECT_THAT(story.Names(), IsEmpty());
}

TEST_F(MixedEntryTest, NothingIsLostOrDoubledWhenTheWorkerDiesAtAnyCall) {
  uint64_t calls = 0;
  {
    Story story;
    WorkerProcess dc1(story.workers.world, {"dc1"}, 3);
    dc1.Step();
    calls = dc1.plan.calls();
  }
  ASSERT_GT(calls, 50U);
  for (const Fault& fault : {Fault::CrashBefore(), Fault::CrashAfter(), Fault::AnswerLost()}) {
    for (uint64_t number = 1; number <= calls; ++number) {
      Story story;
      auto dc1 =
          std::make_unique<WorkerProcess>(story.workers.world, std::vector<std::string>{"dc1"}, 3);
      dc1->plan.Add({.number = number, .fault = fault});
      try {
        dc1->Step();
      } catch (const Crash&) {
      }
      ASSERT_THAT(story.workers.world.Violations(Settled::kNo), IsEmpty()) << "call " << number;
      dc1.reset();
      story.workers.Step(20);  // the dead one's lease runs out
      ASSERT_THAT(story.workers.world.Violations(Settled::kYes), IsEmpty()) << "call " << number;
      ASSERT_THAT(story.Names(), IsEmpty()) << "call " << number;
    }
  }
}

}  // namespace
}  // namespace databus
