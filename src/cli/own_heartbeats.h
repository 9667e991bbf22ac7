// Collectors that are steered, or whose own tree is away, leave their heartbeats in the trees of
// other clusters, too. Pure.
#pragma once

#include <vector>

#include "cli/cluster_report.h"

namespace databus {

// Puts every process under its own cluster, once, with the newest of its heartbeats.
void SortByOwnCluster(std::vector<ClusterReport>& clusters);

}  // namespace databus
