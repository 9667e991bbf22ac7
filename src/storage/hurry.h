// How a process that is to end tells its calls to clusters so: from then on none of them waits long
// for a server that says nothing, and none is tried again. Calls to servers that answer go on as
// before. What was given up is kUnavailable, as ever, and settled in the next life.
#pragma once

#include "base/clock.h"
#include "base/sync.h"

namespace databus {

// Thread-safe.
class Hurry {
 public:
  // What a server may say nothing for, when there is hurry.
  static constexpr Milliseconds kSilenceMost{3'000};

  Hurry();
  ~Hurry();
  Hurry(const Hurry&) = delete;
  Hurry& operator=(const Hurry&) = delete;

  // There is, from now on and for good.
  void Begin();
  bool begun() const { return begun_.Stopped(); }
  // A descriptor that can be read from then on: for who waits for others.
  int fd() const { return fd_; }
  // Sleeps until `deadline`, or until there is hurry; true when there is.
  bool SleepUntil(const Clock& clock, BootTime deadline) {
    return begun_.SleepUntil(clock, deadline);
  }

 private:
  StopFlag begun_;
  int fd_;
};

}  // namespace databus
