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
  // A step is believed when the clock has gone on steadily for so long after it.
  static constexpr std::chrono::minutes kConfirmation{5};

  // From now on a step of the clock is seen.
  explicit ClockGuard(const Clock& clock) : clock_(clock), offset_(Offset()) {}

  // `modified`: the cluster's own time of something written between `before` and now.
  void Compare(WallTime before, WallTime modified);
  // Ok, or why nothing may be published now.
  Status Check();

  WallTime Wall() const override;
  BootTime Boot() const override { return clock_.Boot(); }

 private:
  // Wall clock minus boot clock: constant but for steps.
  Milliseconds Offset() const;

  const Clock& clock_;
  mutable Mutex mutex_;
  Status against_cluster_;
  Milliseconds offset_;  // that is believed
  std::optional<Milliseconds> stepped_to_;
  BootTime stepped_at_;
};

}  // namespace databus
