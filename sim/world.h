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
  kOther,
};
inline constexpr size_t kPlaces = 10;
std::string_view PlaceName(Place place);

// How often each fault met a call of each place.
inline constexpr size_t kFaultKinds = 10;
using Coverage = std::array<std::array<uint64_t, kPlaces>, kFaultKinds>;
std::string_view FaultName(size_t kind);

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
};

// Not re-entrant; one at a time in a process.
Outcome Simulate(const Scenario& scenario, const RunOptions& options = {});

}  // namespace databus::sim
