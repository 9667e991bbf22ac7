// What a worker that works on some of its cluster's groups says of them in its heartbeat
// (facts::kShare).
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "telemetry/heartbeat.h"

namespace databus {

struct WorkerShare {
  std::set<uint32_t> groups{};
  uint32_t of = 0;  // how many there are
};

void TellShare(Heartbeat& beat, const WorkerShare& share);
// Nothing: it says nothing of the kind. What is no number of a group is passed over.
std::optional<WorkerShare> ShareOf(const Heartbeat& beat);

}  // namespace databus
