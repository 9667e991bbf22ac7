// What a databus.xml that is to be applied brings about, and what speaks against it. Pure.
#pragma once

#include <set>
#include <string>

#include "cli/topology/change.h"
#include "cluster/topology.h"

namespace databus {

struct Removed {
  std::set<std::string> streams;
  std::set<std::string> clusters;
  bool empty() const { return streams.empty() && clusters.empty(); }
};
Removed RemovedBy(const Topology& from, const Topology& to);

// Adds consequences and objections to a change from `base` that has its next topology.
void JudgeTopology(const StoredTopology& base, TopologyChange& change);

}  // namespace databus
