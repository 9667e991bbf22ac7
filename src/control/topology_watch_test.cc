#include "control/topology_watch.h"

#include <gtest/gtest.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

constexpr std::string_view kFile = R"(<databus>
  <defaults><rootdir>/databus</rootdir></defaults>
  <stream name="clicks">
    <source><name>dc1</name></source>
    <destination><name>dc1</name><primary>true</primary></destination>
    <destination><name>dc2</name></destination>
  </stream>
  <stream name="orders">
    <source><name>dc1</name></source>
    <destination><name>dc2</name><primary>true</primary></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file:///a" jturl="local" jobqueuename="default"/>
  <cluster name="dc2" hdfsurl="file:///b" jturl="local" jobqueuename="default"/>
</databus>)";

// Two clusters in memory, either of which can be out of reach.
class World : public testing::Test {
 protected:
  World() {
    for (MemoryStorage* tree : {&dc1_, &dc2_}) {
      EXPECT_TRUE(InitializeTree(*tree, *random_, kGroupsDefault).ok());
    }
    StoredTopology first;
    first.adopted = Adopted::kYes;
    first.topology = *ParseTopology(kFile, "databus.xml");
    first_ = TopologyEpoch::Of(first);
  }

  std::unique_ptr<TopologyWatch> Process(std::vector<std::string> homes = {}) {
    const OpenClusterStorage open =
        [this](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
      FaultPlan& plan = spec.name == "dc1" ? dc1_plan_ : dc2_plan_;
      MemoryStorage& tree = spec.name == "dc1" ? dc1_ : dc2_;
      return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(tree, plan));
    };
    return std::make_unique<TopologyWatch>(
        TopologyWatch::Options{*random_, open, first_.stored.topology.clusters, std::move(homes)},
        nullptr);
  }
  void Store(MemoryStorage& tree, const TopologyEpoch& epoch) {
    EXPECT_TRUE(StoreEpoch(tree, *random_, epoch).ok());
  }
  static TopologyEpoch After(const TopologyEpoch& epoch, const std::string& author) {
    return TopologyEpoch::Of(epoch.stored.Next(author));
  }
  static void CutOff(FaultPlan& plan) {
    plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  }

  std::unique_ptr<Random> random_ = SeededRandom(1);
  MemoryStorage dc1_;
  MemoryStorage dc2_;
  FaultPlan dc1_plan_;
  FaultPlan dc2_plan_;
  TopologyEpoch first_;
};

TEST_F(World, WithoutAnyEpochNothingIsObeyed) {
  const auto process = Process();
  EXPECT_FALSE(process->Poll());
  EXPECT_EQ(process->obeyed(), nullptr);
}

TEST_F(World, TheNewestEpochOfAnyClusterIsObeyedAndKeptAtHome) {
  Store(dc1_, first_);
  const TopologyEpoch second = After(first_, "apply");
  Store(dc2_, second);
  const auto process = Process({"dc1"});
  EXPECT_TRUE(process->Poll());
  EXPECT_EQ(process->obeyed()->epoch.digest, second.digest);
  EXPECT_TRUE(process->obeyed()->conflicts.empty());
  EXPECT_EQ(ReadEpoch(dc1_, 2)->digest, second.digest);
  EXPECT_FALSE(process->Poll());
}

TEST_F(World, AClusterThatBecomesAHomeIsBroughtUpToDate) {
  Store(dc1_, first_);
  const auto process = Process({"dc1"});
  process->Poll();
  EXPECT_EQ(ReadEpoch(dc2_, 1).code(), Code::kNotFound);
  process->SetHomes({"dc1", "dc2"});
  process->Poll();
  EXPECT_EQ(ReadEpoch(dc2_, 1)->digest, first_.digest);
}

// Every process does so every second, however many epochs there are: no stat for each.
TEST_F(World, AnIdleProcessListsNamesOncePerCluster) {
  Store(dc1_, first_);
  Store(dc2_, first_);
  const auto process = Process({"dc1"});
  process->Poll();
  const uint64_t calls = dc1_plan_.calls() + dc2_plan_.calls();
  process->Poll();
  EXPECT_EQ(dc1_plan_.calls() + dc2_plan_.calls(), calls + 2);
  EXPECT_EQ(dc1_plan_.trace().back().verb, Verb::kListNames);
  EXPECT_EQ(dc2_plan_.trace().back().verb, Verb::kListNames);
}

// A cluster that was away gets the newest epoch and none of those between: nobody may take what it
// held before for the newest one, not for a moment (P28).
TEST_F(World, AJumpOfNumbersIsSeenAtTheNextPoll) {
  Store(dc1_, first_);
  const auto process = Process({"dc1"});
  process->Poll();
  TopologyEpoch last = first_;
  for (int i = 0; i < 8; ++i) last = After(last, "apply");
  Store(dc1_, last);
  EXPECT_TRUE(process->Poll());
  EXPECT_EQ(process->obeyed()->epoch.stored.epoch, 9U);
}

TEST_F(World, AClusterThatLagsBehindIsNoConflict) {
  const TopologyEpoch second = After(first_, "apply");
  Store(dc1_, first_);
  Store(dc2_, second);
  const auto process = Process();
  process->Poll();
  EXPECT_EQ(process->obeyed()->epoch.digest, second.digest);
  EXPECT_TRUE(process->obeyed()->conflicts.empty());
}

TEST_F(World, OppositeChangesFreezeOnlyWhatTheyDisagreeOn) {
  StoredTopology here = first_.stored.Next("here");
  StoredTopology there = first_.stored.Next("there");
  there.topology.streams[0].destinations[0].role = Role::kMirror;
  there.topology.streams[0].destinations[1].role = Role::kPrimary;
  const TopologyEpoch one = TopologyEpoch::Of(here);
  const TopologyEpoch other = TopologyEpoch::Of(there);
  Store(dc1_, one);
  Store(dc2_, other);
  for (const auto& [home, own] : {std::pair{"dc1", &one}, std::pair{"dc2", &other}}) {
    const auto process = Process({home});
    process->Poll();
    const auto obeyed = process->obeyed();
    EXPECT_EQ(obeyed->epoch.digest, own->digest) << home;
    EXPECT_EQ(obeyed->conflicts.size(), 1U);
    EXPECT_EQ(obeyed->topology.FindStream("clicks")->publication, Publication::kFrozen);
    EXPECT_EQ(obeyed->topology.FindStream("orders")->publication, Publication::kOpen);
  }
}

TEST_F(World, AConflictEndsWhenOneSideReplacesTheOther) {
  const TopologyEpoch one = After(first_, "here");
  const TopologyEpoch other = After(After(first_, "there"), "there again");
  Store(dc1_, one);
  Store(dc2_, other);
  const auto process = Process({"dc1"});
  process->Poll();
  EXPECT_EQ(process->obeyed()->conflicts.size(), 1U);
  StoredTopology chosen = other.stored.Next("choice");
  chosen.replaces.push_back(one.digest);
  Store(dc2_, TopologyEpoch::Of(chosen));
  EXPECT_TRUE(process->Poll());
  EXPECT_TRUE(process->obeyed()->conflicts.empty());
  EXPECT_EQ(process->obeyed()->epoch.stored.author, "choice");
}

// What it obeyed in its last life lies at home only, and the other cluster may be the other side.
TEST_F(World, WhoRestartsWhileItsHomeIsAwayObeysNobodyUntilItAnswers) {
  StoredTopology knows = first_.stored.Next("apply");
  knows.cluster_ids["dc1"] = ReadClusterId(dc1_)->id;
  const TopologyEpoch base = TopologyEpoch::Of(knows);
  const TopologyEpoch here = After(base, "here");
  Store(dc1_, here);
  Store(dc2_, After(base, "there"));
  CutOff(dc1_plan_);
  const auto process = Process({"dc1"});
  EXPECT_FALSE(process->Poll());
  EXPECT_EQ(process->obeyed(), nullptr);
  EXPECT_TRUE(process->WaitsForHome());
  dc1_plan_.Clear();
  EXPECT_TRUE(process->Poll());
  EXPECT_FALSE(process->WaitsForHome());
  EXPECT_EQ(process->obeyed()->epoch.digest, here.digest);
  EXPECT_EQ(process->obeyed()->conflicts.size(), 1U);
}

// A cluster that joins: nobody has seen an id of it.
TEST_F(World, AHomeThatWasNeverInitialisedKeepsNobodyWaiting) {
  Store(dc2_, After(first_, "there"));
  CutOff(dc1_plan_);
  const auto process = Process({"dc1"});
  EXPECT_TRUE(process->Poll());
  EXPECT_EQ(process->obeyed()->epoch.stored.author, "there");
}

// Who stored the other side's epoch had never reached it.
TEST_F(World, AHomeWhoseEpochCannotBeReadIsWaitedForThoughNobodyKnowsIt) {
  const TopologyEpoch here = After(first_, "here");
  Store(dc1_, here);
  Store(dc2_, After(After(first_, "there"), "there again"));
  dc1_plan_.Add(
      {.verb = Verb::kOpen, .path_part = paths::TopologyRoot(), .fault = Fault::AnswerLost()});
  const auto process = Process({"dc1"});
  EXPECT_FALSE(process->Poll());
  EXPECT_EQ(process->obeyed(), nullptr);
  EXPECT_TRUE(process->WaitsForHome());
  EXPECT_TRUE(process->Poll());
  EXPECT_EQ(process->obeyed()->epoch.digest, here.digest);
  EXPECT_EQ(NewestEpoch(dc1_)->value(), here.stored.epoch) << "nothing is stored over it";
}

TEST_F(World, AHomeThatNobodyKnowsIsReturnedToWhenItAnswers) {
  const TopologyEpoch here = After(first_, "here");
  Store(dc1_, here);
  Store(dc2_, After(After(first_, "there"), "there again"));
  CutOff(dc1_plan_);
  const auto process = Process({"dc1"});
  EXPECT_TRUE(process->Poll());
  EXPECT_EQ(process->obeyed()->epoch.stored.author, "there again");
  dc1_plan_.Clear();
  EXPECT_TRUE(process->Poll());
  EXPECT_EQ(process->obeyed()->epoch.digest, here.digest);
  EXPECT_EQ(process->obeyed()->conflicts.size(), 1U);
  EXPECT_EQ(NewestEpoch(dc1_)->value(), here.stored.epoch) << "nothing is stored over it";
}

// P1: an empty disk in the home's place says nothing of what the home holds.
TEST_F(World, AnEmptyDiskInTheHomesPlaceIsNoHome) {
  StoredTopology knows = first_.stored.Next("apply");
  knows.cluster_ids["dc1"] = "another id";
  Store(dc2_, TopologyEpoch::Of(knows));
  const auto process = Process({"dc1"});
  EXPECT_FALSE(process->Poll());
  EXPECT_TRUE(process->WaitsForHome());
}

TEST_F(World, ACutOffClusterChangesNothingAndIsNamed) {
  Store(dc1_, first_);
  CutOff(dc2_plan_);
  const auto process = Process({"dc1"});
  process->Poll();
  EXPECT_EQ(process->obeyed()->epoch.digest, first_.digest);
  EXPECT_TRUE(process->away().contains("dc2"));
}

TEST_F(World, ADamagedEpochIsNamedAndTheOneOfTheOtherClusterIsObeyed) {
  Store(dc1_, first_);
  EXPECT_TRUE(dc2_.MakeDir(paths::TopologyRoot()).ok());
  EXPECT_TRUE(dc2_.WriteFile(paths::TopologyFile(9), "<databus-topology").ok());
  const auto process = Process({"dc1"});
  process->Poll();
  EXPECT_EQ(process->obeyed()->epoch.digest, first_.digest);
  EXPECT_NE(process->away().at("dc2").find("9.xml: no checksum"), std::string::npos);
}

// "Told" means that the newest epoch there is known: nothing is delivered before (P31).
TEST_F(World, ATreeThatRefusesOrGoesAwayWhileItIsAskedHasNotTold) {
  Store(dc1_, first_);
  Store(dc1_, After(first_, "drain"));
  const std::string id = ReadClusterId(dc1_)->id;
  EXPECT_TRUE(Process()->Ask("dc1", id));
  dc1_plan_.Add({.verb = Verb::kListNames,
                 .path_part = paths::TopologyRoot(),
                 .times = FaultRule::kAlways,
                 .fault = Fault::Refused(Code::kRefused)});
  EXPECT_FALSE(Process()->Ask("dc1", id));
  dc1_plan_.Clear();
  bool gone = false;
  dc1_plan_.SetCallback([&](const Call& call) {
    gone = gone || call.verb == Verb::kListNames;
    return gone ? Fault::Refused(Code::kNotFound) : Fault{};
  });
  EXPECT_FALSE(Process()->Ask("dc1", id));
}

TEST_F(World, AnotherDiskInThePlaceOfATreeIsNotBelieved) {
  StoredTopology knows = first_.stored.Next("apply");
  knows.cluster_ids["dc2"] = "another id";
  Store(dc1_, TopologyEpoch::Of(knows));
  const auto process = Process({"dc1"});
  process->Poll();
  Store(dc2_, TopologyEpoch::Of(knows.Next("by whoever")));
  EXPECT_FALSE(process->Poll());
  EXPECT_TRUE(process->away().contains("dc2"));
}

TEST_F(World, TheSameEpochMayBeStoredTwiceAndAnotherOneNot) {
  Store(dc1_, first_);
  Store(dc1_, first_);
  StoredTopology changed = first_.stored;
  changed.author = "somebody else";
  EXPECT_EQ(StoreEpoch(dc1_, *random_, TopologyEpoch::Of(changed)).code(), Code::kExists);
  EXPECT_EQ(ReadEpoch(dc1_, 1)->digest, first_.digest);
}

// One process at home in each cluster, one in the middle of the other's storing.
TEST_F(World, OfTwoWhoBeginAnEpochAtOnceOneStoresNothing) {
  Store(dc1_, first_);
  Store(dc2_, first_);
  const auto one = Process({"dc2"});
  const auto other = Process({"dc1"});
  one->Poll();
  other->Poll();
  const TopologyEpoch of_one = After(first_, "one");
  const TopologyEpoch of_other = After(first_, "other");
  Status begun_by_other;
  int stored = 0;
  const auto between = [&](const Call& call) {
    const bool stores = call.verb == Verb::kRename && call.to.find("/topology/") != call.to.npos;
    if (!stores || ++stored != 2) return Fault{};
    return Fault::Delayed([&] { begun_by_other = other->Begin(of_other); });
  };
  dc1_plan_.SetCallback(between);
  dc2_plan_.SetCallback(between);
  const Status begun_by_one = one->Begin(of_one);
  EXPECT_NE(begun_by_one.ok(), begun_by_other.ok());
  EXPECT_EQ((begun_by_one.ok() ? begun_by_other : begun_by_one).code(), Code::kExists);
  EXPECT_EQ(ReadEpoch(dc1_, 2)->digest, ReadEpoch(dc2_, 2)->digest);
}

// A worker that starts sweeps what others have staged.
TEST_F(World, WhatIsSweptBeforeItIsPlacedIsStagedOnceMore) {
  FaultStorage tree(dc1_, dc1_plan_);
  dc1_plan_.SetCallback([&, swept = false](const Call& call) mutable {
    if (call.verb == Verb::kRename && !std::exchange(swept, true)) {
      EXPECT_TRUE(dc1_.Remove(call.path).ok());
    }
    return Fault{};
  });
  EXPECT_TRUE(StoreEpoch(tree, *random_, first_).ok());
  EXPECT_EQ(*NewestEpoch(dc1_), first_.stored.epoch);
}

TEST_F(World, KilledAtAnyCallAnEpochIsStoredWholeOrNotAtAll) {
  for (uint64_t call = 1;; ++call) {
    MemoryStorage tree;
    ASSERT_TRUE(InitializeTree(tree, *random_, kGroupsDefault).ok());
    FaultPlan plan;
    plan.Add({.number = call, .fault = Fault::CrashAfter()});
    FaultStorage dying(tree, plan);
    bool died = false;
    try {
      ASSERT_TRUE(StoreEpoch(dying, *random_, first_).ok());
    } catch (const Crash&) {
      died = true;
    }
    const auto stored = ReadEpoch(tree, 1);
    EXPECT_TRUE(stored.ok() || stored.code() == Code::kNotFound) << call;
    Store(tree, first_);
    EXPECT_EQ(ReadEpoch(tree, 1)->digest, first_.digest);
    if (!died) break;
  }
}

}  // namespace
}  // namespace databus
