// After an unplanned failover: how far the new primary has looked through the clusters' local
// streams for what no queue names any more (P34), by what it has written down itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cluster/paths.h"
#include "cluster/topology.h"
#include "control/topology_desk.h"
#include "worker/eras.h"

namespace databus {

// As it was when it was read: what had been looked at by then is merged in all that is read later.
class SalvageProgress {
 public:
  // `to`: the new primary.
  SalvageProgress(const TopologyDesk& desk, const Topology& topology, std::string to)
      : desk_(desk), topology_(topology), to_(std::move(to)) {}

  void Read(const std::vector<StreamSpec>& streams);
  // Whether a file of the source's local stream that is missing has still to be looked at, or could
  // not be fetched and is tried again. What cannot be read has still to be looked at.
  bool IsStillToBeMerged(const std::string& source, const paths::MinutePath& file) const;

 private:
  const TopologyDesk& desk_;
  const Topology& topology_;
  const std::string to_;
  Group groups_ = 0;  // 0: not read yet
  std::map<Group, Eras> eras_;
};

}  // namespace databus
