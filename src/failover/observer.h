// Looks at the clusters of an installation for a failover. Read only. One look lists what may
// change; what never changes (queue entries, closed minutes that were equal) is read once.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "cluster/topology.h"
#include "failover/observation.h"
#include "failover/trees.h"

namespace databus::failover {

// One thread at a time.
class Observer {
 public:
  Observer(Trees& trees, const Clock& clock) : trees_(trees), clock_(clock) {}
  ~Observer();

  // The trees as they are now, in the order of the flow: what moves on while it is looked for is
  // seen at least once (P30). `topology`: what to look for.
  Observation Look(const Topology& topology, const Scope& scope);

 private:
  struct Memory;  // of one cluster
  void Heartbeats(const std::string& cluster, Storage& storage, Observation& seen);
  void Flow(const Topology& topology, const Scope& scope, Observation& seen);
  void Mirrors(const Scope& scope, Observation& seen);
  Memory& Of(const std::string& cluster);

  Trees& trees_;
  const Clock& clock_;
  std::map<std::string, std::unique_ptr<Memory>> memories_;
};

}  // namespace databus::failover
