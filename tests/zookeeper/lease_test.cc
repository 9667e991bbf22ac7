// The lease in ZooKeeper against a real server. No test depends on speed: they wait for what has to
// come, and what must not be is looked for in an order that proves it.
#include "lease/zookeeper_lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/torture/proxy.h"
#include "tests/zookeeper/by_hand.h"
#include "tests/zookeeper/rig.h"

namespace databus {

const HolderMain kHolderMain = nullptr;

namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr seconds kSession{3};
constexpr std::string_view kCluster = "dc1";

// A lease and the clock that it measures by.
struct Contender {
  Contender(const std::string& name, Clock& its_clock, const std::string& servers,
            std::function<bool(const std::string&)> is_gone = {},
            const std::string& cluster = std::string(kCluster), seconds session = kSession)
      : lease(its_clock, SystemRandom(),
              {.servers = servers,
               .request = {.cluster = cluster,
                           .holder = name,
                           .timeout = session,
                           .holder_is_gone = std::move(is_gone)}}) {}
  bool Held() { return lease.Held(View::kLocal, 0); }
  // Ticks until it has the lease.
  void Take() {
    ASSERT_TRUE(Eventually([this] { return lease.Tick().ok() && Held(); }));
  }
  // Ticks until it knows that `holder` has it.
  void StandBy(const std::string& holder) {
    ASSERT_TRUE(Eventually([&] { return lease.Tick().ok() && lease.Holder() == holder; }))
        << lease.Holder();
  }

  ZooKeeperLease lease;
};

class ZooKeeperLeaseTest : public ::testing::Test {
 protected:
  const std::string servers_ = TheZooKeeper().servers();
  ManualClock still_{WallTime{}};  // time that does not pass unless a test says so
};

TEST_F(ZooKeeperLeaseTest, TheFirstTakesItAndTheSecondSaysWhoHasIt) {
  Contender a("a", SystemClock(), servers_);
  Contender b("b", SystemClock(), servers_);
  EXPECT_EQ(a.lease.Holder(), "nobody");
  a.Take();
  b.StandBy("a");
  EXPECT_FALSE(b.Held());
  EXPECT_EQ(a.lease.Holder(), "a");
  EXPECT_EQ(a.lease.Where(), "ZooKeeper " + servers_ + ", /databus/dc1_");
}

TEST_F(ZooKeeperLeaseTest, ClustersAreElectedForOneByOne) {
  Contender a("a", SystemClock(), servers_);
  Contender b("b", SystemClock(), servers_, {}, "dc2");
  a.Take();
  b.Take();
  EXPECT_TRUE(a.Held());
}

// Without a Tick: the answers themselves bring it.
TEST_F(ZooKeeperLeaseTest, AReleasedLeaseIsTakenAtOnce) {
  Contender a("a", still_, servers_);
  Contender b("b", still_, servers_);
  a.Take();
  b.StandBy("a");
  EXPECT_TRUE(a.lease.Release().ok());
  EXPECT_FALSE(a.Held());
  EXPECT_TRUE(Eventually([&] { return b.Held(); }));
  EXPECT_EQ(b.lease.Holder(), "b");
  // Who gave it up may try again.
  a.StandBy("b");
}

TEST_F(ZooKeeperLeaseTest, ItIsHeldByItsOwnMeasureForTwoThirdsOfTheSession) {
  Contender a("a", still_, servers_);
  a.Take();
  still_.Advance(kSession * 2 / 3 - Milliseconds(1));
  EXPECT_TRUE(a.Held());
  still_.Advance(Milliseconds(1));
  EXPECT_FALSE(a.Held());
  EXPECT_EQ(a.lease.Holder(), "nobody");
  EXPECT_TRUE(a.lease.Tick().ok());
  EXPECT_TRUE(Eventually([&] { return a.Held(); }));
}

// The servers' bounds count, not what was asked for: the rig's longest session is 300 s.
TEST_F(ZooKeeperLeaseTest, TheSessionIsAsLongAsTheServersAgree) {
  ZooKeeperLease lease(still_, SystemRandom(),
                       {.servers = servers_,
                        .request = {.cluster = "long", .holder = "a", .timeout = seconds(600)}});
  ASSERT_TRUE(Eventually([&] { return lease.Tick().ok() && lease.Held(View::kLocal, 0); }));
  EXPECT_EQ(lease.Pace(), seconds(50));
  still_.Advance(seconds(200) - Milliseconds(1));
  EXPECT_TRUE(lease.Held(View::kLocal, 0));
  still_.Advance(Milliseconds(1));
  EXPECT_FALSE(lease.Held(View::kLocal, 0));
}

// Every way of cutting a connection: `a` must be out by its own measure before `b` is in. Also when
// the server hears `a` all the time, which then gives its session up.
TEST_F(ZooKeeperLeaseTest, AHolderThatIsCutOffIsOutBeforeTheNextIsIn) {
  for (const Cut cut : {Cut::kReset, Cut::kSilent, Cut::kNoRequests, Cut::kNoAnswers}) {
    SCOPED_TRACE(CutName(cut));
    auto proxy = Proxy::Start(TheZooKeeper().port());
    ASSERT_TRUE(proxy.ok());
    Contender a("a", SystemClock(), "127.0.0.1:" + std::to_string((*proxy)->port()));
    Contender b("b", SystemClock(), servers_);
    a.Take();
    b.StandBy("a");
    (*proxy)->SetAndWait(cut);
    ASSERT_TRUE(Eventually([&] {
      static_cast<void>(a.lease.Tick());
      static_cast<void>(b.lease.Tick());
      const bool in = b.Held();  // looked at first
      EXPECT_FALSE(in && a.Held());
      return in;
    }));
    static_cast<void>(a.lease.Tick());
    EXPECT_FALSE(a.Held());
    (*proxy)->SetAndWait(Cut::kNone);
    a.StandBy("b");
  }
}

// By the clock of `a`, which stands still, it would hold for ever.
TEST_F(ZooKeeperLeaseTest, ASessionThatHasExpiredHoldsNothingFromThatMoment) {
  auto proxy = Proxy::Start(TheZooKeeper().port());
  ASSERT_TRUE(proxy.ok());
  Contender a("a", still_, "127.0.0.1:" + std::to_string((*proxy)->port()));
  Contender b("b", SystemClock(), servers_);
  a.Take();
  b.StandBy("a");
  (*proxy)->SetAndWait(Cut::kSilent);
  b.Take();
  EXPECT_TRUE(a.Held()) << "nothing has told it";
  (*proxy)->SetAndWait(Cut::kNone);
  EXPECT_TRUE(Eventually([&] { return !a.Held(); }));
  a.StandBy("b");
}

// So long a session that it does not matter how long the server takes to start.
TEST_F(ZooKeeperLeaseTest, AServerThatStartsAgainInTimeCostsNothing) {
  Contender a("a", still_, servers_, {}, "dc1", seconds(300));
  a.Take();
  TheZooKeeper().Obey("kill");
  EXPECT_TRUE(a.Held());
  EXPECT_EQ(a.lease.Tick().code(), Code::kUnavailable);
  EXPECT_TRUE(a.Held());
  TheZooKeeper().Obey("start");
  EXPECT_TRUE(a.Held());
  ASSERT_TRUE(Eventually([&] { return a.lease.Tick().ok(); }));
  EXPECT_TRUE(a.Held());
}

TEST_F(ZooKeeperLeaseTest, AServerThatIsNotThereAtTheStartIsWaitedFor) {
  TheZooKeeper().Obey("kill");
  Contender a("a", SystemClock(), servers_);
  EXPECT_TRUE(Eventually([&] { return a.lease.Tick().code() == Code::kUnavailable; }));
  EXPECT_FALSE(a.Held());
  EXPECT_EQ(a.lease.Holder(), "nobody");
  TheZooKeeper().Obey("start");
  a.Take();
}

// They refuse those who have seen more than they know, who give their sessions up then; and their
// numbers begin anew.
TEST_F(ZooKeeperLeaseTest, ServersThatHaveForgottenEverythingElectAnew) {
  Contender a("a", SystemClock(), servers_);
  Contender b("b", SystemClock(), servers_);
  a.Take();
  b.StandBy("a");
  TheZooKeeper().Obey("kill");
  TheZooKeeper().Obey("forget");
  TheZooKeeper().Obey("start");
  EXPECT_TRUE(Eventually([&] { return !a.Held(); }));
  ASSERT_TRUE(Eventually([&] {
    static_cast<void>(a.lease.Tick());
    static_cast<void>(b.lease.Tick());
    EXPECT_FALSE(a.Held() && b.Held());
    return a.lease.Holder() != "nobody" && a.lease.Holder() == b.lease.Holder();
  }));
  EXPECT_NE(a.Held(), b.Held());
}

TEST_F(ZooKeeperLeaseTest, AServerThatStaysAwayLeavesItToNobody) {
  Contender a("a", still_, servers_);
  Contender b("b", SystemClock(), servers_);
  a.Take();
  b.StandBy("a");
  TheZooKeeper().Obey("kill");
  still_.Advance(kSession * 2 / 3);
  EXPECT_FALSE(a.Held());
  EXPECT_FALSE(b.Held());
  const Status ticked = a.lease.Tick();
  EXPECT_EQ(ticked.code(), Code::kUnavailable);
  EXPECT_THAT(ticked.message(), HasSubstr("no server answers"));
  TheZooKeeper().Obey("start");
  ASSERT_TRUE(Eventually([&] {
    static_cast<void>(a.lease.Tick());
    static_cast<void>(b.lease.Tick());
    return a.Held() || b.Held();
  }));
}

// A server that answers nothing keeps nobody waiting who only asks whether it is held.
TEST_F(ZooKeeperLeaseTest, AServerThatHangsMakesNobodyWait) {
  Contender a("a", still_, servers_);
  a.Take();
  TheZooKeeper().Obey("pause");
  EXPECT_TRUE(a.Held());
  still_.Advance(kSession);
  EXPECT_FALSE(a.Held());
  static_cast<void>(a.lease.Tick());
  EXPECT_FALSE(a.Held());
  TheZooKeeper().Obey("resume");
  a.Take();
}

TEST_F(ZooKeeperLeaseTest, ANodeThatIsRemovedByHandIsNoticedAtOnceAndMadeAgainAtTheNextTick) {
  Contender a("a", still_, servers_);
  a.Take();
  ByHand hand(servers_);
  const auto nodes = hand.List("/databus/dc1_");
  ASSERT_THAT(nodes, SizeIs(1));
  EXPECT_EQ(hand.Delete("/databus/dc1_/" + nodes[0]).outcome, ZooKeeperSession::Outcome::kDone);
  EXPECT_TRUE(Eventually([&] { return !a.Held(); }));
  EXPECT_THAT(hand.List("/databus/dc1_"), IsEmpty());
  a.Take();
}

TEST_F(ZooKeeperLeaseTest, AHolderThatIsCertainlyGoneIsTakenOverWithoutWaiting) {
  Contender a("a", still_, servers_);
  a.Take();
  std::atomic<bool> gone = false;
  Contender b("b", still_, servers_,
              [&](const std::string& holder) { return gone && holder == "a"; });
  b.StandBy("a");
  gone = true;
  b.Take();
  EXPECT_TRUE(Eventually([&] { return !a.Held(); }));
}

// A process that has lost its session meets its own node of before.
TEST_F(ZooKeeperLeaseTest, AnEarlierSessionOfTheSameHolderIsNotWaitedFor) {
  Contender before("a", still_, servers_);
  before.Take();
  Contender now("a", still_, servers_);
  now.Take();
}

// As when the answer to the making of a node is lost: the node is there, under a name that only
// this session can have given.
TEST_F(ZooKeeperLeaseTest, ANodeWhoseMakingWasNotAnsweredIsFoundByItsName) {
  Contender a("a", still_, servers_);
  a.Take();
  ByHand hand(servers_);
  auto nodes = hand.List("/databus/dc1_");
  ASSERT_THAT(nodes, SizeIs(1));
  const std::string prefix = nodes[0].substr(0, nodes[0].rfind('-') + 1);
  const auto second =
      hand.Create("/databus/dc1_/" + prefix, "a", ZooKeeperSession::Kind::kEphemeralSequential);
  ASSERT_EQ(hand.Delete("/databus/dc1_/" + nodes[0]).outcome, ZooKeeperSession::Outcome::kDone);
  still_.Advance(kSession);  // nothing of before counts any more
  ASSERT_FALSE(a.Held());
  a.Take();
  nodes = hand.List("/databus/dc1_");
  ASSERT_THAT(nodes, SizeIs(1)) << "it has not made another one";
  EXPECT_EQ("/databus/dc1_/" + nodes[0], second.text);
}

// A worker of the original for this one cluster is elected below the same path.
TEST_F(ZooKeeperLeaseTest, AWorkerOfTheOriginalIsWaitedFor) {
  ByHand original(servers_);
  using Kind = ZooKeeperSession::Kind;
  static_cast<void>(original.Create("/databus", "", Kind::kPersistent));
  static_cast<void>(original.Create("/databus/dc1_", "", Kind::kPersistent));
  static_cast<void>(original.Create("/databus/dc1_/notes", "no candidate", Kind::kPersistent));
  const auto node =
      original.Create("/databus/dc1_/_c_4711-lock-", "10.1.2.3", Kind::kEphemeralSequential);
  ASSERT_EQ(node.outcome, ZooKeeperSession::Outcome::kDone);
  Contender a("a", still_, servers_);
  a.StandBy("10.1.2.3");
  EXPECT_FALSE(a.Held());
  static_cast<void>(original.Delete(node.text));
  EXPECT_TRUE(Eventually([&] { return a.Held(); }));
  EXPECT_EQ(original.Delete("/databus/dc1_/notes").outcome, ZooKeeperSession::Outcome::kDone);
}

TEST_F(ZooKeeperLeaseTest, APathBehindTheServersHasToBeThere) {
  Contender a("a", still_, servers_ + "/site");
  ASSERT_TRUE(Eventually([&] { return a.lease.Tick().code() == Code::kRefused; }));
  EXPECT_THAT(a.lease.Tick().message(), HasSubstr("/site/databus/dc1_: the path after the servers "
                                                  "is not there"));
  EXPECT_FALSE(a.Held());
  ByHand(servers_).Create("/site", "", ZooKeeperSession::Kind::kPersistent);
  a.Take();
}

TEST_F(ZooKeeperLeaseTest, AServerThatCannotBeLookedUpIsSaid) {
  Contender a("a", SystemClock(), "no-such-host.invalid:2181");
  const Status ticked = a.lease.Tick();
  EXPECT_EQ(ticked.code(), Code::kUnavailable);
  EXPECT_THAT(ticked.message(), HasSubstr("no-such-host.invalid"));
  EXPECT_FALSE(a.Held());
}

// Whom the cluster's tree does not answer keeps the lease from nobody.
TEST_F(ZooKeeperLeaseTest, AHolderThatIsNotTickedGivesItUpWhenTheTimeoutHasPassed) {
  Contender a("a", still_, servers_);
  Contender b("b", SystemClock(), servers_);
  a.Take();
  b.StandBy("a");
  EXPECT_TRUE(a.lease.Skip().ok());
  EXPECT_TRUE(a.Held());
  still_.Advance(kSession);
  EXPECT_TRUE(a.lease.Skip().ok());
  EXPECT_TRUE(Eventually([&] { return b.Held(); }));
  a.StandBy("b");
}

}  // namespace
}  // namespace databus
