#include "cli/demo/story_trees.h"

#include <algorithm>
#include <iterator>

#include "cli/installation.h"
#include "cluster/paths.h"
#include "commit/apply.h"
#include "commit/minute_tree.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

Status AddFiles(Storage& tree, const std::string& root, PublishedFiles& files) {
  DATABUS_ASSIGN_OR_RETURN(const auto minutes, ListMinutes(tree, root, kFirstMinute, kLastMinute));
  for (const Minute minute : minutes) {
    const std::string directory = paths::Join(root, minute.ToPath());
    const auto entries = ListMinuteFiles(tree, directory);
    if (entries.code() == Code::kNotFound) continue;
    DATABUS_RETURN_IF_ERROR(entries.status());
    for (const DirEntry& file : *entries) {
      files.emplace(paths::Join(directory, file.name), file.info.modified);
    }
  }
  return Status::Ok();
}

Status AddSetAside(Storage& tree, const std::string& stream, PublishedFiles& files) {
  DATABUS_ASSIGN_OR_RETURN(const auto eras, ListIfThere(tree, paths::DivergentRoot()));
  for (const DirEntry& era : eras) {
    DATABUS_RETURN_IF_ERROR(AddFiles(tree, paths::DivergentStream(era.name, stream), files));
  }
  std::erase_if(files, [](const auto& file) { return file.first.ends_with(kReasonSuffix); });
  return Status::Ok();
}

// Of one hop, all streams together, as a worker's heartbeat has it.
uint64_t FilesOf(const Heartbeat& beat, const char* hop) {
  uint64_t files = 0;
  const auto streams = beat.facts.value("hops", nlohmann::ordered_json::object())
                           .value(hop, nlohmann::ordered_json::object());
  for (const auto& [stream, counts] : streams.items()) files += counts.value("files", uint64_t{0});
  return files;
}

}  // namespace

Result<PublishedFiles> ListPublished(Storage& tree, const Topology& topology) {
  PublishedFiles files;
  for (const StreamSpec& stream : topology.streams) {
    DATABUS_RETURN_IF_ERROR(AddFiles(tree, paths::Stream(View::kMerged, stream.name), files));
  }
  return files;
}

Result<Return> Return::At(Storage& from, Storage& to, const Topology& topology) {
  Return back;
  DATABUS_ASSIGN_OR_RETURN(back.had_, ListPublished(from, topology));
  DATABUS_ASSIGN_OR_RETURN(const PublishedFiles there, ListPublished(to, topology));
  back.missing_ = static_cast<uint64_t>(std::ranges::count_if(
      there, [&](const auto& file) { return !back.had_.contains(file.first); }));
  return back;
}

Result<std::set<std::string>> Return::StaleCommits(Storage& from, const Topology& topology,
                                                   WallTime swapped) const {
  std::set<std::string> names;
  for (const StreamSpec& stream : topology.streams) {
    if (stream.when_alone != WhenAlone::kWait) continue;
    PublishedFiles files;
    DATABUS_RETURN_IF_ERROR(AddSetAside(from, stream.name, files));
    std::ranges::copy_if(had_, std::inserter(files, files.end()), [&](const auto& file) {
      const auto parsed = paths::ParseMinutePath(file.first);
      return parsed && parsed->stream == stream.name;
    });
    for (const auto& [path, published] : files) {
      if (published > swapped) names.insert(path.substr(path.rfind('/') + 1));
    }
  }
  return names;
}

Result<BootstrapFigures> Return::Bootstrap(Storage& from, const Topology& topology,
                                           const std::string& worker, int64_t pid) const {
  BootstrapFigures bootstrap{.missing = missing_};
  const std::string path = paths::StatusFile(worker);
  DATABUS_ASSIGN_OR_RETURN(const std::string text, from.ReadFile(path));
  DATABUS_ASSIGN_OR_RETURN(const Heartbeat last, DecodeHeartbeat(text, path));
  if (last.pid != pid) return bootstrap;  // what another one had counted is gone
  DATABUS_ASSIGN_OR_RETURN(const PublishedFiles now, ListPublished(from, topology));
  const auto more = static_cast<uint64_t>(
      std::ranges::count_if(now, [&](const auto& file) { return !had_.contains(file.first); }));
  const uint64_t merged = FilesOf(last, "merge");
  const uint64_t copied = FilesOf(last, "mirror");
  if (copied + merged < more) return bootstrap;  // not all was counted
  bootstrap.copied = copied;
  bootstrap.not_missing = copied + merged - more;
  return bootstrap;
}

}  // namespace databus
