// After an unplanned failover: what has become of every line of the loss statement. Looked up in
// the trees each time; as long as the cluster is away nothing is known of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/failover/figures.h"
#include "cli/seams.h"
#include "control/topology_desk.h"
#include "failover/journal.h"
#include "failover/loss.h"
#include "failover/observation.h"

namespace databus {

struct SalvageLine {
  failover::LossLine line;
  // kOnItsWay: somebody has still to publish, merge or look for what is not there yet.
  enum class State : uint8_t { kRecovered, kOnItsWay, kMissing, kUnknown } state = State::kUnknown;
  uint64_t recovered_files = 0;
  uint64_t files_on_their_way = 0;
  uint64_t missing_files = 0;
  // Set aside up to the minute that the statement calls mirrored: at risk, and not in this line.
  uint64_t unnamed_files = 0;
  std::string why;  // of kRecovered: how that is known where no file says it
};

// One for each line of the journal's statement, in its order.
std::vector<SalvageLine> AccountForLoss(const failover::Journal& journal, const TopologyDesk& desk,
                                        const failover::Observation& seen, Seams& seams);

LossFigures SumOf(const std::vector<SalvageLine>& lines);
std::string RenderSalvage(const std::vector<SalvageLine>& lines);
nlohmann::ordered_json SalvageToJson(const std::vector<SalvageLine>& lines);
// As SumOf, and back. Nothing: it is none.
nlohmann::ordered_json SumToJson(const LossFigures& sum);
std::optional<LossFigures> SumFromJson(const nlohmann::ordered_json& json);

}  // namespace databus
