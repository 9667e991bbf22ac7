#include "failover/flow_reader.h"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/names.h"
#include "commit/record.h"

namespace databus::failover {
namespace {

constexpr size_t kEntryBytesMax = size_t{64} << 20;

// The entries of a directory; none when it is not there.
Result<std::vector<DirEntry>> ListIfThere(Storage& storage, const std::string& path) {
  auto entries = storage.List(path);
  if (entries.code() == Code::kNotFound) return std::vector<DirEntry>();
  return entries;
}

// The stream of a data file's name, by the pattern from the right; empty: it has none.
std::string StreamOf(const std::string& data_name) {
  constexpr size_t kDate = std::string_view("-YYYY-MM-DD-HH-MM").size();
  const size_t end = data_name.rfind('_');
  if (end == std::string::npos || end <= kDate) return "";
  std::string stream = data_name.substr(0, end - kDate);
  return DataFileName::Parse(stream, data_name) ? stream : "";
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

// What a staging directory holds: claims, and records with what they move.
Status CountStaged(Storage& storage, View view, const std::string& directory,
                   const StreamFilter& wanted, SeenTree& tree) {
  const auto files = storage.List(directory);
  if (files.code() == Code::kNotFound) {
    return {Code::kUnavailable, directory + ": changed hands while it was looked at"};
  }
  if (!files.ok()) return files.status();
  for (const DirEntry& file : *files) {
    const staged::Name name = staged::Parse(file.name);
    if (name.kind == staged::Kind::kClaim) {
      Count(view, StreamOf(name.data_name), wanted, tree);
    }
    if (name.kind != staged::Kind::kRecord) continue;
    const std::string path = paths::Join(directory, file.name);
    const auto text = storage.ReadFile(path, kEntryBytesMax);
    if (text.code() == Code::kNotFound) continue;  // done meanwhile: its lines are in the queues
    if (!text.ok()) return text.status();
    const auto record = Record::Decode(*text, path);
    if (!record.ok()) return {Code::kUnavailable, record.status().message()};
    for (const std::string& stream : StreamsOf(*record)) Count(view, stream, wanted, tree);
  }
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
        if (file.info.kind == NodeKind::kFile && !IsIgnoredDataName(file.name)) ++count;
      }
    }
  }
  return Status::Ok();
}

Status FlowReader::ReadCommits(Storage& storage, View view, const StreamFilter& wanted,
                               SeenTree& tree) {
  const std::string root(paths::Parent(paths::Staging(view, 0)));
  DATABUS_ASSIGN_OR_RETURN(const auto groups, ListIfThere(storage, root));
  for (const DirEntry& group : groups) {
    if (group.info.kind != NodeKind::kDirectory) continue;
    const std::string directory = paths::Join(root, group.name);
    DATABUS_ASSIGN_OR_RETURN(const auto epochs, ListIfThere(storage, directory));
    for (const DirEntry& epoch : epochs) {
      if (!paths::ParseStagingName(epoch.name)) continue;
      DATABUS_RETURN_IF_ERROR(
          CountStaged(storage, view, paths::Join(directory, epoch.name), wanted, tree));
    }
  }
  return Status::Ok();
}

Status FlowReader::ReadQueues(Storage& storage, View view, const StreamFilter& wanted,
                              SeenTree& tree) {
  const std::string of_anyone = view == View::kLocal ? paths::Consumers("x") : paths::Mirrors("x");
  const std::string root(paths::Parent(of_anyone));
  DATABUS_ASSIGN_OR_RETURN(const auto readers, ListIfThere(storage, root));
  std::map<std::string, Lines> still;
  for (const DirEntry& reader : readers) {
    if (reader.info.kind != NodeKind::kDirectory) continue;
    const std::string queue = paths::Join(root, reader.name);
    DATABUS_ASSIGN_OR_RETURN(const auto entries, ListIfThere(storage, queue));
    for (const DirEntry& entry : entries) {
      if (entry.info.kind != NodeKind::kFile || entry.name.starts_with('.')) continue;
      const std::string path = paths::Join(queue, entry.name);
      DATABUS_ASSIGN_OR_RETURN(const Lines* const lines, ReadEntry(storage, path));
      for (const auto& [stream, count] : *lines) {
        if (!wanted.Wants(stream)) continue;
        Underway& underway = tree.flow[stream];
        (view == View::kLocal ? underway.to_merge : underway.to_mirror)[reader.name] += count;
      }
      if (view == View::kMerged) ++tree.mirror_entries[reader.name];
      still[path] = *lines;
    }
  }
  // What is gone will not come back.
  std::erase_if(entries_, [&](const auto& entry) {
    return entry.first.starts_with(root) && !still.contains(entry.first);
  });
  return Status::Ok();
}

Result<const FlowReader::Lines*> FlowReader::ReadEntry(Storage& storage, const std::string& path) {
  if (const auto known = entries_.find(path); known != entries_.end()) return &known->second;
  Lines lines;
  const auto text = storage.ReadFile(path, kEntryBytesMax);
  if (text.code() == Code::kNotFound) return &(entries_[path] = {});  // taken while we looked
  if (!text.ok()) return text.status();
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (const auto path_of = paths::ParseQueueLine(line)) ++lines[path_of->stream];
  }
  return &(entries_[path] = std::move(lines));
}

}  // namespace databus::failover
