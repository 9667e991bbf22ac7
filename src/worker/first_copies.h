// What a new primary does before it begins (P32): copies, path for path, what mirrors that answer
// have of the primary before it and it has not. Cheap when there is nothing, as after a planned
// change.
//
// That is right only where both were brought through the same changes before this one: then what
// either has is the beginning of one stream. A cluster that was away for a change has minutes that
// were published apart, and which may hold in other places what the others have, too.
#pragma once

#include <string>
#include <vector>

#include "cluster/topology.h"
#include "commit/eras.h"
#include "commit/group_writer.h"
#include "telemetry/problems.h"
#include "worker/clusters.h"
#include "worker/run_stats.h"

namespace databus {

struct FirstCopies {
  const std::string& cluster;  // the new primary
  const Eras& eras;            // that it was brought through before this one
  Clusters& clusters;
  const Clock& clock;
  ProblemBoard& problems;
  RunStats& stats;
  int copy_threads = 1;
};

// `streams`: of the writer's group, with a cut, published by this cluster from now on. What one
// mirror cannot give is left out and said: it is salvaged from the local streams (P34), as is what
// mirrors have that are in another era.
Status CopyFromMirrors(GroupWriter& writer, const FirstCopies& with,
                       const std::vector<const StreamSpec*>& streams);

}  // namespace databus
