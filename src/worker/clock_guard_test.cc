#include "worker/clock_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class ClockGuardTest : public ::testing::Test {
 protected:
  // What is said when the cluster's clock differs by `difference` from ours.
  std::string Said(seconds difference) {
    const WallTime now = clock_.Wall();
    guard_.Compare(now, now + difference);
    return guard_.Check().message();
  }

  ManualClock clock_{WallTime(std::chrono::hours(500'000))};
  ClockGuard guard_{clock_};
};

TEST_F(ClockGuardTest, AClockThatIsAheadOfTheClustersIsSaidToBeAhead) {
  EXPECT_THAT(Said(seconds(-300)), HasSubstr("this machine's clock is 300 s ahead of the cluster"));
}

TEST_F(ClockGuardTest, AClockThatIsBehindTheClustersIsSaidToBeBehind) {
  EXPECT_THAT(Said(seconds(300)), HasSubstr("this machine's clock is 300 s behind the cluster"));
}

// A heartbeat that was under way when the clock was set proves nothing: the cluster's time lies
// between the old one and the new one.
TEST_F(ClockGuardTest, AStepBeforeTheFirstCheckIsSeenThoughAHeartbeatSpansIt) {
  const WallTime written = clock_.Wall();
  clock_.StepWall(std::chrono::hours(1));
  guard_.Compare(written, written + seconds(10));
  EXPECT_THAT(guard_.Check().message(), HasSubstr("the clock stepped by 3600 s"));
}

TEST_F(ClockGuardTest, TwoMinutesApartEitherWayArePermitted) {
  EXPECT_EQ(Said(seconds(-120)), "");
  EXPECT_EQ(Said(seconds(120)), "");
}

// Minutes are named by this clock in the middle of a run, which was checked when it began.
TEST_F(ClockGuardTest, AStepMovesItsTimeOnlyWhenItIsBelieved) {
  const WallTime before = guard_.Wall();
  clock_.StepWall(std::chrono::hours(1));
  EXPECT_EQ(guard_.Wall(), before);
  EXPECT_FALSE(guard_.Check().ok());
  clock_.Advance(ClockGuard::kConfirmation);
  EXPECT_EQ(guard_.Wall(), before + ClockGuard::kConfirmation);
  EXPECT_THAT(guard_.Check().message(), HasSubstr("the clock stepped")) << "never compared since";
  EXPECT_EQ(Said(seconds(0)), "");
  EXPECT_EQ(guard_.Wall(), clock_.Wall());
}

TEST_F(ClockGuardTest, AStepThatIsSteadyAndWrongByTheClustersClockIsNotBelieved) {
  clock_.StepWall(std::chrono::hours(1));
  EXPECT_FALSE(guard_.Check().ok());
  clock_.Advance(ClockGuard::kConfirmation);
  EXPECT_THAT(Said(-std::chrono::hours(1)), HasSubstr("ahead of the cluster"));
  EXPECT_EQ(guard_.Wall(), clock_.Wall() - std::chrono::hours(1));
}

}  // namespace
}  // namespace databus
