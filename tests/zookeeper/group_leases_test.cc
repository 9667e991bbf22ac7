// The leases of groups in ZooKeeper against a real server. No test depends on speed.
#include "lease/zookeeper_group_leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/torture/proxy.h"
#include "tests/zookeeper/by_hand.h"
#include "tests/zookeeper/rig.h"

namespace databus {

const HolderMain kHolderMain = nullptr;

namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr seconds kSession{3};
constexpr Group kGroups = 7;

struct Sharer {
  Sharer(std::string its_name, Clock& clock, const std::string& servers,
         std::function<bool(const std::string&)> is_gone = {}, seconds session = kSession)
      : name(std::move(its_name)),
        leases(clock, SystemRandom(),
               {.servers = servers,
                .request = {.cluster = "dc1",
                            .holder = name,
                            .timeout = session,
                            .spread_groups = kGroups,
                            .holder_is_gone = std::move(is_gone)}}) {}
  std::set<Group> Share() { return *leases.Share(); }

  const std::string name;
  ZooKeeperGroupLeases leases;
};

class GroupLeasesTest : public ::testing::Test {
 protected:
  // All of them tick until each has as many groups as is said, and nobody one of another's.
  static void Settle(const std::vector<std::pair<Sharer*, size_t>>& wanted) {
    const auto settled = [&] {
      bool all = true;
      std::set<Group> held;
      for (const auto& [sharer, count] : wanted) {
        all &= sharer->leases.Tick().ok();
      }
      for (const auto& [sharer, count] : wanted) {
        const std::set<Group> share = sharer->Share();
        all &= share.size() == count;
        for (const Group group : share) {
          EXPECT_TRUE(held.insert(group).second) << group << " is held twice";
        }
      }
      return all;
    };
    ASSERT_TRUE(Eventually(settled));
  }

  const std::string servers_ = TheZooKeeper().servers();
  ManualClock still_{WallTime{}};  // time that does not pass unless a test says so
};

TEST_F(GroupLeasesTest, WhoIsAloneHasAllAndSharesThemWithWhoeverComes) {
  Sharer a("a", still_, servers_);
  Settle({{&a, 7}});
  EXPECT_EQ(a.leases.Holder(), "a");
  EXPECT_EQ(a.leases.Where(), "ZooKeeper " + servers_ + ", /databus/dc1_groups");
  Sharer b("b", still_, servers_);
  Settle({{&a, 4}, {&b, 3}});
  EXPECT_THAT(a.Share(), ElementsAre(0, 1, 2, 3)) << "no more has moved than had to";
  EXPECT_THAT(b.Share(), ElementsAre(4, 5, 6));
  EXPECT_TRUE(Eventually([&] { return b.leases.Tick().ok() && b.leases.Holder() == "a"; }));
  Sharer c("c", still_, servers_);
  Settle({{&a, 3}, {&b, 2}, {&c, 2}});
  EXPECT_THAT(c.Share(), ElementsAre(3, 6));
}

TEST_F(GroupLeasesTest, WhoGoesLeavesItsShareToTheOthers) {
  Sharer a("a", still_, servers_);
  Sharer b("b", still_, servers_);
  Settle({{&a, 4}, {&b, 3}});
  EXPECT_TRUE(a.leases.Release().ok());
  EXPECT_THAT(a.Share(), IsEmpty());
  EXPECT_FALSE(a.leases.HeldAny());
  // Without a Tick: events bring it.
  EXPECT_TRUE(Eventually([&] { return b.Share().size() == kGroups; }));
  EXPECT_EQ(b.leases.Holder(), "b");
  Settle({{&a, 3}, {&b, 4}});  // it may come back, and is the last in line
}

// A commit that is under way has until the next Tick to end.
TEST_F(GroupLeasesTest, WhatIsGivenUpIsNotHeldAtOnceAndFreeALittleLater) {
  Sharer a("a", still_, servers_);
  Settle({{&a, 7}});
  Sharer b("b", still_, servers_);
  ASSERT_TRUE(b.leases.Tick().ok());
  ASSERT_TRUE(Eventually([&] { return a.Share().size() == 4; }));
  ByHand hand(servers_);
  EXPECT_THAT(hand.List("/databus/dc1_groups"), SizeIs(2 + kGroups)) << "all claims stand";
  EXPECT_THAT(b.Share(), IsEmpty());
  Settle({{&a, 4}, {&b, 3}});
}

TEST_F(GroupLeasesTest, ManyAtOnceShareWithoutOneThatIsHeldTwice) {
  std::vector<std::unique_ptr<Sharer>> all;
  std::vector<std::pair<Sharer*, size_t>> wanted;
  for (int i = 0; i < 9; ++i) {
    all.push_back(std::make_unique<Sharer>(std::to_string(i), still_, servers_));
  }
  std::vector<Thread> threads;
  for (const auto& one : all) {
    threads.emplace_back(
        "tick", [&one] { ASSERT_TRUE(Eventually([&] { return one->leases.Tick().ok(); })); });
  }
  for (Thread& thread : threads) thread.Join();
  // Two of nine stand by; which, is how they came.
  const auto settled = [&] {
    std::multiset<size_t> sizes;
    std::set<Group> held;
    for (const auto& one : all) {
      if (!one->leases.Tick().ok()) return false;
    }
    for (const auto& one : all) {
      sizes.insert(one->Share().size());
      for (const Group group : one->Share()) EXPECT_TRUE(held.insert(group).second);
    }
    return sizes == std::multiset<size_t>{0, 0, 1, 1, 1, 1, 1, 1, 1};
  };
  EXPECT_TRUE(Eventually(settled));
}

TEST_F(GroupLeasesTest, TheyAreHeldByTheirOwnMeasureForTwoThirdsOfTheSession) {
  Sharer a("a", still_, servers_);
  Settle({{&a, 7}});
  still_.Advance(kSession * 2 / 3 - Milliseconds(1));
  EXPECT_TRUE(a.leases.Held(View::kMerged, 3));
  still_.Advance(Milliseconds(1));
  EXPECT_FALSE(a.leases.Held(View::kMerged, 3));
  EXPECT_FALSE(a.leases.HeldAny());
  EXPECT_EQ(a.leases.Holder(), "nobody");
  Settle({{&a, 7}});
}

TEST_F(GroupLeasesTest, WhoIsCutOffHoldsNothingBeforeAnotherDoes) {
  for (const Cut cut : {Cut::kReset, Cut::kSilent, Cut::kNoRequests, Cut::kNoAnswers}) {
    SCOPED_TRACE(CutName(cut));
    auto proxy = Proxy::Start(TheZooKeeper().port());
    ASSERT_TRUE(proxy.ok());
    Sharer a("a", SystemClock(), "127.0.0.1:" + std::to_string((*proxy)->port()));
    Sharer b("b", SystemClock(), servers_);
    Settle({{&a, 4}, {&b, 3}});
    (*proxy)->SetAndWait(cut);
    ASSERT_TRUE(Eventually([&] {
      static_cast<void>(a.leases.Tick());
      static_cast<void>(b.leases.Tick());
      const std::set<Group> of_b = b.Share();  // looked at first
      for (const Group group : a.Share()) EXPECT_FALSE(of_b.contains(group)) << group;
      return of_b.size() == kGroups;
    }));
    (*proxy)->SetAndWait(Cut::kNone);
    Settle({{&a, 3}, {&b, 4}});
  }
}

TEST_F(GroupLeasesTest, TheShareOfAProcessThatIsCertainlyGoneIsNotWaitedFor) {
  Sharer a("a", still_, servers_);
  std::atomic<bool> gone = false;
  Sharer b("b", still_, servers_, [&](const std::string& name) { return gone && name == "a"; });
  Settle({{&a, 4}, {&b, 3}});
  gone = true;
  ASSERT_TRUE(Eventually([&] { return b.leases.Tick().ok() && b.Share().size() == kGroups; }));
  EXPECT_TRUE(Eventually([&] { return a.Share().empty(); })) << "it is told";
}

// A process that has lost its session meets its own nodes of before, which the server would keep
// for long. Nobody uses that session any more: one that lived would take the other's nodes away in
// turn.
TEST_F(GroupLeasesTest, AnEarlierSessionOfTheSameWorkerIsNotWaitedFor) {
  auto proxy = Proxy::Start(TheZooKeeper().port());
  ASSERT_TRUE(proxy.ok());
  Sharer before("a", still_, "127.0.0.1:" + std::to_string((*proxy)->port()), {}, seconds(300));
  Settle({{&before, 7}});
  (*proxy)->SetAndWait(Cut::kSilent);
  Sharer now("a", still_, servers_);
  ASSERT_TRUE(Eventually([&] { return now.leases.Tick().ok() && now.Share().size() == kGroups; }));
}

TEST_F(GroupLeasesTest, NodesThatAreRemovedByHandAreMadeAgain) {
  Sharer a("a", still_, servers_);
  Settle({{&a, 7}});
  ByHand hand(servers_);
  for (const std::string& node : hand.List("/databus/dc1_groups")) {
    EXPECT_EQ(hand.Delete("/databus/dc1_groups/" + node).outcome, ZooKeeperSession::Outcome::kDone);
    Settle({{&a, 7}});
  }
}

// What is no node of ours takes no part.
TEST_F(GroupLeasesTest, StrangeNodesAreLeftAlone) {
  ByHand hand(servers_);
  using Kind = ZooKeeperSession::Kind;
  static_cast<void>(hand.Create("/databus", "", Kind::kPersistent));
  static_cast<void>(hand.Create("/databus/dc1_groups", "", Kind::kPersistent));
  for (const std::string name : {"notes", "x-group-1-", "0123456789abcdef-group-", "-member-x",
                                 "0123456789abcdef-group-99999999999999999999-1"}) {
    static_cast<void>(hand.Create("/databus/dc1_groups/" + name, "x", Kind::kPersistent));
  }
  Sharer a("a", still_, servers_);
  Settle({{&a, 7}});
  for (const std::string& node : hand.List("/databus/dc1_groups")) {
    static_cast<void>(hand.Delete("/databus/dc1_groups/" + node));
  }
}

TEST_F(GroupLeasesTest, ServersThatHaveForgottenEverythingAreSharedAnew) {
  Sharer a("a", SystemClock(), servers_);
  Sharer b("b", SystemClock(), servers_);
  Settle({{&a, 4}, {&b, 3}});
  TheZooKeeper().Obey("kill");
  TheZooKeeper().Obey("forget");
  TheZooKeeper().Obey("start");
  ASSERT_TRUE(Eventually([&] {
    static_cast<void>(a.leases.Tick());
    static_cast<void>(b.leases.Tick());
    const std::set<Group> of_b = b.Share();
    for (const Group group : a.Share()) EXPECT_FALSE(of_b.contains(group)) << group;
    return a.Share().size() + of_b.size() == kGroups && !of_b.empty() && !a.Share().empty();
  }));
}

}  // namespace
}  // namespace databus
