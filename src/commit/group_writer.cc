#include "commit/group_writer.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
#include "cluster/names.h"
#include "commit/clean_ups.h"
#include "commit/cluster_id.h"
#include "commit/epoch.h"
#include "commit/group_writer_draft.h"

namespace databus {
namespace {

// P18: a name of its own for a file whose name is taken by one that is not the same.
std::string NameBeside(const NewFile& file) {
  if (!file.facts.identity) return fmt::format("other-{:08x}-{}", file.facts.crc32c, file.name);
  return fmt::format("{}-{}-{}", file.facts.identity->cluster, file.facts.identity->incarnation,
                     file.name);
}

// What is missing in a copy of the manifest's minute, or differs, or is too much; or empty.
std::string FirstDifference(const Ledger& ledger, const Manifest& manifest) {
  const std::string& primary = manifest.primary;
  const auto say = [&](const std::string& stream, const std::string& file, std::string_view what) {
    return fmt::format("{} {} {}", paths::MinuteFile(manifest.view, stream, manifest.minute, file),
                       what, primary);
  };
  static const MinuteFiles kNone;
  for (const auto& [stream, files] : manifest.streams) {
    const auto known = ledger.streams.find(stream);
    const MinuteFiles& here = known == ledger.streams.end() ? kNone : known->second.open_files;
    for (const auto& [name, facts] : files) {
      const auto ours = here.find(name);
      if (ours == here.end()) return say(stream, name, "is not here yet, as it is at");
      const bool same = ours->second.length == facts.length && ours->second.crc32c == facts.crc32c;
      if (!same) return say(stream, name, "differs from the one at");
    }
  }
  // Of a stream that it does not name the manifest says nothing (P15: parked, or it waits).
  for (const auto& [stream, files] : manifest.streams) {
    const auto known = ledger.streams.find(stream);
    if (known == ledger.streams.end()) continue;
    for (const auto& [name, facts] : known->second.open_files) {
      if (!files.contains(name))
        return say(stream, name, "is here and not in the minute closed at");
    }
  }
  return "";
}

}  // namespace

GroupWriter::GroupWriter(const Options& options, uint64_t epoch)
    : options_(options),
      undone_to_([this](const paths::MinutePath& to) { return UndoneTo(to); }),
      may_move_([this](const paths::MinutePath& to) { return MayMove(to); }),
      staging_(options.storage, options.view, options.group, epoch) {}

ApplyContext GroupWriter::Context() {
  return {staging_, options_.find_cluster, options_.rows, incidents_, undone_to_, may_move_};
}

Result<std::unique_ptr<GroupWriter>> GroupWriter::Open(const Options& options) {
  DATABUS_ASSIGN_OR_RETURN(const TakenEpoch taken,
                           TakeEpoch(options.storage, options.random, options.view, options.group));
  std::unique_ptr<GroupWriter> writer(new GroupWriter(options, taken.epoch));
  // What an older holder did just before it died may be visible and not durable yet.
  if (!taken.fenced.empty()) DATABUS_RETURN_IF_ERROR(options.storage.SyncAll());
  DATABUS_ASSIGN_OR_RETURN(writer->recovered_, Recover(writer->Context(), taken.fenced));
  DATABUS_RETURN_IF_ERROR(writer->Load());
  if (!writer->recovered_.damaged.empty()) {
    DATABUS_RETURN_IF_ERROR(writer->CheckAllRead());
    DATABUS_RETURN_IF_ERROR(writer->AnnounceOpenMinutes());
    DATABUS_RETURN_IF_ERROR(SetAsideDamaged(writer->Context(), writer->recovered_.damaged));
  }
  return writer;
}

Status GroupWriter::Load() {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries,
                           options_.storage.List(paths::ViewRoot(options_.view)));
  std::map<std::string, std::vector<std::string>> streams;  // by primary
  for (const std::string& primary : options_.rules.Primaries(options_.view)) streams[primary];
  for (const DirEntry& entry : entries) {
    if (!ValidateStreamName(entry.name).ok() || entry.info.kind != NodeKind::kDirectory) continue;
    if (GroupOf(entry.name, options_.groups) != options_.group) continue;
    const auto primary = options_.rules.PrimaryOf(options_.view, entry.name);
    if (primary) streams[*primary].push_back(entry.name);
  }
  for (const auto& [primary, names] : streams) {
    DATABUS_ASSIGN_OR_RETURN(ledgers_[primary],
                             LoadLedger(options_.storage, options_.view, options_.group, primary,
                                        names, options_.latest, CutsOf(names)));
    for (const std::string& stream : ledgers_[primary].strays) {
      incidents_.push_back(
          {fmt::format("{}: {} has minute directories of the future, which are not "
                       "ours; they are left alone",
                       options_.storage.Describe(), paths::Stream(options_.view, stream))});
    }
  }
  return Status::Ok();
}

Cuts GroupWriter::CutsOf(const std::vector<std::string>& streams) const {
  Cuts cuts;
  if (options_.view == View::kLocal) return cuts;
  for (const std::string& stream : streams) {
    const auto cut = options_.rules.CutOf(stream);
    if (cut) cuts[stream] = *cut;
  }
  return cuts;
}

std::string GroupWriter::Line(const std::string& path) const {
  return paths::Join(options_.root_url, path) + "\n";
}

Result<std::vector<Claim>> GroupWriter::ClaimFiles(std::span<const DataFileRef> files) {
  std::vector<Claim> claims;
  std::vector<Move> moves;
  for (const DataFileRef& file : files) {
    claims.push_back({staged::ClaimName(staging_.NextNumber(), file.collector, file.name),
                      file.collector, file.name});
    moves.push_back({paths::DataFile(file.stream, file.collector, file.name),
                     staging_.PathOf(claims.back().staged)});
    if (Planted(Bug::kClaimToView) && LedgerOf("").open) {
      moves.back().to =
          paths::MinuteFile(options_.view, file.stream, *LedgerOf("").open, file.name);
    }
  }
  if (moves.empty()) return claims;
  const std::vector<Status> answers = options_.storage.Renames(moves);
  std::vector<Claim> taken;
  for (size_t i = 0; i < claims.size(); ++i) {
    if (answers[i].code() == Code::kNotFound) {
      DATABUS_RETURN_IF_ERROR(staging_.CheckOurs());  // else the file is gone: announced twice
      continue;
    }
    if (Planted(Bug::kClaimAnswerLost) && answers[i].unknown()) continue;
    if (answers[i].unknown()) {
      const auto there = options_.storage.Stat(moves[i].to);
      // Not there yet is no proof: it may still come, and then nobody here would know of it.
      if (there.code() == Code::kNotFound && Planted(Bug::kLateClaimForgotten)) continue;
      if (there.code() == Code::kNotFound) return answers[i];
      if (!there.ok()) return there.status();
    } else if (answers[i].code() == Code::kNoSpace) {
      return answers[i];
    } else if (!answers[i].ok()) {
      incidents_.push_back({fmt::format("{}: {}: cannot be taken: {}", options_.storage.Describe(),
                                        moves[i].from, answers[i].ToString())});
      continue;
    }
    taken.push_back(std::move(claims[i]));
  }
  return taken;
}

Result<CommitReport> GroupWriter::Publish(CommitRequest request, Minute now) {
  Ledger& ledger = LedgerOf("");
  const bool by_ledger = ledger.open && !Planted(Bug::kEarlierMinute);
  Minute minute = by_ledger ? std::max(now, *ledger.open) : now;
  for (const NewFile& file : request.files) {
    const auto floor = FloorOf(ledger, file.stream);
    if (floor && *floor >= minute && !Planted(Bug::kCutIgnored)) minute = floor->Next();
  }
  if (!Planted(Bug::kNextBeforeClosed)) DATABUS_RETURN_IF_ERROR(CloseBefore(minute));
  return Commit(ledger, minute, std::move(request));
}

Status GroupWriter::CloseBefore(Minute now) {
  Ledger& ledger = LedgerOf("");
  while (ledger.open && *ledger.open < now) {
    DATABUS_RETURN_IF_ERROR(GoOn());
    DATABUS_RETURN_IF_ERROR(CloseOpenMinute(ledger));
  }
  return Status::Ok();
}

Result<CommitReport> GroupWriter::PublishCopies(const std::string& primary, Minute minute,
                                                CommitRequest request) {
  Ledger& ledger = LedgerOf(primary);
  ledger.primary = primary;
  if (ledger.open && *ledger.open != minute) {
    return Status(Code::kRefused, fmt::format("minute {} is not the open one ({})", minute.ToIso(),
                                              ledger.open->ToIso()));
  }
  return Commit(ledger, minute, std::move(request));
}

Result<CommitReport> GroupWriter::Commit(Ledger& ledger, Minute minute, CommitRequest request) {
  CommitReport report;
  report.minute = minute;
  if (request.Empty()) return report;
  if (ledger.primary.empty()) {
    // G5: a stream may have stopped earlier than the others, in a tree of the original system.
    std::set<std::string> streams;
    for (const NewFile& file : request.files) streams.insert(file.stream);
    DATABUS_RETURN_IF_ERROR(ProbeRefused(ledger, streams, minute + (-1)));
    DATABUS_RETURN_IF_ERROR(CatchUp(ledger, streams, minute + (-1)));
  }
  DATABUS_RETURN_IF_ERROR(PutOff(ledger, minute, request, report.refused));
  if (request.Empty()) return report;
  Plan plan;
  plan.draft.record.primary = ledger.primary;
  for (NewFile& file : request.files) PlanFile(ledger, minute, file, plan);
  for (const UnfitFile& file : request.unfit) {
    const std::string to = QuarantinePath(
        staging_, file.staged, paths::MinuteFile(options_.view, file.stream, minute, file.name));
    DATABUS_RETURN_IF_ERROR(PrepareQuarantine(staging_, to, file.reason));
    plan.draft.record.moves.push_back({MoveKind::kFile, file.staged, to, file.length, file.crc32c});
    incidents_.push_back({fmt::format("{}: {} {}: {}; it is now {}", options_.storage.Describe(),
                                      file.stream, file.name, file.reason, to)});
  }
  for (const TrashedFile& file : request.trashed) {
    const auto copy = std::ranges::find(request.files, file.staged, &NewFile::original);
    const uint64_t number = copy == request.files.end() ? 0 : staged::Parse(copy->staged).number;
    plan.draft.record.moves.push_back(
        {.kind = MoveKind::kTrash, .staged = file.staged, .to = file.to, .copy_number = number});
  }
  MinuteDirs present;  // after the missing ones, which alone have a limit (CatchUp)
  for (const auto& [stream, files] : plan.names) {
    const auto known = ledger.streams.find(stream);
    const bool is_new = known == ledger.streams.end() || !known->second.newest;
    if (!is_new && ledger.primary.empty()) {
      AddMissingMinutes(stream, *known->second.newest, minute + (-1), plan.dirs, plan.queue_texts);
    }
    if (is_new || known->second.newest != minute) present.emplace_back(stream, minute);
  }
  plan.dirs.insert(plan.dirs.end(), present.begin(), present.end());
  DATABUS_RETURN_IF_ERROR(AddMinuteDirs(plan.dirs, plan.draft.record));
  AddQueueEntries(plan.queue_texts, plan.draft);
  plan.draft.record.clean_ups = std::move(request.clean_ups);
  DATABUS_ASSIGN_OR_RETURN(const Applied applied, WriteAndApply(std::move(plan.draft)));
  std::ranges::copy_if(applied.refused, std::back_inserter(report.refused),
                       [](const Refusal& one) { return !one.AsMinute(); });
  if (!plan.names.empty()) ledger.open = minute;
  for (const RecordedMove& move : applied.record.moves) {
    const auto place = paths::ParseMinutePath(move.to);
    if (move.kind == MoveKind::kMinuteDir && place && place->minute == minute) {
      ledger.streams[place->stream].newest = minute;  // its files may have been refused
    }
    const auto file = plan.by_staged.find(move.staged);
    if (file == plan.by_staged.end() || !place) continue;
    StreamMinutes& minutes = ledger.streams[place->stream];
    minutes.newest = minute;
    minutes.open_files[place->file] = file->second->facts;
    report.published.push_back({place->stream, place->file, file->second->facts});
  }
  return report;
}

void GroupWriter::PlanFile(const Ledger& ledger, Minute minute, NewFile& file, Plan& plan) {
  const auto known = ledger.streams.find(file.stream);
  const bool has_minute = known != ledger.streams.end() && known->second.newest == minute;
  const auto [names, fresh] = plan.names.try_emplace(file.stream);
  MinuteFiles& taken = names->second;
  if (fresh && has_minute) taken = known->second.open_files;
  const auto there = taken.find(file.name);
  const bool is_same =
      there != taken.end() && (there->second == file.facts || Planted(Bug::kSameNameDropped));
  if (there != taken.end() && !is_same) {
    const std::string beside = NameBeside(file);
    const bool same_identity = there->second.identity == file.facts.identity;
    incidents_.push_back(
        {fmt::format("{}: {} {}: name taken by another file in {}; published as {}",
                     options_.storage.Describe(), file.stream, file.name, minute.ToIso(), beside),
         same_identity ? Incident::Asks::kForPeople : Incident::Asks::kNothing});
    file.name = beside;
  }
  const std::string to = paths::MinuteFile(options_.view, file.stream, minute, file.name);
  plan.draft.record.moves.push_back(
      {MoveKind::kFile, file.staged, to, file.facts.length, file.facts.crc32c});
  if (is_same) return;  // P18: the move will find it in place and drop this one
  taken[file.name] = file.facts;
  plan.by_staged[file.staged] = &file;
  for (const std::string& queue : options_.rules.QueuesOf(options_.view, file.stream)) {
    plan.queue_texts[queue] += Line(to);
  }
}

void GroupWriter::AddMissingMinutes(const std::string& stream, Minute newest, Minute last,
                                    MinuteDirs& dirs,
                                    std::map<std::string, std::string>& queue_texts) const {
  if (Planted(Bug::kIdleHoles)) return;
  if (refused_minutes_.contains(stream)) last = std::min(last, newest.Next());
  for (Minute minute = newest.Next(); minute <= last; minute = minute.Next()) {
    if (dirs.size() >= kMinuteDirsPerRecordMax) return;
    dirs.emplace_back(stream, minute);
    // The merge has no use for empty minutes of the local view; the original queued none.
    if (options_.view == View::kLocal) continue;
    for (const std::string& queue : options_.rules.QueuesOf(options_.view, stream)) {
      queue_texts[queue] += Line(paths::MinuteDir(options_.view, stream, minute));
    }
  }
}

Status GroupWriter::CatchUp(Ledger& ledger, const std::set<std::string>& streams, Minute last) {
  while (true) {
    MinuteDirs dirs;
    std::map<std::string, std::string> queue_texts;
    for (const std::string& stream : streams) {
      const auto known = ledger.streams.find(stream);
      if (known == ledger.streams.end() || !known->second.newest) continue;
      AddMissingMinutes(stream, *known->second.newest, last, dirs, queue_texts);
    }
    if (dirs.size() < kMinuteDirsPerRecordMax) return Status::Ok();
    DATABUS_RETURN_IF_ERROR(GoOn());
    DATABUS_ASSIGN_OR_RETURN(const Applied applied, MakeMinutes(ledger, dirs, queue_texts));
    // What is refused comes back by one minute each.
    const bool some = std::ranges::any_of(applied.record.moves, [](const RecordedMove& move) {
      return move.kind == MoveKind::kMinuteDir;
    });
    if (!some) return Status::Ok();
  }
}

Result<Applied> GroupWriter::MakeMinutes(Ledger& ledger, const MinuteDirs& dirs,
                                         const std::map<std::string, std::string>& queue_texts) {
  Draft draft;
  DATABUS_RETURN_IF_ERROR(AddMinuteDirs(dirs, draft.record));
  AddQueueEntries(queue_texts, draft);
  DATABUS_ASSIGN_OR_RETURN(Applied applied, WriteAndApply(std::move(draft)));
  for (const auto& [stream, minute] : dirs) {
    ledger.streams[stream].newest = NewestMade(applied, stream, minute);
  }
  return applied;
}

Status GroupWriter::AddMinuteDirs(const MinuteDirs& dirs, Record& record) {
  if (dirs.empty()) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> names, staging_.StageDirs(dirs.size()));
  for (size_t i = 0; i < dirs.size(); ++i) {
    record.moves.push_back({MoveKind::kMinuteDir, names[i],
                            paths::MinuteDir(options_.view, dirs[i].first, dirs[i].second), 0, 0});
  }
  return Status::Ok();
}

void GroupWriter::AddText(MoveKind kind, std::string to, std::string text, Draft& draft) {
  const std::string name = staging_.NewFileName();
  draft.record.moves.push_back({kind, name, std::move(to), text.size(), Crc32c(text)});
  draft.texts.push_back({staging_.PathOf(name), std::move(text)});
}

void GroupWriter::AddQueueEntries(const std::map<std::string, std::string>& texts, Draft& draft) {
  for (const auto& [queue, text] : texts) {
    const uint64_t epoch = Planted(Bug::kQueueNamesRepeat) ? 1 : staging_.epoch();
    const paths::QueueEntryName entry{options_.group, epoch, staging_.NextNumber()};
    AddText(MoveKind::kQueueEntry, paths::Join(queue, entry.ToString()), text, draft);
  }
}

void GroupWriter::AddOwnManifest(const Ledger& ledger, const std::set<std::string>& streams,
                                 Draft& draft) {
  Manifest manifest;
  manifest.view = options_.view;
  manifest.group = options_.group;
  manifest.minute = *ledger.open;
  manifest.primary = ledger.primary;
  for (const std::string& stream : streams) {
    manifest.streams[stream] = ledger.streams.at(stream).open_files;
  }
  AddManifest(manifest, draft);
}

void GroupWriter::AddManifest(const Manifest& manifest, Draft& draft) {
  AddText(MoveKind::kManifest,
          paths::Manifest(options_.view, options_.group, manifest.minute, manifest.primary),
          manifest.Encode(), draft);
}

Result<Applied> GroupWriter::WriteAndApply(Draft draft) {
  Record& record = draft.record;
  // Applied in the order of kinds, whatever the order of building.
  std::stable_sort(record.moves.begin(), record.moves.end(),
                   [](const RecordedMove& a, const RecordedMove& b) { return a.kind < b.kind; });
  record.number = staging_.NextNumber();
  const std::string name = staging_.NewFileName();
  const SmallFile text{staging_.PathOf(name), record.Encode()};
  if (Planted(Bug::kRecordBeforeStage)) {
    DATABUS_RETURN_IF_ERROR(staging_.StageFiles({&text, 1}));
    DATABUS_RETURN_IF_ERROR(
        options_.storage.Rename(text.path, staging_.PathOf(staged::RecordName(record.number, 0))));
    DATABUS_RETURN_IF_ERROR(staging_.StageFiles(draft.texts));
    return ApplyRecord(Context(), staging_.dir(), std::move(record), Sources::kJustStaged);
  }
  draft.texts.push_back(text);
  DATABUS_RETURN_IF_ERROR(staging_.StageFiles(draft.texts));
  if (Planted(Bug::kNoRecord)) {
    return ApplyRecord(Context(), staging_.dir(), std::move(record), Sources::kJustStaged);
  }
  // It counts from here on, when all that it names is durable.
  const Status placed = options_.storage.Rename(
      staging_.PathOf(name), staging_.PathOf(staged::RecordName(record.number, 0)));
  if (placed.code() == Code::kNotFound) {
    DATABUS_RETURN_IF_ERROR(staging_.CheckOurs());
  }
  DATABUS_RETURN_IF_ERROR(placed.WithContext("writing the commit record"));
  DATABUS_ASSIGN_OR_RETURN(Applied applied, ApplyRecord(Context(), staging_.dir(),
                                                        std::move(record), Sources::kJustStaged));
  if (!applied.pending.empty()) recovered_.pending.insert(applied.pending);
  NoteRefusedMinutes(applied);
  return applied;
}

Status GroupWriter::AnnounceOpenMinutes() {
  std::map<std::string, std::string> queue_texts;
  const auto announce = [&](const std::string& stream, const std::string& path) {
    for (const std::string& queue : options_.rules.QueuesOf(options_.view, stream)) {
      queue_texts[queue] += Line(path);
    }
  };
  for (const auto& [primary, ledger] : ledgers_) {
    for (const auto& [stream, minutes] : ledger.streams) {
      for (const auto& [name, facts] : minutes.open_files) {
        announce(stream, paths::MinuteFile(options_.view, stream, *ledger.open, name));
      }
    }
  }
  if (queue_texts.empty()) return Status::Ok();
  Draft draft;
  AddQueueEntries(queue_texts, draft);
  return WriteAndApply(std::move(draft)).status();
}

Status GroupWriter::CloseOpenMinute(Ledger& ledger) {
  const Minute minute = *ledger.open;
  std::set<std::string> streams;
  for (const auto& [stream, minutes] : ledger.streams) {
    if (TakesPart(ledger, stream, minutes)) streams.insert(stream);
  }
  DATABUS_RETURN_IF_ERROR(CatchUp(ledger, streams, minute));
  Draft draft;
  MinuteDirs dirs;
  std::map<std::string, std::string> queue_texts;
  for (const std::string& stream : streams) {
    AddMissingMinutes(stream, *ledger.streams.at(stream).newest, minute, dirs, queue_texts);
  }
  // More are missing than a record may hold, as the view refused them.
  std::erase_if(streams, [&](const std::string& stream) {
    return *ledger.streams.at(stream).newest < minute && !Planted(Bug::kIdleHoles) &&
           std::ranges::find(dirs, std::pair(stream, minute)) == dirs.end();
  });
  DATABUS_RETURN_IF_ERROR(AddMinuteDirs(dirs, draft.record));
  if (!Planted(Bug::kNoManifest)) AddOwnManifest(ledger, streams, draft);
  AddQueueEntries(queue_texts, draft);
  DATABUS_ASSIGN_OR_RETURN(const Applied applied, WriteAndApply(std::move(draft)));
  ledger.closed = minute;
  ledger.open = minute.Next();
  for (auto& [stream, minutes] : ledger.streams) {
    const bool named = streams.contains(stream) && NewestMade(applied, stream, minute) == minute;
    if (named) minutes.newest = std::max(*minutes.newest, minute);
    if (named && minutes.history && minutes.history->Next() == minute) minutes.history = minute;
    // Left out, as it waits: described up to the minute before.
    const bool waits = !named && minutes.newest && !minutes.history;
    const bool is_own = ledger.primary.empty() && options_.view == View::kMerged;
    if (waits && is_own) minutes.history = std::min(*minutes.newest, minute + -1);
    minutes.open_files.clear();
  }
  return ReadBegun(ledger);
}

// What a primary before this one left in the minute in which the own ones begin.
Status GroupWriter::ReadBegun(Ledger& ledger) {
  for (auto& [stream, minutes] : ledger.streams) {
    const bool begins = minutes.history && minutes.history->Next() == *ledger.open;
    if (!begins || *minutes.newest < *ledger.open) continue;
    auto files =
        ReadMinuteFiles(options_.storage, paths::MinuteDir(options_.view, stream, *ledger.open));
    if (files.code() == Code::kNotFound) continue;
    if (CannotBeRead(files.status())) {
      ledger.unread[stream] = files.status().message();
      continue;
    }
    DATABUS_RETURN_IF_ERROR(files.status());
    minutes.open_files = std::move(*files);
  }
  for (const auto& [stream, why] : ledger.unread) ledger.streams.erase(stream);
  return Status::Ok();
}

Status GroupWriter::CloseCopy(const Manifest& manifest) {
  Ledger& ledger = LedgerOf(manifest.primary);
  ledger.primary = manifest.primary;
  if (ledger.open && *ledger.open != manifest.minute) {
    return {Code::kRefused, fmt::format("minute {} is not the open one ({})",
                                        manifest.minute.ToIso(), ledger.open->ToIso())};
  }
  const std::string difference = FirstDifference(ledger, manifest);
  if (!difference.empty() && !Planted(Bug::kMirrorClosesUnequal)) {
    return {Code::kRefused, difference};
  }
  ledger.open = manifest.minute;
  Draft draft;
  draft.record.primary = manifest.primary;
  MinuteDirs dirs;
  for (const auto& [stream, files] : manifest.streams) {
    if (ledger.streams[stream].newest != manifest.minute)
      dirs.emplace_back(stream, manifest.minute);
  }
  DATABUS_RETURN_IF_ERROR(AddMinuteDirs(dirs, draft.record));
  AddManifest(manifest, draft);
  DATABUS_ASSIGN_OR_RETURN(const Applied applied, WriteAndApply(std::move(draft)));
  for (const auto& [stream, files] : manifest.streams) {
    if (NewestMade(applied, stream, manifest.minute) == manifest.minute) {
      ledger.streams[stream].newest = manifest.minute;
    }
  }
  DATABUS_RETURN_IF_ERROR(applied.AllTaken());
  ledger.closed = manifest.minute;
  ledger.open = manifest.minute.Next();
  for (auto& [stream, minutes] : ledger.streams) minutes.open_files.clear();
  return Status::Ok();
}

// Out through the own staging directory, so that a stale holder cannot take away what its successor
// has put there.
Status GroupWriter::SetAside(const std::string& path, const std::string& reason) {
  const std::string name = fmt::format("foreign-{}", staging_.NextNumber());
  const Status moved = options_.storage.Rename(path, staging_.PathOf(name));
  const bool gone = moved.code() == Code::kNotFound;
  if (gone) DATABUS_RETURN_IF_ERROR(staging_.CheckOurs());
  if (!gone) DATABUS_RETURN_IF_ERROR(moved.WithContext("setting aside " + path));
  const auto place = paths::ParseMinutePath(path);
  if (place && !place->file.empty()) {
    for (auto& [primary, ledger] : ledgers_) {
      const auto stream = ledger.streams.find(place->stream);
      if (ledger.open != place->minute || stream == ledger.streams.end()) continue;
      stream->second.open_files.erase(place->file);
    }
  }
  if (gone) return Status::Ok();
  const std::string to = QuarantinePath(staging_, name, path);
  DATABUS_RETURN_IF_ERROR(PrepareQuarantine(staging_, to, reason));
  DATABUS_RETURN_IF_ERROR(
      options_.storage.Rename(staging_.PathOf(name), to).WithContext("into quarantine"));
  incidents_.push_back(
      {fmt::format("{}: {}: {}; it is now {}", options_.storage.Describe(), path, reason, to)});
  return Status::Ok();
}

Status GroupWriter::RemoveHour(const std::string& stream, Minute hour) {
  const std::string from = paths::Hour(options_.view, stream, hour);
  const std::string taken_out = staging_.PathOf(staged::PurgedName(staging_.NextNumber()));
  const Status moved = options_.storage.Rename(from, taken_out);
  if (moved.code() == Code::kNotFound) return staging_.CheckOurs();
  DATABUS_RETURN_IF_ERROR(moved.WithContext("removing " + from));
  DATABUS_RETURN_IF_ERROR(RemoveTree(options_.storage, taken_out));
  // Day, month and year go when this was their last hour.
  std::string_view above = paths::Parent(from);
  for (int level = 0; level < 3; ++level, above = paths::Parent(above)) {
    const Status removed = options_.storage.Remove(std::string(above));
    if (removed.unknown()) return removed;
    if (!removed.ok()) break;
  }
  return Status::Ok();
}

Status GroupWriter::RetryCleanUps() {
  if (recovered_.pending.empty() || Planted(Bug::kPendingNotRetried)) return Status::Ok();
  return RetryPending(Context(), recovered_.pending);
}

}  // namespace databus
