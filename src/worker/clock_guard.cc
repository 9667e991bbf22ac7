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
  belief_.compared = clock_.Boot();
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
  return WallTime(belief_.offset + SinceBoot(clock_));
}

Status ClockGuard::Check() {
  if (Planted(Bug::kClockNotCompared)) return Status::Ok();
  const BootTime boot = clock_.Boot();
  const Milliseconds offset = Offset();
  MutexLock lock(mutex_);
  if (!Far(offset - belief_.offset)) {
    belief_.offset = offset;
    belief_.stepped_to.reset();
    return against_cluster_;
  }
  if (!belief_.stepped_to || Far(offset - *belief_.stepped_to)) {
    belief_.stepped_to = offset;
    belief_.stepped_at = boot;
  }
  const bool was_compared = belief_.compared && *belief_.compared >= belief_.stepped_at;
  if (boot - belief_.stepped_at >= kConfirmation && was_compared) {
    if (!against_cluster_.ok()) return against_cluster_;
    belief_.offset = offset;
    belief_.stepped_to.reset();
    return Status::Ok();
  }
  return {
      Code::kRefused,
      fmt::format("the clock stepped by {} s; nothing is published until it has gone on steadily "
                  "for {} minutes, or the worker is restarted",
                  Seconds(offset - belief_.offset), kConfirmation.count())};
}

}  // namespace databus
