// What databus-sim prints: one run, a failure with its story, the sum of many.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "commit/recovery_table.h"
#include "sim/shrink.h"
#include "sim/world.h"

namespace databus::sim {

// Why a run that broke nothing is too small; empty: it is not.
std::string TooSmall(const Scenario& scenario, const Outcome& outcome);

// Of many runs.
struct Tally {
  uint64_t seeds = 0;
  uint64_t failed = 0;
  std::array<uint64_t, kSizes> sizes{};
  uint64_t fewest_calls = std::numeric_limits<uint64_t>::max();
  uint64_t seam_calls = 0;
  uint64_t faults = 0;
  uint64_t deaths = 0;
  uint64_t messages = 0;
  uint64_t simulated_s = 0;
  Coverage coverage{};
  FailoverCoverage failover_coverage{};
  Failovers failovers{};
  std::array<uint64_t, kRecoveryTable.size()> rows{};  // of the recovery table, how often

  // What this process has reached of the recovery table in all its runs.
  void CountRows();
  void Add(const Scenario& scenario, const Outcome& outcome);
  void Add(const Tally& other);
};

std::string RunLine(uint64_t seed, const Outcome& outcome);
std::string ViolationLine(uint64_t seed, const Outcome& outcome);
// How long the runs took, by the clock and of processors.
struct Took {
  double seconds = 0;
  double core_seconds = 0;
};
std::string TallyLine(const Tally& tally, const Took& took);
// Calls of each place that met each fault; a zero is a pair that was never reached.
std::string CoverageTable(const Coverage& coverage);
// The same for the steps of failovers.
std::string FailoverTable(const FailoverCoverage& coverage);
// The same for the rows of the recovery table (commit/recovery_table.h).
std::string RowsTable(const Tally& tally);
// What of both, except what no seed can reach, was never reached; one line each. Of a few seeds
// that is no surprise, of thousands it is a fault of the scenarios.
std::vector<std::string> Unreached(const Tally& tally);
// The events of a failing run that concern the path of its violation, and the incidents.
std::string Story(const Scenario& scenario);

}  // namespace databus::sim
