// What `databus status` tells of the stored topology, and of a failover that is under way. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/status_report.h"

namespace databus {

// "7", or "6, behind" when the process obeys another epoch than the newest; empty: it says nothing.
std::string EpochText(const Heartbeat& process, const TopologyPicture& picture);

// Empty when nothing is stored.
std::string RenderStored(const InstallationReport& report);

// Conflicts, streams that stay frozen, journals that cannot be read.
std::vector<Trouble> TopologyTroubles(const InstallationReport& report);

nlohmann::ordered_json StoredToJson(const InstallationReport& report);

}  // namespace databus
