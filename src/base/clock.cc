#include "base/clock.h"

#include <atomic>
#include <ctime>

namespace databus {
namespace {

class MachineClock final : public Clock {
 public:
  WallTime Wall() const override {
    return WallTime(Milliseconds(Read(CLOCK_REALTIME) / 1'000'000));
  }
  BootTime Boot() const override {
    return BootTime(std::chrono::nanoseconds(Read(CLOCK_BOOTTIME)));
  }

 private:
  static int64_t Read(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
  }
};

}  // namespace

Clock& SystemClock() {
  static MachineClock clock;
  return clock;
}

struct ManualClock::State {
  std::atomic<int64_t> wall_ms;
  std::atomic<int64_t> boot_ns{1'000'000'000};
  std::atomic<int64_t> wall_rest_ns{0};
};

ManualClock::ManualClock(WallTime start) : state_(std::make_unique<State>()) {
  state_->wall_ms = start.time_since_epoch().count();
}
ManualClock::~ManualClock() = default;

WallTime ManualClock::Wall() const { return WallTime(Milliseconds(state_->wall_ms.load())); }

BootTime ManualClock::Boot() const {
  return BootTime(std::chrono::nanoseconds(state_->boot_ns.load()));
}

void ManualClock::Advance(std::chrono::nanoseconds by) {
  state_->boot_ns += by.count();
  const int64_t rest = state_->wall_rest_ns.fetch_add(by.count()) + by.count();
  state_->wall_ms += rest / 1'000'000;
  state_->wall_rest_ns -= rest / 1'000'000 * 1'000'000;
}

void ManualClock::StepWall(Milliseconds by) { state_->wall_ms += by.count(); }

}  // namespace databus
