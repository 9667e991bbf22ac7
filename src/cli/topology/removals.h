// Whether what a change of the topology removes still holds data that is on its way.
#pragma once

#include "base/clock.h"
#include "cli/topology/apply_checks.h"
#include "control/topology_desk.h"

namespace databus {

// Looks through the clusters' trees, if anything is removed, and objects. What cannot be looked at
// objects, too.
void JudgeRemovals(const Removed& removed, const TopologyDesk& desk, const Clock& clock,
                   TopologyChange& change);

}  // namespace databus
