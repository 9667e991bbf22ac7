// The epochs of the stored topology in one cluster's tree (`system/topology/`, P27): created once,
// never overwritten, never changed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/status.h"
#include "cluster/stored_topology.h"
#include "storage/storage.h"

namespace databus {

// An epoch with the text that it is stored as.
struct TopologyEpoch {
  StoredTopology stored;
  std::string text;
  std::string digest;

  static TopologyEpoch Of(StoredTopology stored);
  static Result<TopologyEpoch> Decode(std::string text, const std::string& where);
  bool Follows(const TopologyEpoch& other) const { return stored.Follows(other.digest); }
};

// The newest epoch's number. Nothing: none is stored. Polled by every process: one listing of
// names. Asking for the next number alone would not do: a cluster that was away for a while gets
// the newest epoch and none of those between, and what a primary takes for read must not be one of
// them (P28).
Result<std::optional<uint64_t>> NewestEpoch(Storage& storage);
// The newest epoch's number, where it is a later one than `obeyed`.
Result<std::optional<uint64_t>> EpochAfter(Storage& storage, uint64_t obeyed);
// kUnavailable where there is one; `what` says what does not happen until that is obeyed: "no era
// begins".
Status CheckObeysTheNewest(Storage& storage, uint64_t obeyed, std::string_view what);
// kNotFound: that one is not stored here.
Result<TopologyEpoch> ReadEpoch(Storage& storage, uint64_t epoch);
// Ok, too, when the very same text stands there already. kExists: another one does, or did before
// it was purged. The tree must have its service directories.
Status StoreEpoch(Storage& storage, Random& random, const TopologyEpoch& epoch);

}  // namespace databus
