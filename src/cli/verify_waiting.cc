#include "cli/verify_waiting.h"

#include "cli/installation.h"
#include "cluster/names.h"
#include "cluster/queue_lines.h"
#include "commit/record.h"

namespace databus {
namespace {

constexpr size_t kSmallFileMax = size_t{64} << 20;

// Of a file in a minute, or in quarantine.
std::string StreamOfTarget(const std::string& path) {
  if (const auto minute = paths::ParseMinutePath(path)) return minute->stream;
  return std::string(paths::BaseName(paths::Parent(path)));
}

Status ReadRecord(Storage& tree, const std::string& path, StagedFiles& staged) {
  const auto text = tree.ReadFile(path, kSmallFileMax);
  if (text.code() == Code::kNotFound) return Status::Ok();  // finished meanwhile
  if (!text.ok()) return text.status();
  DATABUS_ASSIGN_OR_RETURN(const Record record, Record::Decode(*text, path));
  for (const RecordedMove& move : record.moves) {
    if (move.kind != MoveKind::kFile) continue;
    staged.in_commit[StreamOfTarget(move.to)].emplace(paths::BaseName(move.to));
  }
  return Status::Ok();
}

Status ReadEpoch(Storage& tree, const std::string& directory, StagedFiles& staged) {
  DATABUS_ASSIGN_OR_RETURN(const auto files, ListIfThere(tree, directory));
  for (const DirEntry& file : files) {
    const staged::Name name = staged::Parse(file.name);
    if (name.kind != staged::Kind::kClaim) continue;
    if (const auto data = DataFileName::ParseAny(name.data_name)) {
      staged.claimed[data->stream].insert(NameOncePublished(name.collector, name.data_name));
    }
  }
  for (const DirEntry& file : files) {
    if (staged::Parse(file.name).kind != staged::Kind::kRecord) continue;
    DATABUS_RETURN_IF_ERROR(ReadRecord(tree, paths::Join(directory, file.name), staged));
  }
  return Status::Ok();
}

Status ReadGroup(Storage& tree, const std::string& root, StagedFiles& staged) {
  DATABUS_ASSIGN_OR_RETURN(const auto entries, ListIfThere(tree, root));
  // Oldest first, as claims go: one that is adopted meanwhile is seen twice rather than never.
  std::multimap<uint64_t, std::string> epochs;
  for (const DirEntry& entry : entries) {
    if (const auto name = paths::ParseStagingName(entry.name)) {
      epochs.emplace(name->epoch, entry.name);
    }
  }
  for (const auto& [epoch, name] : epochs) {
    DATABUS_RETURN_IF_ERROR(ReadEpoch(tree, paths::Join(root, name), staged));
  }
  return Status::Ok();
}

}  // namespace

std::string NameOncePublished(const std::string& collector, const std::string& data_name) {
  auto data = DataFileName::ParseAny(data_name);
  if (!data) return collector + "-" + data_name;
  data->gzip = true;
  return PublishedFileName{collector, *std::move(data)}.ToString();
}

StagedFiles ReadStaged(Storage& tree, View view, Group group) {
  StagedFiles staged;
  staged.read = ReadGroup(tree, paths::Staging(view, group), staged);
  return staged;
}

NamesOfStreams ReadQueue(Storage& tree, const std::string& directory,
                         const std::set<std::string>& streams) {
  NamesOfStreams queued;
  const auto entries = ListIfThere(tree, directory);
  if (!entries.ok()) return queued;
  for (const DirEntry& entry : *entries) {
    const auto text = tree.ReadFile(paths::Join(directory, entry.name), kSmallFileMax);
    if (!text.ok()) continue;
    for (const QueueLine& line : QueueLines(*text)) {
      const auto& path = line.path;
      if (!path || path->file.empty() || !streams.contains(path->stream)) continue;
      queued[path->stream].insert(
          paths::MinuteFile(path->view, path->stream, path->minute, path->file));
    }
  }
  return queued;
}

}  // namespace databus
