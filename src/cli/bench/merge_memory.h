// `bench hdfs merge`: the memory of a worker while it merges much that had piled up.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "cli/demo/site.h"
#include "cli/seams.h"

namespace databus {

struct MergeMemoryOptions {
  std::string directory;    // everything is done below it; must exist
  DemoClusters clusters{};  // new ones
  uint64_t bytes = 10'000'000'000;
  uint64_t file_bytes = 40'000'000;  // of each file; the last may be longer
  Milliseconds stalled_after{120'000};
};

struct MergeMemory {
  uint64_t files = 0;
  uint64_t bytes = 0;
  double seconds = 0;                   // from the start of the merging worker
  double cpu_s = 0;                     // of that worker
  uint64_t merging_resident_bytes = 0;  // VmHWM of the worker that merges
  uint64_t other_resident_bytes = 0;    // of the one that published, and mirrors
};

// Two data centres, a worker each. Sealed files are delivered to dc1 and published there while the
// worker of dc2 does not run; then it does, and merges them. kUnavailable: it came to a standstill.
Result<MergeMemory> MeasureMergeMemory(const MergeMemoryOptions& options, Seams& seams);
std::string ToText(const MergeMemory& memory);
nlohmann::ordered_json ToJson(const MergeMemory& memory);

}  // namespace databus
