#include "cli/failover/salvage_progress.h"

#include "commit/cluster_id.h"
#include "worker/salvage.h"

namespace databus {

bool SalvageProgress::IsStillToBeLookedAt(const std::string& source, const std::string& stream,
                                          Minute minute) {
  Storage* const tree = desk_.Tree(to_);
  if (tree == nullptr) return true;
  if (groups_ == 0) {
    const auto identity = ReadClusterId(*tree);
    if (!identity.ok()) return true;
    groups_ = identity->groups;
  }
  const Group group = GroupOf(stream, groups_);
  if (!eras_.contains(group)) {
    auto eras = ReadEras(*tree, group);
    if (!eras.ok()) return true;
    eras_.emplace(group, *std::move(eras));
  }
  const auto& sources = eras_.at(group).sources;
  const auto known = sources.find(source);
  return known == sources.end() || known->second.to < minute ||
         known->second.of != SalvageDigest(SalvagedStreams(topology_, to_), group, groups_);
}

}  // namespace databus
