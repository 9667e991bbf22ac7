// What keeps a cluster that does not answer from holding up the end of a service.
#pragma once

#include "base/sync.h"
#include "cli/seams.h"

namespace databus {

// Calls Seams::hurry when `stop` has been raised for `grace`. Ends, and raises `stop`, with its
// scope. Construct it after what blocks signals: it has a thread.
class EndInTime {
 public:
  EndInTime(const Seams& seams, StopFlag& stop, Milliseconds grace) : stop_(stop) {
    if (!seams.hurry) return;
    thread_ = Thread("end in time", [this, &clock = seams.clock, hurry = seams.hurry, grace] {
      while (!stop_.SleepUntil(clock, clock.Boot() + std::chrono::hours(1))) continue;
      if (!ended_.SleepUntil(clock, clock.Boot() + grace)) hurry();
    });
  }
  ~EndInTime() {
    ended_.Stop();
    stop_.Stop();
  }
  EndInTime(const EndInTime&) = delete;
  EndInTime& operator=(const EndInTime&) = delete;

 private:
  StopFlag& stop_;
  StopFlag ended_;
  Thread thread_;
};

}  // namespace databus
