#include "cli/verify_waiting.h"

#include "cli/installation.h"
#include "cluster/names.h"
#include "cluster/queue_lines.h"
#include "commit/record.h"
#include "commit/staged_walk.h"

namespace databus {
namespace {

constexpr size_t kSmallFileMax = size_t{64} << 20;
constexpr int kTriesMax = 3;

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

Status ReadGroup(Storage& tree, View view, Group group, StagedFiles& staged) {
  return WalkStaged(tree, view, group, [&](const StagedFile& file) {
    if (file.name.kind == staged::Kind::kRecord) return ReadRecord(tree, file.path, staged);
    if (file.name.kind != staged::Kind::kClaim) return Status::Ok();
    if (const auto data = DataFileName::ParseAny(file.name.data_name)) {
      staged.claimed[data->stream].insert(
          NameOncePublished(file.name.collector, file.name.data_name));
    }
    return Status::Ok();
  });
}

NamesOfStreams PathsOf(const std::string& entry) {
  NamesOfStreams named;
  for (const QueueLine& line : QueueLines(entry)) {
    const auto& path = line.path;
    if (!path || path->file.empty()) continue;
    named[path->stream].insert(
        paths::MinuteFile(path->view, path->stream, path->minute, path->file));
  }
  return named;
}

}  // namespace

StagedFiles ReadStaged(Storage& tree, View view, Group group) {
  StagedFiles staged;
  // Whoever takes a group over moves its staging on, once.
  for (int tries = 0; tries < kTriesMax; ++tries) {
    staged.read = ReadGroup(tree, view, group, staged);
    if (staged.read.ok()) break;
  }
  return staged;
}

QueuedPaths ReadQueue(Storage& tree, const std::string& directory, QueueEntries& known) {
  QueuedPaths queued;
  const auto entries = ListIfThere(tree, directory);
  queued.read = entries.status();
  if (!entries.ok()) return queued;
  for (const DirEntry& entry : *entries) {
    const std::string path = paths::Join(directory, entry.name);
    auto found = known.find(path);
    if (found == known.end()) {
      const auto text = tree.ReadFile(path, kSmallFileMax);
      if (text.code() == Code::kNotFound) continue;  // gone on meanwhile
      if (!text.ok()) {
        queued.read = text.status();
        continue;
      }
      found = known.emplace(path, PathsOf(*text)).first;
    }
    for (const auto& [stream, files] : found->second) {
      queued.paths[stream].insert(files.begin(), files.end());
    }
  }
  // What is gone will not come back.
  std::set<std::string_view> there;
  for (const DirEntry& entry : *entries) there.insert(entry.name);
  std::erase_if(known, [&](const auto& entry) {
    return paths::Parent(entry.first) == directory && !there.contains(paths::BaseName(entry.first));
  });
  return queued;
}

}  // namespace databus
