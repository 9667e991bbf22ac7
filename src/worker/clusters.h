// The clusters of the installation as one worker sees them: their storages, and whether each
// answers as the cluster it is (P1).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/sync.h"
#include "cluster/topology.h"
#include "commit/cluster_id.h"
#include "storage/open.h"

namespace databus {

// Thread-safe. The storages live as long as this does.
class Clusters {
 public:
  Clusters(const Topology& topology, const OpenClusterStorage& open);

  // Asks every cluster, or one, for its id. One call per cluster; do it once a run.
  void Check();
  void CheckOne(const std::string& cluster);
  // After something was absent from a cluster (P1). kUnavailable: it went away in the middle.
  Status CheckStill(const std::string& cluster);

  // The storage of a cluster that answered as itself at the last Check; else null.
  Storage* Find(const std::string& cluster) const;
  // The storage whether or not it answers, for the cluster a worker works for; null for a bad URL.
  Storage* Any(const std::string& cluster) const;
  // Why Find is null, or empty.
  std::string WhyAway(const std::string& cluster) const;
  // Id and groups as last seen; groups is 0 when the cluster never answered.
  ClusterIdentity IdentityOf(const std::string& cluster) const;

  // What others remember of a cluster's id (from their heartbeats). The first one wins.
  void Remember(const std::string& cluster, const std::string& id);
  std::map<std::string, std::string> KnownIds() const;

 private:
  struct Entry {
    std::unique_ptr<Storage> storage;
    std::string remembered;
    ClusterIdentity identity{"", 0};
    Status state{Code::kUnavailable, "not asked yet"};
  };
  void Ask(Entry& entry);
  mutable Mutex mutex_;  // guards entries_' values; never held across a storage call
  std::map<std::string, Entry> entries_;
};

}  // namespace databus
