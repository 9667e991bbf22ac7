// Who may try. A lease lets one process at a time work on a (cluster, view, group); it is about
// liveness and order only: what keeps a stale holder from making anything visible is the epoch in
// the tree (commit/epoch.h, P3), not this.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

// Whoever holds this group also does what is of no group: trash, journals, old topology epochs.
inline constexpr Group kClusterDuties = 0;

// Thread-safe.
class Leases {
 public:
  virtual ~Leases() = default;
  // Whether this process may work on (view, group) now. False from the moment that it can no longer
  // be sure. Never waits for anybody.
  virtual bool Held(View view, Group group) = 0;
  // Whether it may work on any group at all.
  virtual bool HeldAny() { return Held(View::kLocal, 0); }
  // Where the groups of a cluster are spread over several processes (decision 0013): those that
  // this one may work on now. Nothing: whoever holds one holds all.
  virtual std::optional<std::set<Group>> Share() { return std::nullopt; }
  // Who holds it; of spread groups, group 0, for status: "worker-dc1@host:4711", or why nobody
  // knows.
  virtual std::string Holder() = 0;
};

// One way of keeping the leases of a cluster: in its tree (tree_lease.h), in ZooKeeper
// (zookeeper_lease.h). Tick, Skip and Release are called by one thread at a time.
class Lease : public Leases {
 public:
  // Renews the lease, or watches it and takes it when it is free. Call again after Pace(). Not ok
  // when whoever keeps the lease did not answer.
  virtual Status Tick() = 0;
  // Instead of Tick while the cluster's tree does not answer this process: so that a lease which
  // lies elsewhere does not keep it from those whom the tree does answer.
  virtual Status Skip() { return Tick(); }
  // Gives the lease up, so that a standby need not wait. Held() is false from here on, until a Tick
  // takes it again.
  virtual Status Release() = 0;
  virtual std::chrono::nanoseconds Pace() = 0;
  // Where it lies, for status: "the tree", "ZooKeeper h1:2181/databus/dc1_".
  virtual std::string Where() const = 0;
};

struct LeaseRequest {
  std::string cluster;
  std::string holder;  // unique to this process, and the same for all its lives
  std::chrono::nanoseconds timeout{};
  // How many groups the cluster has, where they are spread; 0: one process holds all.
  Group spread_groups = 0;
  // Whether a holder is certainly no more, so that nobody need wait for the timeout: a process of
  // this machine that has died. Being wrong costs a take-over. Owns what it needs.
  std::function<bool(const std::string& holder)> holder_is_gone{};
};
// Another back end than the cluster's own tree. A process that goes on by another topology asks
// again, with the same request, and may get the same lease.
using MakeLease = std::function<std::shared_ptr<Lease>(const LeaseRequest&)>;

}  // namespace databus
