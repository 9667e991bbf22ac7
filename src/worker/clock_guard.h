// P13: whether the clock may be believed, and the time that is. Minutes are named by it, and a
// minute once named is there for ever, so a wrong clock stops publishing rather than inventing
// minutes.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/status.h"
#include "base/sync.h"

namespace databus {

// As a clock it goes on as it did when it was last believed: who sets the machine's while a run is
// under way changes nothing before the next check. Thread-safe.
class ClockGuard final : public Clock {
 public:
  // More than this apart from the cluster's clock, or in one step: not believed.
  static constexpr std::chrono::minutes kTolerance{2};
  // A step is believed when the clock has gone on steadily for so long after it, and was compared
  // with the cluster's since.
  static constexpr std::chrono::minutes kConfirmation{5};

  // What is believed, and since when something else is seen. To be handed over: a step that is not
  // believed yet is not because the services of another topology begin.
  struct Belief {
    Milliseconds offset{};  // wall clock minus boot clock: constant but for steps
    std::optional<Milliseconds> stepped_to{};
    BootTime stepped_at{};
    std::optional<BootTime> compared{};  // with the cluster's clock, the last time
  };
  // From now on a step of the clock is seen; or since that was learnt.
  explicit ClockGuard(const Clock& clock, const std::optional<Belief>& learnt = {})
      : clock_(clock), belief_(learnt.value_or(Belief{.offset = Offset()})) {}
  Belief belief() const {
    MutexLock lock(mutex_);
    return belief_;
  }

  // `modified`: the cluster's own time of something written between `before` and now.
  void Compare(WallTime before, WallTime modified);
  // Ok, or why nothing may be published now.
  Status Check();

  WallTime Wall() const override;
  BootTime Boot() const override { return clock_.Boot(); }

 private:
  Milliseconds Offset() const;

  const Clock& clock_;
  mutable Mutex mutex_;
  Status against_cluster_;
  Belief belief_;
};

}  // namespace databus
