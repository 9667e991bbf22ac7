// What the subcommands of `databus topology` find on the clusters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "control/topology_desk.h"

namespace databus {

// "6/0123456789abcdef": how a command line names an epoch when its number is not enough.
std::string NameOf(const TopologyEpoch& epoch);

// REQUIRES: a conflict. Its sides, what they disagree on, and what to do.
std::string RenderConflict(const TopologyPicture& picture);

// An epoch that any cluster of the desk's last look has stored. kNotFound: none that answered.
// kRefused: there is more than one of that number, in a conflict.
Result<TopologyEpoch> ReadAnywhere(const TopologyDesk& desk, uint64_t epoch);

}  // namespace databus
