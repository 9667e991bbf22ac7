#include "commit/apply.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
#include "cluster/names.h"
#include "commit/clean_ups.h"
#include "commit/cluster_id.h"
#include "commit/manifest.h"
#include "commit/originals.h"

namespace databus {
namespace {

// Makes what is missing above `path`: hours of a view, directories of `system/`. A minute directory
// is made in staging and renamed into place (P14), never by mkdir.
Status EnsureParent(StagingArea& own, const std::string& path) {
  Storage& storage = own.storage();
  const std::string parent(paths::Parent(path));
  const auto minute = paths::ParseMinutePath(parent);
  if (!minute || !minute->file.empty()) {
    const auto in_view = paths::ParseMinutePath(path);
    const std::string base =
        in_view ? paths::ViewRoot(in_view->view) : std::string(paths::Parent(paths::Tmp()));
    return EnsureDirsBelow(storage, base, parent);
  }
  DATABUS_RETURN_IF_ERROR(EnsureParent(own, parent));
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> dirs, own.StageDirs(1));
  const std::string staged_dir = own.PathOf(dirs.front());
  const Status placed = storage.Rename(staged_dir, parent);
  if (placed.code() != Code::kExists) return placed;
  DATABUS_RETURN_IF_ERROR(storage.Remove(staged_dir));
  return CheckIsDirectory(storage, parent);
}

class Applier {
 public:
  Applier(ApplyContext context, std::string dir, Record record, Sources sources)
      : context_(context),
        storage_(context.own.storage()),
        dir_(std::move(dir)),
        record_(std::move(record)),
        sources_(sources),
        done_(record_.moves.size(), Done::kNo),
        unknown_(record_.moves.size(), false) {}

  Result<Applied> Run() {
    DATABUS_RETURN_IF_ERROR(ApplyTakes());
    if (sources_ == Sources::kFound) {
      DATABUS_RETURN_IF_ERROR(SkipGone());
      DATABUS_RETURN_IF_ERROR(VerifyFound());
      if (!Planted(Bug::kDemotedRecordFinished)) DATABUS_RETURN_IF_ERROR(Undo());
    }
    if (Planted(Bug::kCleanUpsBeforeMoves)) DATABUS_RETURN_IF_ERROR(CleanUpSources());
    if (Planted(Bug::kQueueBeforeFiles)) DATABUS_RETURN_IF_ERROR(ApplyKind(MoveKind::kQueueEntry));
    if (Planted(Bug::kManifestBeforeMoves)) DATABUS_RETURN_IF_ERROR(ApplyKind(MoveKind::kManifest));
    for (const MoveKind kind : {MoveKind::kMinuteDir, MoveKind::kFile, MoveKind::kManifest,
                                MoveKind::kQueueEntry, MoveKind::kTrash}) {
      if (Planted(Bug::kQueueEntriesForgotten) && kind == MoveKind::kQueueEntry) continue;
      DATABUS_RETURN_IF_ERROR(ApplyKind(kind));
      DATABUS_RETURN_IF_ERROR(SyncUnknown());
    }
    DATABUS_RETURN_IF_ERROR(CleanUpSources());
    DATABUS_RETURN_IF_ERROR(RemoveRecord());
    return Applied{std::move(record_), std::move(pending_), std::move(refused_)};
  }

 private:
  enum class Done : uint8_t { kNo, kYes };
  // What becomes of what is staged when its move cannot be made as recorded.
  enum class Instead : uint8_t {
    kElsewhere,  // it goes to `to`
    kDropped,
    kStays,  // under its staged name, for a later commit
  };
  struct Change {
    size_t index;
    Instead instead = Instead::kDropped;
    std::string to{};      // kElsewhere
    std::string reason{};  // kElsewhere
  };

  std::string Source(size_t i) const { return paths::Join(dir_, record_.moves[i].staged); }

  // P9 here, too: what is gone from its place has been taken. One of unknown outcome may still be
  // made, after something else has come to its place, for as long as this staging directory stands:
  // it ends the epoch, and is made from the next one.
  Status ApplyTakes() {
    if (record_.takes.empty()) return Status::Ok();
    Status last;
    for (int round = 0; round < (Planted(Bug::kUnknownTakeRepeated) ? kRoundsMax : 1); ++round) {
      std::vector<Move> due;
      for (const Take& take : record_.takes) {
        DATABUS_ASSIGN_OR_RETURN(const bool meant, IsMeant(take));
        if (meant) due.push_back({take.from, paths::Join(dir_, take.staged)});
      }
      last = Status::Ok();
      for (const Status& answer : storage_.Renames(due)) {
        if (answer.ok() || answer.code() == Code::kNotFound) continue;
        if (!answer.unknown()) return answer.WithContext("setting aside");
        last = answer;
      }
      if (last.ok()) return context_.own.CheckOurs();
      durable_ = Durable::kUnknown;
    }
    return last.WithContext("setting aside");
  }

  // A power cut can bring back a record that was finished: what came to the place since stays.
  Result<bool> IsMeant(const Take& take) const {
    if (sources_ == Sources::kJustStaged) return true;
    const auto sum = SumFile(storage_, take.from);
    if (sum.code() == Code::kNotFound) return false;
    DATABUS_RETURN_IF_ERROR(sum.status());
    for (const RecordedMove& move : record_.moves) {
      if (move.staged == take.staged) return *sum == FileSum{move.length, move.crc32c};
    }
    return true;
  }

  // P33: a record that published by a right which this cluster has no more. What is staged is kept,
  // nobody is told and no source goes: it is published by the stream's primary, from the queues, or
  // as salvage.
  Status Undo() {
    if (!record_.primary.empty() || !context_.undone_to) return Status::Ok();
    std::vector<Change> changes;
    std::map<std::string, std::string> demoted;
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      const RecordedMove& move = record_.moves[i];
      const auto place = paths::ParseMinutePath(move.to);
      if (!place) continue;
      const std::string to = context_.undone_to(*place);
      if (to.empty()) continue;
      demoted[move.to] = "";
      if (done_[i] == Done::kYes) continue;
      const bool is_file = move.kind == MoveKind::kFile;
      changes.push_back({i, is_file ? Instead::kElsewhere : Instead::kDropped, to,
                         "its stream is published by another cluster now, or waits"});
    }
    if (demoted.empty()) return Status::Ok();
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      DATABUS_ASSIGN_OR_RETURN(const bool left, DescribeWithout(demoted, i));
      if (!left) changes.push_back({i, Instead::kDropped});
    }
    context_.rows.Hit(RecoveryRow::kRecordOfDemoted);
    record_.clean_ups.clear();
    DATABUS_RETURN_IF_ERROR(RedirectQueueLines(demoted, changes));
    return AmendWith(changes);
  }

  // Takes the streams of `demoted` out of the amendment, if the move is one's: the files of the
  // others come into their minutes and have to be described. False: none is left.
  Result<bool> DescribeWithout(const std::map<std::string, std::string>& demoted, size_t i) {
    const auto name = paths::ManifestName::Parse(paths::BaseName(record_.moves[i].to));
    const bool describes = record_.moves[i].kind == MoveKind::kManifest && name && name->amendment;
    if (!describes || done_[i] == Done::kYes) return true;
    DATABUS_ASSIGN_OR_RETURN(const std::string text, storage_.ReadFile(Source(i)));
    auto manifest = Manifest::Decode(text, Source(i));
    if (!manifest.ok()) return false;
    for (const auto& [path, to] : demoted) Forget(*manifest, paths::ParseMinutePath(path)->stream);
    return ReplaceManifest(i, *manifest, text);
  }

  // The same of the closing manifests and amendments, with all that was left out since.
  Status DescribeWithoutLeftOut(std::vector<Change>& changes) {
    if (left_out_.empty()) return Status::Ok();
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      if (record_.moves[i].kind != MoveKind::kManifest || done_[i] == Done::kYes) continue;
      DATABUS_ASSIGN_OR_RETURN(const std::string text, storage_.ReadFile(Source(i)));
      DATABUS_ASSIGN_OR_RETURN(Manifest manifest, Manifest::Decode(text, Source(i)));
      for (const auto& [stream, first] : left_out_) {
        if (first <= manifest.minute) Forget(manifest, stream);
      }
      DATABUS_ASSIGN_OR_RETURN(const bool left, ReplaceManifest(i, manifest, text));
      const auto name = paths::ManifestName::Parse(paths::BaseName(record_.moves[i].to));
      // One that closes a minute does so also of no stream.
      if (!left && name && name->amendment) changes.push_back({i, Instead::kDropped});
    }
    left_out_.clear();
    return Status::Ok();
  }

  static void Forget(Manifest& manifest, const std::string& stream) {
    manifest.streams.erase(stream);
    manifest.gone.erase(stream);
  }

  Result<bool> ReplaceManifest(size_t i, const Manifest& manifest, const std::string& before) {
    const std::string text = manifest.Encode();
    if (text != before) DATABUS_RETURN_IF_ERROR(ReplaceText(i, text));
    return !manifest.streams.empty() || !manifest.gone.empty();
  }

  // Another text for a staged one; the record, amended, names it.
  Status ReplaceText(size_t i, const std::string& text) {
    DATABUS_ASSIGN_OR_RETURN(const std::string name, context_.own.StageText(text));
    if (dir_ != context_.own.dir()) DATABUS_RETURN_IF_ERROR(Place(name, name));
    replaced_.push_back(Source(i));
    record_.moves[i].staged = name;
    record_.moves[i].length = text.size();
    record_.moves[i].crc32c = Crc32c(text);
    return Status::Ok();
  }

  // A move whose answer was lost is done; whether it survives a power cut is another matter. Until
  // that is certain nothing may follow that would outlast it: no manifest of its minute (P8), nor
  // the end of its source (G7).
  Status SyncUnknown() {
    if (durable_ == Durable::kYes || Planted(Bug::kNoSyncOfUnknownMoves)) return Status::Ok();
    DATABUS_RETURN_IF_ERROR(storage_.SyncAll());
    durable_ = Durable::kYes;
    return Status::Ok();
  }

  // P9: a step is done when its source is gone.
  Status SkipGone() {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage_.List(dir_));
    std::set<std::string> there;
    for (const DirEntry& entry : entries) there.insert(entry.name);
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      if (there.contains(record_.moves[i].staged)) continue;
      context_.rows.Hit(RecoveryRow::kMoveDone);
      done_[i] = Done::kYes;
    }
    return context_.own.CheckOurs();
  }

  // P10: only what the record vouches for is published from a directory taken over.
  Status VerifyFound() {
    if (Planted(Bug::kRecordUnverified)) return Status::Ok();
    std::vector<Change> changes;
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      const RecordedMove& move = record_.moves[i];
      if (done_[i] == Done::kYes || move.kind == MoveKind::kMinuteDir) continue;
      if (move.kind == MoveKind::kTrash) continue;  // may have grown: an old collector's open file
      DATABUS_ASSIGN_OR_RETURN(const FileSum sum, SumFile(storage_, Source(i)));
      if (sum == FileSum{move.length, move.crc32c}) continue;
      context_.rows.Hit(RecoveryRow::kRecordedFileDamaged);
      changes.push_back(
          {i, Instead::kElsewhere, QuarantinePath(context_.own, move.staged, move.to),
           fmt::format("{} has length {} and checksum {:08x}, its commit record says "
                       "{} and {:08x}",
                       move.staged, sum.length, sum.crc32c, move.length, move.crc32c)});
    }
    return Amend(changes);
  }

  // In rounds until nothing is left, or so many of them have settled nothing.
  Status ApplyKind(MoveKind kind) {
    Status last;
    size_t left = Left(kind);
    for (int idle = 0; left > 0 && idle < kRoundsMax;) {
      const std::vector<size_t> due = Due(kind);
      std::vector<Move> moves;
      moves.reserve(due.size());
      for (const size_t i : due) moves.push_back({Source(i), record_.moves[i].to});
      DATABUS_RETURN_IF_ERROR(CheckMayMove(moves));
      const std::vector<Status> answers = storage_.Renames(moves);
      std::vector<Change> changes;
      for (size_t k = 0; k < due.size(); ++k) {
        DATABUS_RETURN_IF_ERROR(Settle(due[k], answers[k], changes));
        if (!answers[k].ok()) last = answers[k];
      }
      DATABUS_RETURN_IF_ERROR(Amend(changes));
      const size_t now = Left(kind);
      idle = now < left ? 0 : idle + 1;
      left = now;
    }
    if (left == 0) return Status::Ok();
    return {Code::kUnavailable,
            fmt::format("{}: moves did not settle: {}", storage_.Describe(), last.ToString())};
  }

  // What may be moved now. A batch is done in any order, and in part: of the minutes that a stream
  // begins only the earliest, as no minute may be seen before one that is earlier (G5).
  std::vector<size_t> Due(MoveKind kind) const {
    std::vector<size_t> due;
    std::map<std::string, size_t> earliest;  // by stream: where in `due`
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      if (record_.moves[i].kind != kind || done_[i] == Done::kYes) continue;
      const auto place =
          kind == MoveKind::kMinuteDir ? paths::ParseMinutePath(record_.moves[i].to) : std::nullopt;
      const auto [known, first] =
          place ? earliest.try_emplace(place->stream, due.size()) : std::pair(earliest.end(), true);
      if (first) {
        due.push_back(i);
      } else if (record_.moves[i].to < record_.moves[due[known->second]].to) {
        due[known->second] = i;
      }
    }
    return due;
  }

  Status CheckMayMove(const std::vector<Move>& moves) const {
    if (!record_.primary.empty()) return Status::Ok();
    std::set<std::string> asked;
    for (const Move& move : moves) {
      const auto place = paths::ParseMinutePath(move.to);
      if (!place || !asked.insert(place->stream).second) continue;
      DATABUS_RETURN_IF_ERROR(context_.may_move(*place));
    }
    return Status::Ok();
  }

  size_t Left(MoveKind kind) const {
    size_t left = 0;
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      if (record_.moves[i].kind == kind && done_[i] == Done::kNo) ++left;
    }
    return left;
  }

  // Decides one move by its answer: done, to be tried again (neither), or a change.
  Status Settle(size_t i, const Status& answer, std::vector<Change>& changes) {
    const RecordedMove& move = record_.moves[i];
    switch (answer.code()) {
      case Code::kOk:
        context_.rows.Hit(RecoveryRow::kMoveDue);
        done_[i] = Done::kYes;
        return Status::Ok();
      case Code::kNoSpace: return answer;
      case Code::kNotFound:
      case Code::kExists:
      case Code::kUnavailable: break;
      default: return Refuse(i, answer.message(), changes);
    }
    if (Planted(Bug::kUnknownIsRefused) && answer.unknown()) {
      return Refuse(i, answer.ToString(), changes);
    }
    if (Planted(Bug::kRedoneUnderNewName) && answer.unknown() && move.kind == MoveKind::kFile) {
      changes.push_back({i, Instead::kElsewhere, PathBeside(move), answer.ToString()});
      return Status::Ok();
    }
    if ((Planted(Bug::kUnknownIsDone) && answer.unknown()) ||
        (Planted(Bug::kExistsIsDone) && answer.code() == Code::kExists)) {
      done_[i] = Done::kYes;
      return Status::Ok();
    }
    if (answer.unknown()) {
      context_.rows.Hit(RecoveryRow::kMoveUnknown);
      unknown_[i] = true;
    }
    const auto source = storage_.Stat(Source(i));
    if (source.code() == Code::kNotFound || (Planted(Bug::kUnknownIsAbsent) && source.unknown())) {
      DATABUS_RETURN_IF_ERROR(context_.own.CheckOurs());
      context_.rows.Hit(RecoveryRow::kMoveDone);
      done_[i] = Done::kYes;
      durable_ = Durable::kUnknown;
      return Status::Ok();
    }
    if (!source.ok()) return source.status();
    if (answer.code() == Code::kNotFound) return RaiseParent(i, changes);
    if (answer.code() == Code::kExists) return SettleExisting(i, move, changes);
    return Status::Ok();
  }

  Status RaiseParent(size_t i, std::vector<Change>& changes) {
    const std::string& to = record_.moves[i].to;
    const bool in_place =
        Planted(Bug::kMinuteInPlace) && record_.moves[i].kind == MoveKind::kMinuteDir;
    const Status made = in_place
                            ? EnsureDirsBelow(storage_, paths::ViewRoot(context_.own.view()), to)
                            : EnsureParent(context_.own, to);
    // A parent that went away meanwhile is made again in the next round.
    if (made.ok() || made.code() == Code::kNotFound) return Status::Ok();
    if (made.unknown() || made.code() == Code::kNoSpace || made.code() == Code::kStale) return made;
    return Refuse(i, made.ToString(), changes);
  }

  Status SettleExisting(size_t i, const RecordedMove& move, std::vector<Change>& changes) {
    const auto there = storage_.Stat(move.to);
    if (!there.ok()) return there.code() == Code::kNotFound ? Status::Ok() : there.status();
    if (move.kind == MoveKind::kMinuteDir) {
      if (there->kind != NodeKind::kDirectory) {
        return Refuse(i, "something that is no directory has its name", changes);
      }
      context_.rows.Hit(RecoveryRow::kMinuteDirThere);
      return DropSource(i);
    }
    Result<FileSum> sum(Code::kNotFound, "not a file");
    if (there->kind == NodeKind::kFile) sum = SumFile(storage_, move.to);
    // Where it may not be read nobody can say that it is another one.
    if (!sum.ok() && there->kind == NodeKind::kFile) {
      return sum.code() == Code::kNotFound ? Status::Ok() : sum.status();
    }
    // With the number of a copy no sum is recorded: an empty file in the way is not the same.
    const bool is_same = move.copy_number == 0 && sum.ok();
    if (is_same && *sum == FileSum{move.length, move.crc32c}) {
      context_.rows.Hit(RecoveryRow::kMoveSourceAndSameThere);
      return DropSource(i);
    }
    if (move.kind == MoveKind::kManifest || move.kind == MoveKind::kQueueEntry) {
      return SetForeignAside(move);
    }
    context_.rows.Hit(RecoveryRow::kMoveSourceAndOtherThere);
    const std::string beside = PathBeside(move);
    if (paths::BaseName(move.to).starts_with("other-") || paths::BaseName(beside).size() > 255) {
      return IntoQuarantine(i, "its name is taken by another file", changes);
    }
    changes.push_back(
        {i, Instead::kElsewhere, beside, fmt::format("{} is taken by another file", move.to)});
    return Status::Ok();
  }

  // Something that is not ours has the name of a manifest or a queue entry. It leaves through the
  // own staging directory, so that a stale holder cannot take away what its successor has put
  // there.
  Status SetForeignAside(const RecordedMove& move) {
    if (move.kind == MoveKind::kManifest) {
      const auto text = storage_.ReadFile(move.to);
      if (text.unknown()) return text.status();
      if (text.ok() && Manifest::Decode(*text, move.to).ok()) {
        return {Code::kRefused,
                fmt::format("{}: {} closes the minute with other content; move it away",
                            storage_.Describe(), move.to)};
      }
    }
    context_.rows.Hit(RecoveryRow::kForeignInTheWay);
    const std::string name = fmt::format("foreign-{}", context_.own.NextNumber());
    const std::string to = QuarantinePath(context_.own, name, "");
    DATABUS_RETURN_IF_ERROR(PrepareQuarantine(context_.own, to, "was in the way at " + move.to));
    DATABUS_RETURN_IF_ERROR(storage_.Rename(move.to, context_.own.PathOf(name)));
    context_.incidents.push_back(
        {fmt::format("{}: {} was taken by something that is not ours; it "
                     "is now {}",
                     storage_.Describe(), move.to, to)});
    return storage_.Rename(context_.own.PathOf(name), to);
  }

  Status DropSource(size_t i) {
    DATABUS_RETURN_IF_ERROR(RemoveStaged(Source(i)));
    done_[i] = Done::kYes;
    return Status::Ok();
  }

  Status RemoveStaged(const std::string& path) {
    const Status removed = storage_.Remove(path);
    return removed.code() == Code::kNotFound ? context_.own.CheckOurs() : removed;
  }

  // P11: a definite refusal is settled, not retried for ever.
  Status Refuse(size_t i, const std::string& reason, std::vector<Change>& changes) {
    const RecordedMove& move = record_.moves[i];
    context_.rows.Hit(RecoveryRow::kMoveRefused);
    const auto place = paths::ParseMinutePath(move.to);
    if (move.kind == MoveKind::kMinuteDir) return LeaveOutFrom(*place, reason, changes);
    if (move.kind == MoveKind::kFile && place) return LeaveOut(i, reason, changes);
    // What is divergent is looked for there, and nowhere else (P34).
    if (move.to.starts_with(paths::DivergentRoot())) return RefusedFor(move, reason);
    return IntoQuarantine(i, reason, changes);
  }

  // A minute that cannot be made, and all that is later of its stream: no minute may be seen before
  // one that is earlier (G5), nor be described before it stands.
  Status LeaveOutFrom(const paths::MinutePath& first, const std::string& reason,
                      std::vector<Change>& changes) {
    if (record_.primary.empty()) {
      left_out_.emplace(first.stream, first.minute);
    } else {
      LeaveOutManifests(changes);
    }
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      const RecordedMove& move = record_.moves[i];
      const auto place = paths::ParseMinutePath(move.to);
      const bool made = done_[i] == Done::kYes || !place || place->stream != first.stream ||
                        place->minute < first.minute;
      if (made) continue;
      DATABUS_RETURN_IF_ERROR(LeaveOut(i, reason, changes));
    }
    return Status::Ok();
  }

  // A mirror's manifest is its primary's, and stands whole or not at all (P16).
  void LeaveOutManifests(std::vector<Change>& changes) const {
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      const bool is_due = record_.moves[i].kind == MoveKind::kManifest && done_[i] == Done::kNo;
      const bool known =
          std::ranges::any_of(changes, [&](const Change& one) { return one.index == i; });
      if (is_due && !known) changes.push_back({i, Instead::kDropped});
    }
  }

  // A claim waits in staging. A copy goes, and what it is a copy of stays.
  Status LeaveOut(size_t i, const std::string& reason, std::vector<Change>& changes) {
    const RecordedMove& move = record_.moves[i];
    // It may be made late, and must not be forgotten then: the next epoch's fence comes first.
    if (unknown_[i]) {
      return {Code::kUnavailable,
              fmt::format("{}: {}: an answer was lost before it was refused: {}",
                          storage_.Describe(), move.to, reason)};
    }
    if (move.kind == MoveKind::kMinuteDir) return TakeOut(i, Instead::kDropped, i, reason, changes);
    // What describes a minute must not stand without its files.
    if (Left(MoveKind::kManifest) > 0) return RefusedFor(move, reason);
    if (staged::Parse(move.staged).kind == staged::Kind::kClaim) {
      return TakeOut(i, Instead::kStays, i, reason, changes);
    }
    if (context_.own.view() == View::kMerged) {
      if (!Planted(Bug::kRefusedCleanedUp)) KeepSources(record_.clean_ups);
      return TakeOut(i, Instead::kDropped, i, reason, changes);
    }
    const std::optional<size_t> original = OriginalOf(record_, move);
    if (!original) return IntoQuarantine(i, reason, changes);
    changes.push_back({*original, Instead::kStays});
    return TakeOut(i, Instead::kDropped, *original, reason, changes);
  }

  // `stays`: the move of what is left staged, if anything is.
  Status TakeOut(size_t i, Instead instead, size_t stays, const std::string& reason,
                 std::vector<Change>& changes) {
    refused_.push_back({record_.moves[stays].staged, record_.moves[i].to, reason});
    changes.push_back({i, instead});
    return Status::Ok();
  }

  Status IntoQuarantine(size_t i, const std::string& reason, std::vector<Change>& changes) {
    const RecordedMove& move = record_.moves[i];
    const std::string to = QuarantinePath(context_.own, move.staged, move.to);
    const bool last_resort = move.to.starts_with(paths::Parent(paths::Parent(to)));
    const bool may_go_elsewhere = move.kind == MoveKind::kFile || move.kind == MoveKind::kTrash;
    if (!may_go_elsewhere || last_resort) return RefusedFor(move, reason);
    changes.push_back({i, Instead::kElsewhere, to, reason});
    return Status::Ok();
  }

  Status RefusedFor(const RecordedMove& move, const std::string& reason) const {
    return {Code::kRefused, fmt::format("{}: {}: {}", storage_.Describe(), move.to, reason)};
  }

  // Writes the record anew with the changes made, as its next amendment.
  Status Amend(const std::vector<Change>& changes) {
    return changes.empty() ? Status::Ok() : AmendWith(changes);
  }

  Status AmendWith(std::vector<Change> changes) {
    DATABUS_RETURN_IF_ERROR(DescribeWithoutLeftOut(changes));
    std::map<std::string, std::string> redirected;
    for (const Change& change : changes) {
      RecordedMove& move = record_.moves[change.index];
      if (change.instead != Instead::kElsewhere) {
        redirected[move.to] = "";
        continue;
      }
      const bool into_quarantine = !paths::ParseMinutePath(change.to);
      if (into_quarantine) {
        DATABUS_RETURN_IF_ERROR(PrepareQuarantine(context_.own, change.to, change.reason));
      }
      redirected[move.to] = into_quarantine ? "" : change.to;
      context_.incidents.push_back({fmt::format("{}: {}: {}; it is now {}", storage_.Describe(),
                                                move.to, change.reason, change.to)});
      move.to = change.to;
    }
    DATABUS_RETURN_IF_ERROR(RedirectQueueLines(redirected, changes));
    std::vector<std::string> dropped = Forget(changes);
    std::ranges::move(replaced_, std::back_inserter(dropped));
    replaced_.clear();
    ++record_.amendment;
    DATABUS_ASSIGN_OR_RETURN(const std::string staged_name,
                             context_.own.StageText(record_.Encode()));
    DATABUS_RETURN_IF_ERROR(
        Place(staged_name, staged::RecordName(record_.number, record_.amendment)));
    // Not before: to the record as it was, what is gone has been moved.
    for (const Status& removed : storage_.Removes(dropped)) {
      if (removed.code() == Code::kNotFound) {
        DATABUS_RETURN_IF_ERROR(context_.own.CheckOurs());
      } else if (!removed.ok()) {
        return removed;
      }
    }
    return Status::Ok();
  }

  // Out of the record, what is not moved. Answers the paths of what goes.
  std::vector<std::string> Forget(const std::vector<Change>& changes) {
    std::vector<std::string> dropped;
    std::set<size_t, std::greater<>> out;  // from the end
    for (const Change& change : changes) {
      if (change.instead == Instead::kElsewhere) continue;
      if (change.instead == Instead::kDropped) dropped.push_back(Source(change.index));
      out.insert(change.index);
    }
    for (const size_t i : out) {
      record_.moves.erase(record_.moves.begin() + static_cast<ptrdiff_t>(i));
      done_.erase(done_.begin() + static_cast<ptrdiff_t>(i));
      unknown_.erase(unknown_.begin() + static_cast<ptrdiff_t>(i));
    }
    return dropped;
  }

  // From the own staging directory to a name in the record's directory.
  Status Place(const std::string& staged_name, const std::string& name) {
    const std::string from = context_.own.PathOf(staged_name);
    const Status placed = storage_.Rename(from, paths::Join(dir_, name));
    if (!placed.unknown()) return placed;
    const auto still = storage_.Stat(from);
    if (still.code() != Code::kNotFound) return placed;
    return context_.own.CheckOurs();
  }

  // P24: an entry never names a file that is not there.
  Status RedirectQueueLines(const std::map<std::string, std::string>& redirected,
                            std::vector<Change>& changes) {
    for (size_t i = 0; i < record_.moves.size(); ++i) {
      const RecordedMove& entry = record_.moves[i];
      if (entry.kind != MoveKind::kQueueEntry || done_[i] == Done::kYes) continue;
      DATABUS_ASSIGN_OR_RETURN(const std::string text, storage_.ReadFile(Source(i)));
      std::string changed;
      for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        std::string line = text.substr(at, end - at);
        for (const auto& [from, to] : redirected) {
          if (!line.ends_with(from)) continue;
          line = to.empty() ? "" : line.substr(0, line.size() - from.size()) + to;
          break;
        }
        if (!line.empty()) changed += line + "\n";
        at = end + 1;
      }
      if (changed == text) continue;
      if (changed.empty()) {
        changes.push_back({i, Instead::kDropped});
      } else {
        DATABUS_RETURN_IF_ERROR(ReplaceText(i, changed));
      }
    }
    return Status::Ok();
  }

  Status CleanUpSources() {
    DATABUS_ASSIGN_OR_RETURN(std::vector<CleanUp> left, DoCleanUps(context_, record_.clean_ups));
    if (left.empty() || Planted(Bug::kPendingForgotten)) return Status::Ok();
    Record pending;
    pending.clean_ups = std::move(left);
    DATABUS_ASSIGN_OR_RETURN(const std::string name, context_.own.StageText(pending.Encode()));
    pending_ = staged::PendingName(context_.own.NextNumber());
    const Status placed = storage_.Rename(context_.own.PathOf(name), context_.own.PathOf(pending_));
    return placed.WithContext("pending clean-ups");
  }

  // The newest last: what it amends, left alone, would be applied once more as it was.
  Status RemoveRecord() {
    std::vector<std::string> amended;
    amended.reserve(record_.amendment);
    for (uint64_t a = 0; a < record_.amendment; ++a) {
      amended.push_back(paths::Join(dir_, staged::RecordName(record_.number, a)));
    }
    if (Planted(Bug::kAmendmentRemovedFirst)) {
      static_cast<void>(storage_.Remove(
          paths::Join(dir_, staged::RecordName(record_.number, record_.amendment))));
    }
    for (const Status& removed : storage_.Removes(amended)) {
      if (!removed.ok() && removed.code() != Code::kNotFound) {
        return removed.WithContext("removing an amended commit record");
      }
    }
    const Status removed =
        storage_.Remove(paths::Join(dir_, staged::RecordName(record_.number, record_.amendment)));
    if (removed.code() == Code::kNotFound) return Status::Ok();
    return removed.WithContext("removing the commit record");
  }

  ApplyContext context_;
  Storage& storage_;
  const std::string dir_;
  Record record_;
  const Sources sources_;
  std::vector<Done> done_;
  std::vector<bool> unknown_;  // moves of which an answer was lost
  enum class Durable : uint8_t { kYes, kUnknown } durable_ = Durable::kYes;
  std::vector<Refusal> refused_;
  std::map<std::string, Minute> left_out_;  // streams, from which minute on
  std::vector<std::string> replaced_;       // texts that are no longer named
  std::string pending_;
};

}  // namespace

std::optional<paths::MinutePath> Refusal::AsMinute() const {
  auto place = paths::ParseMinutePath(to);
  if (place && !place->file.empty()) place.reset();
  return place;
}

Status Applied::AllTaken() const {
  return refused.empty() ? Status::Ok() : Status(Code::kRefused, refused.front().ToString());
}

Minute NewestMade(const Applied& applied, const std::string& stream, Minute last) {
  for (const Refusal& one : applied.refused) {
    const auto place = one.AsMinute();
    if (place && place->stream == stream) last = std::min(last, place->minute + -1);
  }
  return last;
}

Result<Applied> ApplyRecord(ApplyContext context, const std::string& dir, Record record,
                            Sources sources) {
  return Applier(context, dir, std::move(record), sources).Run();
}

std::string QuarantinePath(const StagingArea& own, std::string_view staged_name,
                           std::string_view to) {
  const auto minute = paths::ParseMinutePath(to);
  const std::string stream = minute ? minute->stream : "unknown";
  const std::string base(minute ? paths::BaseName(to) : staged_name);
  std::string name =
      fmt::format("{}-{}-{}", own.epoch(), staged_name.substr(0, staged_name.find('~')), base);
  constexpr size_t kNameMax = 240;  // leaves room for ".reason"
  if (name.size() > kNameMax) name = name.substr(name.size() - kNameMax);
  return paths::Join(paths::Quarantine(own.view(), stream), name);
}

Status PrepareQuarantine(StagingArea& own, const std::string& quarantine_path,
                         std::string_view reason) {
  Storage& storage = own.storage();
  DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(storage, std::string(paths::Parent(paths::Tmp())),
                                          std::string(paths::Parent(quarantine_path))));
  DATABUS_ASSIGN_OR_RETURN(const std::string name, own.StageText(std::string(reason) + "\n"));
  const Status placed =
      storage.Rename(own.PathOf(name), quarantine_path + std::string(kReasonSuffix));
  if (placed.code() != Code::kExists) return placed;
  return storage.Remove(own.PathOf(name));
}

}  // namespace databus
