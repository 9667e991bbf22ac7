// P28: whether a cluster has lately read enough of the others to be certain that nobody has taken
// its place. A cluster counts when it answered as itself and its newest stored topology was then
// the one obeyed here, or one before that: a failover of a stream that waits stores its epoch on so
// many clusters that no majority is without it, so whoever has read a majority without it may go on
// for as long as the failover waits. An id alone proves nothing of the kind. By the boot clock, and
// counted from when the process began to obey its topology.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "base/sync.h"
#include "control/topology_watch.h"
#include "worker/clusters.h"

namespace databus {

// Thread-safe.
class Majority {
 public:
  Majority(const ObeyedTopology& obeyed, std::string cluster, Clusters& clusters,
           const Clock& clock);

  // Ok: a majority of all clusters, of two both, was read within kAloneAfter. Before it says that
  // they were not, it asks them, once a second at most.
  //   kUnavailable  the message says which were not
  Status Check();
  // Asks them, once a second at most: for every run, so that a newer topology is noticed at once.
  void Ask();

 private:
  struct Witness {
    std::optional<BootTime> agreed_at;  // when it was asked
    std::string why;                    // it did not agree when it was asked last
    uint64_t epoch = 0;                 // the newest one that was read there; 0: none
    std::string digest;                 // of that one
  };
  Status Read(const std::string& cluster, Witness& witness);
  Status CheckOnce() const;

  const ObeyedTopology& obeyed_;
  const std::string cluster_;
  Clusters& clusters_;
  const Clock& clock_;
  mutable Mutex mutex_;            // guards what follows; never held across a storage call
  std::optional<BootTime> asked_;  // all of them, the last time
  std::map<std::string, Witness> witnesses_;
};

}  // namespace databus
