// The end of a conflict of stored topologies (P27): one side becomes the next epoch, which replaces
// the others.
#pragma once

#include <vector>

#include "control/topology_desk.h"

namespace databus {

// `next`: made after `chosen` (StoredTopology::Next), one of `sides`. Gives it a number above that
// of every side, so that it is the newest on every cluster, and lets it follow every epoch that
// anybody can obey: also those before the other sides, of which a cluster that is away may know.
// Streams whose primary or cut was another on a side that is replaced begin a new era
// (StreamSpec::settled), whatever era they are in by the chosen one. None stays frozen.
void SettleConflict(const std::vector<SharedEpoch>& sides, const TopologyEpoch& chosen,
                    StoredTopology& next);

}  // namespace databus
