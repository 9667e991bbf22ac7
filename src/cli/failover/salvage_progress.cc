#include "cli/failover/salvage_progress.h"

#include "commit/cluster_id.h"
#include "worker/salvage.h"

namespace databus {

bool SalvageProgress::IsStillToBeMerged(const std::string& source, const paths::MinutePath& file) {
  Storage* const tree = desk_.Tree(to_);
  if (tree == nullptr) return true;
  if (groups_ == 0) {
    const auto identity = ReadClusterId(*tree);
    if (!identity.ok()) return true;
    groups_ = identity->groups;
  }
  const Group group = GroupOf(file.stream, groups_);
  if (!eras_.contains(group)) {
    auto eras = ReadEras(*tree, group);
    if (!eras.ok()) return true;
    eras_.emplace(group, *std::move(eras));
  }
  const Eras& eras = eras_.at(group);
  const StreamSpec* const spec = topology_.FindStream(file.stream);
  const auto known = eras.salvaged.find({source, file.stream});
  const bool looked_at = spec != nullptr && !EraOf(*spec).IsFirst() &&
                         known != eras.salvaged.end() && known->second.to >= file.minute &&
                         known->second.of == SalvageDigest(*spec);
  if (!looked_at) return true;
  const auto missed = eras.missed.find(source);
  return missed != eras.missed.end() &&
         missed->second.contains(
             paths::MinuteFile(View::kLocal, file.stream, file.minute, file.file));
}

}  // namespace databus
