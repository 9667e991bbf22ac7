#include "control/settle_conflict.h"

#include <algorithm>

namespace databus {
namespace {

// A replaced side had made another cluster the primary, with a cut; the chosen one never did, and
// its primary has all that was equal then. From that cut on its mirrors are compared with it, and
// what the other side alone has published is salvaged (P32, P34), as after any other swap.
void CompareFromTheirCut(const Topology& theirs, Topology& next) {
  for (StreamSpec& stream : next.streams) {
    const StreamSpec* const there = theirs.FindStream(stream.name);
    const bool differs = there != nullptr && there->Primary() != stream.Primary();
    if (differs && !stream.cut) stream.cut = there->cut;
  }
}

}  // namespace

void SettleConflict(const std::vector<SharedEpoch>& sides, const TopologyEpoch& chosen,
                    StoredTopology& next) {
  const auto replace = [&](const std::string& digest) {
    if (!next.Follows(digest)) next.replaces.push_back(digest);
  };
  for (const SharedEpoch& side : sides) {
    next.epoch = std::max(next.epoch, side->stored.epoch + 1);
    if (side->digest == chosen.digest) continue;
    replace(side->digest);
    for (const PastEpoch& past : side->stored.before) replace(past.digest);
    for (const std::string& digest : side->stored.replaces) replace(digest);
    CompareFromTheirCut(side->stored.topology, next.topology);
  }
}

}  // namespace databus
