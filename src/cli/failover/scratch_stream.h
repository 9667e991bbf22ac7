// The stream of a rehearsal in the stored topology. A rehearsal that was killed leaves it there;
// the next one, or whoever ends its failover, removes it.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "base/status.h"
#include "cluster/stored_topology.h"
#include "control/topology_desk.h"
#include "failover/journal.h"

namespace databus {

inline constexpr const char* kScratchStream = "databus.rehearsal";

// Whether a rehearsal began it.
bool IsRehearsal(const failover::Journal& journal);

// With nothing left of an earlier rehearsal.
void AddScratchStream(StoredTopology& next, const std::string& from, const std::string& to);

// Stores an epoch without it, if there is one with it; that epoch's number, or nothing.
Result<std::optional<uint64_t>> RemoveScratchStream(TopologyDesk& desk);
// The same, and says what came of it. False: it stays.
bool RemoveScratchStream(TopologyDesk& desk, std::ostream& err);

}  // namespace databus
