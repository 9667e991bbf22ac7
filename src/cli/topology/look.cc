#include "cli/topology/look.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <optional>
#include <set>

#include "cli/roles_text.h"
#include "cluster/topology_diff.h"
#include "control/topology_watch.h"

namespace databus {

std::string NameOf(const TopologyEpoch& epoch) {
  const std::array parts = {fmt::format("{}", epoch.stored.epoch), epoch.digest};
  return fmt::format("{}", fmt::join(parts, "/"));
}

std::string RenderConflict(const TopologyPicture& picture) {
  std::string text = "CONFLICT: none of these epochs follows the others\n";
  for (const SharedEpoch& head : picture.heads) {
    text += fmt::format("  {}, by {}, on {}\n", NameOf(*head), head->stored.author,
                        fmt::join(picture.HoldersOf(*head), ", "));
  }
  const StoredTopology& first = picture.heads.front()->stored;
  for (size_t i = 1; i < picture.heads.size(); ++i) {
    const StoredTopology& other = picture.heads[i]->stored;
    text += fmt::format("\nFrom {} to {}\n", NameOf(*picture.heads[0]), NameOf(*picture.heads[i]));
    const std::vector<std::string> changes = DescribeChanges(first, other);
    for (const std::string& change : changes) text += "  " + change + "\n";
    if (changes.empty()) text += "  nothing but how they came about\n";
    const std::set<std::string> disputed = StreamsInDispute(first.topology, other.topology);
    if (disputed.empty()) continue;
    text += fmt::format("  no merged minutes until one is chosen: {}\n",
                        Some({disputed.begin(), disputed.end()}));
  }
  return text + fmt::format("\nNothing is lost. Next: databus topology choose {}, or another\n",
                            NameOf(*picture.heads.front()));
}

Result<TopologyEpoch> ReadAnywhere(const TopologyDesk& desk, uint64_t epoch) {
  std::optional<TopologyEpoch> found;
  for (const TopologyAt& at : desk.picture().clusters) {
    Storage* tree = desk.Tree(at.cluster);
    if (!at.away.empty() || tree == nullptr) continue;
    auto read = ReadEpoch(*tree, epoch);
    if (!read.ok()) continue;
    if (found && found->digest != read->digest) {
      return Status(Code::kRefused, fmt::format("there are several epochs {}: {} and {}", epoch,
                                                NameOf(*found), NameOf(*read)));
    }
    found = *std::move(read);
  }
  if (found) return *std::move(found);
  return Status(Code::kNotFound, fmt::format("no cluster that answers has an epoch {}", epoch));
}

}  // namespace databus
