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

TEST_F(ClockGuardTest, TwoMinutesApartEitherWayArePermitted) {
  EXPECT_EQ(Said(seconds(-120)), "");
  EXPECT_EQ(Said(seconds(120)), "");
}

}  // namespace
}  // namespace databus
