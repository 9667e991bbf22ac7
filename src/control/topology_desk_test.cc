#include "control/topology_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kFile = R"(<databus>
  <defaults><rootdir>/databus</rootdir></defaults>
  <stream name="clicks">
    <source><name>dc1</name></source>
    <destination><name>dc1</name><primary>true</primary></destination>
    <destination><name>dc2</name></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file:///dc1" jturl="local" jobqueuename="default"/>
  <cluster name="dc2" hdfsurl="file:///dc2" jturl="local" jobqueuename="default"/>
</databus>)";

TopologyEpoch After(const TopologyEpoch& epoch, const std::string& author) {
  return TopologyEpoch::Of(epoch.stored.Next(author));
}

void AddCluster(Topology& topology, const std::string& name) {
  ClusterSpec added = topology.clusters.front();
  added.name = name;
  added.url = "file:///" + name;
  topology.clusters.push_back(added);
}

// Three clusters in memory, of which the first epoch names two. Every one can be out of reach.
class TopologyDeskTest : public testing::Test {
 protected:
  struct Tree {
    MemoryStorage storage;
    FaultPlan plan;
    std::string id;
  };

  TopologyDeskTest() {
    for (const char* name : {"dc1", "dc2", "dc3"}) {
      Tree& tree = trees_[name];
      if (name != std::string("dc3")) {
        tree.id = InitializeTree(tree.storage, *random_, kGroupsDefault)->id;
      }
    }
    StoredTopology first;
    first.adopted = Adopted::kYes;
    first.author = "databus.xml";
    first.topology = *ParseTopology(kFile, "databus.xml");
    first_ = TopologyEpoch::Of(first);
  }

  TopologyDesk Desk() {
    return TopologyDesk(
        {.random = *random_,
         .open = [this](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
           Tree& tree = trees_.at(spec.name);
           return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(tree.storage, tree.plan));
         },
         .clusters = first_.stored.topology.clusters});
  }
  void Put(const std::string& cluster, const TopologyEpoch& epoch) {
    ASSERT_TRUE(StoreEpoch(trees_[cluster].storage, *random_, epoch).ok());
  }
  void CutOff(const std::string& cluster) {
    trees_[cluster].plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  }
  std::string DigestAt(const std::string& cluster, uint64_t epoch) {
    const auto stored = ReadEpoch(trees_[cluster].storage, epoch);
    return stored.ok() ? stored->digest : std::string(CodeName(stored.code()));
  }

  std::unique_ptr<Random> random_ = SeededRandom(1);
  std::map<std::string, Tree> trees_;
  TopologyEpoch first_;
};

TEST_F(TopologyDeskTest, NothingStoredAndNobodyThereAreDifferentAnswers) {
  TopologyDesk desk = Desk();
  EXPECT_EQ(desk.Look().Newest().code(), Code::kNotFound);
  CutOff("dc1");
  CutOff("dc2");
  const auto newest = desk.Look().Newest();
  EXPECT_EQ(newest.code(), Code::kUnavailable);
  EXPECT_THAT(newest.status().message(), HasSubstr("dc2: "));
}

TEST_F(TopologyDeskTest, TheNewestOfAnyClusterIsItAndOneBehindIsNoConflict) {
  Put("dc1", first_);
  const TopologyEpoch second = After(first_, "apply");
  Put("dc2", second);
  TopologyDesk desk = Desk();
  const TopologyPicture& picture = desk.Look();
  ASSERT_TRUE(picture.Newest().ok());
  EXPECT_EQ((*picture.Newest())->digest, second.digest);
  EXPECT_THAT(picture.HoldersOf(second), ElementsAre("dc2"));
  EXPECT_THAT(picture.HoldersOf(first_), ElementsAre("dc1"));
  EXPECT_EQ(picture.ClusterIds().at("dc1"), trees_["dc1"].id);
}

TEST_F(TopologyDeskTest, TwoThatDoNotFollowEachOtherAreAConflictThatNamesBoth) {
  Put("dc1", After(first_, "here"));
  Put("dc2", After(After(first_, "there"), "there again"));
  TopologyDesk desk = Desk();
  const auto newest = desk.Look().Newest();
  EXPECT_EQ(newest.code(), Code::kRefused);
  EXPECT_THAT(newest.status().message(), HasSubstr("epoch 3 (there again, digest "));
  EXPECT_THAT(newest.status().message(), HasSubstr(" on dc2; epoch 2 (here, digest "));
}

TEST_F(TopologyDeskTest, ClustersThatOnlyTheStoredTopologyKnowsAreLookedAt) {
  StoredTopology grown = first_.stored.Next("apply");
  AddCluster(grown.topology, "dc3");
  ASSERT_TRUE(InitializeTree(trees_["dc3"].storage, *random_, kGroupsDefault).ok());
  const TopologyEpoch third = After(TopologyEpoch::Of(grown), "stored at dc3 alone");
  Put("dc1", TopologyEpoch::Of(grown));
  Put("dc3", third);
  TopologyDesk desk = Desk();
  EXPECT_EQ((*desk.Look().Newest())->digest, third.digest);
  EXPECT_THAT(desk.picture().clusters, SizeIs(3));
}

TEST_F(TopologyDeskTest, ATreeThatOthersKnowByAnotherIdIsNotBelieved) {
  StoredTopology knows = first_.stored.Next("apply");
  knows.cluster_ids["dc2"] = "another id";
  Put("dc1", TopologyEpoch::Of(knows));
  Put("dc2", TopologyEpoch::Of(knows.Next("by whoever")));
  TopologyDesk desk = Desk();
  EXPECT_THAT((*desk.Look().Newest())->stored.author, "apply");
  EXPECT_THAT(desk.picture().clusters[1].away, HasSubstr("cluster dc1 knows it by the id another"));
}

TEST_F(TopologyDeskTest, ADamagedEpochIsNamedAndIsNotTakenForNothing) {
  Put("dc1", first_);
  ASSERT_TRUE(trees_["dc2"].storage.MakeDir(paths::TopologyRoot()).ok());
  ASSERT_TRUE(trees_["dc2"].storage.WriteFile(paths::TopologyFile(9), "<databus").ok());
  TopologyDesk desk = Desk();
  EXPECT_EQ((*desk.Look().Newest())->digest, first_.digest);
  EXPECT_THAT(desk.picture().clusters[1].away, HasSubstr("9.xml: no checksum"));
}

TEST_F(TopologyDeskTest, ALookThatFindsNothingNewReadsNoEpochAgain) {
  Put("dc1", first_);
  Put("dc2", first_);
  TopologyDesk desk = Desk();
  desk.Look();
  const uint64_t calls = trees_["dc1"].plan.calls();
  desk.Look();
  const std::vector<Call> trace = trees_["dc1"].plan.trace();
  for (size_t i = calls; i < trace.size(); ++i) {
    EXPECT_THAT(trace[i].path, testing::Not(HasSubstr(".xml")));
  }
}

TEST_F(TopologyDeskTest, ANextEpochKnowsTheClustersByTheirIds) {
  Put("dc1", first_);
  TopologyDesk desk = Desk();
  const SharedEpoch newest = *desk.Look().Newest();
  const StoredTopology next = desk.Next(*newest, "apply");
  EXPECT_TRUE(next.Follows(first_.digest));
  EXPECT_EQ(next.cluster_ids.at("dc2"), trees_["dc2"].id);
}

TEST_F(TopologyDeskTest, AnEpochIsStoredOnAllThatAnswerAndTheOthersAreNamed) {
  Put("dc1", first_);
  CutOff("dc2");
  TopologyDesk desk = Desk();
  const TopologyEpoch second = After(first_, "apply");
  const auto stored = desk.Store(second);
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_THAT(stored->on, ElementsAre("dc1"));
  EXPECT_TRUE(stored->not_on.contains("dc2"));
  EXPECT_EQ(DigestAt("dc1", 2), second.digest);
  trees_["dc2"].plan.Clear();
  const auto again = desk.Store(second);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_THAT(again->on, ElementsAre("dc1", "dc2"));
  EXPECT_THAT(again->not_on, IsEmpty());
}

TEST_F(TopologyDeskTest, AClusterThatIsNewIsNamedAndGetsItLaterIfItWasNeverInitialised) {
  Put("dc1", first_);
  StoredTopology grown = first_.stored.Next("apply");
  AddCluster(grown.topology, "dc3");
  TopologyDesk desk = Desk();
  const auto stored = desk.Store(TopologyEpoch::Of(grown));
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_THAT(stored->on, ElementsAre("dc1", "dc2"));
  EXPECT_THAT(stored->not_on.at("dc3"), HasSubstr("never initialised"));
}

TEST_F(TopologyDeskTest, ANewClusterThatHasATopologyOfItsOwnIsNotTakenOver) {
  Put("dc1", first_);
  ASSERT_TRUE(InitializeTree(trees_["dc3"].storage, *random_, kGroupsDefault).ok());
  Put("dc3", TopologyEpoch::Of(StoredTopology{.before = {},
                                              .replaces = {},
                                              .author = "others",
                                              .cluster_ids = {},
                                              .modes = {},
                                              .topology = first_.stored.topology}));
  StoredTopology grown = first_.stored.Next("apply");
  AddCluster(grown.topology, "dc3");
  TopologyDesk desk = Desk();
  EXPECT_EQ(desk.Store(TopologyEpoch::Of(grown)).code(), Code::kExists);
  EXPECT_EQ(DigestAt("dc1", 2), "not found");
}

TEST_F(TopologyDeskTest, WhatDoesNotFollowWhatIsStoredChangesNothing) {
  Put("dc1", first_);
  Put("dc2", After(first_, "faster"));
  TopologyDesk desk = Desk();
  const auto refused = desk.Store(After(first_, "slower"));
  EXPECT_EQ(refused.code(), Code::kExists);
  EXPECT_THAT(refused.status().message(), HasSubstr("cluster dc2 has stored epoch 2 (faster"));
  EXPECT_EQ(DigestAt("dc1", 2), "not found");
}

TEST_F(TopologyDeskTest, AnEpochThatLetsMessagesGoRoundInACircleIsStoredByNobody) {
  Put("dc1", first_);
  StoredTopology next = first_.stored.Next("rehearsal");
  next.modes = {{"dc2", "", DeliveryMode::kRedirect, "dc1"},
                {"dc1", "clicks", DeliveryMode::kRedirect, "dc2"}};
  const TopologyEpoch circle = TopologyEpoch::Of(next);
  const auto refused = Desk().Store(circle);
  EXPECT_EQ(refused.code(), Code::kRefused);
  EXPECT_THAT(refused.status().message(), HasSubstr("clicks: dc1 -> dc2 -> dc1"));
  EXPECT_THAT(refused.status().message(), HasSubstr("topology mode dc1/clicks deliver"));
  EXPECT_EQ(DigestAt("dc1", 2), "not found");
  Put("dc1", circle);  // by an older program: it must not stand in the way of others
  EXPECT_TRUE(Desk().Store(After(circle, "apply")).ok());
}

TEST_F(TopologyDeskTest, WithoutAnyClusterNothingIsStoredAndThatIsAnError) {
  Put("dc1", first_);
  CutOff("dc1");
  CutOff("dc2");
  EXPECT_EQ(Desk().Store(After(first_, "apply")).code(), Code::kUnavailable);
}

// Whenever the other comes in between: one of the two has stored, the other is refused, and the
// clusters agree.
TEST_F(TopologyDeskTest, OfTwoThatStoreAtOnceExactlyOneSucceeds) {
  for (uint64_t call = 1;; ++call) {
    for (auto& [name, tree] : trees_) {
      for (const uint64_t epoch : {2, 1}) {
        const Status removed = tree.storage.Remove(paths::TopologyFile(epoch));
        ASSERT_TRUE(removed.ok() || removed.code() == Code::kNotFound);
      }
      tree.plan.Clear();
    }
    Put("dc1", first_);
    Put("dc2", first_);
    TopologyDesk one = Desk();
    TopologyDesk other = Desk();
    one.Look();
    const uint64_t before = trees_["dc1"].plan.calls() + trees_["dc2"].plan.calls();
    Result<TopologyDesk::Stored> theirs = Status(Code::kStopped, "did not come in between");
    bool came = false;
    const auto callback = [&](const Call&) -> Fault {
      const uint64_t calls = trees_["dc1"].plan.calls() + trees_["dc2"].plan.calls();
      if (came || calls != before + call) return {};
      came = true;
      return Fault::Delayed([&] { theirs = other.Store(After(first_, "other")); });
    };
    trees_["dc1"].plan.SetCallback(callback);
    trees_["dc2"].plan.SetCallback(callback);
    const auto ours = one.Store(After(first_, "one"));
    if (!came) break;
    EXPECT_NE(ours.ok(), theirs.ok()) << call;
    EXPECT_EQ((ours.ok() ? theirs : ours).code(), Code::kExists) << call;
    trees_["dc1"].plan.Clear();
    trees_["dc2"].plan.Clear();
    EXPECT_EQ(DigestAt("dc1", 2), After(first_, ours.ok() ? "one" : "other").digest) << call;
    EXPECT_EQ(DigestAt("dc2", 2), DigestAt("dc1", 2)) << call;
  }
}

TEST_F(TopologyDeskTest, KilledAtAnyCallItCanBeRepeated) {
  const TopologyEpoch second = After(first_, "apply");
  for (uint64_t call = 1;; ++call) {
    MemoryStorage trees[2];
    FaultPlan plan;
    for (MemoryStorage& tree : trees) {
      ASSERT_TRUE(InitializeTree(tree, *random_, kGroupsDefault).ok());
      ASSERT_TRUE(StoreEpoch(tree, *random_, first_).ok());
    }
    const auto desk = [&](FaultPlan& faults) {
      return TopologyDesk({*random_,
                           [&](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
                             return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(
                                 trees[spec.name == "dc1" ? 0 : 1], faults));
                           },
                           first_.stored.topology.clusters});
    };
    plan.Add({.number = call, .fault = Fault::CrashAfter()});
    bool died = false;
    try {
      ASSERT_TRUE(desk(plan).Store(second).ok());
    } catch (const Crash&) {
      died = true;
    }
    if (!died) break;
    FaultPlan nothing;
    ASSERT_TRUE(desk(nothing).Store(second).ok()) << call;
    for (MemoryStorage& tree : trees) EXPECT_EQ(ReadEpoch(tree, 2)->digest, second.digest);
  }
}

}  // namespace
}  // namespace databus
