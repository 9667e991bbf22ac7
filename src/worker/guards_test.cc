// Lines that stand guard: each of these tests fails when one of them is taken away.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Announced = Installation::Announced;
using Settled = Installation::Settled;

void StepAll(Installation& world, const std::vector<WorkerProcess*>& processes, int times) {
  for (int i = 0; i < times; ++i) {
    for (WorkerProcess* process : processes) process->Step();
    world.clock.Advance(seconds(1));
  }
}

// A stream of another group than clicks.
std::string OfTheOtherGroup() {
  return GroupOf("orders", 2) != GroupOf("clicks", 2) ? "orders" : "views";
}

TEST(LeaseTest, ALeaseThatEndsBetweenTwoGroupsStopsTheSecond) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  StepAll(world, {&dc1}, 2);
  const std::string other = OfTheOtherGroup();
  const bool clicks_first = GroupOf("clicks", 2) < GroupOf(other, 2);
  const std::string first = clicks_first ? "clicks" : other;
  world.Deliver("dc1", "clicks", "c1");
  world.Deliver("dc1", other, "c1");
  // The process sleeps while it publishes the first group.
  dc1.plan.SetCallback([&, slept = false](const Call& call) mutable -> Fault {
    const bool moved = call.verb == Verb::kRename && call.to.starts_with("streams_local/" + first);
    if (moved && !std::exchange(slept, true)) world.clock.Advance(hours(1));
    return {};
  });
  dc1.of().LocalStep();
  const auto files = world.Files("dc1", View::kLocal);
  ASSERT_THAT(files, SizeIs(1)) << "the second group was published without a lease";
  EXPECT_EQ(files[0].stream, first);
}

TEST(ScanTest, AFileThatTheScanFoundAndThatCouldNotBeTakenIsFoundAgainAtOnce) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  world.Deliver("dc1", "clicks", "c1", Announced::kNo);
  world.Deliver("dc1", "views", "c1", Announced::kYes);  // so that the collector is one of ours
  dc1.plan.Add({.verb = Verb::kRename, .path_part = "data/clicks", .fault = Fault::RequestLost()});
  StepAll(world, {&dc1}, 4);
  EXPECT_THAT(world.Files("dc1", View::kLocal), SizeIs(2));
}

TEST(TrashTest, WhatIsInTheTrashStaysThereForItsRetention) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  Storage& tree = world.at("dc1");
  ASSERT_TRUE(EnsureDirsBelow(tree, "data", "data/clicks/old-1").ok());
  for (const std::string number : {"56", "57"}) {
    ASSERT_TRUE(
        tree.WriteFile("data/clicks/old-1/clicks-2031-05-06-10-" + number + "_00000", "a\n").ok());
  }
  StepAll(world, {&dc1}, 2);
  const std::string hour = "system/trash/2031-05-06/10";
  ASSERT_THAT(*tree.List(hour), SizeIs(1));
  world.clock.Advance(TestTopology().trash_retention - hours(2));
  StepAll(world, {&dc1}, 15);
  EXPECT_TRUE(tree.Stat(hour).ok());
  for (int i = 0; i < 3; ++i) {
    world.clock.Advance(hours(2));
    StepAll(world, {&dc1}, 15);
  }
  EXPECT_FALSE(tree.Stat(hour).ok());
}

// A worker that ends after it has merged one file, whose minute is open; the file's path locally.
std::string MergeOne(Installation& world) {
  world.Deliver("dc1", "clicks", "c1");
  {
    WorkerProcess first(world, {"dc1"}, 1);
    StepAll(world, {&first}, 3);
    first.of().Finish();
  }
  const auto files = world.Files("dc1", View::kLocal);
  EXPECT_THAT(files, SizeIs(1));
  return paths::MinuteFile(View::kLocal, "clicks", *Minute::ParseIso(files.at(0).minute),
                           files.at(0).name);
}

TEST(MergeIndexTest, AFileOfTheOpenMinuteIsKnownToTheNextWorker) {
  Installation world;
  const std::string path = MergeOne(world);
  ASSERT_TRUE(world.at("dc1").WriteFile("system/consumers/dc1/777", path + "\n").ok());
  WorkerProcess next(world, {"dc1"}, 2);
  world.clock.Advance(minutes(1));  // else the name alone would tell
  StepAll(world, {&next}, 3);
  EXPECT_THAT(world.Files("dc1", View::kMerged), SizeIs(1));
}

TEST(MergeIndexTest, NothingIsMergedBeforeEachFileOfTheOpenMinuteCouldBeRead) {
  Installation world;
  const std::string path = MergeOne(world);
  WorkerProcess next(world, {"dc1"}, 2);
  next.plan.Add({.verb = Verb::kOpen,
                 .path_part = paths::Stream(View::kMerged, "clicks"),
                 .times = FaultRule::kAlways,
                 .fault = Fault::Refused(Code::kRefused)});
  StepAll(world, {&next}, 3);
  EXPECT_FALSE(next.of().ListProblems().empty());
  next.plan.Clear();
  world.clock.Advance(minutes(1));  // else the name alone would tell
  // It is named again only now: an index that was made without that file would be there already.
  ASSERT_TRUE(world.at("dc1").WriteFile("system/consumers/dc1/777", path + "\n").ok());
  StepAll(world, {&next}, 3);
  EXPECT_THAT(world.Files("dc1", View::kMerged), SizeIs(1));
}

// P19: what a failed run costs must not grow with the minutes that are kept.
TEST(MergeIndexTest, AnErrorDoesNotHaveAllManifestsReadAgain) {
  Installation world;
  WorkerProcess dc1(world, {"dc1"}, 1);
  world.Deliver("dc1", "clicks", "c1");
  StepAll(world, {&dc1}, 3);
  for (int i = 0; i < 40; ++i) {
    world.clock.Advance(minutes(1));
    dc1.of().LeaseStep();
    StepAll(world, {&dc1}, 1);
  }
  StepAll(world, {&dc1}, 15);  // the lease
  const size_t before = dc1.plan.trace().size();
  for (int i = 0; i < 3; ++i) {
    // The commit of the merge does not get its answer.
    dc1.plan.Add(
        {.verb = Verb::kRename, .path_part = "system/tmp/streams", .fault = Fault::RequestLost()});
    world.Deliver("dc1", "clicks", "c1");
    StepAll(world, {&dc1}, 3);
  }
  const auto trace = dc1.plan.trace();
  const auto reads = std::count_if(
      trace.begin() + static_cast<std::ptrdiff_t>(before), trace.end(), [](const Call& call) {
        return call.verb == Verb::kOpen && call.path.starts_with("system/manifests/streams");
      });
  EXPECT_GT(reads, 0) << "there was an error";
  EXPECT_LT(reads, 10);
  EXPECT_THAT(world.Files("dc1", View::kMerged), SizeIs(4));
}

}  // namespace
}  // namespace databus
