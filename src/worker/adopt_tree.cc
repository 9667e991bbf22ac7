#include "worker/adopt_tree.h"

#include <optional>

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "telemetry/log.h"

namespace databus {
namespace {

// The name of the last file that was taken, or nothing. 2012 wrote `<stream><collector>.ck`, its
// successor `LocalStreamService_<stream>_<collector>.ck`.
Result<std::optional<std::string>> ReadCheckpoint(Storage& storage, const std::string& stream,
                                                  const std::string& collector) {
  for (const std::string& key : {fmt::format("LocalStreamService_{}_{}.ck", stream, collector),
                                 fmt::format("{}{}.ck", stream, collector)}) {
    auto text = storage.ReadFile(paths::Join(paths::Checkpoints(), key), 4096);
    if (text.ok()) return std::optional<std::string>(text->substr(0, text->find('\n')));
    if (text.code() != Code::kNotFound) return text.status();
  }
  return std::optional<std::string>();
}

Status AdoptCollector(Storage& storage, const Clock& clock, const std::string& stream,
                      const std::string& collector) {
  DATABUS_ASSIGN_OR_RETURN(const std::optional<std::string> checkpoint,
                           ReadCheckpoint(storage, stream, collector));
  if (!checkpoint) return Status::Ok();
  const auto entries = storage.List(paths::DataCollector(stream, collector));
  if (entries.code() == Code::kRefused) return Status::Ok();
  if (!entries.ok()) return entries.status();
  for (const DirEntry& entry : *entries) {
    // By name, as the original compared them; only what lies here now, so that a file with a low
    // name that comes later is published like any other (L3).
    if (!DataFileName::Parse(stream, entry.name) || entry.name > *checkpoint) continue;
    const std::string dir = paths::TrashHour(clock.Wall());
    DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(storage, paths::TrashRoot(), dir));
    const std::string from = paths::DataFile(stream, collector, entry.name);
    const std::string to = paths::Join(dir, fmt::format("{}-{}-{}", stream, collector, entry.name));
    DATABUS_RETURN_IF_ERROR(storage.Rename(from, to).WithContext("adopting " + from));
    LogInfo("worker", "published by the original; moved to trash", {{"from", from}, {"to", to}});
  }
  return Status::Ok();
}

}  // namespace

Status TrashWhatTheOriginalPublished(Storage& storage, const Clock& clock) {
  DATABUS_RETURN_IF_ERROR(EnsureServiceDirs(storage));
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> streams, storage.List(paths::Data()));
  for (const DirEntry& stream : streams) {
    if (!ValidateStreamName(stream.name).ok() || stream.info.kind != NodeKind::kDirectory) continue;
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> collectors,
                             storage.List(paths::DataStream(stream.name)));
    for (const DirEntry& collector : collectors) {
      if (collector.info.kind != NodeKind::kDirectory) continue;
      DATABUS_RETURN_IF_ERROR(AdoptCollector(storage, clock, stream.name, collector.name));
    }
  }
  return Status::Ok();
}

}  // namespace databus
