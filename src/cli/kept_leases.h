// The leases in ZooKeeper of a worker process, which go on from one life of its services to the
// next (the tree's own lease goes on by its holder's name).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/sync.h"
#include "lease/lease.h"

namespace databus {

// Thread-safe.
class KeptLeases {
 public:
  // Of a cluster that has none yet.
  explicit KeptLeases(MakeLease make) : make_(std::move(make)) {}

  std::shared_ptr<Lease> Of(const LeaseRequest& request);
  // A life of the services begins, and none of them has asked for a lease yet.
  void BeginLife();
  // Call now and then: a lease that nobody has asked for in this life, because the cluster does not
  // answer, is given up in time, so that a standby whom it does answer can work.
  void SkipUnused();

 private:
  const MakeLease make_;
  Mutex mutex_;  // held while leases are skipped: none is handed out at that moment
  std::map<std::string, std::shared_ptr<Lease>> leases_;  // by cluster
  std::set<std::string> used_;
};

}  // namespace databus
