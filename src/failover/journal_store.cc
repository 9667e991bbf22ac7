#include "failover/journal_store.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "control/create_once.h"
#include "control/journal_copies.h"

namespace databus::failover {
namespace {

using paths::FailoverJournalName;

constexpr size_t kJournalBytesMax = size_t{16} << 20;
// A journal that is written while it is read changes a few times a second at most.
constexpr int kLooksMax = 5;

FailoverJournalName NameOf(const Journal& journal) { return {journal.id, journal.revision}; }

Result<Journal> Read(Storage& tree, const FailoverJournalName& name) {
  const std::string path = paths::FailoverJournal(name);
  DATABUS_ASSIGN_OR_RETURN(const std::string text, tree.ReadFile(path, kJournalBytesMax));
  const std::string where = tree.Describe() + ": " + path;
  DATABUS_ASSIGN_OR_RETURN(Journal journal, Journal::Decode(text, where));
  if (NameOf(journal) == name) return journal;
  return Status(Code::kCorrupt,
                fmt::format("{}: holds revision {} of {}", where, journal.revision, journal.id));
}

// The highest revision of each journal in a listing. Names that are none: why.
std::map<std::string, uint64_t> Highest(const std::vector<DirEntry>& entries,
                                        const std::string& where, std::vector<std::string>& odd) {
  std::map<std::string, uint64_t> highest;
  odd.clear();
  for (const DirEntry& entry : entries) {
    const auto name = FailoverJournalName::Parse(entry.name);
    if (!name || entry.info.kind != NodeKind::kFile) {
      odd.push_back(
          fmt::format("{}: {}: not named like a journal of this program (if it is "
                      "none, move it out of there; if it is of another version, end "
                      "that failover with that version first)",
                      where, paths::Join(paths::FailoverRoot(), entry.name)));
      continue;
    }
    uint64_t& known = highest[name->id];
    known = std::max(known, name->revision);
  }
  return highest;
}

// All clusters' copies, and which of them counts.
class Gathered {
 public:
  explicit Gathered(JournalStore::Known& known) : known_(known) {}

  void Look(const std::string& cluster, Storage& tree) {
    const size_t odd = odd_.size();
    const size_t unreadable = unreadable_.size();
    for (int look = 0; look < kLooksMax; ++look) {
      odd_.resize(odd);
      unreadable_.erase(unreadable_.begin() + static_cast<int64_t>(unreadable), unreadable_.end());
      if (LookOnce(cluster, tree)) return;
    }
    odd_.push_back(
        fmt::format("{}: {} changes faster than it can be read", cluster, paths::FailoverRoot()));
  }

  FoundJournals Take() && {
    for (auto& [name, why] : unreadable_) {
      const auto known = found_.find(name.id);
      if (known != found_.end() && known->second.journal.revision >= name.revision) continue;
      odd_.push_back(std::move(why));
    }
    FoundJournals found;
    for (auto& [id, copy] : found_) found.by_id.emplace(id, std::move(copy.journal));
    found.unreadable = std::move(odd_);
    return found;
  }

 private:
  struct Copy {
    std::string cluster;
    Journal journal;
    bool Decides() const { return cluster == journal.change.to; }
  };

  // False: something was removed between listing and reading; a later revision is there by now.
  bool LookOnce(const std::string& cluster, Storage& tree) {
    const auto entries = tree.List(paths::FailoverRoot());
    if (entries.code() == Code::kNotFound) return true;
    if (!entries.ok()) {
      odd_.push_back(fmt::format("{}: {}", cluster, entries.status().message()));
      return true;
    }
    std::vector<std::string> odd;
    JournalStore::Known::mapped_type before = std::move(known_[cluster]);
    auto& known = known_[cluster];
    known.clear();
    for (const auto& [id, revision] : Highest(*entries, cluster, odd)) {
      const FailoverJournalName name{id, revision};
      const auto read = before.find(name.ToString());
      auto journal =
          read == before.end() ? Read(tree, name) : Result<Journal>(std::move(read->second));
      if (journal.code() == Code::kNotFound) return false;
      if (journal.ok()) {
        known.emplace(name.ToString(), *journal);
        Keep({cluster, *std::move(journal)});
      } else {
        unreadable_.emplace_back(name, journal.status().message());
      }
    }
    odd_.insert(odd_.end(), odd.begin(), odd.end());
    return true;
  }

  void Keep(Copy copy) {
    const auto known = found_.find(copy.journal.id);
    if (known == found_.end()) {
      found_.emplace(copy.journal.id, std::move(copy));
      return;
    }
    const uint64_t revision = known->second.journal.revision;
    const bool newer = copy.journal.revision > revision;
    if (newer || (copy.journal.revision == revision && copy.Decides())) {
      known->second = std::move(copy);
    }
  }

  JournalStore::Known& known_;
  std::map<std::string, Copy> found_;
  std::vector<std::pair<FailoverJournalName, std::string>> unreadable_;
  std::vector<std::string> odd_;
};

// Ok: no later revision is there. Who slept may have created one that the others have removed
// already: what is newer than that still stands.
Status NoneAfter(Storage& tree, const FailoverJournalName& own) {
  const auto entries = tree.List(paths::FailoverRoot());
  if (!entries.ok()) return {Code::kUnavailable, entries.status().message()};
  for (const DirEntry& entry : *entries) {
    const auto name = FailoverJournalName::Parse(entry.name);
    if (name && name->id == own.id && name->revision > own.revision) {
      return {Code::kExists, "there is a later revision"};
    }
  }
  return Status::Ok();
}

}  // namespace

FoundJournals JournalStore::ReadAll() const {
  Gathered gathered(known_);
  for (const auto& [cluster, tree] : desk_.AnsweringTrees()) gathered.Look(cluster, *tree);
  return std::move(gathered).Take();
}

Status JournalStore::Somebody(const Journal& journal) const {
  const FoundJournals found = ReadAll();
  const auto known = found.by_id.find(journal.id);
  if (known == found.by_id.end() || known->second.token == journal.token) {
    return {Code::kExists,
            fmt::format("somebody else has taken over {}: see 'status'", journal.id)};
  }
  return {Code::kExists,
          fmt::format("{} has taken over {}, which is at step {} now", known->second.driver,
                      journal.id, StepName(known->second.step))};
}

Status JournalStore::Create(const Journal& journal, Quorum quorum, Random& random) const {
  const std::map<std::string, Storage*> answering = desk_.AnsweringTrees();
  const FailoverJournalName name = NameOf(journal);
  const SmallFile file{paths::FailoverJournal(name), journal.Encode()};
  std::vector<std::string> deciders = {journal.change.to, journal.change.from};
  if (quorum == Quorum::kTo) deciders.pop_back();
  if (quorum == Quorum::kEither && answering.contains(deciders.front())) deciders.pop_back();
  if (quorum == Quorum::kEither && deciders.size() > 1) deciders.erase(deciders.begin());
  for (const std::string& cluster : deciders) {
    if (answering.contains(cluster)) continue;
    const bool is_to = cluster == journal.change.to;
    return {
        Code::kUnavailable,
        fmt::format("the journal is not written: cluster {0} does not answer. Bring it back; if "
                    "it is lost, 'databus {1} abort{2}' ends this run",
                    cluster, CommandOf(journal.kind), is_to ? " --without " + cluster : "")};
  }
  for (const std::string& cluster : deciders) {
    Storage& tree = *answering.at(cluster);
    Status created = CreateOnce(tree, random, file);
    if (created.ok()) created = NoneAfter(tree, name);
    if (created.code() == Code::kExists) return Somebody(journal);
    if (created.ok()) continue;
    return {Code::kUnavailable, fmt::format("the journal is not written: {}", created.ToString())};
  }
  for (const auto& [cluster, tree] : answering) {
    const bool decided = std::ranges::count(deciders, cluster) > 0;
    if (decided || CreateOnce(*tree, random, file).ok()) RemoveOldRevisions(*tree, name);
  }
  return Status::Ok();
}

Status JournalStore::Spread(const Journal& journal, Random& random) const {
  const SmallFile file{paths::FailoverJournal(NameOf(journal)), journal.Encode()};
  Status worst = Status::Ok();
  for (const auto& [cluster, tree] : desk_.AnsweringTrees()) {
    const Status copied = CreateOnce(*tree, random, file);
    if (copied.ok()) {
      RemoveOldRevisions(*tree, NameOf(journal));
    } else if (worst.ok()) {
      worst = copied.WithContext("the journal is not on every cluster");
    }
  }
  return worst;
}

}  // namespace databus::failover
