#include "worker/queue.h"

#include <algorithm>
#include <tuple>

namespace databus {
namespace {

constexpr size_t kEntryBytesMax = size_t{64} << 20;

// Ours in the order in which they were made; then the original's, whose names are milliseconds.
std::tuple<uint64_t, uint64_t, std::string> AgeOf(const std::string& path) {
  const std::string name(paths::BaseName(path));
  const auto ours = paths::QueueEntryName::Parse(name);
  if (ours) return {ours->epoch, ours->number, ""};
  return {0, 0, name};
}

}  // namespace

QueueReader::Kept QueueReader::Parse(const std::string& path, const std::string& text) const {
  Kept kept;
  kept.entry.path = path;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto parsed = paths::ParseQueueLine(line);
    if (!parsed) {
      kept.entry.odd_lines.emplace_back(line);
      continue;
    }
    kept.groups.insert(GroupOf(parsed->stream, groups_));
    kept.entry.lines.push_back(*parsed);
  }
  if (kept.groups.empty()) kept.groups.insert(0);  // somebody must set it aside
  return kept;
}

Status QueueReader::Refresh(Storage& source) {
  const auto listed = source.List(directory_);
  if (listed.code() == Code::kNotFound) {
    entries_.clear();
    unreadable_.clear();
    return Status::Ok();
  }
  if (!listed.ok()) return listed.status();
  std::set<std::string> present;
  std::vector<std::string> unreadable;
  for (const DirEntry& entry : *listed) {
    if (entry.info.kind != NodeKind::kFile || entry.name[0] == '.' || entry.name[0] == '_')
      continue;
    present.insert(entry.name);
    if (entries_.contains(entry.name)) continue;
    const std::string path = paths::Join(directory_, entry.name);
    if (entry.info.length > kEntryBytesMax) {
      unreadable.push_back(path + ": too long for a queue entry");
      continue;
    }
    const auto text = source.ReadFile(path, kEntryBytesMax);
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

std::vector<QueueEntry*> QueueReader::OfGroup(Group group) {
  std::vector<QueueEntry*> found;
  for (auto& [name, kept] : entries_) {
    if (kept.groups.contains(group)) found.push_back(&kept.entry);
  }
  std::sort(found.begin(), found.end(), [](const QueueEntry* a, const QueueEntry* b) {
    return AgeOf(a->path) < AgeOf(b->path);
  });
  return found;
}

void QueueReader::Unsettle(Group group) {
  for (QueueEntry* entry : OfGroup(group)) {
    entry->settled.clear();
    entry->cleaned = QueueEntry::Cleaned::kNo;
  }
}

std::set<Group> QueueReader::Groups() const {
  std::set<Group> groups;
  for (const auto& [name, kept] : entries_) groups.insert(kept.groups.begin(), kept.groups.end());
  return groups;
}

}  // namespace databus
