#include "control/epoch_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"

namespace databus {

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
  const auto entries = storage.List(paths::TopologyRoot());
  std::optional<uint64_t> newest;
  if (entries.code() == Code::kNotFound) return newest;
  if (!entries.ok()) return entries.status();
  for (const DirEntry& entry : *entries)
    newest = std::max(newest, paths::ParseTopologyName(entry.name));
  return newest;
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
  DATABUS_RETURN_IF_ERROR(EnsureDir(storage, paths::TopologyRoot()));
  const std::string staged = paths::Join(paths::Tmp(), "topology." + random.Hex(16));
  Status stored = storage.WriteFile(staged, epoch.text);
  if (stored.ok()) stored = storage.Rename(staged, path);
  if (stored.ok()) return stored;
  const Status swept = storage.Remove(staged);  // else a worker does, at its next start
  const auto there = storage.ReadFile(path);
  if (there.ok() && *there == epoch.text) return Status::Ok();
  if (there.ok() && stored.code() == Code::kExists) {
    return {Code::kExists, fmt::format("{}: {}: another epoch {} is stored there",
                                       storage.Describe(), path, epoch.stored.epoch)};
  }
  return stored.WithContext(swept.unknown() ? "may be half done" : "not stored");
}

}  // namespace databus
