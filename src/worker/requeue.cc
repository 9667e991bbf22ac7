#include "worker/requeue.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/planted.h"
#include "commit/eras.h"
#include "control/epoch_store.h"
#include "telemetry/log.h"

namespace databus {

void Requeue::RunOnce() {
  if (Planted(Bug::kOldQueueForgotten)) return;
  for (const ClusterSpec& reader : options_.topology.clusters) {
    PutRight({View::kLocal, reader.name, paths::Consumers(reader.name)});
    PutRight({View::kMerged, reader.name, paths::Mirrors(reader.name)});
  }
}

void Requeue::PutRight(const Queue& queue) {
  dropped_ = 0;
  const std::string topic = fmt::format("{} {}", options_.cluster, queue.path);
  const Status moved = MoveLines(queue);
  if (moved.ok()) {
    options_.problems.Clear(topic);
  } else {
    options_.problems.Raise(
        topic, moved.ToString(),
        "lines of streams that another cluster merges or publishes now wait; tried again");
  }
  if (dropped_ == 0) return;
  LogInfo("worker", "queue lines dropped: another cluster publishes their streams now",
          {{"cluster", options_.cluster}, {"queue", queue.path}, {"lines", dropped_}});
}

Status Requeue::MoveLines(const Queue& queue) {
  auto listed = options_.storage.List(queue.path);
  if (listed.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(listed.status());
  obeys_the_newest_.reset();
  std::set<std::string>& judged = judged_[queue.path];
  std::set<std::string> present;
  for (const DirEntry& entry : *listed) {
    const bool readable = entry.info.kind == NodeKind::kFile && entry.name[0] != '.' &&
                          entry.name[0] != '_' && entry.info.length <= kQueueEntryBytesMax;
    const Group holder = GroupOfEntry(entry.name).value_or(kClusterDuties);
    if (!readable || !options_.writers.Holds(holder)) continue;
    present.insert(entry.name);
    if (judged.contains(entry.name)) continue;
    const auto text =
        options_.storage.ReadFile(paths::Join(queue.path, entry.name), kQueueEntryBytesMax);
    if (text.unknown()) return text.status();
    if (!text.ok()) continue;  // its reader reports it
    DATABUS_ASSIGN_OR_RETURN(const bool lies_right, MoveEntry(queue, entry.name, *text));
    if (lies_right) judged.insert(entry.name);
  }
  std::erase_if(judged, [&](const std::string& name) { return !present.contains(name); });
  return Status::Ok();
}

std::optional<std::string> Requeue::PlaceOf(const Queue& queue, const QueueLine& line) const {
  if (!line.path) return queue.path;  // its reader reports it
  if (queue.view == View::kMerged) {
    return IsNeedless(queue, *line.path) ? std::nullopt : std::optional(queue.path);
  }
  const StreamSpec* stream = options_.topology.FindStream(line.path->stream);
  return stream == nullptr ? queue.path : paths::Consumers(stream->Primary());
}

// Of a stream that had no change of primary, or none that the topology tells of, mirrors may go by
// the queue alone. One that is not configured is compared as a whole if it ever is again.
bool Requeue::IsNeedless(const Queue& queue, const paths::MinutePath& line) const {
  const StreamSpec* stream = options_.topology.FindStream(line.stream);
  if (stream == nullptr) return true;
  if (stream->Primary() != options_.cluster) return !EraOf(*stream).IsFirst();
  return stream->RoleOf(queue.reader) != Role::kMirror;
}

// Asked after the entries were listed, and once for all of them: whoever has written one by a newer
// epoch had stored that here before.
Result<bool> Requeue::ObeysTheNewest() {
  if (!obeys_the_newest_) {
    DATABUS_ASSIGN_OR_RETURN(const auto later, EpochAfter(options_.storage, options_.epoch));
    obeys_the_newest_ = !later.has_value();
  }
  return *obeys_the_newest_;
}

Result<bool> Requeue::MoveEntry(const Queue& queue, const std::string& name,
                                const std::string& text) {
  using Place = std::pair<std::string, Group>;  // queue, group
  std::map<Place, std::string> lines;
  size_t dropped = 0;
  const Group groups = options_.writers.groups();
  for (const QueueLine& line : QueueLines(text)) {
    const Group group = line.path ? GroupOf(line.path->stream, groups) : 0;
    if (const auto place = PlaceOf(queue, line)) {
      lines[{*place, group}].append(line.text).append("\n");
    } else {
      ++dropped;
    }
  }
  const bool stays = std::all_of(lines.begin(), lines.end(), [&](const auto& of_place) {
    return of_place.first.first == queue.path;
  });
  // What names nothing has no reader either: of a record that was undone, of which no line is left.
  if (stays && dropped == 0 && !lines.empty()) return true;
  DATABUS_ASSIGN_OR_RETURN(const bool newest, ObeysTheNewest());
  if (!newest) return false;
  std::vector<SmallFile> files;
  std::vector<Move> moves;
  for (const auto& [place, text_of_place] : lines) {
    const auto& [to, group] = place;
    JoinedEntry entry = MakeJoinedEntry(to, name, group, text_of_place, options_.writers.random());
    files.push_back(std::move(entry.staged));
    moves.push_back(std::move(entry.placed));
  }
  for (const Status& written : options_.storage.WriteFiles(files)) {
    DATABUS_RETURN_IF_ERROR(written);
  }
  for (const Status& moved : options_.storage.Renames(moves)) DATABUS_RETURN_IF_ERROR(moved);
  const Status removed = options_.storage.Remove(paths::Join(queue.path, name));
  if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  dropped_ += dropped;
  return true;
}

}  // namespace databus
