#include "control/epoch_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "control/create_once.h"

namespace databus {
namespace {

// A number that was taken, and whose epoch is purged, is not free again.
Result<bool> IsSpent(Storage& storage, const TopologyEpoch& epoch) {
  DATABUS_ASSIGN_OR_RETURN(const std::optional<uint64_t> newest, NewestEpoch(storage));
  if (!newest || *newest <= epoch.stored.epoch) return false;
  const auto there = storage.Stat(paths::TopologyFile(epoch.stored.epoch));
  if (there.ok() || there.code() == Code::kNotFound) return !there.ok();
  return there.status();
}

}  // namespace

TopologyEpoch TopologyEpoch::Of(StoredTopology stored) {
  TopologyEpoch epoch{std::move(stored), "", ""};
  epoch.text = epoch.stored.Encode();
  epoch.digest = TopologyDigest(epoch.text);
  return epoch;
}

Result<TopologyEpoch> TopologyEpoch::Decode(std::string text, const std::string& where) {
  DATABUS_ASSIGN_OR_RETURN(StoredTopology stored, StoredTopology::Decode(text, where));
  TopologyEpoch epoch{std::move(stored), std::move(text), ""};
  epoch.digest = TopologyDigest(epoch.text);
  return epoch;
}

Result<std::optional<uint64_t>> NewestEpoch(Storage& storage) {
  const auto names = storage.ListNames(paths::TopologyRoot());
  std::optional<uint64_t> newest;
  if (names.code() == Code::kNotFound) return newest;
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) newest = std::max(newest, paths::ParseTopologyName(name));
  return newest;
}

Result<std::optional<uint64_t>> EpochAfter(Storage& storage, uint64_t obeyed) {
  DATABUS_ASSIGN_OR_RETURN(std::optional<uint64_t> newest, NewestEpoch(storage));
  if (newest && *newest <= obeyed) newest.reset();
  return newest;
}

Status CheckObeysTheNewest(Storage& storage, uint64_t obeyed, std::string_view what) {
  DATABUS_ASSIGN_OR_RETURN(const auto later, EpochAfter(storage, obeyed));
  if (!later) return Status::Ok();
  return {Code::kUnavailable,
          fmt::format("topology epoch {} is stored here, and {} is obeyed: {} until that is",
                      *later, obeyed, what)};
}

Result<TopologyEpoch> ReadEpoch(Storage& storage, uint64_t epoch) {
  const std::string path = paths::TopologyFile(epoch);
  DATABUS_ASSIGN_OR_RETURN(std::string text, storage.ReadFile(path));
  const std::string where = storage.Describe() + ": " + path;
  DATABUS_ASSIGN_OR_RETURN(TopologyEpoch read, TopologyEpoch::Decode(std::move(text), where));
  if (read.stored.epoch == epoch) return read;
  return Status(Code::kCorrupt, fmt::format("{}: holds epoch {}", where, read.stored.epoch));
}

Status StoreEpoch(Storage& storage, Random& random, const TopologyEpoch& epoch) {
  const std::string path = paths::TopologyFile(epoch.stored.epoch);
  DATABUS_ASSIGN_OR_RETURN(const bool spent, IsSpent(storage, epoch));
  if (spent) {
    return {Code::kExists, fmt::format("{}: an epoch later than {} is stored there, and that one "
                                       "is purged",
                                       storage.Describe(), epoch.stored.epoch)};
  }
  Status stored = CreateOnce(storage, random, {path, epoch.text});
  if (stored.code() != Code::kExists) return stored;
  return {Code::kExists, fmt::format("{}: {}: another epoch {} is stored there", storage.Describe(),
                                     path, epoch.stored.epoch)};
}

}  // namespace databus
