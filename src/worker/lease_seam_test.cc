// Leases that lie elsewhere than in the tree (ZooKeeper): the worker believes them, and needs them
// for no promise. What two who both hold one can do is bounded by the epoch in the tree (P3, P4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/heartbeat.h"
#include "worker/given_lease.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Settled = Installation::Settled;

Heartbeat BeatOf(Installation& world, const std::string& process) {
  const std::string path = paths::StatusFile(process);
  const auto text = world.at("dc1").ReadFile(path);
  EXPECT_TRUE(text.ok()) << process;
  return *DecodeHeartbeat(*text, path);
}

class LeaseSeamTest : public ::testing::Test {
 protected:
  std::unique_ptr<WorkerProcess> Start(int64_t pid, const std::shared_ptr<GivenLease>& lease) {
    return std::make_unique<WorkerProcess>(world_, std::vector<std::string>{"dc1"}, pid,
                                           world_.topology, AdoptTree::kNo, "", Giving(lease));
  }

  Installation world_;
  const std::shared_ptr<GivenLease> lease_ = std::make_shared<GivenLease>();
};

TEST_F(LeaseSeamTest, AnotherBackEndThanTheTreeDecidesWhoWorks) {
  const auto process = Start(1, lease_);
  ClusterWorker& dc1 = process->of();
  ASSERT_TRUE(dc1.Prepare().ok());
  EXPECT_EQ(dc1.LeasePace(), seconds(7));
  world_.Deliver("dc1", "clicks", "c1");
  dc1.LeaseStep();
  dc1.LocalStep();
  EXPECT_THAT(world_.Files("dc1", View::kLocal), IsEmpty());
  lease_->held = true;
  dc1.LocalStep();
  EXPECT_THAT(world_.Files("dc1", View::kLocal), SizeIs(1));
  EXPECT_TRUE(world_.at("dc1").List(paths::Leases())->empty());
  dc1.BeatStep();
  EXPECT_EQ(BeatOf(world_, "worker-dc1").facts["lease_in"], "elsewhere");
  // The tree does not answer: others may have more luck with it.
  process->plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  dc1.LocalStep();
  dc1.LeaseStep();
  EXPECT_EQ(lease_->ticks, 1);
  EXPECT_EQ(lease_->skips, 1);
  process->plan.Clear();
  dc1.Finish();
  EXPECT_FALSE(lease_->held);
}

// One asks the tree and the other one does not (enablezk): both say so, whoever wrote last.
TEST_F(LeaseSeamTest, TwoThatLookInDifferentPlacesSayThatTheyAreTwo) {
  WorkerProcess first(world_, {"dc1"}, 1);
  lease_->held = true;
  const auto second = Start(2, lease_);
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      for (WorkerProcess* each : {&first, second.get()}) {
        world_.Deliver("dc1", "clicks", "c1");
        each->Step();
        each->of().BeatStep();
      }
      world_.clock.Advance(seconds(2));
    }
  };
  run(10);
  EXPECT_THAT(first.Problems(),
              HasSubstr("pid 2 on host works here as well: it looks for the lease in elsewhere"));
  EXPECT_THAT(second->Problems(), HasSubstr("pid 1 on host works here as well"));
  EXPECT_THAT(BeatOf(world_, "worker-dc1").problems,
              Contains(Field(&Problem::what, HasSubstr("works here as well"))));
  // It is given the same place, and stands by there.
  lease_->held = false;
  world_.clock.Advance(minutes(4));
  for (int i = 0; i < 20; ++i) {
    first.Step();
    first.of().BeatStep();
    world_.clock.Advance(seconds(2));
  }
  EXPECT_THAT(first.Problems(), Not(HasSubstr("works here as well")));
}

// The lease is not asked for again, nor given up: nobody else comes between.
TEST_F(LeaseSeamTest, ANewerTopologyFindsTheLeaseStillHeld) {
  lease_->held = true;
  const auto process = Start(1, lease_);
  process->Step();
  world_.Deliver("dc1", "clicks", "c1");
  process->Obey(world_.topology);
  EXPECT_TRUE(lease_->held);
  ASSERT_TRUE(process->of().Prepare().ok());
  process->of().LocalStep();
  EXPECT_THAT(world_.Files("dc1", View::kLocal), SizeIs(1));
}

TEST_F(LeaseSeamTest, WhoeverLosesItForAMomentPublishesWithAnEpochOfItsOwnOrNotAtAll) {
  lease_->held = true;
  const auto process = Start(1, lease_);
  WorkerProcess dc2(world_, {"dc2"}, 2);
  const auto other_lease = std::make_shared<GivenLease>();
  const auto other = Start(3, other_lease);
  for (int i = 0; i < 12; ++i) {
    world_.Deliver("dc1", "clicks", "c1");
    process->Step();
    // Between two looks of the first at its lease: it never sees that it was without.
    other_lease->held = true;
    if (i % 3 == 1) other->Step();
    other_lease->held = false;
    dc2.Step();
    world_.clock.Advance(seconds(20));
  }
  world_.clock.Advance(minutes(2));
  for (int i = 0; i < 8; ++i) {
    process->Step();
    dc2.Step();
    world_.clock.Advance(seconds(1));
  }
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

// Each is overtaken once at every call it makes: nothing is lost, doubled or put out of order.
TEST(TwoHoldersTest, WhoBothHoldTheLeaseLoseAndDoubleNothing) {
  constexpr uint64_t kEvery = 3;
  bool reached = true;
  for (uint64_t at = 1; reached; at += kEvery) {
    Installation world;
    WorkerProcess dc2(world, {"dc2"}, 3);
    std::vector<std::shared_ptr<GivenLease>> leases;
    std::vector<std::unique_ptr<WorkerProcess>> both;
    for (const int64_t pid : {1, 2}) {
      leases.push_back(std::make_shared<GivenLease>());
      leases.back()->held = true;
      both.push_back(std::make_unique<WorkerProcess>(world, std::vector<std::string>{"dc1"}, pid,
                                                     world.topology, AdoptTree::kNo, "",
                                                     Giving(leases.back())));
      both.back()->Step();
    }
    const auto step = [&](WorkerProcess& one) {
      one.Step();
      dc2.Step();
      world.clock.Advance(seconds(1));
    };
    for (int i = 0; i < 3; ++i) {
      world.Deliver("dc1", "clicks", "c1");
      world.Deliver("dc2", "clicks", "c2");
      dc2.Step();
      step(*both[i % 2]);
    }
    world.Deliver("dc1", "clicks", "c1");
    world.Deliver("dc1", "views", "c1");
    world.clock.Advance(minutes(1));
    reached = false;
    const uint64_t before = both[0]->plan.calls();
    both[0]->plan.SetCallback([&](const Call&) {
      if (reached || both[0]->plan.calls() < before + at) return Fault{};
      reached = true;
      return Fault::Delayed([&] { step(*both[1]); });
    });
    for (int i = 0; i < 2; ++i) step(*both[0]);
    both[0]->plan.Clear();
    leases[0]->held = false;
    world.clock.Advance(minutes(2));
    for (int i = 0; i < 10; ++i) step(*both[1]);
    ASSERT_THAT(world.Violations(Settled::kYes), IsEmpty()) << "overtaken at call " << at;
  }
}

}  // namespace
}  // namespace databus
