// For what comes by itself on real servers.
#pragma once

#include "base/clock.h"
#include "base/sync.h"

namespace databus {

// `within` is far beyond what is needed: nothing here is measured.
template <typename Condition>
bool Eventually(Condition&& condition, Milliseconds pause = Milliseconds(5),
                std::chrono::seconds within = std::chrono::seconds(120)) {
  StopFlag never;
  const Clock& clock = SystemClock();
  for (const BootTime end = clock.Boot() + within; clock.Boot() < end;) {
    if (condition()) return true;
    never.SleepUntil(clock, clock.Boot() + pause);
  }
  return false;
}

}  // namespace databus
