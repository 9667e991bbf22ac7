#include "failover/driver_beat.h"

#include <gtest/gtest.h>

#include "failover/test_puppets.h"

namespace databus::failover {
namespace {

using std::chrono::seconds;

class DriverBeatTest : public testing::Test {
 protected:
  DriverBeatTest() {
    journal_.id = "j1";
    journal_.driver = "h1:77";
    desk_.Look();
  }
  bool Lives(WallTime now) {
    const auto beat = LastBeat(desk_, journal_);
    return beat && MayLive(*beat, now);
  }

  Puppets world_;
  FaultPlan plan_{FaultPlan::Trace::kNone};
  ManualClock clock_{kTestNow};
  TopologyDesk desk_{world_.Desk(&plan_)};
  Journal journal_;
  DriverBeat beat_{{desk_, clock_, "h1", 77}};
};

TEST_F(DriverBeatTest, WhoDrivesLivesAsLongAsItSpeaks) {
  EXPECT_FALSE(Lives(clock_.Wall()));
  beat_.Say(journal_, "");
  EXPECT_TRUE(Lives(clock_.Wall()));
  clock_.Advance(seconds(60));
  EXPECT_FALSE(Lives(clock_.Wall()));
  beat_.Say(journal_, "");
  EXPECT_TRUE(Lives(clock_.Wall()));
  beat_.Leave(journal_.id);
  EXPECT_FALSE(LastBeat(desk_, journal_));
}

TEST_F(DriverBeatTest, WhatSomebodyElseHasSaidIsNoSignOfLife) {
  beat_.Say(journal_, "");
  journal_.driver = "h2:5";
  EXPECT_FALSE(LastBeat(desk_, journal_));
}

TEST_F(DriverBeatTest, WhatItWaitsForIsSaidAndNotInEveryLook) {
  journal_.step = Step::kDrain;
  beat_.Say(journal_, "a file");
  beat_.Say(journal_, "another one");
  EXPECT_EQ(LastBeat(desk_, journal_)->waiting_on, "a file");
  EXPECT_EQ(LastBeat(desk_, journal_)->state, "at step drain");
  clock_.Advance(seconds(6));
  beat_.Say(journal_, "another one");
  EXPECT_EQ(LastBeat(desk_, journal_)->waiting_on, "another one");
}

// One cluster was away when it spoke last.
TEST_F(DriverBeatTest, TheLatestWordCountsWhereverItIs) {
  for (const char* away : {"dc3", "dc1"}) {
    SCOPED_TRACE(away);
    beat_.Say(journal_, "the first");
    clock_.Advance(seconds(6));
    plan_.Add({.store_part = away, .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
    desk_.Look();
    beat_.Say(journal_, "the last");
    plan_.Clear();
    desk_.Look();
    EXPECT_EQ(LastBeat(desk_, journal_)->waiting_on, "the last");
    clock_.Advance(seconds(6));
  }
}

// Its clock may be ahead of ours.
TEST_F(DriverBeatTest, AWordOfTheFarFutureIsNoSignOfLife) {
  beat_.Say(journal_, "");
  EXPECT_TRUE(Lives(clock_.Wall() - seconds(10)));
  EXPECT_FALSE(Lives(clock_.Wall() - seconds(60)));
}

TEST_F(DriverBeatTest, OneClusterThatHearsItIsEnough) {
  plan_.Add({.store_part = "dc1", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  desk_.Look();
  beat_.Say(journal_, "");
  EXPECT_TRUE(Lives(clock_.Wall()));
}

}  // namespace
}  // namespace databus::failover
