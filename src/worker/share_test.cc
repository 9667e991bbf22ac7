// The groups of a cluster spread over several workers (docs/decisions/0013): each publishes its own
// and nothing else, whatever moves from one to the other, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/facts.h"
#include "telemetry/heartbeat.h"
#include "worker/given_lease.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Settled = Installation::Settled;

// Two streams that are merged here, of different groups, and one that is mirrored here.
constexpr Group kGroups = 2;  // of the trees of an Installation
const Group kClicks = GroupOf("clicks", kGroups);
const Group kViews = GroupOf("views", kGroups);

std::set<Group> AllBut(const std::set<Group>& others) {
  std::set<Group> groups;
  for (Group group = 0; group < kGroups; ++group) {
    if (!others.contains(group)) groups.insert(group);
  }
  return groups;
}

class ShareTest : public ::testing::Test {
 protected:
  struct Sharer {
    std::shared_ptr<GivenLease> lease = std::make_shared<GivenLease>();
    std::unique_ptr<WorkerProcess> process;
  };

  ShareTest() {
    for (size_t i = 0; i < 2; ++i) {
      sharers_[i].lease->held = true;
      sharers_[i].process = std::make_unique<WorkerProcess>(
          world_, std::vector<std::string>{"dc1"}, static_cast<int64_t>(i + 1), world_.topology,
          AdoptTree::kNo, "", Giving(sharers_[i].lease));
    }
    Give({kViews});
  }
  // To the second; the first has the others.
  void Give(const std::set<Group>& groups) {
    sharers_[0].lease->share = AllBut(groups);
    sharers_[1].lease->share = groups;
  }
  void DeliverEverywhere() {
    for (const std::string cluster : {"dc1", "dc2"}) {
      for (const std::string stream : {"clicks", "views", "orders"}) {
        world_.Deliver(cluster, stream, cluster == "dc1" ? "c1" : "c2");
      }
    }
  }
  void Step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      for (Sharer& sharer : sharers_) {
        sharer.process->Step();
        sharer.process->of().BeatStep();
      }
      dc2_.Step();
      world_.clock.Advance(seconds(1));
    }
  }
  void Settle() {
    world_.clock.Advance(minutes(2));
    Step(8);
    EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  }
  std::set<std::string> StreamsHere(View view) {
    std::set<std::string> streams;
    for (const SeenFile& file : world_.Files("dc1", view)) streams.insert(file.stream);
    return streams;
  }
  Result<Heartbeat> BeatOf(const std::string& process) {
    const std::string path = paths::StatusFile(process);
    DATABUS_ASSIGN_OR_RETURN(const std::string text, world_.at("dc1").ReadFile(path));
    return DecodeHeartbeat(text, path);
  }

  Installation world_;
  Sharer sharers_[2];
  WorkerProcess dc2_{world_, {"dc2"}, 9};
};

TEST_F(ShareTest, StreamsOfDifferentGroupsAreOfDifferentWorkers) {
  ASSERT_NE(kClicks, kViews);
  DeliverEverywhere();
  dc2_.Step();
  sharers_[1].process->Step();
  EXPECT_THAT(StreamsHere(View::kLocal), ElementsAre("views"));
  EXPECT_THAT(StreamsHere(View::kMerged), ElementsAre("views"));
  sharers_[0].process->Step();
  EXPECT_THAT(StreamsHere(View::kLocal), SizeIs(3));
  EXPECT_THAT(StreamsHere(View::kMerged), Contains("clicks"));
  Settle();
}

TEST_F(ShareTest, EachSaysWhatItsShareIs) {
  Step();
  const auto leader = BeatOf("worker-dc1");
  const auto other = BeatOf("worker-dc1-share-host-2");
  ASSERT_TRUE(leader.ok() && other.ok());
  EXPECT_EQ(leader->state, "running");
  EXPECT_EQ(other->state, "running");
  EXPECT_THAT(leader->facts["share"]["groups"], ElementsAre(kClicks));
  EXPECT_THAT(other->facts["share"]["groups"], ElementsAre(kViews));
  EXPECT_EQ(other->facts["share"]["of"], kGroups);
  // All of it moves: names follow the shares, and none is left behind.
  Give(AllBut({}));
  Step();
  EXPECT_EQ(BeatOf("worker-dc1")->pid, 2);
  EXPECT_EQ(BeatOf("worker-dc1-share-host-2").code(), Code::kNotFound);
  EXPECT_EQ(BeatOf("worker-dc1-standby-host-1")->state, "standby");
}

TEST_F(ShareTest, GroupsMoveAtEveryRunAndNothingIsLostOrDoubled) {
  const std::set<Group> shares[] = {{kViews}, {}, {kClicks}, {kViews, kClicks}, AllBut({})};
  for (int i = 0; i < 25; ++i) {
    DeliverEverywhere();
    Give(shares[i % std::size(shares)]);
    Step();
    world_.clock.Advance(seconds(17));
  }
  Settle();
}

// Both believe that they hold it, for one call or for many, at every third call of the first.
TEST_F(ShareTest, AGroupThatIsTakenInTheMiddleOfACommitIsFenced) {
  Step(2);
  for (uint64_t at = 1; at < 60; at += 3) {
    DeliverEverywhere();
    Give({});
    FaultPlan& plan = sharers_[0].process->plan;
    const uint64_t before = plan.calls();
    bool taken = false;
    plan.SetCallback([&](const Call&) {
      if (taken || plan.calls() < before + at) return Fault{};
      taken = true;
      return Fault::Delayed([&] {
        sharers_[1].lease->share = AllBut({});
        sharers_[1].process->Step();
      });
    });
    sharers_[0].process->Step();
    plan.Clear();
    Give(AllBut({}));
    Step();
    world_.clock.Advance(seconds(5));
  }
  Settle();
}

// The original's entries, and those that an operator joined by hand, are of no group (P23).
TEST_F(ShareTest, AnEntryOfSeveralGroupsIsSplitAndTakenByEach) {
  DeliverEverywhere();
  dc2_.Step();
  Storage& source = world_.at("dc2");
  std::string all;
  for (const DirEntry& entry : *source.List(paths::Consumers("dc1"))) {
    const std::string path = paths::Join(paths::Consumers("dc1"), entry.name);
    all += *source.ReadFile(path);
    ASSERT_TRUE(source.Remove(path).ok());
  }
  ASSERT_TRUE(source.WriteFile(paths::Join(paths::Consumers("dc1"), "1346828461234"), all).ok());
  Step(2);
  EXPECT_THAT(*source.List(paths::Consumers("dc1")), IsEmpty());
  Settle();
}

// Its files are announced nowhere; whoever had the group has looked at data/ a moment ago.
TEST_F(ShareTest, WhatLiesUnannouncedIsFoundByWhoeverGetsTheGroup) {
  Step();
  world_.Deliver("dc1", "views", "c1", Installation::Announced::kNo);
  Give({});
  Step();
  EXPECT_THAT(StreamsHere(View::kLocal), Contains("views"));
  Settle();
}

TEST_F(ShareTest, WhoeverLosesAGroupSaysNoMoreWhatIsWrongWithIt) {
  Step();
  world_.Deliver("dc1", "views", "c1");
  sharers_[1].process->plan.Add({.path_part = paths::Staging(View::kLocal, kViews),
                                 .times = FaultRule::kAlways,
                                 .fault = Fault::RequestLost()});
  Step();
  const auto says = [this] {
    std::vector<std::string> whats;
    for (const Problem& problem : sharers_[1].process->of().ListProblems()) {
      whats.push_back(problem.what);
    }
    return whats;
  };
  EXPECT_THAT(says(), Contains(HasSubstr("group " + std::to_string(kViews))));
  Give({});
  Step();
  EXPECT_THAT(says(), Not(Contains(HasSubstr("group " + std::to_string(kViews)))));
  Settle();
}

TEST_F(ShareTest, AFrozenStreamIsAcknowledgedByWhoeverHoldsItsGroup) {
  DeliverEverywhere();
  Step(2);
  Topology frozen = world_.topology;
  for (StreamSpec& stream : frozen.streams) {
    if (stream.Primary() == "dc1") stream.publication = Publication::kFrozen;
  }
  for (Sharer& sharer : sharers_) sharer.process->Obey(frozen);
  Step(2);
  const auto frozen_by = [this](const std::string& process) {
    std::set<std::string> streams;
    const auto beat = BeatOf(process);
    if (!beat.ok() || !beat->facts.contains(facts::kFrozen)) return streams;
    for (const auto& [stream, last] : beat->facts[facts::kFrozen].items()) streams.insert(stream);
    return streams;
  };
  EXPECT_THAT(frozen_by("worker-dc1"), ElementsAre("clicks"));
  EXPECT_THAT(frozen_by("worker-dc1-share-host-2"), ElementsAre("views"));
  Give({});
  Step();
  EXPECT_THAT(frozen_by("worker-dc1"), ElementsAre("clicks", "views"));
}

TEST_F(ShareTest, HeartbeatsOfProcessesThatAreLongGoneArePurged) {
  Step();
  Storage& tree = world_.at("dc1");
  ASSERT_TRUE(tree.WriteFile(paths::StatusFile("worker-dc1-share-h9-7"), "{}").ok());
  ASSERT_TRUE(tree.WriteFile(paths::StatusFile("worker-dc1-standby-h9-8"), "{}").ok());
  ASSERT_TRUE(tree.WriteFile(paths::StatusFile("collector-c1"), "{}").ok());
  world_.clock.Advance(std::chrono::hours(25));
  Step(2);
  EXPECT_EQ(BeatOf("worker-dc1-share-h9-7").code(), Code::kNotFound);
  EXPECT_EQ(BeatOf("worker-dc1-standby-h9-8").code(), Code::kNotFound);
  EXPECT_TRUE(tree.Stat(paths::StatusFile("collector-c1")).ok());
  EXPECT_TRUE(BeatOf("worker-dc1").ok());
}

}  // namespace
}  // namespace databus
