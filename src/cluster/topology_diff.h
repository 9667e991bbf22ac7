// What is different between two topologies, for operators.
#pragma once

#include <string>
#include <vector>

#include "cluster/stored_topology.h"
#include "cluster/topology.h"

namespace databus {

// One line for each difference, "stream 'clicks': primary: dc1 -> dc2"; none: they say the same.
std::vector<std::string> DescribeChanges(const Topology& from, const Topology& to);

// Also of what only a stored one says: "collectors of dc1: stream clicks: none -> spool".
std::vector<std::string> DescribeChanges(const StoredTopology& from, const StoredTopology& to);

// What a rule says: "redirect to dc2", "redirect to h1:1463, h2:1463", "spool".
std::string DescribeMode(const ModeRule& rule);

}  // namespace databus
