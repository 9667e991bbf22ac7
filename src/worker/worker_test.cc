// What the worker promises, on two clusters in memory with the clock in the test's hand.
#include "worker/worker.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "commit/cluster_id.h"
#include "commit/minute_tree.h"
#include "control/purge_history.h"
#include "telemetry/heartbeat.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Announced = Installation::Announced;
using Settled = Installation::Settled;

struct BusyWorld : TwoWorkers {
  void DeliverEverywhere() {
    for (const std::string stream : {"clicks", "views", "orders"}) {
      world.Deliver("dc1", stream, "c1");
      world.Deliver("dc1", stream, "c2");
      world.Deliver("dc2", stream, "c3");
      world.Deliver("dc2", stream, "c4");
    }
  }
};

TEST(WorkerTest, ASealedFileReachesLocalMergedAndMirrorOnce) {
  BusyWorld run;
  run.DeliverEverywhere();
  run.Step(4);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
}

TEST(WorkerTest, AFileThatNobodyAnnouncedIsFoundByTheScanAtStart) {
  BusyWorld run;
  run.world.Deliver("dc1", "clicks", "c1", Announced::kNo);
  run.world.Deliver("dc1", "clicks", "c1", Announced::kYes);  // so the collector is one of ours
  run.Step(4);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
}

TEST(WorkerTest, CollectorsOfOneNameInTwoClustersLoseNothingAtTheMerge) {
  BusyWorld run;
  run.world.Deliver("dc1", "clicks", "c1");
  run.world.Deliver("dc2", "clicks", "c1");
  run.Step(4);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
  EXPECT_FALSE(run.dc1.of().ListProblems().empty());  // and it is said
}

TEST(WorkerTest, IdleStreamsGetEveryMinuteEverywhere) {
  BusyWorld run;
  run.DeliverEverywhere();
  run.Step(3);
  run.world.clock.Advance(minutes(5));
  run.Step(4);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
  for (const std::string cluster : {"dc1", "dc2"}) {
    const auto found = ListMinutes(run.world.at(cluster), paths::Stream(View::kMerged, "clicks"),
                                   kFirstMinute, kLastMinute);
    EXPECT_THAT(*found, SizeIs(5)) << cluster;  // 10:58 to 11:02; 11:03 is not over
  }
}

TEST(WorkerTest, QueuesAndAnnouncementsAreEmptyWhenAllIsDone) {
  BusyWorld run;
  run.DeliverEverywhere();
  run.Step(6);
  run.world.clock.Advance(minutes(2));
  run.Step(4);
  for (const std::string cluster : {"dc1", "dc2"}) {
    for (const std::string other : {"dc1", "dc2"}) {
      EXPECT_THAT(*run.world.at(cluster).List(paths::Consumers(other)), IsEmpty());
      EXPECT_THAT(*run.world.at(cluster).List(paths::Mirrors(other)), IsEmpty());
    }
  }
  EXPECT_THAT(*run.world.at("dc1").List(paths::Sealed("c1")), IsEmpty());
  EXPECT_THAT(*run.world.at("dc2").List(paths::Sealed("c3")), IsEmpty());
}

TEST(WorkerTest, ASecondWorkerOnTheClusterStandsByAndTakesOverWhenTheFirstIsSilent) {
  BusyWorld run;
  WorkerProcess standby(run.world, {"dc1"}, 3);
  run.Step();
  standby.Step();
  run.world.Deliver("dc1", "clicks", "c1");
  standby.Step();
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), IsEmpty());
  for (int i = 0; i < 15; ++i) {  // the first one does not run any more
    standby.Step();
    run.dc2.Step();
    run.world.clock.Advance(seconds(1));
  }
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), SizeIs(1));
  // The first one wakes up: it must notice, and stand by.
  run.world.Deliver("dc1", "clicks", "c1");
  run.Step(3);
  standby.Step();
  run.Step(3);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
}

TEST(WorkerTest, AStandbyThatKnowsNoHolderOfTheLeaseNamesNone) {
  BusyWorld run;
  run.Step();
  WorkerProcess standby(run.world, {"dc1"}, 3);
  const auto waiting_on = [&] {
    standby.of().BeatStep();
    const std::string path = paths::StatusFile("worker-dc1-standby-host-3");
    return DecodeHeartbeat(*run.world.at("dc1").ReadFile(path), path)->waiting_on;
  };
  ASSERT_TRUE(standby.of().Prepare().ok());
  EXPECT_EQ(waiting_on(), "the lease; its holder is not known yet");
  standby.of().LeaseStep();
  EXPECT_THAT(waiting_on(), StartsWith("the lease, held by worker-dc1@"));
}

TEST(WorkerTest, ASourceThatIsAwayDelaysNothingButItself) {
  BusyWorld run;
  run.Step();
  run.dc1.plan.Add(
      {.store_part = "dc2", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  run.DeliverEverywhere();
  run.Step(3);
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), SizeIs(6));
  EXPECT_THAT(run.world.Files("dc1", View::kMerged), SizeIs(4));  // clicks and views of dc1 itself
  EXPECT_FALSE(run.dc1.of().ListProblems().empty());
  run.dc1.plan.Clear();
  run.Step(4);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
  for (const Problem& problem : run.dc1.of().ListProblems()) ADD_FAILURE() << problem.what;
}

TEST(WorkerTest, ADamagedSealedFileGoesToQuarantineAndStopsNobody) {
  BusyWorld run;
  run.DeliverEverywhere();
  Storage& dc1 = run.world.at("dc1");
  ASSERT_TRUE(dc1.WriteFile("data/clicks/c1/clicks-2031-05-06-10-58_00099.gz",
                            "\x1f\x8b\x08\x04\x00\x00\x00\x00\x04\x03garbage")
                  .ok());
  run.Step(4);
  EXPECT_FALSE(dc1.List(paths::Quarantine(View::kLocal, "clicks"))->empty());
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), SizeIs(6));
  EXPECT_THAT(run.world.Files("dc2", View::kMerged), SizeIs(12));
}

TEST(WorkerTest, ForeignFilesInDataAreReportedAndLeftAlone) {
  BusyWorld run;
  run.DeliverEverywhere();
  Storage& dc1 = run.world.at("dc1");
  ASSERT_TRUE(dc1.WriteFile("data/clicks/c1/notes.txt", "x").ok());
  ASSERT_TRUE(dc1.MakeDir("data/.odd").ok());
  ASSERT_TRUE(dc1.WriteFile("data/stray", "x").ok());
  run.Step(4);
  EXPECT_TRUE(dc1.Stat("data/clicks/c1/notes.txt").ok());
  const auto problems = run.dc1.of().ListProblems();
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
}

TEST(WorkerTest, AnOldCollectorsFileIsPublishedWhenANewerOneExistsAndTheOriginalGoesToTrash) {
  BusyWorld run;
  Storage& dc1 = run.world.at("dc1");
  ASSERT_TRUE(dc1.MakeDir("data/clicks").ok());
  ASSERT_TRUE(dc1.MakeDir("data/clicks/old-1").ok());
  ASSERT_TRUE(dc1.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-57_00000", "a\nb\n").ok());
  ASSERT_TRUE(dc1.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-58_00000", "c\n").ok());
  run.Step(4);
  const auto local = run.world.Files("dc1", View::kLocal);
  ASSERT_THAT(local, SizeIs(1));
  EXPECT_EQ(local[0].name, "old-1-clicks-2031-05-06-10-57_00000.gz");
  EXPECT_THAT(run.world.Files("dc2", View::kMerged), SizeIs(1));
  EXPECT_FALSE(dc1.Stat("data/clicks/old-1/clicks-2031-05-06-10-57_00000").ok());
  EXPECT_TRUE(dc1.Stat("data/clicks/old-1/clicks-2031-05-06-10-58_00000").ok());
  EXPECT_THAT(*dc1.List("system/trash/2031-05-06/10"), SizeIs(1));
}

TEST(WorkerTest, WhatAnOldCollectorAppendsAfterPublishingIsPublishedAsAFileOfItsOwn) {
  BusyWorld run;
  Storage& dc1 = run.world.at("dc1");
  ASSERT_TRUE(dc1.MakeDir("data/clicks").ok());
  ASSERT_TRUE(dc1.MakeDir("data/clicks/old-1").ok());
  ASSERT_TRUE(dc1.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-57_00000", "a\nb\n").ok());
  ASSERT_TRUE(dc1.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-58_00000", "c\n").ok());
  run.Step(2);
  // The old collector still has the file open: it grows in the trash.
  const std::string dir = "system/trash/2031-05-06/10";
  const auto trash = dc1.List(dir);
  ASSERT_THAT(*trash, SizeIs(1));
  ASSERT_TRUE(dc1.Replace(paths::Join(dir, trash->front().name), "a\nb\nlate\n").ok());
  for (int i = 0; i < 12; ++i) {  // until the next full scan
    run.world.clock.Advance(minutes(1));
    run.Step(12);
  }
  std::set<std::string> names;
  for (const SeenFile& file : run.world.Files("dc2", View::kMerged)) names.insert(file.name);
  EXPECT_THAT(names, ::testing::ElementsAre("old-1-clicks-2031-05-06-10-57_00000.gz",
                                            "old-1-clicks-2031-05-06-10-57_1000000004.gz",
                                            "old-1-clicks-2031-05-06-10-58_00000.gz"));
}

TEST(WorkerTest, AQueueLineThatPointsNowhereIsSetAsideAndReported) {
  BusyWorld run;
  run.DeliverEverywhere();
  run.Step();
  Storage& dc2 = run.world.at("dc2");
  ASSERT_TRUE(dc2.WriteFile("system/consumers/dc1/1346828461234",
                            "file:///dc2/databus/streams_local/clicks/2031/05/06/10/58/"
                            "c9-clicks-2031-05-06-10-58_00000.gz\nnonsense\n")
                  .ok());
  run.Step(4);
  EXPECT_THAT(*dc2.List(paths::Consumers("dc1")), IsEmpty());
  EXPECT_FALSE(run.world.at("dc1").List(paths::Quarantine(View::kMerged, "clicks"))->empty());
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
}

TEST(WorkerTest, AQueueEntryThatIsRepeatedDoublesNothing) {
  BusyWorld run;
  run.world.Deliver("dc2", "clicks", "c1");
  run.Step(3);
  const auto files = run.world.Files("dc2", View::kLocal);
  ASSERT_THAT(files, SizeIs(1));
  const std::string path =
      paths::MinuteFile(View::kLocal, "clicks", *Minute::ParseIso(files[0].minute), files[0].name);
  ASSERT_TRUE(run.world.at("dc2").WriteFile("system/consumers/dc1/777", path + "\n").ok());
  run.Step(3);
  EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(*run.world.at("dc2").List(paths::Consumers("dc1")), IsEmpty());
}

TEST(WorkerTest, ATreeThatLostItsIdIsUnreachableNotInitialisedAgain) {
  BusyWorld run;
  run.Step();
  Storage& dc1 = run.world.at("dc1");
  ASSERT_TRUE(dc1.Remove(paths::ClusterId()).ok());
  run.world.Deliver("dc1", "clicks", "c1");
  run.Step(3);
  EXPECT_FALSE(dc1.Stat(paths::ClusterId()).ok());
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), IsEmpty());
}

TEST(WorkerTest, AClockSteppedByADayStopsPublishingAndLosesNothing) {
  for (const auto step : {std::chrono::hours(24), std::chrono::hours(-24)}) {
    BusyWorld run;
    run.DeliverEverywhere();
    run.Step(4);
    run.world.clock.StepWall(step);
    run.DeliverEverywhere();
    run.Step(4);
    EXPECT_THAT(run.world.Violations(Settled::kNo), IsEmpty());
    EXPECT_THAT(run.world.Files("dc1", View::kLocal), SizeIs(6));
    run.world.clock.StepWall(-step);
    run.Step(6);
    EXPECT_THAT(run.world.Violations(Settled::kYes), IsEmpty());
  }
}

TEST(WorkerTest, OldEpochsAndJournalsOfFailoversArePurged) {
  TwoWorkers two;
  MemoryStorage& tree = two.world.at("dc1");
  for (const std::string& dir : {paths::TopologyRoot(), paths::FailoverRoot()}) {
    ASSERT_TRUE(EnsureDir(tree, dir).ok());
  }
  for (uint64_t epoch = 1; epoch <= kEpochsKept + 5; ++epoch) {
    ASSERT_TRUE(tree.WriteFile(paths::TopologyFile(epoch), "").ok());
  }
  two.Step();
  two.world.clock.Advance(kHistoryKept + std::chrono::hours(1));
  two.Step(20);
  EXPECT_EQ(tree.ListNames(paths::TopologyRoot())->size(), kEpochsKept);
  EXPECT_TRUE(tree.Stat(paths::TopologyFile(kEpochsKept + 5)).ok());
}

// At the beginning of each life, and then at each purge.
TEST(WorkerTest, WhatAFailoverEndedAsIsCopiedByWhoWasAway) {
  const auto journal = [](std::string_view step) {
    const std::string body = fmt::format(R"({{"kind":"planned","step":"{}"}})", step);
    return fmt::format(R"({{"version":1,"crc32c":"{:08x}","journal":{}}})", Crc32c(body), body);
  };
  TwoWorkers two;
  two.Step();
  const auto store = [&](const char* cluster, uint64_t revision, std::string_view step) {
    MemoryStorage& tree = two.world.at(cluster);
    ASSERT_TRUE(EnsureDir(tree, paths::FailoverRoot()).ok());
    ASSERT_TRUE(tree.WriteFile(paths::FailoverJournal({"1", revision}), journal(step)).ok());
  };
  const auto has = [&](uint64_t revision) {
    return two.world.at("dc1").Stat(paths::FailoverJournal({"1", revision})).ok();
  };
  store("dc1", 1, "spool");
  store("dc2", 3, "done");
  two.Step(5);
  EXPECT_FALSE(has(3)) << "not looked for all the time";
  two.dc1.Obey(TestTopology());
  two.Step(5);
  EXPECT_TRUE(has(3));
  EXPECT_FALSE(has(1));
  store("dc2", 4, "aborted");
  two.world.clock.Advance(std::chrono::hours(2));
  two.Step(20);
  EXPECT_TRUE(has(4));
}

TEST(WorkerTest, RetentionWaitsForADownstreamThatIsBehindAndRemovesWhenItHasAll) {
  BusyWorld run;
  run.DeliverEverywhere();
  run.Step(4);
  run.world.clock.Advance(minutes(1));
  run.world.Deliver("dc1", "clicks", "c1");
  run.Step(1);
  ASSERT_THAT(run.world.Files("dc1", View::kMerged), SizeIs(13));
  // dc2 stops; the retention of 3 hours passes.
  for (int i = 0; i < 5 * 60; ++i) {
    run.world.clock.Advance(minutes(1));
    run.dc1.of().LeaseStep();
    run.world.clock.Advance(seconds(11));
    run.dc1.of().LeaseStep();
    if (i % 60 == 0) run.dc1.Step();
  }
  EXPECT_THAT(run.world.Files("dc1", View::kMerged), SizeIs(13)) << "dc2 has not mirrored them";
  for (int i = 0; i < 30; ++i) run.Step();
  run.world.clock.Advance(std::chrono::hours(2));
  for (int i = 0; i < 15; ++i) run.Step();
  EXPECT_THAT(run.world.Files("dc1", View::kMerged), IsEmpty());
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), IsEmpty());
  EXPECT_THAT(run.world.Violations(Settled::kNo), IsEmpty());
}

}  // namespace
}  // namespace databus
