#include "control/journal_copies.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "cluster/paths.h"
#include "control/create_once.h"
#include "control/purge_history.h"

namespace databus {
namespace {

using paths::FailoverJournalName;
using Revisions = std::map<std::string, std::set<uint64_t>>;  // by id

constexpr size_t kJournalBytesMax = size_t{16} << 20;
constexpr uint64_t kRevisionsKept = 2;

// What is named otherwise is reported by whoever asks whether a failover is open.
Result<Revisions> ListRevisions(Storage& tree) {
  Revisions revisions;
  const auto entries = tree.List(paths::FailoverRoot());
  if (entries.code() == Code::kNotFound) return revisions;
  DATABUS_RETURN_IF_ERROR(entries.status());
  for (const DirEntry& entry : *entries) {
    const auto name = FailoverJournalName::Parse(entry.name);
    if (name) revisions[name->id].insert(name->revision);
  }
  return revisions;
}

// The text of the journal as it ended, if all of them hold the same; nothing: it is open still, or
// damaged, or just being removed.
Result<std::optional<std::string>> AsItEnded(const std::vector<Storage*>& holders,
                                             const FailoverJournalName& name) {
  std::optional<std::string> ended;
  for (Storage* const tree : holders) {
    auto text = tree->ReadFile(paths::FailoverJournal(name), kJournalBytesMax);
    if (text.code() == Code::kNotFound) return std::optional<std::string>();
    DATABUS_RETURN_IF_ERROR(text.status());
    if (!IsEndedFailover(*text) || (ended && *ended != *text)) return std::optional<std::string>();
    ended = *std::move(text);
  }
  return ended;
}

}  // namespace

void RemoveOldRevisions(Storage& tree, const FailoverJournalName& newest) {
  const auto revisions = ListRevisions(tree);
  if (!revisions.ok()) return;
  std::vector<std::string> old;
  const auto of_journal = revisions->find(newest.id);
  if (of_journal == revisions->end()) return;
  for (const uint64_t revision : of_journal->second) {
    if (revision + kRevisionsKept > newest.revision) break;
    old.push_back(paths::FailoverJournal({newest.id, revision}));
  }
  const std::vector<Status> removed = tree.Removes(old);
}

Result<size_t> CopyEndedJournals(Storage& own, const std::vector<Storage*>& trees, Random& random) {
  size_t copied = 0;
  DATABUS_ASSIGN_OR_RETURN(const Revisions here, ListRevisions(own));
  if (here.empty()) return copied;
  std::vector<std::pair<Storage*, Revisions>> elsewhere;
  for (Storage* const tree : trees) {
    if (tree == &own) continue;
    DATABUS_ASSIGN_OR_RETURN(Revisions theirs, ListRevisions(*tree));
    elsewhere.emplace_back(tree, std::move(theirs));
  }
  for (const auto& [id, revisions] : here) {
    FailoverJournalName newest{id, *revisions.rbegin()};
    std::vector<Storage*> holders;
    for (const auto& [tree, theirs] : elsewhere) {
      const auto found = theirs.find(id);
      if (found == theirs.end() || *found->second.rbegin() < newest.revision) continue;
      if (*found->second.rbegin() > newest.revision) holders.clear();
      newest.revision = *found->second.rbegin();
      holders.push_back(tree);
    }
    if (newest.revision == *revisions.rbegin()) continue;
    DATABUS_ASSIGN_OR_RETURN(const std::optional<std::string> text, AsItEnded(holders, newest));
    if (!text) continue;
    DATABUS_RETURN_IF_ERROR(CreateOnce(own, random, {paths::FailoverJournal(newest), *text}));
    RemoveOldRevisions(own, newest);
    ++copied;
  }
  return copied;
}

}  // namespace databus
