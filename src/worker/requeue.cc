#include "worker/requeue.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/planted.h"

namespace databus {

void Requeue::RunOnce() {
  if (Planted(Bug::kOldQueueForgotten)) return;
  for (const ClusterSpec& consumer : options_.topology.clusters) {
    const std::string topic = fmt::format("{} queue for {}", options_.cluster, consumer.name);
    const Status moved = MoveLines(consumer.name);
    if (moved.ok()) {
      options_.problems.Clear(topic);
    } else {
      options_.problems.Raise(topic, moved.ToString(),
                              "lines of streams that another cluster merges now wait; tried again");
    }
  }
}

Status Requeue::MoveLines(const std::string& consumer) {
  auto listed = options_.storage.List(paths::Consumers(consumer));
  if (listed.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(listed.status());
  std::set<std::string>& judged = judged_[consumer];
  std::set<std::string> present;
  for (const DirEntry& entry : *listed) {
    const bool readable = entry.info.kind == NodeKind::kFile && entry.name[0] != '.' &&
                          entry.name[0] != '_' && entry.info.length <= kQueueEntryBytesMax;
    if (!readable) continue;
    present.insert(entry.name);
    if (judged.contains(entry.name)) continue;
    const auto text = options_.storage.ReadFile(paths::Join(paths::Consumers(consumer), entry.name),
                                                kQueueEntryBytesMax);
    if (text.unknown()) return text.status();
    if (!text.ok()) continue;  // its reader reports it
    DATABUS_RETURN_IF_ERROR(MoveEntry(consumer, entry.name, *text));
    judged.insert(entry.name);
  }
  std::erase_if(judged, [&](const std::string& name) { return !present.contains(name); });
  return Status::Ok();
}

std::string Requeue::ConsumerOf(const QueueLine& line, const std::string& consumer) const {
  const StreamSpec* stream = line.path ? options_.topology.FindStream(line.path->stream) : nullptr;
  return stream == nullptr ? consumer : stream->Primary();
}

Status Requeue::MoveEntry(const std::string& consumer, const std::string& name,
                          const std::string& text) {
  using Place = std::pair<std::string, Group>;  // consumer, group
  std::map<Place, std::string> lines;
  const Group groups = options_.writers.groups();
  for (const QueueLine& line : QueueLines(text)) {
    const Group group = line.path ? GroupOf(line.path->stream, groups) : 0;
    lines[{ConsumerOf(line, consumer), group}].append(line.text).append("\n");
  }
  const bool stays = std::all_of(lines.begin(), lines.end(), [&](const auto& of_place) {
    return of_place.first.first == consumer;
  });
  if (stays) return Status::Ok();
  std::vector<SmallFile> files;
  std::vector<Move> moves;
  for (const auto& [place, text_of_place] : lines) {
    const auto& [to, group] = place;
    JoinedEntry entry = MakeJoinedEntry(paths::Consumers(to), name, group, text_of_place,
                                        options_.writers.random());
    files.push_back(std::move(entry.staged));
    moves.push_back(std::move(entry.placed));
  }
  for (const Status& written : options_.storage.WriteFiles(files)) {
    DATABUS_RETURN_IF_ERROR(written);
  }
  for (const Status& moved : options_.storage.Renames(moves)) DATABUS_RETURN_IF_ERROR(moved);
  const Status removed = options_.storage.Remove(paths::Join(paths::Consumers(consumer), name));
  return removed.code() == Code::kNotFound ? Status::Ok() : removed;
}

}  // namespace databus
