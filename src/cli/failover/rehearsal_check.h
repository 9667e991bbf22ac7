// What became of the messages of a rehearsal, one by one: which are lost, which doubled, and which
// the new primary did not have yet when the roles changed.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/demo/sequence_check.h"
#include "cli/failover/figures.h"
#include "cli/failover/rehearsal_traffic.h"
#include "failover/journal.h"

namespace databus {

struct RehearsalCounts {
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t arrived = 0;  // in the merged stream, each counted once
  uint64_t lost = 0;     // in any view
  uint64_t doubled = 0;
};
// From `from` on, in all views of `stream`, which is one of `topology`.
Result<RehearsalCounts> CountMessages(const StreamSpec& stream, const Topology& topology,
                                      const RehearsalTraffic& traffic, Minute from, Seams& seams);

// `has`: whether the new primary had a message when the roles changed.
using Has = std::function<bool(const NumberedMessage& message)>;
LackFigures LackAt(WallTime swapped, const std::vector<RehearsalTraffic::History>& histories,
                   const std::string& lost, const Has& has);
// The same, read from the files that are older at the new primary than the swap, by its clock: what
// it lacked of the last mirrored minute it has copied since, because the other one lives.
// REQUIRES: `over` has swapped; `traffic` is finished.
Result<LackFigures> LackAtSwap(const failover::Journal& over, const StreamSpec& stream,
                               const Topology& topology, const RehearsalTraffic& traffic,
                               Seams& seams);

}  // namespace databus
