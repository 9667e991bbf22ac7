#include "worker/queue.h"

#include <algorithm>
#include <tuple>

namespace databus {
namespace {

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
    return Status::Ok();
  }
  if (!listed.ok()) return listed.status();
  std::map<std::string, Kept> now;
  for (const DirEntry& entry : *listed) {
    if (entry.info.kind != NodeKind::kFile || entry.name[0] == '.' || entry.name[0] == '_')
      continue;
    const auto known = entries_.find(entry.name);
    if (known != entries_.end()) {
      now.insert(entries_.extract(known));
      continue;
    }
    const std::string path = paths::Join(directory_, entry.name);
    const auto text = source.ReadFile(path);
    if (text.code() == Code::kNotFound) continue;
    if (!text.ok()) return text.status();
    now.emplace(entry.name, Parse(path, *text));
  }
  entries_ = std::move(now);
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
