#include "worker/clock_guard.h"

#include <fmt/format.h>

#include "base/planted.h"

namespace databus {
namespace {

int64_t Seconds(Milliseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

Milliseconds SinceBoot(const Clock& clock) {
  return std::chrono::duration_cast<Milliseconds>(clock.Boot().time_since_epoch());
}

bool Far(Milliseconds apart) { return std::chrono::abs(apart) > ClockGuard::kTolerance; }

}  // namespace

void ClockGuard::Compare(WallTime before, WallTime modified) {
  const WallTime after = clock_.Wall();
  Milliseconds apart{0};  // above 0: this machine is ahead
  if (modified < before) apart = before - modified;
  if (modified > after) apart = after - modified;
  MutexLock lock(mutex_);
  against_cluster_ =
      Far(apart) ? Status(Code::kRefused,
                          fmt::format("this machine's clock is {} s {} the cluster's; nothing is "
                                      "published until they agree",
                                      Seconds(std::chrono::abs(apart)),
                                      apart > Milliseconds(0) ? "ahead of" : "behind"))
                 : Status::Ok();
}

Milliseconds ClockGuard::Offset() const {
  return clock_.Wall().time_since_epoch() - SinceBoot(clock_);
}

WallTime ClockGuard::Wall() const {
  if (Planted(Bug::kClockNotCompared)) return clock_.Wall();
  MutexLock lock(mutex_);
  return WallTime(offset_ + SinceBoot(clock_));
}

Status ClockGuard::Check() {
  if (Planted(Bug::kClockNotCompared)) return Status::Ok();
  const BootTime boot = clock_.Boot();
  const Milliseconds offset = Offset();
  MutexLock lock(mutex_);
  if (!Far(offset - offset_)) {
    offset_ = offset;
    stepped_to_.reset();
    return against_cluster_;
  }
  if (!stepped_to_ || Far(offset - *stepped_to_)) {
    stepped_to_ = offset;
    stepped_at_ = boot;
  }
  if (boot - stepped_at_ >= kConfirmation) {
    if (!against_cluster_.ok()) return against_cluster_;
    offset_ = offset;
    stepped_to_.reset();
    return Status::Ok();
  }
  return {
      Code::kRefused,
      fmt::format("the clock stepped by {} s; nothing is published until it has gone on steadily "
                  "for {} minutes, or the worker is restarted",
                  Seconds(offset - offset_), kConfirmation.count())};
}

}  // namespace databus
