// What is different between two topologies, for operators.
#pragma once

#include <string>
#include <vector>

#include "cluster/topology.h"

namespace databus {

// One line for each difference, "stream 'clicks': primary: dc1 -> dc2"; none: they say the same.
std::vector<std::string> DescribeChanges(const Topology& from, const Topology& to);

}  // namespace databus
