// Time is a parameter: whoever needs "now" is handed a Clock. Waiting is in base/sync.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

namespace databus {

using Milliseconds = std::chrono::milliseconds;

// Wall-clock time, UTC, milliseconds since 1970. Used for names, ages and reports; it may step.
using WallTime = std::chrono::sys_time<Milliseconds>;

// Time since boot, suspend included; never steps back. Used for every wait, timeout and lease.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Wall() const = 0;
  virtual BootTime Boot() const = 0;
};

// The machine's clock. Lives for ever.
Clock& SystemClock();

// A clock that moves only when told to. For tests.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start);
  ~ManualClock() override;
  WallTime Wall() const override;
  BootTime Boot() const override;
  // Time passes: both clocks move.
  void Advance(std::chrono::nanoseconds by);
  // Somebody sets the wall clock: only the wall clock moves.
  void StepWall(Milliseconds by);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace databus
