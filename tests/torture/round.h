// One installation under torture, round after round: faults, their end, everything due arrives
// within the bound, and every message is counted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "cli/seams.h"
#include "tests/torture/faults.h"

namespace databus {

struct TortureOptions {
  uint64_t seed = 0;
  std::string directory;
  Programs programs;
  SmallDisks small_disks = SmallDisks::kNo;
  Milliseconds faults_last{10'000};  // of each round
  BootTime until{};                  // no new round is begun after it
  int rounds_max = 0;                // of each installation
};

struct TortureTotals {
  uint64_t installations = 0;
  uint64_t rounds = 0;
  uint64_t acknowledged = 0;
  uint64_t files = 0;
  Milliseconds longest_arrival{0};
  FaultCounts faults;
};

// When faults stop, everything due is visible after so long (G10), and how that is put together.
Milliseconds ArrivalBound();
std::string DescribeBound();

// Not ok: a promise is broken, or it could not be carried through; the directory is left as it is
// and what was done to it is in its log/faults.log and at the end of `say`. kStopped: by `stop`.
Status Torture(const TortureOptions& options, Random& random, Seams& seams, StopFlag& stop,
               const std::function<void(const std::string&)>& say, TortureTotals& totals);

}  // namespace databus
