#include "worker/purge_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/text_format.h"
#include "commit/minute_tree.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr int kMinutesPerHour = 60;
// Manifests outlive every view they speak of by this much (P19).
constexpr std::chrono::hours kManifestMargin{24};

// "2012-9-5" and "7": the original did not pad.
std::optional<Minute> ParseTrashHour(std::string_view date, std::string_view hour) {
  const size_t first = date.find('-');
  const size_t second = date.find('-', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto year = ParseNumber(date.substr(0, first));
  const auto month = ParseNumber(date.substr(first + 1, second - first - 1));
  const auto day = ParseNumber(date.substr(second + 1));
  const auto of_day = ParseNumber(hour);
  if (!year.ok() || !month.ok() || !day.ok() || !of_day.ok()) return std::nullopt;
  return Minute::ParseDashed(
      fmt::format("{:04}-{:02}-{:02}-{:02}-00", *year, *month, *day, *of_day));
}

}  // namespace

void PurgeService::RunOnce() {
  holdings_.clear();
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return;
  const auto streams = own->List(paths::ViewRoot(options_.writers.view()));
  if (!streams.ok()) return;
  for (const DirEntry& stream : *streams) {
    if (ValidateStreamName(stream.name).ok()) PurgeStream(stream.name);
  }
  PurgeManifests();
  if (options_.writers.view() == View::kLocal) PurgeTrash();
  holdings_.clear();
}

std::chrono::hours PurgeService::RetentionOf(const std::string& stream) const {
  return options_.writers.view() == View::kLocal
             ? options_.topology.LocalRetention(options_.cluster, stream)
             : options_.topology.MergedRetention(options_.cluster, stream);
}

Result<std::vector<PurgeService::Due>> PurgeService::FindDue(const std::string& stream) {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr)
    return Status(Code::kUnavailable, options_.clusters.WhyAway(options_.cluster));
  const std::chrono::hours retention = RetentionOf(stream);
  const auto limit = retention * options_.limit_percent / 100;
  const WallTime now = options_.clock.Wall();
  const std::string root = paths::Stream(options_.writers.view(), stream);
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest, NewestMinute(*own, root));
  if (!newest) return std::vector<Due>();
  // Never the newest hour: a stream keeps the minute from which its chain goes on.
  const Minute last = std::min(Minute::Of(now - retention), *newest) + -kMinutesPerHour;
  std::vector<Due> due;
  DATABUS_RETURN_IF_ERROR(WalkHours(*own, root, kFirstMinute, last, Order::kAscending,
                                    [&](Minute hour, const DirEntry&) {
                                      const bool known = !due.empty() && due.back().hour == hour;
                                      const WallTime end = (hour + kMinutesPerHour).Start();
                                      if (!known && end + retention <= now) {
                                        due.push_back({stream, hour, end + limit <= now});
                                      }
                                      return Walk::kContinue;
                                    }));
  return due;
}

void PurgeService::PurgeStream(const std::string& stream) {
  const std::string topic =
      fmt::format("{} purge {} {}", options_.cluster, ViewName(options_.writers.view()), stream);
  const auto due = FindDue(stream);
  if (!due.ok()) {
    options_.problems.Raise(topic, due.status().ToString(), "tried again at the next purge");
    return;
  }
  options_.problems.Clear(topic);
  for (const Due& hour : *due) {
    const Status may_go = MayGo(hour);
    if (!may_go.ok()) {
      if (!hour.past_limit) return;  // oldest first: what follows waits too
      const bool drop = options_.limit_action == LimitAction::kDrop && !may_go.unknown();
      options_.problems.Raise(topic,
                              fmt::format("{} of {} is past the retention limit: {}", stream,
                                          hour.hour.ToIso(), may_go.message()),
                              drop ? "dropped (databus.worker.retention_limit=drop)"
                                   : "kept until the downstream has it; look why it does not");
      if (!drop) return;
    }
    const Group group = GroupOf(stream, options_.writers.groups());
    const bool removed = options_.writers.With(
        group, "purge", [&](GroupWriter& writer) { return writer.RemoveHour(stream, hour.hour); });
    if (!removed) return;
    LogInfo("worker", "hour purged",
            {{"cluster", options_.cluster},
             {"view", ViewName(options_.writers.view())},
             {"stream", stream},
             {"hour", hour.hour.ToIso()}});
  }
}

Status PurgeService::MayGo(const Due& due) {
  const StreamSpec* stream = options_.topology.FindStream(due.stream);
  if (stream == nullptr) return Status::Ok();  // nobody is configured to need it
  return options_.writers.view() == View::kLocal ? LocalMayGo(due, *stream)
                                                 : MergedMayGo(due, *stream);
}

Result<MinuteFiles> PurgeService::FilesOfHour(const Due& due) {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr)
    return Status(Code::kUnavailable, options_.clusters.WhyAway(options_.cluster));
  const Group group = GroupOf(due.stream, options_.writers.groups());
  MinuteFiles all;
  for (Minute minute = due.hour; minute < due.hour + kMinutesPerHour; minute = minute.Next()) {
    auto manifest = ReadManifest(*own, View::kLocal, group, minute, "");
    if (manifest.ok()) {
      const auto files = manifest->streams.find(due.stream);
      if (files == manifest->streams.end()) continue;
      for (const auto& [name, file] : files->second) {
        all.emplace(paths::Join(minute.ToPath(), name), file);
      }
      continue;
    }
    if (manifest.code() != Code::kNotFound) return manifest.status();
    auto files = ReadMinuteFiles(*own, paths::MinuteDir(View::kLocal, due.stream, minute));
    if (files.code() == Code::kNotFound) continue;
    if (!files.ok()) return files.status();
    for (const auto& [name, file] : *files) all.emplace(paths::Join(minute.ToPath(), name), file);
  }
  return all;
}

Status PurgeService::LocalMayGo(const Due& due, const StreamSpec& stream) {
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles files, FilesOfHour(due));
  if (files.empty()) return Status::Ok();
  for (const DestinationSpec& destination : stream.destinations) {
    DATABUS_RETURN_IF_ERROR(HeldAt(destination.cluster, due, files, stream));
  }
  return Status::Ok();
}

Status PurgeService::HeldAt(const std::string& cluster, const Due& due, const MinuteFiles& files,
                            const StreamSpec& stream) {
  Storage* storage = options_.clusters.Find(cluster);
  if (storage == nullptr) {
    return {Code::kUnavailable,
            fmt::format("{} cannot be asked: {}", cluster, options_.clusters.WhyAway(cluster))};
  }
  const Group group = GroupOf(due.stream, options_.writers.groups());
  const std::string origin = cluster == stream.Primary() ? "" : stream.Primary();
  const auto [it, fresh] = holdings_.try_emplace({cluster, group, origin});
  Holdings& held = it->second;
  if (fresh || due.hour < held.from) {
    // A merged minute is never earlier than the local one, but clocks may differ by a little.
    held.from = due.hour + -kMinutesPerHour;
    DATABUS_ASSIGN_OR_RETURN(
        const std::vector<Minute> minutes,
        ListManifests(*storage, View::kMerged, group, origin, held.from, kLastMinute));
    for (const Minute minute : minutes) {
      DATABUS_ASSIGN_OR_RETURN(const Manifest manifest,
                               ReadManifest(*storage, View::kMerged, group, minute, origin));
      for (const auto& [name, of_stream] : manifest.streams) held.index.AddAll(name, of_stream);
    }
  }
  for (const auto& [path, file] : files) {
    if (held.index.Contains(due.stream, paths::BaseName(path), file)) continue;
    return {Code::kRefused, fmt::format("{} has not got {} yet", cluster, paths::BaseName(path))};
  }
  return Status::Ok();
}

Status PurgeService::MergedMayGo(const Due& due, const StreamSpec& stream) {
  if (stream.Primary() != options_.cluster) return Status::Ok();  // a mirror's own copy
  const Group group = GroupOf(due.stream, options_.writers.groups());
  for (const std::string& mirror : stream.Mirrors()) {
    Storage* storage = options_.clusters.Find(mirror);
    if (storage == nullptr) {
      return {Code::kUnavailable,
              fmt::format("{} cannot be asked: {}", mirror, options_.clusters.WhyAway(mirror))};
    }
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> closed,
                             NewestManifest(*storage, View::kMerged, group, options_.cluster));
    if (!closed || *closed < due.hour + (kMinutesPerHour - 1)) {
      return {Code::kRefused, fmt::format("mirror {} has closed only {}", mirror,
                                          closed ? closed->ToIso() : "nothing")};
    }
  }
  return Status::Ok();
}

void PurgeService::PurgeTrash() {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return;
  const auto dates = own->List(paths::TrashRoot());
  if (!dates.ok()) return;
  for (const DirEntry& date : *dates) {
    const std::string date_path = paths::Join(paths::TrashRoot(), date.name);
    const auto hours = own->List(date_path);
    if (!hours.ok()) continue;
    size_t left = 0;
    for (const DirEntry& hour : *hours) {
      const auto start = ParseTrashHour(date.name, hour.name);
      const bool old =
          start && (*start + kMinutesPerHour).Start() + options_.topology.trash_retention <=
                       options_.clock.Wall();
      if (!old || !RemoveTree(*own, paths::Join(date_path, hour.name)).ok()) ++left;
    }
    if (left > 0) continue;
    const Status removed = own->Remove(date_path);
    if (removed.unknown()) return;
  }
}

void PurgeService::PurgeManifests() {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return;
  std::chrono::hours longest = options_.topology.default_retention;
  for (const StreamSpec& stream : options_.topology.streams) {
    for (const SourceSpec& source : stream.sources) longest = std::max(longest, source.retention);
    for (const DestinationSpec& to : stream.destinations) longest = std::max(longest, to.retention);
  }
  longest = longest * std::max(options_.limit_percent, 100) / 100 + kManifestMargin;
  const Minute last = Minute::Of(options_.clock.Wall() - longest) + -kMinutesPerHour;
  for (Group group = 0; group < options_.writers.groups(); ++group) {
    const std::string root = paths::ManifestRoot(options_.writers.view(), group);
    std::set<std::string> hours;
    const Status walked = WalkHours(*own, root, kFirstMinute, last, Order::kAscending,
                                    [&](Minute hour, const DirEntry&) {
                                      hours.insert(hour.ToHourPath());
                                      return Walk::kContinue;
                                    });
    if (!walked.ok()) return;
    for (const std::string& hour : hours) {
      if (!RemoveTree(*own, paths::Join(root, hour)).ok()) return;
    }
  }
}

}  // namespace databus
