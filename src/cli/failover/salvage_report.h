// After an unplanned failover: what has become of every line of the loss statement. Looked up in
// the trees each time; as long as the cluster is away nothing is known of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/seams.h"
#include "control/topology_desk.h"
#include "failover/journal.h"
#include "failover/loss.h"
#include "failover/observation.h"

namespace databus {

struct SalvageLine {
  failover::LossLine line;
  enum class State : uint8_t { kRecovered, kMissing, kUnknown } state = State::kUnknown;
  uint64_t recovered_files = 0;
  uint64_t missing_files = 0;
  std::string why;  // kMissing, kUnknown
};

// One for each line of the journal's statement, in its order.
std::vector<SalvageLine> AccountForLoss(const failover::Journal& journal, const TopologyDesk& desk,
                                        const failover::Observation& seen, Seams& seams);

std::string RenderSalvage(const std::vector<SalvageLine>& lines);
nlohmann::ordered_json SalvageToJson(const std::vector<SalvageLine>& lines);

}  // namespace databus
