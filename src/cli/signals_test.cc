#include "cli/signals.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>

namespace databus {
namespace {

// A process of its own: it lives on, or dies as the service would.
TEST(SignalsTest, AHangUpBeforeTheWatchIsHeardOfAndKillsNobody) {
  const auto service = [] {
    HoldHangUps();
    kill(getpid(), SIGHUP);  // to the process, not to this thread
    StopFlag heard;
    const SignalWatch watch([] {}, [&heard] { heard.Stop(); });
    Clock& clock = SystemClock();
    const bool reloads = heard.SleepUntil(clock, clock.Boot() + std::chrono::minutes(1));
    _exit(reloads ? 7 : 8);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(service(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace databus
