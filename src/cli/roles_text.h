// Who does what for which stream, as text for people.
#pragma once

#include <string>
#include <vector>

#include "cluster/topology.h"

namespace databus {

// "clicks, orders and 3 more".
std::string Some(const std::vector<std::string>& names);

// A table with one row for all streams that have the same roles, and a column for each cluster.
std::string RenderRoles(const Topology& topology);

}  // namespace databus
