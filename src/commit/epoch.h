// The epoch and the fence (P3, P4). An epoch is a directory in the cluster's own tree,
// `system/tmp/<view>/<group>/<epoch>/`; whoever's directory has the highest number may publish, by
// renaming out of it. A new holder renames the lower ones away (`<epoch>.fenced`), and from then on
// every rename of the older holder fails in the tree itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

struct TakenEpoch {
  uint64_t epoch = 0;
  std::vector<uint64_t> fenced;  // every fenced directory there is, ascending; recover these
};

// Makes an own epoch directory, then lists, then fences every lower one; in this order (P4).
//   kStale        a higher epoch is there: somebody else is newer. Stop.
//   kUnavailable  the tree did not answer: nothing may be published. Try again from the start; a
//                 number that was taken without knowing is fenced like any other's.
Result<TakenEpoch> TakeEpoch(Storage& storage, Random& random, View view, Group group);

}  // namespace databus
