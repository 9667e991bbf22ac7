#include "control/settle_conflict.h"

#include <algorithm>

namespace databus {

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
  }
}

}  // namespace databus
