// The clock of one simulated machine: it may be wrong, drift and be set.
#pragma once

#include "base/clock.h"
#include "base/fibers.h"

namespace databus::sim {

class SimClock final : public Clock {
 public:
  SimClock(const fibers::Scheduler& scheduler, WallTime start)
      : scheduler_(scheduler), start_(start) {}

  BootTime Boot() const override { return BootTime(std::chrono::seconds(1) + Elapsed()); }
  WallTime Wall() const override {
    return start_ + offset_ + std::chrono::duration_cast<Milliseconds>(Elapsed());
  }
  // Somebody sets the wall clock.
  void Step(Milliseconds by) { offset_ += by; }
  // Somebody sets it right again.
  void SetRight() {
    offset_ = {};
    SetDrift(0);
  }
  // From now on it gains so many parts per million.
  void SetDrift(int64_t ppm) {
    before_ = Elapsed();
    since_ = scheduler_.now();
    ppm_ = ppm;
  }

 private:
  std::chrono::nanoseconds Elapsed() const {
    const auto passed = scheduler_.now() - since_;
    return before_ + passed + std::chrono::nanoseconds(passed.count() * ppm_ / 1'000'000);
  }

  const fibers::Scheduler& scheduler_;
  const WallTime start_;
  Milliseconds offset_{0};
  std::chrono::nanoseconds before_{0};
  fibers::SimTime since_{0};
  int64_t ppm_ = 0;
};

}  // namespace databus::sim
