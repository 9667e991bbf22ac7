#include "collector/deliver/mover.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "audit/announcement.h"
#include "base/planted.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "cluster/sealed_header.h"
#include "collector/deliver/hand_over_note.h"
#include "collector/deliver/stager.h"

namespace databus {
namespace {

// The counter of the announcements' numbers. No stream can have this name.
constexpr std::string_view kAnnouncementCounter = ".sealed";

// What a sequence gets on top when its name is taken by another file.
constexpr uint64_t kCollisionStep = 1'000'000'000;

// A rename can find its directory gone, or its answer lost: look, make, rename again, so often in
// one run.
constexpr int kRoundsMax = 3;

bool IsThere(const Status& made) { return made.ok() || made.code() == Code::kExists; }

bool HasHeader(const SpoolIntent& intent) {
  const auto name = DataFileName::Parse(intent.stream, paths::BaseName(intent.final_path));
  return name && name->gzip;
}

}  // namespace

void Mover::Take(const SpoolCut& cut, IntentState state) {
  for (const SpoolIntent& intent : cut.intents) {
    if (IsHandOver(intent)) continue;
    Tracked tracked{.intent = intent, .note = {}, .state = state};
    if (auto note = DecodeIntentNote(intent.note); note.ok()) tracked.note = *note;
    intents_.emplace(intent.id, std::move(tracked));
  }
}

std::optional<WallTime> Mover::OldestAccepted() const {
  std::optional<WallTime> oldest;
  for (const auto& [id, tracked] : intents_) {
    if (!oldest || tracked.note.first_accepted < *oldest) oldest = tracked.note.first_accepted;
  }
  return oldest;
}

void Mover::CountIntents(std::map<std::string, uint64_t>& intents) const {
  for (const auto& [id, tracked] : intents_) ++intents[tracked.intent.stream];
}

void Mover::Doubt() {
  for (auto& [id, tracked] : intents_) {
    if (tracked.state == IntentState::kDelivered) tracked.state = IntentState::kUnknown;
  }
}

Status Mover::Run(const ClusterIdentity& cluster) {
  for (int round = 0; round < kRoundsMax; ++round) {
    DATABUS_RETURN_IF_ERROR(Look(cluster));
    if (Due().empty()) break;
    DATABUS_RETURN_IF_ERROR(MakeDirectories(Due()));
    DATABUS_RETURN_IF_ERROR(RenameDue());
  }
  return Announce(cluster);
}

std::vector<Mover::Tracked*> Mover::Due() {
  std::vector<Tracked*> due;
  const BootTime now = seams_.clock.Boot();
  for (auto& [id, tracked] : intents_) {
    if (tracked.state == IntentState::kStaged && tracked.not_before <= now) {
      due.push_back(&tracked);
    }
  }
  return due;
}

// Settles what is unknown by looking: staged, or certainly and durably absent and so delivered.
Status Mover::Look(const ClusterIdentity& cluster) {
  const bool unknown = std::any_of(intents_.begin(), intents_.end(), [](const auto& entry) {
    return entry.second.state == IntentState::kUnknown;
  });
  if (!unknown && !sweep_) return Status::Ok();
  const std::string staging = paths::CollectorStaging(settings_.collector);
  Result<std::vector<DirEntry>> listed = seams_.cluster->List(staging);
  if (Planted(Bug::kFailedListIsAbsent) && listed.unknown()) listed = std::vector<DirEntry>();
  const bool denied = listed.code() == Code::kRefused;
  if (Planted(Bug::kDeniedStagingIsEmpty) && denied) listed = std::vector<DirEntry>();
  // Without the directory nobody knows what was in it: not "absent".
  if (!listed.ok()) return Status(Code::kUnavailable, staging + ": " + listed.status().message());
  // "Absent" counts only in the right tree (P1), and that it was so when the listing was made.
  DATABUS_RETURN_IF_ERROR(CheckClusterId(*seams_.cluster, cluster.id).status());
  std::set<std::string, std::less<>> names;
  for (const DirEntry& entry : *listed) names.insert(entry.name);
  std::vector<std::string> garbage;
  std::set<std::string_view> wanted;
  std::vector<Tracked*> absent;
  for (auto& [id, tracked] : intents_) {
    const std::string_view name = paths::BaseName(tracked.intent.staged_path);
    wanted.insert(name);
    if (tracked.state != IntentState::kUnknown) continue;
    if (names.contains(name)) {
      tracked.state = IntentState::kStaged;
    } else {
      absent.push_back(&tracked);
    }
  }
  // A rename whose sync nobody saw succeed could be undone by a power cut, after its intent is
  // settled.
  if (!absent.empty()) {
    const Status synced = seams_.cluster->SyncAll();
    if (!synced.ok()) return Status(Code::kUnavailable, "sync the cluster: " + synced.message());
    for (Tracked* tracked : absent) tracked->state = IntentState::kDelivered;
  }
  const std::string own = StagedPrefix(seams_.spool.identity());
  for (const std::string& name : names) {
    if (name.starts_with(own) && (!wanted.contains(name) || Planted(Bug::kSweepsWanted))) {
      garbage.push_back(paths::Join(staging, name));
    }
  }
  return Sweep(garbage);
}

Status Mover::Sweep(const std::vector<std::string>& garbage) {
  if (!garbage.empty()) {
    // The file of a cut that was refused on a full disk may be wanted again after a restart.
    const Status certain = seams_.spool.MakeCertain();
    if (certain.unknown()) return Status(Code::kStopped, certain.message());
    if (!certain.ok()) return certain.WithContext("clean staging");
    for (const Status& removed : seams_.cluster->Removes(garbage)) {
      if (removed.unknown()) return removed.WithContext("clean staging");
    }
  }
  sweep_ = false;
  return Status::Ok();
}

// data/<stream>/<collector> for every stream that has none yet. A stream whose directory cannot be
// made is stuck, alone.
Status Mover::MakeDirectories(const std::vector<Tracked*>& due) {
  std::vector<std::string> streams;
  for (const Tracked* tracked : due) {
    if (!streams_made_.contains(tracked->intent.stream)) streams.push_back(tracked->intent.stream);
  }
  std::sort(streams.begin(), streams.end());
  streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
  if (streams.empty()) return Status::Ok();
  std::vector<std::string> parents;
  std::vector<std::string> directories;
  for (const std::string& stream : streams) {
    parents.push_back(paths::DataStream(stream));
    directories.push_back(paths::DataCollector(stream, settings_.collector));
  }
  for (const Status& made : seams_.cluster->MakeDirs(parents)) {
    if (made.unknown()) return made.WithContext("make directories in data");
  }
  const std::vector<Status> made = seams_.cluster->MakeDirs(directories);
  std::map<std::string_view, const Status*> refused;
  for (size_t i = 0; i < streams.size(); ++i) {
    if (made[i].unknown()) return made[i].WithContext("make " + directories[i]);
    if (IsThere(made[i])) {
      streams_made_.insert(streams[i]);
    } else {
      refused[streams[i]] = &made[i];
    }
  }
  for (Tracked* tracked : due) {
    const auto at = refused.find(tracked->intent.stream);
    if (at != refused.end()) Stuck(*tracked, *at->second);
  }
  return Status::Ok();
}

Status Mover::RenameDue() {
  const std::vector<Tracked*> due = Due();  // without those that just got stuck
  if (due.empty()) return Status::Ok();
  std::vector<Move> moves;
  for (const Tracked* tracked : due) {
    moves.push_back({tracked->intent.staged_path, tracked->intent.final_path});
  }
  const std::vector<Status> renamed = seams_.cluster->Renames(moves);
  Status outcome;
  for (size_t i = 0; i < due.size(); ++i) {
    Tracked& tracked = *due[i];
    const Status& status = renamed[i];
    if (status.ok() || (Planted(Bug::kUnknownRenameDelivered) && status.unknown())) {
      tracked.state = IntentState::kDelivered;
    } else if (status.code() == Code::kExists) {
      if (Status settled = Collide(tracked); !settled.ok()) outcome = std::move(settled);
    } else if (status.unknown()) {
      tracked.state = IntentState::kUnknown;
      outcome = status.WithContext("rename to " + tracked.intent.final_path);
    } else if (status.code() == Code::kNotFound) {
      // Renamed by an earlier try whose answer was lost, or the directory is gone.
      tracked.state = IntentState::kUnknown;
      streams_made_.erase(tracked.intent.stream);
    } else {
      Stuck(tracked, status);
    }
    if (tracked.state == IntentState::kDelivered) seams_.problems.Clear(ProblemKey(tracked));
  }
  return outcome;
}

// The final name is taken. By this very file: drop the staged one. By another: take another name;
// never overwrite, never drop (P18).
Status Mover::Collide(Tracked& tracked) {
  const std::string& path = tracked.intent.final_path;
  Result<std::unique_ptr<FileReader>> reader = seams_.cluster->Open(path);
  if (reader.unknown()) return reader.status().WithContext("look at " + path);
  if (reader.code() == Code::kNotFound) return Status::Ok();  // gone again: the next round renames
  if (reader.code() == Code::kRefused) {
    // May not be read, or is no file. Only of the second it is certain that it is not this one.
    const auto there = seams_.cluster->Stat(path);
    if (!there.ok() || there->kind == NodeKind::kFile) {
      Stuck(tracked, reader.status());
      return Status::Ok();
    }
  }
  if (reader.ok()) {
    Result<std::string> head = (*reader)->Read(0, kSealedHeaderBytesMax);
    if (!head.ok()) return head.status().WithContext("look at " + path);
    const auto decoded = DecodeSealedHeader(*head);
    const FileIdentity own{seams_.spool.identity().cluster_id, IncarnationOf(tracked.intent),
                           tracked.note.counter};
    // An older copy of a spool that was not known as one may have given the identity again.
    const bool is_this =
        decoded.ok() && decoded->header.identity == own &&
        decoded->header.stream == tracked.intent.stream &&
        decoded->header.messages == tracked.note.messages &&
        decoded->header_bytes + decoded->header.payload_bytes == tracked.note.length;
    if (is_this) {
      const Status removed = seams_.cluster->Remove(tracked.intent.staged_path);
      if (removed.unknown()) tracked.state = IntentState::kUnknown;
      if (removed.ok() || removed.code() == Code::kNotFound) {
        tracked.state = IntentState::kDelivered;
      }
      return removed.unknown() ? removed.WithContext("drop the second copy of " + path)
                               : Status::Ok();
    }
  }
  return AmendName(tracked);
}

Status Mover::AmendName(Tracked& tracked) {
  const std::string taken = tracked.intent.final_path;
  auto name = DataFileName::Parse(tracked.intent.stream, paths::BaseName(taken));
  if (!name) {
    Stuck(tracked, Status(Code::kExists, "the name is taken"));
    return Status::Ok();
  }
  name->sequence += kCollisionStep;
  SpoolIntent amended = tracked.intent;
  amended.final_path =
      paths::DataFile(tracked.intent.stream, settings_.collector, name->ToString());
  const Status recorded = seams_.spool.Amend(amended);
  if (recorded.unknown()) return Status(Code::kStopped, recorded.message());
  if (!recorded.ok()) return recorded.WithContext("amend an intent");
  ++counts_.collisions;
  seams_.problems.Raise(
      "name taken",
      fmt::format("stream {}: {} is taken by another file; delivered as {}", tracked.intent.stream,
                  taken, paths::BaseName(amended.final_path)),
      "nothing: both files are kept; look for a second collector of this name");
  tracked.intent = std::move(amended);
  return Status::Ok();
}

std::string Mover::ProblemKey(const Tracked& tracked) { return "stream " + tracked.intent.stream; }

void Mover::Stuck(Tracked& tracked, const Status& why) {
  tracked.not_before = seams_.clock.Boot() + settings_.retry.interval;
  seams_.problems.Raise(ProblemKey(tracked),
                        fmt::format("stream {}: {}: {}", tracked.intent.stream,
                                    tracked.intent.final_path, why.ToString()),
                        fmt::format("tried again every {} ms; other streams go on",
                                    settings_.retry.interval.count()));
}

// One announcement per group, then the intents are settled. An announcement is a hint, so one whose
// name is refused holds up nothing; it is tried again, with other numbers, where that may help.
Status Mover::Announce(const ClusterIdentity& cluster) {
  std::map<Group, std::vector<Tracked*>> groups;
  for (auto& [id, tracked] : intents_) {
    if (tracked.state != IntentState::kDelivered) continue;
    groups[GroupOf(tracked.intent.stream, cluster.groups)].push_back(&tracked);
  }
  if (groups.empty()) return Status::Ok();
  const SpoolIdentity identity = seams_.spool.identity();
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<uint64_t> numbers,
      seams_.spool.NextCounters(std::vector(groups.size(), std::string(kAnnouncementCounter))));
  std::vector<SmallFile> staged;
  std::vector<Move> moves;
  std::vector<Tracked*> delivered;
  for (const auto& [group, members] : groups) {
    std::vector<AnnouncedFile> files;
    for (Tracked* tracked : members) {
      delivered.push_back(tracked);
      const IntentNote& note = tracked->note;
      files.push_back({.path = tracked->intent.final_path,
                       .length = note.length,
                       .crc32c = note.crc32c,
                       .messages = note.messages,
                       .identity = {}});
      // A file without header has no identity: it is known by name, length and checksum (P18).
      if (!HasHeader(tracked->intent)) continue;
      files.back().identity = {identity.cluster_id, IncarnationOf(tracked->intent), note.counter};
    }
    const std::string name = paths::AnnouncementName{group, numbers[moves.size()]}.ToString();
    moves.push_back({paths::Join(paths::CollectorStaging(settings_.collector),
                                 StagedPrefix(identity) + "sealed." + name),
                     paths::Join(paths::Sealed(settings_.collector), name)});
    staged.push_back({moves.back().from, EncodeAnnouncement(files)});
  }
  for (const Status& written : seams_.cluster->WriteFiles(staged)) {
    if (written.ok()) continue;
    sweep_ = true;
    return written.WithContext("announce sealed files");
  }
  bool announced = true;
  for (const Status& renamed : seams_.cluster->Renames(moves)) {
    if (renamed.ok()) continue;
    sweep_ = true;
    if (renamed.code() != Code::kRefused && renamed.code() != Code::kExists) {
      return renamed.WithContext("announce sealed files");
    }
    announced = false;
    seams_.problems.Raise("announcements", "announcing sealed files: " + renamed.ToString(),
                          "the worker finds the files by its next full scan");
  }
  if (announced) seams_.problems.Clear("announcements");
  return Settle(delivered);
}

Status Mover::Settle(const std::vector<Tracked*>& delivered) {
  std::vector<uint64_t> ids;
  for (const Tracked* tracked : delivered) ids.push_back(tracked->intent.id);
  const Status settled = seams_.spool.Settle(ids);
  if (settled.unknown()) return Status(Code::kStopped, settled.message());
  DATABUS_RETURN_IF_ERROR(settled);
  for (const Tracked* tracked : delivered) {
    ++counts_.files;
    counts_.messages += tracked->note.messages;
    counts_.bytes += tracked->note.length;
  }
  for (const uint64_t id : ids) intents_.erase(id);
  return Status::Ok();
}

}  // namespace databus
