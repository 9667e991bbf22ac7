#include "worker/purge_service.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/names.h"
#include "cluster/text_format.h"
#include "commit/eras.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"
#include "control/journal_copies.h"
#include "control/purge_history.h"
#include "telemetry/iso_time.h"
#include "telemetry/log.h"
#include "worker/refusals.h"

namespace databus {
namespace {

constexpr int kMinutesPerHour = 60;
// Whoever is silent for so long is no news.
constexpr std::chrono::hours kOldBeat{24};
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

// What the writers call it.
std::string PurgeOf(const std::string& stream) { return "purge of " + stream; }

// Whether the writer that gave this answer may be wrong about the tree, or may not go on.
bool EndsWriter(const Status& status) {
  return status.unknown() || status.code() == Code::kStale || status.code() == Code::kStopped;
}

}  // namespace

Minute OldestKeptManifest(const Topology& topology, int limit_percent, WallTime now) {
  std::chrono::hours longest = topology.default_retention;
  for (const StreamSpec& stream : topology.streams) {
    for (const SourceSpec& source : stream.sources) longest = std::max(longest, source.retention);
    for (const DestinationSpec& to : stream.destinations) longest = std::max(longest, to.retention);
  }
  longest = longest * std::max(limit_percent, 100) / 100 + kManifestMargin;
  return Minute::Of(now - longest);
}

void PurgeService::Tell(const std::string& topic, const Status& status,
                        std::function<void()> again) {
  if (status.ok()) {
    again_.erase(topic);
    options_.problems.Clear(topic);
    return;
  }
  options_.problems.Raise(topic, status.ToString(), "tried again in a minute");
  Again(topic, std::move(again));
}

void PurgeService::Again(const std::string& topic, std::function<void()> again) {
  again_[topic] = std::move(again);
  failed_.Begin(options_.clock.Boot());
}

// Seldom, as only people mend most of it; not as seldom as all is looked at.
void PurgeService::RetryFailed() {
  if (again_.empty() || !failed_.IsOver(options_.clock.Boot())) return;
  for (const auto& [topic, again] : std::exchange(again_, {})) again();
  holdings_.clear();
  eras_.clear();
}

void PurgeService::RunOnce() {
  again_.clear();
  holdings_.clear();
  eras_.clear();
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return;
  const auto streams = own->List(paths::ViewRoot(options_.writers.view()));
  const std::string topic =
      fmt::format("{} purge {}", options_.cluster, ViewName(options_.writers.view()));
  Tell(topic, streams.status(), [this] { RunOnce(); });
  if (!streams.ok()) return;
  for (const DirEntry& stream : *streams) {
    const bool ours = options_.writers.Holds(GroupOf(stream.name, options_.writers.groups()));
    if (ours && ValidateStreamName(stream.name).ok()) PurgeStream(stream.name);
  }
  if (options_.writers.view() == View::kMerged) PurgeDivergent();
  PurgeManifests();
  holdings_.clear();
  eras_.clear();
  if (options_.writers.Holds(kClusterDuties)) PurgeOfNoGroup(*own);
}

void PurgeService::PurgeOfNoGroup(Storage& own) {
  if (options_.writers.view() == View::kLocal) return PurgeTrash();
  CopyJournals();
  PurgeOldHistory();
  PurgeOldBeats(own);
}

std::chrono::hours PurgeService::RetentionOf(const std::string& stream) const {
  return options_.writers.view() == View::kLocal
             ? options_.topology.LocalRetention(options_.cluster, stream)
             : options_.topology.MergedRetention(options_.cluster, stream);
}

// Nobody publishes a merged stream where the topology does not name it as a destination.
bool PurgeService::GoesOn(const std::string& stream) const {
  if (options_.writers.view() == View::kLocal) return true;
  const StreamSpec* spec = options_.topology.FindStream(stream);
  return spec != nullptr && spec->RoleOf(options_.cluster).has_value();
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
  // Not the newest hour: a stream keeps the minute from which its chain goes on, if it goes on.
  const Minute by_age = Minute::Of(now - retention) + -kMinutesPerHour;
  const Minute last = GoesOn(stream) ? std::min(by_age, *newest + -kMinutesPerHour) : by_age;
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
  // A retry comes later than the look at all: the group may have gone elsewhere meanwhile.
  if (!options_.writers.Holds(GroupOf(stream, options_.writers.groups()))) {
    return options_.problems.Clear(topic);
  }
  const auto due = FindDue(stream);
  if (!due.ok()) return Tell(topic, due.status(), [this, stream] { PurgeStream(stream); });
  if (PurgeDue(topic, stream, *due)) return;
  // Of an earlier look: nobody asks the writer again before another hour is due.
  options_.writers.Settled(GroupOf(stream, options_.writers.groups()), PurgeOf(stream));
}

bool PurgeService::PurgeDue(const std::string& topic, const std::string& stream,
                            const std::vector<Due>& due) {
  bool asked = false;
  bool dropped = false;
  for (const Due& hour : due) {
    const Result<Need> need = WhoNeeds(hour);
    if (!need.ok() || !need->empty()) {
      if (!hour.past_limit) break;  // oldest first: what follows waits too
      dropped = options_.limit_action == LimitAction::kDrop && need.ok();
      options_.problems.Raise(
          topic,
          fmt::format("{} of {} is past the retention limit: {}", stream, hour.hour.ToIso(),
                      need.ok() ? *need : need.status().message()),
          dropped ? "dropped (databus.worker.retention_limit=drop)"
                  : fmt::format("{}; {}", WayOut(stream),
                                need.ok() ? WhenAgain() : "tried again in a minute"));
      if (!need.ok()) Again(topic, [this, stream] { PurgeStream(stream); });
      if (!dropped) return asked;
    }
    asked = true;
    const Status removed = RemoveHour(hour);
    if (!removed.ok()) {
      Again(topic, [this, stream] { PurgeStream(stream); });
      if (EndsWriter(removed)) return asked;  // the writers tell of it
      options_.problems.Raise(
          topic, removed.ToString(),
          fmt::format("nothing else waits for it; tried again in a minute; {}", kLetWrite));
      return asked;
    }
    LogInfo("worker", "hour purged",
            {{"cluster", options_.cluster},
             {"view", ViewName(options_.writers.view())},
             {"stream", stream},
             {"hour", hour.hour.ToIso()}});
  }
  // Not before: what lasts keeps its since.
  if (!dropped) options_.problems.Clear(topic);
  return asked;
}

Status PurgeService::RemoveHour(const Due& due) {
  Status removed(Code::kStopped, "the stream cannot be read, or its group not be written");
  const Group group = GroupOf(due.stream, options_.writers.groups());
  options_.writers.With(group, PurgeOf(due.stream), [&](GroupWriter& writer) {
    if (writer.IsUnread(due.stream)) return Status::Ok();
    removed = writer.RemoveHour(due.stream, due.hour);
    // What is certainly not done concerns neither what the writer knows nor the stream's new
    // minutes: an hour that may not be removed is there still.
    return EndsWriter(removed) ? removed : Status::Ok();
  });
  return removed;
}

std::string PurgeService::WhenAgain() const {
  return fmt::format("looked at again at {}", ToIsoMs(options_.clock.Wall() + options_.interval));
}

std::string PurgeService::WayOut(const std::string& stream) const {
  const StreamSpec* spec = options_.topology.FindStream(stream);
  const bool copy = options_.writers.view() == View::kMerged && spec != nullptr &&
                    spec->Primary() != options_.cluster;
  if (!copy) return "kept until the downstream has it; look why it does not";
  return fmt::format(
      "kept until then: bring {} back, or see what it waits for; what {} holds goes by its age "
      "alone when the topology names it no longer as a destination of {}",
      spec->Primary(), options_.cluster, stream);
}

Result<PurgeService::Need> PurgeService::WhoNeeds(const Due& due) {
  const StreamSpec* stream = options_.topology.FindStream(due.stream);
  if (Planted(Bug::kPurgedByAge)) return Need();
  if (stream == nullptr) return Need();  // nobody is configured to need it
  return options_.writers.view() == View::kLocal ? WhoNeedsLocal(due, *stream)
                                                 : WhoNeedsMerged(due, *stream);
}

Result<MinuteFiles> PurgeService::FilesOfMinute(const std::string& stream, Minute minute) {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr)
    return Status(Code::kUnavailable, options_.clusters.WhyAway(options_.cluster));
  const View view = options_.writers.view();
  const Group group = GroupOf(stream, options_.writers.groups());
  MinuteContent content(*own, view, group);
  auto files = content.Read(stream, minute);
  if (files.code() == Code::kNotFound) return MinuteFiles();
  return files;
}

Result<PurgeService::Need> PurgeService::WhoNeedsLocal(const Due& due, const StreamSpec& stream) {
  MinuteFiles files;
  for (Minute minute = due.hour; minute < due.hour + kMinutesPerHour; minute = minute.Next()) {
    DATABUS_ASSIGN_OR_RETURN(const MinuteFiles of_minute, FilesOfMinute(due.stream, minute));
    for (const auto& [name, file] : of_minute) {
      files.emplace(paths::Join(minute.ToPath(), name), file);
    }
  }
  if (files.empty()) return Need();
  return MissingAnywhere(stream, due, files);
}

// Whoever closed the minutes. Built aside: what was read in part would look like a downstream that
// lacks the rest.
Result<const PurgeService::Holdings*> PurgeService::HoldingsOf(Storage& storage,
                                                               const HoldingsKey& key,
                                                               Minute hour) {
  const auto known = holdings_.find(key);
  if (known != holdings_.end() && known->second.from <= hour) return &known->second;
  const Group group = key.second;
  // A merged minute is never earlier than the local one, but clocks may differ by a little.
  Holdings held{hour + -kMinutesPerHour, {}};
  std::set<Minute> minutes;
  DATABUS_RETURN_IF_ERROR(
      WalkHours(storage, paths::ManifestRoot(View::kMerged, group), held.from, kLastMinute,
                Order::kAscending, [&](Minute of_hour, const DirEntry& entry) {
                  const auto name = paths::ManifestName::Parse(entry.name);
                  const auto minute = name ? MinuteInHour(of_hour, name->minute) : std::nullopt;
                  if (minute) minutes.insert(*minute);
                  return Walk::kContinue;
                }));
  MinuteContent content(storage, View::kMerged, group);
  for (const Minute minute : minutes) {
    DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* streams, content.Described(minute));
    if (!content.damaged().empty()) return Status(Code::kCorrupt, content.damaged());
    for (const auto& [name, of_stream] : *streams) held.index.AddAll(name, of_stream);
  }
  return &holdings_.insert_or_assign(key, std::move(held)).first->second;
}

Result<const Eras*> PurgeService::ErasOf(Storage& storage, const std::string& cluster,
                                         Group group) {
  const HoldingsKey key{cluster, group};
  const auto known = eras_.find(key);
  if (known != eras_.end()) return &known->second;
  DATABUS_ASSIGN_OR_RETURN(Eras read, ReadEras(storage, group));
  return &eras_.emplace(key, std::move(read)).first->second;
}

// Before a destination was brought through the last change of the stream's primary, what it holds
// may be set aside still (P32): it says nothing. Asked first, as what is found then stays.
Result<PurgeService::Need> PurgeService::MissingAt(const std::string& cluster,
                                                   const StreamSpec& stream, const Due& due,
                                                   const MinuteFiles& files) {
  Storage* storage = options_.clusters.Find(cluster);
  if (storage == nullptr) {
    return Status(Code::kUnavailable, fmt::format("{} cannot be asked: {}", cluster,
                                                  options_.clusters.WhyAway(cluster)));
  }
  const Group group = GroupOf(due.stream, options_.writers.groups());
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, ErasOf(*storage, cluster, group));
  if (!eras->HasBegun(stream)) {
    return fmt::format("{} has not been brought through the last change of its primary yet",
                       cluster);
  }
  DATABUS_ASSIGN_OR_RETURN(const Holdings* held, HoldingsOf(*storage, {cluster, group}, due.hour));
  for (const auto& [path, file] : files) {
    if (held->index.Contains(due.stream, paths::BaseName(path), file)) continue;
    return fmt::format("{} has not got {} yet", cluster, paths::BaseName(path));
  }
  return Need();
}

// At any destination: the primary may be lost before its mirrors have what it alone has merged.
Result<PurgeService::Need> PurgeService::MissingAnywhere(const StreamSpec& stream, const Due& due,
                                                         const MinuteFiles& files) {
  for (const DestinationSpec& destination : stream.destinations) {
    DATABUS_ASSIGN_OR_RETURN(Need need, MissingAt(destination.cluster, stream, due, files));
    if (!need.empty()) return need;
  }
  return Need();
}

// By the mirror's manifests of that minute, whoever decided when it closed: before a fail-over that
// was another cluster. What the original mirrored, or an operator by hand, has none, and is read.
Result<bool> PurgeService::IsMirrored(Storage& mirror, const std::string& stream, Minute minute,
                                      const MinuteFiles& files) {
  MinuteContent content(mirror, View::kMerged, GroupOf(stream, options_.writers.groups()));
  const auto theirs = content.Read(stream, minute);
  if (theirs.code() == Code::kNotFound) return false;
  if (!theirs.ok()) return theirs.status();
  return Digest(*theirs) == Digest(files);
}

// A mirror's own copy is needed by nobody, when it is one (P32). Before that what this cluster
// never had of the primary's would look, when they are compared, as if it had been purged here; and
// the primary would wait for ever until it is here. Where the topology names no copy any more
// nothing is ever compared, and nobody is configured to need it (G9): what it alone has merged lies
// with its sources until the present destinations have it (P26, P34).
Result<PurgeService::Need> PurgeService::WhoNeedsCopy(const StreamSpec& stream) {
  if (!stream.RoleOf(options_.cluster)) return Need();
  const Group group = GroupOf(stream.name, options_.writers.groups());
  if (options_.eras.KnowsBegun(group, stream)) return Need();
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr)
    return Status(Code::kUnavailable, options_.clusters.WhyAway(options_.cluster));
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, ErasOf(*own, options_.cluster, group));
  if (eras->HasBegun(stream)) return Need();
  return "it is to be compared with " + stream.Primary() + " first";
}

Result<PurgeService::Need> PurgeService::WhoNeedsMerged(const Due& due, const StreamSpec& stream) {
  if (stream.Primary() != options_.cluster) return WhoNeedsCopy(stream);
  const Group group = GroupOf(due.stream, options_.writers.groups());
  for (const std::string& name : stream.Mirrors()) {
    Storage* mirror = options_.clusters.Find(name);
    if (mirror == nullptr) {
      return Status(Code::kUnavailable,
                    fmt::format("{} cannot be asked: {}", name, options_.clusters.WhyAway(name)));
    }
    // Then what lies there is no part of a minute that is still being copied.
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> closed,
                             NewestManifest(*mirror, View::kMerged, group, options_.cluster));
    if (!closed || *closed < due.hour + (kMinutesPerHour - 1)) {
      return fmt::format("mirror {} has closed only {}", name,
                         closed ? closed->ToIso() : "nothing");
    }
    for (Minute minute = due.hour; minute < due.hour + kMinutesPerHour; minute = minute.Next()) {
      DATABUS_ASSIGN_OR_RETURN(const MinuteFiles files, FilesOfMinute(due.stream, minute));
      if (files.empty()) continue;
      DATABUS_ASSIGN_OR_RETURN(const bool mirrored, IsMirrored(*mirror, due.stream, minute, files));
      if (!mirrored) return fmt::format("mirror {} has not got {}", name, minute.ToIso());
    }
  }
  return Need();
}

// A file longer than what was published of it has a tail that is still to be published (P25).
bool PurgeService::PurgeTrashHour(Storage& own, const std::string& path) {
  const auto entries = own.List(path);
  if (!entries.ok()) return false;
  bool all = true;
  for (const DirEntry& entry : *entries) {
    const auto name = paths::TrashName::Parse(entry.name);
    const bool tail = name && entry.info.length > name->published_bytes;
    if (tail || !RemoveTree(own, paths::Join(path, entry.name)).ok()) all = false;
  }
  return all && own.Remove(path).ok();
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
      if (!old || !PurgeTrashHour(*own, paths::Join(date_path, hour.name))) ++left;
    }
    if (left > 0) continue;
    const Status removed = own->Remove(date_path);
    if (removed.unknown()) return;
  }
}

void PurgeService::PurgeManifests() {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return;
  const Minute last =
      OldestKeptManifest(options_.topology, options_.limit_percent, options_.clock.Wall()) +
      -kMinutesPerHour;
  std::vector<std::string> origins{""};
  for (const ClusterSpec& cluster : options_.topology.clusters) origins.push_back(cluster.name);
  for (Group group = 0; group < options_.writers.groups(); ++group) {
    if (!options_.writers.Holds(group)) continue;
    const std::string root = paths::ManifestRoot(options_.writers.view(), group);
    std::set<std::string> hours;
    const Status walked = WalkHours(*own, root, kFirstMinute, last, Order::kAscending,
                                    [&](Minute hour, const DirEntry&) {
                                      hours.insert(hour.ToHourPath());
                                      return Walk::kContinue;
                                    });
    if (!walked.ok()) return;
    // The newest one says where the minutes go on, however long nothing was published.
    for (const std::string& origin : origins) {
      const auto newest = NewestManifest(*own, options_.writers.view(), group, origin);
      if (!newest.ok()) return;
      if (*newest) hours.erase((*newest)->ToHourPath());
    }
    for (const std::string& hour : hours) {
      if (!RemoveTree(*own, paths::Join(root, hour)).ok()) return;
    }
  }
}

std::vector<Storage*> PurgeService::Trees() const {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return {};
  std::vector<Storage*> trees = {own};
  for (const ClusterSpec& cluster : options_.topology.clusters) {
    Storage* tree = options_.clusters.Find(cluster.name);
    if (tree != nullptr && tree != own) trees.push_back(tree);
  }
  return trees;
}

void PurgeService::CopyJournals() {
  const std::vector<Storage*> trees = Trees();
  if (trees.empty()) return;
  const auto copied = CopyEndedJournals(*trees.front(), trees, options_.random);
  const std::string topic = fmt::format("{} journals of failovers", options_.cluster);
  Tell(topic, copied.status(), [this] { CopyJournals(); });
  if (!copied.ok() || *copied == 0) return;
  LogInfo("worker", "journals of failovers that ended meanwhile copied",
          {{"cluster", options_.cluster}, {"journals", *copied}});
}

void PurgeService::PurgeOldHistory() {
  const std::vector<Storage*> trees = Trees();
  if (trees.empty()) return;
  const auto purged = PurgeHistory(*trees.front(), trees, options_.clock.Wall());
  const std::string topic = fmt::format("{} purge history", options_.cluster);
  Tell(topic, purged.status(), [this] { PurgeOldHistory(); });
  if (!purged.ok() || purged->epochs + purged->journals == 0) return;
  LogInfo(
      "worker", "old epochs and journals of failovers purged",
      {{"cluster", options_.cluster}, {"epochs", purged->epochs}, {"journals", purged->journals}});
}

// Of workers that stood by or had a share, and died: their names are used by no other process.
void PurgeService::PurgeOldBeats(Storage& own) {
  const auto entries = own.List(paths::StatusRoot());
  if (!entries.ok()) return;  // tried again at the next purge
  std::vector<std::string> old;
  for (const DirEntry& entry : *entries) {
    const bool of_one_process = IsOfOneWorkerProcess(options_.cluster, entry.name);
    if (of_one_process && entry.info.modified + kOldBeat < options_.clock.Wall()) {
      old.push_back(paths::Join(paths::StatusRoot(), entry.name));
    }
  }
  for (const Status& removed : own.Removes(old)) {
    if (removed.unknown()) return;
  }
}

}  // namespace databus
