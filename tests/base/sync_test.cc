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

// Stands still, and says when somebody has looked at it.
class WatchedClock final : public Clock {
 public:
  WallTime Wall() const override { return kStart; }
  BootTime Boot() const override {
    MutexLock lock(mutex_);
    seen_ = true;
    changed_.NotifyAll();
    return BootTime(hours(1));
  }
  void WaitUntilSeen() {
    MutexLock lock(mutex_);
    while (!seen_) changed_.Wait(lock);
  }

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  mutable bool seen_ = false;
};

// The flag is locked from the sleeper's look at the clock until it sleeps, so Stop comes after
// that.
TEST(StopFlagTest, StopWakesASleeperLongBeforeItsDeadline) {
  StopFlag stop;
  WatchedClock clock;
  std::atomic<bool> woken_by_stop{false};
  Thread sleeper("sleeper", [&] { woken_by_stop = stop.SleepUntil(clock, BootTime(hours(25))); });
  clock.WaitUntilSeen();
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
  // Locked before the setter starts, so that it can only notify somebody who waits.
  MutexLock lock(mutex);
  Thread setter("setter", [&] {
    MutexLock own(mutex);
    ready = true;
    changed.NotifyAll();
  });
  while (!ready) changed.Wait(lock);
  EXPECT_TRUE(ready);
  lock.Unlock();
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
