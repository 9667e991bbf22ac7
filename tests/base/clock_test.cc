#include "base/clock.h"

#include <chrono>

#include <gtest/gtest.h>

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

const WallTime kStart{std::chrono::sys_days(std::chrono::year(2031) / 5 / 6)};

TEST(ManualClockTest, StandsStillUntilTold) {
  const ManualClock clock(kStart);
  const BootTime boot = clock.Boot();
  EXPECT_EQ(clock.Wall(), kStart);
  EXPECT_EQ(clock.Wall(), kStart);
  EXPECT_EQ(clock.Boot(), boot);
}

TEST(ManualClockTest, AdvanceMovesBothClocksByTheSame) {
  ManualClock clock(kStart);
  const BootTime boot = clock.Boot();
  clock.Advance(seconds(90));
  EXPECT_EQ(clock.Wall() - kStart, seconds(90));
  EXPECT_EQ(clock.Boot() - boot, seconds(90));
}

TEST(ManualClockTest, SmallAdvancesAddUp) {
  ManualClock clock(kStart);
  for (int i = 0; i < 2500; ++i) clock.Advance(microseconds(1));
  EXPECT_EQ(clock.Wall() - kStart, milliseconds(2));
  clock.Advance(microseconds(500));
  EXPECT_EQ(clock.Wall() - kStart, milliseconds(3));
}

TEST(ManualClockTest, StepWallLeavesBootTimeAlone) {
  ManualClock clock(kStart);
  const BootTime boot = clock.Boot();
  clock.StepWall(-hours(24));
  EXPECT_EQ(clock.Wall(), kStart - hours(24));
  EXPECT_EQ(clock.Boot(), boot);
}

TEST(SystemClockTest, BootTimeNeverStepsBack) {
  BootTime last = SystemClock().Boot();
  for (int i = 0; i < 1000; ++i) {
    const BootTime now = SystemClock().Boot();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace databus
