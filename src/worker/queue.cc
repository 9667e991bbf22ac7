#include "worker/queue.h"

#include <algorithm>

#include "base/planted.h"
#include "cluster/queue_lines.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

// Who splits an entry that is mixed (P23).
Group SplitterOf(const std::string& name) { return GroupOfEntry(name).value_or(kClusterDuties); }

}  // namespace

QueueReader::Kept QueueReader::Parse(const std::string& path, const std::string& text) const {
  Kept kept;
  kept.entry.path = path;
  kept.age = QueueAgeOf(std::string(paths::BaseName(path)));
  for (const QueueLine& line : QueueLines(text)) {
    if (!line.path) {
      kept.entry.odd_lines.emplace_back(line.text);
      continue;
    }
    kept.groups.insert(GroupOf(line.path->stream, groups_));
    kept.entry.lines.push_back(*line.path);
  }
  if (kept.groups.empty()) kept.groups.insert(0);  // somebody must set it aside
  return kept;
}

Status QueueReader::Refresh(Storage& source) {
  auto listed = source.List(directory_);
  if (listed.code() == Code::kNotFound) listed = std::vector<DirEntry>();
  if (!listed.ok()) return listed.status();
  const Status read = ReadNew(source, *listed);
  Arrange();
  return read;
}

Status QueueReader::ReadNew(Storage& source, const std::vector<DirEntry>& listed) {
  std::set<std::string> present;
  std::vector<std::string> unreadable;
  for (const DirEntry& entry : listed) {
    if (!IsVisibleFile(entry)) continue;
    if (const auto group = GroupOfEntry(entry.name); group && !holds_(*group)) continue;
    present.insert(entry.name);
    if (entries_.contains(entry.name)) continue;
    const std::string path = paths::Join(directory_, entry.name);
    if (entry.info.length > kQueueEntryBytesMax) {
      unreadable.push_back(path + ": too long for a queue entry");
      continue;
    }
    auto text = source.ReadFile(path, kQueueEntryBytesMax);
    if (Planted(Bug::kUnreadEntryIsEmpty) && text.unknown()) text = std::string();
    if (Planted(Bug::kDeniedEntryIsEmpty) && text.code() == Code::kRefused) text = std::string();
    if (text.unknown()) return text.status();
    if (text.ok()) {
      entries_.emplace(entry.name, Parse(path, *text));
    } else if (text.code() != Code::kNotFound) {
      unreadable.push_back(path + ": " + text.status().ToString());
    }
  }
  std::erase_if(entries_, [&](const auto& kept) { return !present.contains(kept.first); });
  unreadable_ = std::move(unreadable);
  return Status::Ok();
}

// Once per refresh, so that each group is served without a look at the others' entries.
void QueueReader::Arrange() {
  std::vector<Kept*> oldest_first;
  oldest_first.reserve(entries_.size());
  for (auto& [name, kept] : entries_) oldest_first.push_back(&kept);
  std::sort(oldest_first.begin(), oldest_first.end(),
            [](const Kept* a, const Kept* b) { return a->age < b->age; });
  by_group_.clear();
  for (Kept* kept : oldest_first) {
    for (const Group group : kept->groups) by_group_[group].push_back(&kept->entry);
  }
}

const std::vector<QueueEntry*>& QueueReader::OfGroup(Group group) const {
  static const std::vector<QueueEntry*> kNone;
  const auto found = by_group_.find(group);
  return found == by_group_.end() ? kNone : found->second;
}

void QueueReader::Unsettle(Group group) {
  for (QueueEntry* entry : OfGroup(group)) {
    entry->settled.clear();
    entry->cleaned = QueueEntry::Cleaned::kNo;
  }
}

// Also one that holds nothing of the group that its name tells: nobody else would read it.
bool QueueReader::IsMixed(const std::string& name, const Kept& kept) {
  const auto named = GroupOfEntry(name);
  return kept.groups.size() > 1 || (named && !kept.groups.contains(*named));
}

std::set<Group> QueueReader::MixedOf() const {
  std::set<Group> splitters;
  for (const auto& [name, kept] : entries_) {
    if (IsMixed(name, kept)) splitters.insert(SplitterOf(name));
  }
  return splitters;
}

Status QueueReader::SplitMixed(Storage& source, Random& random, Group group) {
  std::vector<std::string> mixed;
  for (const auto& [name, kept] : entries_) {
    if (IsMixed(name, kept) && SplitterOf(name) == group) mixed.push_back(name);
  }
  DATABUS_RETURN_IF_ERROR(SplitQueueEntries({source, directory_, groups_}, random, mixed));
  return Refresh(source);
}

void SplitMixedEntries(QueueReader& queue, Storage& source, Writers& writers,
                       ProblemBoard& problems, const std::string& topic) {
  for (const Group group : queue.MixedOf()) {
    writers.With(group, "split", [&](GroupWriter&) {
      const Status split = queue.SplitMixed(source, writers.random(), group);
      if (split.ok()) {
        problems.Clear(topic);
      } else {
        problems.Raise(topic, split.ToString(),
                       "entries of several groups are read as they are; splitting is tried again");
      }
      return Status::Ok();  // it is the source's trouble, not the writer's
    });
  }
}

std::set<Group> QueueReader::Groups() const {
  std::set<Group> groups;
  for (const auto& [group, entries] : by_group_) groups.insert(group);
  return groups;
}

}  // namespace databus
