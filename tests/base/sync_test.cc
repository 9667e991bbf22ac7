#include "base/sync.h"

#include <atomic>
#include <chrono>
#include <utility>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

const WallTime kStart{std::chrono::sys_days(std::chrono::year(2031) / 5 / 6)};

TEST(StopFlagTest, StopWakesASleeperLongBeforeItsDeadline) {
  StopFlag stop;
  std::atomic<bool> woken_by_stop{false};
  Thread sleeper("sleeper", [&] {
    woken_by_stop = stop.SleepUntil(SystemClock(), SystemClock().Boot() + hours(24));
  });
  stop.Stop();
  sleeper.Join();
  EXPECT_TRUE(woken_by_stop);
}

TEST(StopFlagTest, SleepingToADeadlineIsNotStopping) {
  StopFlag stop;
  EXPECT_FALSE(stop.SleepUntil(SystemClock(), SystemClock().Boot() + milliseconds(1)));
  EXPECT_FALSE(stop.Stopped());
}

TEST(StopFlagTest, AStoppedFlagDoesNotSleep) {
  StopFlag stop;
  stop.Stop();
  EXPECT_TRUE(stop.Stopped());
  EXPECT_TRUE(stop.SleepUntil(SystemClock(), SystemClock().Boot() + hours(24)));
}

TEST(StopFlagTest, ADeadlineThatIsPastByTheGivenClockReturnsAtOnce) {
  StopFlag stop;
  ManualClock clock(kStart);
  const BootTime deadline = clock.Boot() + hours(1);
  clock.Advance(hours(2));
  EXPECT_FALSE(stop.SleepUntil(clock, deadline));
}

TEST(CondVarTest, NotifyEndsAWaitWithoutDeadline) {
  Mutex mutex;
  CondVar changed;
  bool ready = false;
  Thread setter("setter", [&] {
    MutexLock lock(mutex);
    ready = true;
    changed.NotifyAll();
  });
  MutexLock lock(mutex);
  while (!ready) changed.Wait(lock);
  EXPECT_TRUE(ready);
}

TEST(CondVarTest, WaitUntilSaysThatTheDeadlineHasPassed) {
  Mutex mutex;
  CondVar never;
  const ManualClock clock(kStart);
  MutexLock lock(mutex);
  EXPECT_FALSE(never.WaitUntil(lock, clock, clock.Boot()));
}

TEST(ThreadTest, DestructionAndAssignmentWaitForTheBody) {
  std::atomic<int> done{0};
  {
    Thread thread("first", [&] { ++done; });
    thread = Thread("second", [&] { ++done; });
    EXPECT_GE(done, 1);
  }
  EXPECT_EQ(done, 2);
}

}  // namespace
}  // namespace databus
