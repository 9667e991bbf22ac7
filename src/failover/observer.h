// Looks at the clusters of an installation for a failover. Read only. One look lists what may
// change; what never changes (queue entries, closed minutes that were equal) is read once.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "commit/eras.h"
#include "control/topology_desk.h"
#include "failover/observation.h"

namespace databus::failover {

class LifeWatch;

// One thread at a time.
class Observer {
 public:
  Observer(const TopologyDesk& desk, const Clock& clock);
  ~Observer();

  // The clusters of the desk's last look as they are now, in the order of the flow: what moves on
  // while it is looked for is seen at least once (P30).
  Observation Look(const Scope& scope);

 private:
  struct Memory;  // of one cluster
  // Null, and why: the cluster does not answer as itself.
  Storage* Find(const std::string& cluster, std::string& why_away) const;
  void Topologies(Observation& seen) const;
  // P1: nothing is absent from a cluster that went away while it was looked at.
  void CheckTrees(const Scope& scope, Observation& seen) const;
  void Flow(const Scope& scope, Observation& seen);
  void Mirrors(const Scope& scope, Observation& seen);
  // What mirrors say of their eras, read once a look.
  using ErasOfMirrors = std::map<std::pair<std::string, Group>, Result<Eras>>;
  std::string WhyNotCompared(const StreamSpec& stream, const std::string& mirror,
                             ErasOfMirrors& eras);
  void ReadNewest(const Scope::Mirrored& wanted, SeenMirror& mirror);
  Result<Group> ReadPrimary(const Scope::Mirrored& wanted, SeenMirror& mirror);
  Result<Group> Groups(const std::string& cluster);
  Memory& Of(const std::string& cluster);

  const TopologyDesk& desk_;
  const Clock& clock_;
  const std::unique_ptr<LifeWatch> watch_;
  std::map<std::string, std::unique_ptr<Memory>> memories_;
};

}  // namespace databus::failover
