#include "failover/journal_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"

namespace databus::failover {
namespace {

constexpr size_t kJournalBytesMax = size_t{16} << 20;

}  // namespace

std::map<std::string, Storage*> JournalStore::Answering() const {
  std::map<std::string, Storage*> answering;
  for (const TopologyAt& at : desk_.picture().clusters) {
    Storage* const tree = desk_.Tree(at.cluster);
    if (at.away.empty() && !at.id.empty() && tree != nullptr) answering[at.cluster] = tree;
  }
  return answering;
}

FoundJournals JournalStore::ReadAll() const {
  FoundJournals found;
  std::map<std::string, std::string> unreadable;  // by id
  for (const auto& [cluster, tree] : Answering()) {
    const auto entries = tree->List(paths::FailoverRoot());
    if (entries.code() == Code::kNotFound) continue;
    if (!entries.ok()) {
      found.unreadable.push_back(fmt::format("{}: {}", cluster, entries.status().message()));
      continue;
    }
    for (const DirEntry& entry : *entries) {
      const auto id = paths::ParseFailoverName(entry.name);
      if (!id || entry.info.kind != NodeKind::kFile) continue;
      const std::string path = paths::FailoverJournal(*id);
      const auto text = tree->ReadFile(path, kJournalBytesMax);
      const auto journal = text.ok() ? Journal::Decode(*text, tree->Describe() + ": " + path)
                                     : Result<Journal>(text.status());
      if (!journal.ok()) {
        unreadable[*id] = journal.status().message();
        continue;
      }
      Journal& known = found.by_id[*id];
      if (known.revision <= journal->revision) known = *journal;
    }
  }
  for (auto& [id, why] : unreadable) {
    if (!found.by_id.contains(id)) found.unreadable.push_back(std::move(why));
  }
  return found;
}

Status JournalStore::Write(const Journal& journal, const std::vector<std::string>& required) const {
  const std::string text = journal.Encode();
  const std::string path = paths::FailoverJournal(journal.id);
  const std::map<std::string, Storage*> answering = Answering();
  for (const std::string& cluster : required) {
    if (answering.contains(cluster)) continue;
    return {Code::kUnavailable, fmt::format("cluster {} does not answer", cluster)};
  }
  for (const auto& [cluster, tree] : answering) {
    Status written = tree->Replace(path, text);
    if (written.code() == Code::kNotFound) {  // the first one there
      written = EnsureDir(*tree, paths::FailoverRoot());
      if (written.ok()) written = tree->Replace(path, text);
    }
    if (written.ok() || std::ranges::count(required, cluster) == 0) continue;
    return {Code::kUnavailable, fmt::format("the journal is not written: {}", written.ToString())};
  }
  return Status::Ok();
}

}  // namespace databus::failover
