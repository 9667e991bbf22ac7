// What the topology says about one cluster's part in each stream (commit/group_writer.h).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/topology.h"
#include "commit/group_writer.h"
#include "worker/majority.h"

namespace databus {

class TopologyRules final : public StreamRules {
 public:
  TopologyRules(const Topology& topology, std::string cluster, Majority& majority)
      : topology_(topology), cluster_(std::move(cluster)), majority_(majority) {}

  // Local: always this cluster, whatever lies in data/ (P31). Merged: nothing for streams that are
  // not configured, or have no destination here: a minute is invented only by its primary.
  std::optional<std::string> PrimaryOf(View view, const std::string& stream) const override;
  // Local: the consumers' queue of the primary. Merged: the mirrors' queues (D4: only of streams
  // whose primary is here).
  std::vector<std::string> QueuesOf(View view, const std::string& stream) const override;
  std::set<std::string> Primaries(View view) const override;
  std::optional<Minute> CutOf(const std::string& stream) const override;
  Publication PublicationOf(const std::string& stream) const override;
  Status MayPublish(const std::string& stream) const override;

 private:
  const Topology& topology_;
  const std::string cluster_;
  Majority& majority_;
};

}  // namespace databus
