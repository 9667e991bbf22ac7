// What happens around a worker that does not fit the happy story: topologies that change one worker
// after the other, trees of the original system, files that cannot be read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/cluster_id.h"
#include "worker/refusals.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Announced = Installation::Announced;
using Settled = Installation::Settled;

Topology Without(const std::string& stream) {
  Topology topology = TestTopology();
  std::erase_if(topology.streams, [&](const StreamSpec& spec) { return spec.name == stream; });
  return topology;
}

void StepAll(Installation& world, std::vector<WorkerProcess*> processes, int times) {
  for (int i = 0; i < times; ++i) {
    for (WorkerProcess* process : processes) process->Step();
    world.clock.Advance(seconds(1));
  }
}

TEST(RolloutTest, AStreamThatThePrimaryDoesNotKnowYetWaitsInItsQueue) {
  Installation world;
  WorkerProcess dc2(world, {"dc2"}, 2);
  world.Deliver("dc2", "clicks", "c3");
  {
    WorkerProcess old(world, {"dc1"}, 1, Without("clicks"));
    StepAll(world, {&dc2, &old}, 3);
    EXPECT_THAT(*world.at("dc2").List(paths::Consumers("dc1")), SizeIs(1));
    EXPECT_FALSE(old.of().ListProblems().empty());
  }
  WorkerProcess dc1(world, {"dc1"}, 3);
  StepAll(world, {&dc2, &dc1}, 20);
  EXPECT_THAT(world.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(*world.at("dc2").List(paths::Consumers("dc1")), IsEmpty());
}

TEST(RolloutTest, AClaimThatMayNotBeReadWaitsAndStopsNobodyElse) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  StepAll(world, {&dc1}, 2);
  Storage& tree = world.at("dc1");
  ASSERT_TRUE(EnsureDir(tree, "data/clicks").ok());
  ASSERT_TRUE(EnsureDir(tree, "data/clicks/old-1").ok());
  ASSERT_TRUE(tree.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-50_00000", "a\n").ok());
  ASSERT_TRUE(tree.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-51_00000", "b\n").ok());
  int asked = 0;
  dc1.plan.SetCallback([&](const Call& call) {
    if (call.verb != Verb::kOpen || call.path.find("10-50_00000") == std::string::npos) {
      return Fault{};
    }
    ++asked;
    return Fault::Refused(Code::kRefused);
  });
  world.clock.Advance(minutes(11));  // the next full scan
  StepAll(world, {&dc1}, 12);        // after such a pause the lease is taken anew
  world.Deliver("dc1", "clicks", "c1");
  StepAll(world, {&dc1}, 2);
  const auto names = [&] {
    std::set<std::string> all;
    for (const SeenFile& file : world.Files("dc1", View::kLocal)) all.insert(file.name);
    return all;
  };
  EXPECT_THAT(names(), Contains("old-1-clicks-2031-05-06-10-51_00000.gz"));
  EXPECT_THAT(names(), SizeIs(2));
  EXPECT_FALSE(dc1.of().ListProblems().empty());
  // It is asked for once a minute only: there may be thousands of such files.
  EXPECT_EQ(asked, 1);
  dc1.plan.Clear();
  world.clock.Advance(kRefusedPause);
  StepAll(world, {&dc1}, 12);
  EXPECT_TRUE(dc1.of().ListProblems().empty());
  EXPECT_THAT(names(), Contains("old-1-clicks-2031-05-06-10-50_00000.gz"));
  EXPECT_FALSE(tree.List(paths::Quarantine(View::kLocal, "clicks")).ok());
}

TEST(RolloutTest, ADirectoryOfDataThatMayNotBeReadIsNamed) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  world.Deliver("dc1", "clicks", "c1", Installation::Announced::kNo);
  dc1.plan.Add({.verb = Verb::kList,
                .path_part = "data/clicks/c1",
                .times = FaultRule::kAlways,
                .fault = Fault::Refused(Code::kRefused)});
  StepAll(world, {&dc1}, 3);
  const auto problems = dc1.of().ListProblems();
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].what, HasSubstr("data/clicks/c1"));
  dc1.plan.Clear();
  world.clock.Advance(minutes(11));  // the next full scan
  StepAll(world, {&dc1}, 12);
  EXPECT_TRUE(dc1.of().ListProblems().empty());
  EXPECT_THAT(world.Files("dc1", View::kLocal), SizeIs(1));
}

TEST(RolloutTest, ADamagedManifestOfTheMergedViewDoesNotStopTheMerge) {
  Installation world;
  WorkerProcess dc2(world, {"dc2"}, 2);
  {
    WorkerProcess dc1(world, {"dc1"}, 1);
    world.Deliver("dc1", "clicks", "c1");
    StepAll(world, {&dc1, &dc2}, 3);
    world.clock.Advance(minutes(1));
    StepAll(world, {&dc1, &dc2}, 3);
  }
  const Group group = GroupOf("clicks", 2);
  const std::string manifest =
      paths::Manifest(View::kMerged, group, *Minute::ParseIso("2031-05-06T10:58Z"), "");
  ASSERT_TRUE(world.at("dc1").Replace(manifest, "rotten").ok());
  WorkerProcess dc1(world, {"dc1"}, 3);
  world.Deliver("dc1", "clicks", "c1");
  world.Deliver("dc2", "clicks", "c3");
  StepAll(world, {&dc1, &dc2}, 20);
  const auto files = world.Files("dc1", View::kMerged);
  EXPECT_THAT(files, SizeIs(3));
}

// By a worker that has died since.
void PublishOneFile(Installation& world) {
  WorkerProcess first(world, {"dc1"}, 1);
  world.Deliver("dc1", "clicks", "c1");
  StepAll(world, {&first}, 2);
}

void RefuseTheOpenMinute(WorkerProcess& worker) {
  worker.plan.Add({.verb = Verb::kOpen,
                   .path_part = "streams_local/clicks/2031/05/06/10/58",
                   .times = FaultRule::kAlways,
                   .fault = Fault::Refused(Code::kRefused)});
}

TEST(RolloutTest, AMinuteThatClosesDoesNotNameAStreamThatCannotBeRead) {
  Installation world;
  PublishOneFile(world);
  WorkerProcess second(world, {"dc1"}, 2);
  RefuseTheOpenMinute(second);
  const Group group = GroupOf("clicks", 2);
  StepAll(world, {&second}, 14);  // the first one's lease has to run out
  world.clock.Advance(std::chrono::minutes(2));
  StepAll(world, {&second}, 1);
  const Minute closed = *Minute::ParseIso("2031-05-06T10:58Z");
  const auto manifest = ReadManifest(world.at("dc1"), View::kLocal, group, closed, "");
  ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
  EXPECT_THAT(manifest->streams, ::testing::IsEmpty());
}

TEST(RolloutTest, AStrayDirectoryOfTheFutureMovesNobodyThere) {
  Installation world;
  Storage& tree = world.at("dc1");
  for (const std::string dir :
       {"streams_local/views", "streams_local/views/2099", "streams_local/views/2099/01",
        "streams_local/views/2099/01/01", "streams_local/views/2099/01/01/00",
        "streams_local/views/2099/01/01/00/00"}) {
    ASSERT_TRUE(tree.MakeDir(dir).ok());
  }
  WorkerProcess dc1(world, {"dc1"}, 1);
  for (const std::string stream : {"clicks", "views", "orders"}) world.Deliver("dc1", stream, "c1");
  StepAll(world, {&dc1}, 3);
  std::set<std::string> minutes;
  for (const SeenFile& file : world.Files("dc1", View::kLocal)) minutes.insert(file.minute);
  EXPECT_THAT(minutes, ::testing::ElementsAre("2031-05-06T10:58Z"));
  EXPECT_FALSE(dc1.of().ListProblems().empty());
}

TEST(RolloutTest, WhatTheOriginalHadPublishedIsNotPublishedAgain) {
  Installation world;
  Storage& tree = world.at("dc1");
  // A tree of the original: no id, checkpoint at 10-51; 10-50 and 10-51 are kept in data/.
  ASSERT_TRUE(tree.Remove(paths::ClusterId()).ok());
  for (const std::string dir : {"system/checkpoint", "data/clicks", "data/clicks/old-1"}) {
    ASSERT_TRUE(tree.MakeDir(dir).ok());
  }
  ASSERT_TRUE(
      tree.WriteFile("system/checkpoint/clicksold-1.ck", "clicks-2031-05-06-10-51_00000").ok());
  for (const std::string minute : {"10-50", "10-51", "10-52", "10-53"}) {
    ASSERT_TRUE(
        tree.WriteFile("data/clicks/old-1/clicks-2031-05-06-" + minute + "_00000", "x\n").ok());
  }
  WorkerProcess refused(world, {"dc1"}, 1);
  EXPECT_EQ(refused.of().Prepare().code(), Code::kRefused) << "without --init";
  WorkerProcess dc1(world, {"dc1"}, 2, TestTopology(), AdoptTree::kYes);
  StepAll(world, {&dc1}, 3);
  std::set<std::string> names;
  for (const SeenFile& file : world.Files("dc1", View::kLocal)) names.insert(file.name);
  EXPECT_THAT(names, ::testing::ElementsAre("old-1-clicks-2031-05-06-10-52_00000.gz"));
}

TEST(RolloutTest, FilesOfOneNameAndContentFromTwoOldCollectorsAreBothMerged) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  WorkerProcess dc2(world, {"dc2"}, 2);
  for (const std::string cluster : {"dc1", "dc2"}) {
    Storage& tree = world.at(cluster);
    ASSERT_TRUE(tree.MakeDir("data/clicks").ok());
    ASSERT_TRUE(tree.MakeDir("data/clicks/old-1").ok());
    ASSERT_TRUE(tree.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-50_00000", "same\n").ok());
    ASSERT_TRUE(tree.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-51_00000", "next\n").ok());
  }
  StepAll(world, {&dc1, &dc2}, 4);
  EXPECT_THAT(world.Files("dc1", View::kMerged), SizeIs(2));
  EXPECT_THAT(world.Files("dc2", View::kMerged), SizeIs(2));
}

TEST(RolloutTest, AStreamThatIsMirroredOnlyLaterKeepsWhatItLacksQueuedAndSaysSo) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  {
    WorkerProcess old(world, {"dc2"}, 2, Without("clicks"));
    world.Deliver("dc1", "clicks", "c1");
    world.Deliver("dc1", "views", "c1");
    StepAll(world, {&dc1, &old}, 3);
    world.clock.Advance(minutes(2));
    StepAll(world, {&dc1, &old}, 12);
  }
  WorkerProcess dc2(world, {"dc2"}, 3);
  StepAll(world, {&dc1, &dc2}, 20);
  world.Deliver("dc1", "clicks", "c1");
  StepAll(world, {&dc1, &dc2}, 4);
  std::set<std::string> here;
  for (const SeenFile& file : world.Files("dc2", View::kMerged)) {
    if (file.stream == "clicks") here.insert(file.content);
  }
  const bool lacks = here.size() < 2;
  EXPECT_TRUE(!here.empty()) << "what came later is mirrored";
  if (lacks) {
    EXPECT_FALSE(dc2.of().ListProblems().empty()) << "and what came earlier is not lost";
  }
}

}  // namespace
}  // namespace databus
