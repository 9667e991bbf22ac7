// Lines that stand guard: each of these tests fails when one of them is taken away.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/heartbeat.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
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

// Whoever may work by somebody else's word.
class GivenLease final : public Lease {
 public:
  bool Held(View /*view*/, Group /*group*/) override { return held; }
  std::string Holder() override { return held ? holder : "nobody"; }
  Status Tick() override {
    ++ticks;
    return Status::Ok();
  }
  Status Skip() override {
    ++skips;
    return Status::Ok();
  }
  Status Release() override {
    held = false;
    return Status::Ok();
  }
  nanoseconds Pace() override { return seconds(7); }
  std::string Where() const override { return "elsewhere"; }

  std::string holder;
  bool held = false;
  int ticks = 0;
  int skips = 0;
};

TEST(LeaseTest, AnotherBackEndThanTheTreeDecidesWhoWorks) {
  Installation world;
  FaultPlan plan;
  const auto lease = std::make_shared<GivenLease>();
  WorkerConfig config;
  config.clusters = {"dc1"};
  config.copy_threads = 1;
  auto worker = *Worker::Create(
      {world.clock, *world.random,
       [&](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
         return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(world.at(spec.name), plan));
       },
       [](const ClusterSpec&) { return Status::Ok(); },
       [&](const LeaseRequest& request) {
         EXPECT_EQ(request.cluster, "dc1");
         lease->holder = request.holder;
         return lease;
       }},
      config, Obeyed(TestTopology()), {"host", 1}, AdoptTree::kNo);
  ClusterWorker& dc1 = *worker->clusters()[0];
  ASSERT_TRUE(dc1.Prepare().ok());
  EXPECT_EQ(dc1.LeasePace(), seconds(7));
  world.Deliver("dc1", "clicks", "c1");
  dc1.LeaseStep();
  dc1.LocalStep();
  EXPECT_THAT(world.Files("dc1", View::kLocal), IsEmpty());
  lease->held = true;
  dc1.LocalStep();
  EXPECT_THAT(world.Files("dc1", View::kLocal), SizeIs(1));
  EXPECT_TRUE(world.at("dc1").List(paths::Leases())->empty());
  dc1.BeatStep();
  const std::string path = paths::StatusFile("worker-dc1");
  const auto beat = DecodeHeartbeat(*world.at("dc1").ReadFile(path), path);
  EXPECT_EQ(beat->facts["lease_in"], "elsewhere");
  // The tree does not answer: others may have more luck with it.
  plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  dc1.LocalStep();
  dc1.LeaseStep();
  EXPECT_EQ(lease->ticks, 1);
  EXPECT_EQ(lease->skips, 1);
  plan.Clear();
  dc1.Finish();
  EXPECT_FALSE(lease->held);
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

TEST(MergeIndexTest, AFileOfTheOpenMinuteIsKnownToTheNextWorker) {
  Installation world;
  world.Deliver("dc1", "clicks", "c1");
  {
    WorkerProcess first(world, {"dc1"}, 1);
    StepAll(world, {&first}, 3);
    first.of().Finish();
  }
  const auto files = world.Files("dc1", View::kLocal);
  ASSERT_THAT(files, SizeIs(1));
  const std::string path =
      paths::MinuteFile(View::kLocal, "clicks", *Minute::ParseIso(files[0].minute), files[0].name);
  ASSERT_TRUE(world.at("dc1").WriteFile("system/consumers/dc1/777", path + "\n").ok());
  WorkerProcess next(world, {"dc1"}, 2);
  world.clock.Advance(minutes(1));  // else the name alone would tell
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
