#include "control/purge_history.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/paths.h"

namespace databus {
namespace {

using paths::FailoverJournalName;
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

// The revisions that a tree has of each failover's journal.
struct Revisions {
  std::set<uint64_t> numbers;
  WallTime modified;  // the last time
};

// kInvalid: something is there that is no journal of this program.
Result<std::map<std::string, Revisions>> ListFailovers(Storage& tree) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries,
                           ListOrNothing(tree, paths::FailoverRoot()));
  std::map<std::string, Revisions> failovers;
  for (const DirEntry& entry : entries) {
    const auto name = FailoverJournalName::Parse(entry.name);
    if (!name) return Status(Code::kInvalid, tree.Describe() + ": " + entry.name);
    Revisions& known = failovers[name->id];
    known.numbers.insert(name->revision);
    known.modified = std::max(known.modified, entry.info.modified);
  }
  return failovers;
}

struct Newest {
  uint64_t revision = 0;
  bool ended = false;  // all copies say so
  bool moved = false;  // some copy says that it took a cluster away
  std::string undoes;  // all copies say that it has undone this one; empty: none
  bool Undoable(const std::set<std::string>& undone, const std::string& id) const {
    return moved && !undone.contains(id);
  }
};

// `text`: of a copy of this revision, or of a later one than any before.
void TakeCopy(uint64_t revision, const std::string& text, Newest& newest) {
  const std::optional<EndedFailover> read = ReadEndedFailover(text);
  const EndedFailover ended = read.value_or(EndedFailover{});
  const std::string undoes = ended.done && ended.kind == "failback" ? ended.undoes : "";
  const bool moved = ended.done && ended.kind != "failback";
  if (revision > newest.revision) {
    newest = {revision, read.has_value(), moved, undoes};
    return;
  }
  newest.ended = newest.ended && read.has_value();
  newest.moved = newest.moved || moved;
  if (newest.undoes != undoes) newest.undoes.clear();
}

// Of all failovers the newest revision that any cluster has: one that was away has an older one.
Result<std::map<std::string, Newest>> ReadFailovers(const std::vector<Storage*>& trees) {
  std::map<std::string, Newest> failovers;
  for (Storage* const tree : trees) {
    DATABUS_ASSIGN_OR_RETURN(const auto listed, ListFailovers(*tree));
    for (const auto& [id, revisions] : listed) {
      const uint64_t revision = *revisions.numbers.rbegin();
      Newest& newest = failovers[id];
      if (revision < newest.revision) continue;
      const auto text = tree->ReadFile(paths::FailoverJournal({id, revision}));
      TakeCopy(revision, text.ok() ? *text : "", newest);
    }
  }
  return failovers;
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

std::optional<EndedFailover> ReadEndedFailover(std::string_view text) {
  const Json file = Json::parse(text, nullptr, false);
  if (!file.is_object() || !file.contains("journal") || !file.contains("crc32c")) return {};
  if (!file.contains("version") || file["version"] != kVersion) return {};
  const Json& body = file["journal"];
  if (!body.is_object()) return {};
  const std::string dumped = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (file["crc32c"] != fmt::format("{:08x}", Crc32c(dumped))) return {};
  const auto member = [&](const char* key) {
    return body.contains(key) && body[key].is_string() ? body[key].get<std::string>() : "";
  };
  const std::string step = member("step");
  if (step != "done" && step != "aborted") return {};
  return EndedFailover{member("kind"), member("undoes"), step == "done"};
}

bool IsEndedFailover(std::string_view text) { return ReadEndedFailover(text).has_value(); }

Result<PurgedHistory> PurgeHistory(Storage& own, const std::vector<Storage*>& trees, WallTime now) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> epochs, OldEpochs(own, now));
  const auto own_failovers = ListFailovers(own);
  if (own_failovers.code() == Code::kInvalid) return PurgedHistory();
  DATABUS_RETURN_IF_ERROR(own_failovers.status());
  if (epochs.empty() && own_failovers->size() <= kEndedFailoversKept) return PurgedHistory();
  const auto failovers = ReadFailovers(trees);
  if (failovers.code() == Code::kInvalid) return PurgedHistory();
  DATABUS_RETURN_IF_ERROR(failovers.status());
  const auto has_ended = [](const auto& failover) { return failover.second.ended; };
  if (!std::ranges::all_of(*failovers, has_ended)) return PurgedHistory();
  std::set<std::string> undone;
  for (const auto& [id, newest] : *failovers) undone.insert(newest.undoes);
  std::vector<std::string> journals;
  std::vector<std::string> last_words;
  size_t left = failovers->size();
  for (const auto& [id, newest] : *failovers) {  // in the order in which they began
    if (left-- <= kEndedFailoversKept) break;
    // A failback outlives what it has undone, which would be there to be undone again.
    if (newest.Undoable(undone, id) || failovers->contains(newest.undoes)) continue;
    const auto here = own_failovers->find(id);
    if (here == own_failovers->end() || here->second.modified + kHistoryKept >= now) continue;
    for (const uint64_t revision : here->second.numbers) {
      journals.push_back(paths::FailoverJournal({id, revision}));
    }
    last_words.push_back(paths::StatusFile(paths::DriverProcess(id)));  // if its driver was killed
  }
  PurgedHistory purged;
  DATABUS_ASSIGN_OR_RETURN(purged.epochs, RemoveAll(own, epochs));
  DATABUS_ASSIGN_OR_RETURN(purged.journals, RemoveAll(own, journals));
  DATABUS_RETURN_IF_ERROR(RemoveAll(own, last_words).status());
  return purged;
}

}  // namespace databus
