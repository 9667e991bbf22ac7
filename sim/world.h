// One simulated installation: machines, processes put together as main() does, trees, traffic and
// faults, on one thread, in simulated time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sim/checker.h"
#include "sim/scenario.h"

namespace databus::sim {

struct RunOptions {
  // Told every event, one line each, with the simulated time; none: much faster.
  std::function<void(const std::string&)> trace{};
};

// Where in the protocol a storage or disk call is made, by its path.
enum class Place : uint8_t {
  kSpool,
  kData,
  kCollectorStaging,
  kStaging,
  kView,
  kQueue,
  kManifest,
  kLease,
  kStatus,
  kTopology,
  kJournal,
  kOther,
};
inline constexpr size_t kPlaces = 12;
std::string_view PlaceName(Place place);

// How often each fault met a call of each place.
inline constexpr size_t kFaultKinds = 12;
using Coverage = std::array<std::array<uint64_t, kPlaces>, kFaultKinds>;
std::string_view FaultName(size_t kind);

// What happened while a failover was at a step of it (failover/journal.h).
enum class Meanwhile : uint8_t {
  kRequestLost,  // of any process
  kAnswerLost,
  kRefused,
  kOperatorDies,
  kWorkerDies,
  kCollectorDies,
  kOperatorSleeps,
  kOtherSleeps,
  kSiteLost,   // a data centre is cut off, or down
  kTakenOver,  // another operator goes on with it
  kDenied,     // of any process
};
inline constexpr size_t kMeanwhiles = 11;
inline constexpr size_t kFailoverSteps = 12;
using FailoverCoverage = std::array<std::array<uint64_t, kFailoverSteps>, kMeanwhiles>;
std::string_view MeanwhileName(Meanwhile what);

// How the failovers of a run, or of many, ended.
struct Failovers {
  uint64_t planned = 0;
  uint64_t unplanned = 0;
  uint64_t failback = 0;
  uint64_t aborted = 0;
  uint64_t conflicts = 0;  // of stored topologies, that were settled
};

struct Outcome {
  std::optional<Violation> violation;
  SimTime violated_at{};
  // Of everything that happened, in order: equal for equal runs.
  uint64_t digest = 0;
  uint64_t seam_calls = 0;
  uint64_t faults = 0;
  uint64_t deaths = 0;
  uint64_t starts = 0;
  uint64_t messages = 0;
  uint64_t switches = 0;
  SimTime simulated{};
  SimTime settled_after{};  // the last fault
  Coverage coverage{};
  FailoverCoverage failover_coverage{};
  Failovers failovers{};
};

// Not re-entrant; one at a time in a process.
Outcome Simulate(const Scenario& scenario, const RunOptions& options = {});

}  // namespace databus::sim
