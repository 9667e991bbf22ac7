#include "control/heartbeats.h"

#include <utility>

#include "cluster/paths.h"

namespace databus {
namespace {

constexpr std::string_view kSuffix = ".json";

// So many in a row without an answer: it is the tree that does not answer. Each may take long.
constexpr int kUnansweredMax = 3;

Status NamingPath(Status why, const std::string& path) {
  const bool named = why.message().find(path) != std::string::npos;
  return named ? std::move(why) : why.WithContext(path);
}

}  // namespace

Status ReadHeartbeats(Storage& tree, const std::function<bool(std::string_view process)>& wanted,
                      TreeBeats& beats) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, tree.List(paths::StatusRoot()));
  int unanswered = 0;
  for (const DirEntry& entry : entries) {
    if (!entry.name.ends_with(kSuffix) || entry.info.kind != NodeKind::kFile) continue;
    std::string process = entry.name.substr(0, entry.name.size() - kSuffix.size());
    if (!wanted(process)) continue;
    const std::string path = paths::StatusFile(process);
    const auto text = tree.ReadFile(path, kHeartbeatBytesMax);
    if (text.code() == Code::kNotFound) continue;
    unanswered = text.unknown() ? unanswered + 1 : 0;
    if (unanswered == kUnansweredMax) return NamingPath(text.status(), path);
    auto beat = text.ok() ? DecodeHeartbeat(*text, path) : Result<Heartbeat>(text.status());
    if (beat.ok()) {
      beats.read.push_back({std::move(process), *std::move(beat), entry.info.modified});
    } else {
      beats.unread.push_back({std::move(process), NamingPath(beat.status(), path)});
    }
  }
  return Status::Ok();
}

Status ReadHeartbeats(Storage& tree, TreeBeats& beats) {
  return ReadHeartbeats(tree, [](std::string_view) { return true; }, beats);
}

}  // namespace databus
