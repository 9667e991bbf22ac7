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
  const Eras& eras = eras_.at(group);
  const StreamSpec* const spec = topology_.FindStream(stream);
  const auto known = eras.salvaged.find({source, stream});
  return spec == nullptr || !spec->cut || known == eras.salvaged.end() ||
         known->second.to < minute || known->second.of != SalvageDigest(*spec);
}

}  // namespace databus
