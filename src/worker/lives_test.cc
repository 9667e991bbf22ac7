// A worker process that is told to obey another topology, or to stop, in the middle of its work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/heartbeat.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::IsEmpty;
using Settled = Installation::Settled;

// Both clusters' workers in one installation, that go on from topology to topology.
class LivesTest : public ::testing::Test {
 protected:
  // Events everywhere, and the minute that they fall into ends.
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string cluster : {"dc1", "dc2"}) {
        for (const std::string stream : {"clicks", "views", "orders"}) {
          both_.world.Deliver(cluster, stream, "c" + cluster);
        }
      }
      both_.Step(6);
      both_.world.clock.Advance(minutes(1));
      both_.Step(4);
    }
  }
  // As an operator's change of what concerns no stream: all obey it.
  void Change() {
    both_.dc1.Obey(both_.world.topology);
    both_.dc2.Obey(both_.world.topology);
  }
  uint64_t Calls() const { return both_.dc1.plan.calls() + both_.dc2.plan.calls(); }
  // The calls of the first runs after another topology is obeyed.
  uint64_t CallsOfAChange() {
    const uint64_t before = Calls();
    Change();
    both_.Step(2);
    return Calls() - before;
  }

  TwoWorkers both_;
};

TEST_F(LivesTest, AnotherTopologyCostsTheSameHoweverManyMinutesAreClosed) {
  Minutes(3);
  CallsOfAChange();
  const uint64_t of_few = CallsOfAChange();
  Minutes(12);
  const uint64_t of_many = CallsOfAChange();
  EXPECT_LE(of_many, of_few + of_few / 20) << "nothing is read again that was known";
  EXPECT_THAT(both_.world.Violations(Settled::kYes), IsEmpty());
}

TEST_F(LivesTest, WhatIsHandedOverIsStillKnown) {
  Minutes(3);
  Change();
  Minutes(2);
  // A line of the queue that comes again names nothing new.
  const auto files = both_.world.Files("dc1", View::kLocal);
  ASSERT_FALSE(files.empty());
  const SeenFile& file = files.front();
  const std::string path =
      paths::MinuteFile(View::kLocal, file.stream, *Minute::ParseIso(file.minute), file.name);
  const std::string primary = both_.world.topology.FindStream(file.stream)->Primary();
  const paths::QueueEntryName entry{GroupOf(file.stream, 2), 1, 4711};
  ASSERT_TRUE(both_.world.at("dc1")
                  .WriteFile(paths::Join(paths::Consumers(primary), entry.ToString()),
                             "file:///dc1/databus/" + path + "\n")
                  .ok());
  both_.Step(6);
  EXPECT_THAT(both_.world.Violations(Settled::kYes), IsEmpty());
}

// Another process published meanwhile. What it did is looked up as often as it takes.
TEST_F(LivesTest, ATakeOverThatFailsLeavesNothingOutOfTheIndex) {
  Minutes(2);
  const Minute before = both_.world.Newest("dc1", "clicks");
  WorkerProcess other(both_.world, {"dc1"}, 3);
  both_.dc1.of().Finish();  // gives up its lease, and goes on as a standby
  for (int i = 0; i < 3; ++i) {
    both_.world.Deliver("dc1", "clicks", "c5");
    for (int k = 0; k < 8; ++k) {
      other.Step();
      both_.dc2.Step();
      both_.world.clock.Advance(seconds(1));
    }
    both_.world.clock.Advance(minutes(1));
  }
  other.Step();
  other.of().Finish();
  const auto files = both_.world.Files("dc1", View::kMerged);
  const auto file =
      std::ranges::find_if(files, [](const SeenFile& one) { return one.name.starts_with("c5-"); });
  ASSERT_NE(file, files.end());
  const Minute minute = *Minute::ParseIso(file->minute);
  ASSERT_GT(minute, before);
  const Group group = GroupOf("clicks", 2);
  // A line of the queue that comes again, and the manifest that names it cannot be read at first.
  for (const SeenFile& local : both_.world.Files("dc1", View::kLocal)) {
    if (local.name != file->name) continue;
    const std::string path =
        paths::MinuteFile(View::kLocal, "clicks", *Minute::ParseIso(local.minute), local.name);
    ASSERT_TRUE(both_.world.at("dc1")
                    .WriteFile(paths::Join(paths::Consumers("dc1"),
                                           paths::QueueEntryName{group, 1, 4711}.ToString()),
                               "file:///dc1/databus/" + path + "\n")
                    .ok());
  }
  both_.dc1.plan.Add({.verb = Verb::kOpen,
                      .path_part = paths::Manifest(View::kMerged, group, minute, ""),
                      .fault = Fault::RequestLost()});
  both_.Step(8);
  Minutes(1);
  EXPECT_THAT(both_.world.Violations(Settled::kYes), IsEmpty());
}

// Gates of a failover look at the heartbeat; what is missing there they call dead.
TEST_F(LivesTest, TheHeartbeatSaysRunningFromLifeToLife) {
  std::vector<std::string> states;
  const auto look = [&] {
    both_.dc1.of().BeatStep();
    for (const DirEntry& entry : *both_.world.at("dc1").List(paths::StatusRoot())) {
      if (!entry.name.starts_with("worker-dc1")) continue;
      const std::string path = paths::Join(paths::StatusRoot(), entry.name);
      states.push_back(DecodeHeartbeat(*both_.world.at("dc1").ReadFile(path), path)->state);
    }
  };
  Minutes(1);
  look();
  both_.dc1.plan.SetCallback([&](const Call& call) {  // whatever is written in between
    if (call.verb == Verb::kReplace && call.path.find("/worker-dc1") != call.path.npos) {
      states.push_back("seen");
    }
    return Fault{};
  });
  Change();
  EXPECT_EQ(states.size(), 1U) << "the end of a life says nothing";
  ASSERT_TRUE(both_.dc1.of().Prepare().ok());
  both_.dc1.plan.Clear();
  look();
  both_.Step(2);
  look();
  EXPECT_THAT(states, Each(std::string("running")));
  both_.dc1.of().Finish();
  EXPECT_EQ(
      DecodeHeartbeat(*both_.world.at("dc1").ReadFile(paths::StatusFile("worker-dc1")), "")->state,
      "stopped");
}

// The next life has the lease at once.
TEST_F(LivesTest, TheLeaseGoesOn) {
  Minutes(1);
  Change();
  const size_t before = both_.world.Files("dc1", View::kMerged).size();
  both_.world.Deliver("dc1", "clicks", "cdc1");
  both_.Step(1);
  EXPECT_EQ(both_.world.Files("dc1", View::kMerged).size(), before + 1);
}

class StopTest : public LivesTest {
 protected:
  // How many commit records of the merged view a process writes after it is told to stop while it
  // writes the first.
  static size_t RecordsAfterStop(WorkerProcess& process) {
    size_t records = 0;
    process.plan.SetCallback([&](const Call& call) {
      const bool is_record = call.verb == Verb::kRename &&
                             call.to.starts_with("system/tmp/streams/") &&
                             call.to.find("/record-") != call.to.npos;
      if (!is_record || ++records > 1) return Fault{};
      return Fault::Delayed([&] { process.Stop(); });
    });
    process.Step();
    process.plan.Clear();
    return records;
  }
};

TEST_F(StopTest, AMirrorThatIsFarBehindStopsAfterACommit) {
  Minutes(1);
  for (int i = 0; i < 8; ++i) {
    both_.world.Deliver("dc1", "clicks", "c5");
    for (int k = 0; k < 3; ++k) {
      both_.dc1.Step();
      both_.world.clock.Advance(seconds(1));
    }
    both_.world.clock.Advance(minutes(1));
    both_.dc1.Step();
  }
  WorkerProcess late(both_.world, {"dc2"}, 7);
  both_.dc2.of().Finish();
  ASSERT_TRUE(late.of().Prepare().ok());
  for (int i = 0; i < 2; ++i) late.of().LeaseStep();
  EXPECT_EQ(RecordsAfterStop(late), 1U);
  EXPECT_THAT(late.of().ListProblems(), IsEmpty()) << "to be told to stop is no problem";
}

TEST_F(StopTest, APrimaryThatClosesManyMinutesStopsAfterACommit) {
  Minutes(1);
  both_.world.clock.Advance(minutes(8));
  both_.dc1.of().Finish();
  WorkerProcess late(both_.world, {"dc1"}, 7);
  ASSERT_TRUE(late.of().Prepare().ok());
  for (int i = 0; i < 2; ++i) late.of().LeaseStep();
  EXPECT_EQ(RecordsAfterStop(late), 1U);
}

}  // namespace
}  // namespace databus
