#include "control/purge_history.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/paths.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;  // in the order of the text, which its checksum is of

constexpr int kVersion = 1;  // of journals; what a newer program wrote is left alone

Result<std::vector<DirEntry>> ListOrNothing(Storage& storage, const std::string& dir) {
  auto entries = storage.List(dir);
  if (entries.code() == Code::kNotFound) return std::vector<DirEntry>();
  return entries;
}

// The paths of epochs that may go.
Result<std::vector<std::string>> OldEpochs(Storage& own, WallTime now) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries,
                           ListOrNothing(own, paths::TopologyRoot()));
  std::map<uint64_t, WallTime> epochs;
  for (const DirEntry& entry : entries) {
    const auto epoch = paths::ParseTopologyName(entry.name);
    if (epoch && entry.info.kind == NodeKind::kFile) epochs[*epoch] = entry.info.modified;
  }
  std::vector<std::string> old;
  size_t left = epochs.size();
  for (const auto& [epoch, modified] : epochs) {
    if (left-- <= kEpochsKept) break;
    if (modified + kHistoryKept < now) old.push_back(paths::TopologyFile(epoch));
  }
  return old;
}

// The ids of journals that are that old.
Result<std::set<std::string>> OldFailovers(Storage& own, WallTime now) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries,
                           ListOrNothing(own, paths::FailoverRoot()));
  std::set<std::string> old;
  for (const DirEntry& entry : entries) {
    const auto id = paths::ParseFailoverName(entry.name);
    if (id && entry.info.modified + kHistoryKept < now) old.insert(*id);
  }
  return old;
}

// Of all failovers whether they have ended: by any cluster's copy, as one that was away has an
// older one.
Result<std::map<std::string, bool>> ReadFailovers(const std::vector<Storage*>& trees) {
  std::map<std::string, bool> ended;
  for (Storage* const tree : trees) {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries,
                             ListOrNothing(*tree, paths::FailoverRoot()));
    for (const DirEntry& entry : entries) {
      const auto id = paths::ParseFailoverName(entry.name);
      if (!id || ended[*id]) continue;
      const auto text = tree->ReadFile(paths::FailoverJournal(*id));
      if (!text.ok() && text.code() != Code::kNotFound) return text.status();
      ended[*id] = text.ok() && IsEndedFailover(*text);
    }
  }
  return ended;
}

Result<size_t> RemoveAll(Storage& own, const std::vector<std::string>& files) {
  size_t removed = 0;
  if (files.empty()) return removed;
  for (const Status& answer : own.Removes(files)) {
    if (!answer.ok() && answer.code() != Code::kNotFound) return answer;
    if (answer.ok()) ++removed;
  }
  return removed;
}

}  // namespace

bool IsEndedFailover(std::string_view text) {
  const Json file = Json::parse(text, nullptr, false);
  if (!file.is_object() || !file.contains("journal") || !file.contains("crc32c")) return false;
  if (!file.contains("version") || file["version"] != kVersion) return false;
  const Json& body = file["journal"];
  if (!body.is_object() || !body.contains("step") || !body["step"].is_string()) return false;
  const std::string dumped = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (file["crc32c"] != fmt::format("{:08x}", Crc32c(dumped))) return false;
  return body["step"] == "done" || body["step"] == "aborted";
}

Result<PurgedHistory> PurgeHistory(Storage& own, const std::vector<Storage*>& trees, WallTime now) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> epochs, OldEpochs(own, now));
  DATABUS_ASSIGN_OR_RETURN(std::set<std::string> old, OldFailovers(own, now));
  if (epochs.empty() && old.size() <= kEndedFailoversKept) return PurgedHistory();
  DATABUS_ASSIGN_OR_RETURN(const auto failovers, ReadFailovers(trees));
  const auto is_ended = [](const auto& failover) { return failover.second; };
  if (!std::ranges::all_of(failovers, is_ended)) return PurgedHistory();
  size_t kept = 0;
  for (auto it = failovers.rbegin(); it != failovers.rend() && kept < kEndedFailoversKept; ++it) {
    old.erase(it->first);  // by the time at which they began
    ++kept;
  }
  std::vector<std::string> journals;
  for (const std::string& id : old) journals.push_back(paths::FailoverJournal(id));
  PurgedHistory purged;
  DATABUS_ASSIGN_OR_RETURN(purged.epochs, RemoveAll(own, epochs));
  DATABUS_ASSIGN_OR_RETURN(purged.failovers, RemoveAll(own, journals));
  return purged;
}

}  // namespace databus
