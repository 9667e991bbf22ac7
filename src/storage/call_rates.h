// How many calls to servers a run and a file cost, about.
#pragma once

#include <cstdint>
#include <optional>

namespace databus {

// What is asked in a run that publishes nothing, and what a file costs besides: estimated from sums
// that are noted now and then. One thread at a time.
class CallRates {
 public:
  struct Sums {
    uint64_t calls = 0;
    uint64_t runs = 0;
    uint64_t files = 0;
  };
  // Sums only grow.
  void Note(const Sums& sums) {
    const Sums since{sums.calls - last_.calls, sums.runs - last_.runs, sums.files - last_.files};
    const bool first = !noted_;
    if (!first && since.runs == 0) return;
    last_ = sums;
    noted_ = true;
    if (first) return;
    Add(since.files == 0 ? idle_ : busy_, since);
  }
  std::optional<double> PerIdleRun() const {
    if (idle_.runs == 0) return std::nullopt;
    return static_cast<double>(idle_.calls) / static_cast<double>(idle_.runs);
  }
  std::optional<double> PerFile() const {
    const auto idle = PerIdleRun();
    if (busy_.files == 0 || !idle) return std::nullopt;
    const double all = static_cast<double>(busy_.calls) - *idle * static_cast<double>(busy_.runs);
    return all > 0 ? all / static_cast<double>(busy_.files) : 0;
  }

 private:
  // The newer counts for more.
  static void Add(Sums& sums, const Sums& since) {
    constexpr uint64_t kRunsMost = 1000;
    if (sums.runs > kRunsMost) sums = {sums.calls / 2, sums.runs / 2, sums.files / 2};
    sums.calls += since.calls;
    sums.runs += since.runs;
    sums.files += since.files;
  }

  bool noted_ = false;
  Sums last_;
  Sums idle_;
  Sums busy_;
};

}  // namespace databus
