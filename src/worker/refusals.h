// What services have in common about what a view refuses (P11, decision 0014).
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"

namespace databus {

// How long it is left alone before it is tried again: only people mend that. Less than a run
// interval, or every second run would find it too early.
inline constexpr std::chrono::seconds kRefusedPause{50};

class RefusedPause {
 public:
  // It is tried now, or was refused.
  void Begin(BootTime now) { began_ = now; }
  // It may be tried (again).
  bool IsOver(BootTime now) const { return !began_ || now - *began_ >= kRefusedPause; }
  // Since it was made, over or not.
  bool HasBegun() const { return began_.has_value(); }

 private:
  std::optional<BootTime> began_;
};

// What an operator is told to do about it.
inline constexpr const char* kLetWrite =
    "let the worker's user write there, or move away what is in the way";
inline constexpr const char* kLetRead =
    "let the worker's user read there, or move away what is damaged or in the way";
// Of one stream of a group that cannot be read.
inline constexpr const char* kUnreadWaits =
    "the stream waits, the others go on; let the worker's user read there, or move away what is "
    "damaged or in the way; looked at again once a minute";
inline constexpr const char* kLetReadAndWrite =
    "let the worker's user read and write there, or move away what is in the way";

}  // namespace databus
