#include "control/settle_conflict.h"

#include <algorithm>
#include <set>
#include <string>

namespace databus {
namespace {

// The streams of which another cluster published, or may have, where `theirs` was obeyed.
void AddDisputed(const Topology& theirs, const Topology& ours, std::set<std::string>& disputed) {
  for (const StreamSpec& stream : ours.streams) {
    const StreamSpec* const there = theirs.FindStream(stream.name);
    if (there == nullptr) continue;
    const bool same = there->Primary() == stream.Primary() && there->cut == stream.cut &&
                      there->settled == stream.settled;
    if (!same) disputed.insert(stream.name);
  }
}

}  // namespace

void SettleConflict(const std::vector<SharedEpoch>& sides, const TopologyEpoch& chosen,
                    StoredTopology& next) {
  std::set<std::string> disputed;
  const auto replace = [&](const std::string& digest) {
    if (!next.Follows(digest)) next.replaces.push_back(digest);
  };
  for (const SharedEpoch& side : sides) {
    next.epoch = std::max(next.epoch, side->stored.epoch + 1);
    if (side->digest == chosen.digest) continue;
    replace(side->digest);
    for (const PastEpoch& past : side->stored.before) replace(past.digest);
    for (const std::string& digest : side->stored.replaces) replace(digest);
    AddDisputed(side->stored.topology, next.topology, disputed);
  }
  // The primary stays what it was on the chosen side, so nobody would notice: mirrors that had
  // another one for a while have to be compared with it, and what the other side alone has merged
  // is to be salvaged (P32, P34), as after any other change. The cut stays, too: it says what the
  // primary before this one published here, and theirs may lie after what ours has published.
  for (StreamSpec& stream : next.topology.streams) {
    if (disputed.contains(stream.name)) stream.settled = next.epoch;
    // What froze it on the chosen side was a failover that cannot go on from here, and that could
    // not undo it, either.
    stream.publication = Publication::kOpen;
  }
}

}  // namespace databus
