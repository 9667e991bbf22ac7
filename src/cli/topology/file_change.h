// The change that makes a databus.xml, written by hand or by a command, the next epoch: the one way
// by which streams, clusters and their mirrors change.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/topology/change.h"
#include "cluster/topology.h"

namespace databus {

// REQUIRES: `base` is the newest epoch of the desk's last look, and `file` was made from it. What
// speaks against the change is in its objections, an open failover among it.
TopologyChange ChangeToFile(const Topology& file, const TopologyEpoch& base,
                            const std::string& author, const TopologyDesk& desk,
                            const Clock& clock);

}  // namespace databus
