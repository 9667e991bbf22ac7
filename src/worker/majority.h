// P28: whether a cluster has lately read enough of the others to be certain that nobody has taken
// its place. By the boot clock, and counted from when the process began to obey its topology.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "base/sync.h"
#include "cluster/topology.h"
#include "worker/clusters.h"

namespace databus {

// Thread-safe.
class Majority {
 public:
  // `alone`: the cluster that needs none, or empty (cluster/stored_topology.h).
  Majority(const Topology& topology, std::string cluster, std::string alone, Clusters& clusters,
           const Clock& clock);

  // Ok: a majority of all clusters, of two both, was read within kAloneAfter. Before it says that
  // they were not, it asks them, once a second at most.
  //   kUnavailable  the message says which were not
  Status Check();

 private:
  Status CheckOnce() const;

  const Topology& topology_;
  const std::string cluster_;
  const std::string alone_;
  Clusters& clusters_;
  const Clock& clock_;
  Mutex mutex_;                    // guards what follows
  std::optional<BootTime> asked_;  // here
};

}  // namespace databus
