#include "cli/failover/salvage_progress.h"

#include "commit/cluster_id.h"
#include "worker/salvage.h"

namespace databus {

void SalvageProgress::Read(const std::vector<StreamSpec>& streams) {
  Storage* const tree = desk_.Tree(to_);
  if (tree == nullptr) return;
  const auto identity = ReadClusterId(*tree);
  if (!identity.ok()) return;
  groups_ = identity->groups;
  for (const StreamSpec& stream : streams) {
    const Group group = GroupOf(stream.name, groups_);
    if (eras_.contains(group)) continue;
    auto eras = ReadEras(*tree, group);
    if (eras.ok()) eras_.emplace(group, *std::move(eras));
  }
}

bool SalvageProgress::IsStillToBeMerged(const std::string& source,
                                        const paths::MinutePath& file) const {
  const auto page = groups_ == 0 ? eras_.end() : eras_.find(GroupOf(file.stream, groups_));
  if (page == eras_.end()) return true;
  const Eras& eras = page->second;
  const StreamSpec* const spec = topology_.FindStream(file.stream);
  const auto known = eras.salvaged.find({source, file.stream});
  const bool looked_at = spec != nullptr && !EraOf(*spec).IsFirst() &&
                         known != eras.salvaged.end() && known->second.to >= file.minute &&
                         known->second.of == SalvageDigest(*spec);
  if (!looked_at) return true;
  const auto missed = eras.missed.find(source);
  return missed != eras.missed.end() && missed->second.contains(paths::MinuteFile(
                                            View::kLocal, file.stream, file.minute, file.file));
}

}  // namespace databus
