#include "failover/flow_reader.h"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/planted.h"
#include "cluster/names.h"
#include "cluster/queue_lines.h"
#include "cluster/text_format.h"
#include "commit/record.h"
#include "commit/staged_walk.h"

namespace databus::failover {
namespace {

constexpr size_t kEntryBytesMax = size_t{64} << 20;

// The entries of a directory; none when it is not there.
Result<std::vector<DirEntry>> ListIfThere(Storage& storage, const std::string& path) {
  auto entries = storage.List(path);
  if (entries.code() == Code::kNotFound) return std::vector<DirEntry>();
  const bool denied = entries.code() == Code::kRefused;
  if (Planted(Bug::kDeniedFlowIsNone) && denied) return std::vector<DirEntry>();
  return entries;
}

std::set<std::string> StreamsOf(const Record& record) {
  std::set<std::string> streams;
  for (const RecordedMove& move : record.moves) {
    if (const auto path = paths::ParseMinutePath(move.to)) streams.insert(path->stream);
  }
  return streams;
}

void Count(View view, const std::string& stream, const StreamFilter& wanted, SeenTree& tree) {
  if (!wanted.Wants(stream)) return;
  Underway& underway = tree.flow[stream];
  ++(view == View::kLocal ? underway.in_commit : underway.merging);
}

// A claim, or a record with what it moves.
Status CountStaged(Storage& storage, View view, const StagedFile& file, const StreamFilter& wanted,
                   SeenTree& tree) {
  if (file.name.kind == staged::Kind::kClaim) {
    const auto data = DataFileName::ParseAny(file.name.data_name);
    Count(view, data ? data->stream : "", wanted, tree);
  }
  if (file.name.kind != staged::Kind::kRecord) return Status::Ok();
  const auto text = storage.ReadFile(file.path, kEntryBytesMax);
  // Done meanwhile, and its lines are in the queues; or taken over, which is seen later.
  if (text.code() == Code::kNotFound) return Status::Ok();
  if (!text.ok()) return text.status();
  const auto record = Record::Decode(*text, file.path);
  if (!record.ok()) return {Code::kUnavailable, record.status().message()};
  for (const std::string& stream : StreamsOf(*record)) Count(view, stream, wanted, tree);
  return Status::Ok();
}

}  // namespace

Status FlowReader::Read(Storage& storage, View view, const StreamFilter& wanted, SeenTree& tree) {
  if (view == View::kLocal) DATABUS_RETURN_IF_ERROR(ReadData(storage, wanted, tree));
  DATABUS_RETURN_IF_ERROR(ReadCommits(storage, view, wanted, tree));
  return ReadQueues(storage, view, wanted, tree);
}

Status FlowReader::ReadData(Storage& storage, const StreamFilter& wanted, SeenTree& tree) {
  DATABUS_ASSIGN_OR_RETURN(const auto streams, ListIfThere(storage, paths::Data()));
  for (const DirEntry& stream : streams) {
    if (stream.info.kind != NodeKind::kDirectory || !wanted.Wants(stream.name)) continue;
    DATABUS_ASSIGN_OR_RETURN(const auto collectors,
                             ListIfThere(storage, paths::DataStream(stream.name)));
    for (const DirEntry& collector : collectors) {
      if (collector.info.kind != NodeKind::kDirectory) continue;
      DATABUS_ASSIGN_OR_RETURN(
          const auto files,
          ListIfThere(storage, paths::DataCollector(stream.name, collector.name)));
      // A directory without files tells that somebody of that name delivers, or did.
      uint64_t& count = tree.flow[stream.name].data_files[collector.name];
      for (const DirEntry& file : files) {
        // What no worker takes is on nobody's way; `status` names it.
        const bool taken = file.info.kind == NodeKind::kFile && !IsIgnoredDataName(file.name) &&
                           DataFileName::Parse(stream.name, file.name);
        if (taken) ++count;
      }
    }
  }
  return Status::Ok();
}

Status FlowReader::ReadCommits(Storage& storage, View view, const StreamFilter& wanted,
                               SeenTree& tree) {
  const std::string root(paths::Parent(paths::Staging(view, 0)));
  DATABUS_ASSIGN_OR_RETURN(const auto groups, ListIfThere(storage, root));
  for (const DirEntry& entry : groups) {
    const auto group = ParseNumber(entry.name);
    if (!group.ok() || entry.info.kind != NodeKind::kDirectory) continue;
    DATABUS_RETURN_IF_ERROR(WalkStaged(
        storage, view, static_cast<Group>(*group),
        [&](const StagedFile& file) { return CountStaged(storage, view, file, wanted, tree); }));
  }
  return Status::Ok();
}

// Lines go from one entry into another when queues are joined, split or put right: the new one
// stands before the old one goes, perhaps in a queue that was listed already. So all are listed
// twice: no line is moved more than once meanwhile. What went on counts twice.
Status FlowReader::ReadQueues(Storage& storage, View view, const StreamFilter& wanted,
                              SeenTree& tree) {
  const std::string of_anyone = view == View::kLocal ? paths::Consumers("x") : paths::Mirrors("x");
  const std::string root(paths::Parent(of_anyone));
  std::set<std::string> counted;
  for (int pass = 0; pass < 2; ++pass) {
    DATABUS_ASSIGN_OR_RETURN(const auto readers, ListIfThere(storage, root));
    for (const DirEntry& reader : readers) {
      if (reader.info.kind != NodeKind::kDirectory) continue;
      DATABUS_RETURN_IF_ERROR(ReadQueue(storage, {view, root, reader.name}, wanted, counted, tree));
    }
  }
  // What is gone will not come back.
  std::erase_if(entries_, [&](const auto& entry) {
    return entry.first.starts_with(root) && !counted.contains(entry.first);
  });
  return Status::Ok();
}

Status FlowReader::ReadQueue(Storage& storage, const Queue& queue, const StreamFilter& wanted,
                             std::set<std::string>& counted, SeenTree& tree) {
  const std::string directory = paths::Join(queue.root, queue.reader);
  DATABUS_ASSIGN_OR_RETURN(const auto entries, ListIfThere(storage, directory));
  for (const DirEntry& entry : entries) {
    if (entry.info.kind != NodeKind::kFile || entry.name.starts_with('.')) continue;
    const std::string path = paths::Join(directory, entry.name);
    if (!counted.insert(path).second) continue;
    DATABUS_ASSIGN_OR_RETURN(const Lines* const lines, ReadEntry(storage, path));
    for (const auto& [stream, count] : *lines) {
      if (!wanted.Wants(stream)) continue;
      Underway& underway = tree.flow[stream];
      auto& lines_of = queue.view == View::kLocal ? underway.to_merge : underway.to_mirror;
      lines_of[queue.reader] += count;
    }
    if (queue.view == View::kMerged) ++tree.mirror_entries[queue.reader];
  }
  return Status::Ok();
}

Result<const FlowReader::Lines*> FlowReader::ReadEntry(Storage& storage, const std::string& path) {
  if (const auto known = entries_.find(path); known != entries_.end()) return &known->second;
  Lines lines;
  const auto text = storage.ReadFile(path, kEntryBytesMax);
  static const Lines kNone;
  if (text.code() == Code::kNotFound) return &kNone;  // gone on while we looked, or the whole tree
  if (!text.ok()) return text.status();
  for (const QueueLine& line : QueueLines(*text)) {
    if (line.path) ++lines[line.path->stream];
  }
  return &(entries_[path] = std::move(lines));
}

}  // namespace databus::failover
