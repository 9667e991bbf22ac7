// What GroupWriter does about minutes when a stream changes its primary (P13, P30-P33).
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/planted.h"
#include "commit/group_writer_draft.h"
#include "commit/minute_content.h"

namespace databus {
namespace {

// How many minutes one record describes at most.
constexpr size_t kMinutesPerRecordMax = 200;

}  // namespace

std::optional<Minute> StreamRules::CutOf(const std::string& /*stream*/) const {
  return std::nullopt;
}
Status StreamRules::MayPublish(const std::string& /*stream*/) const { return Status::Ok(); }
Publication StreamRules::PublicationOf(const std::string& /*stream*/) const {
  return Publication::kOpen;
}

bool GroupWriter::IsFrozen(const Ledger& ledger, const std::string& stream) const {
  return options_.view == View::kMerged && ledger.primary.empty() &&
         options_.rules.PublicationOf(stream) == Publication::kFrozen &&
         !Planted(Bug::kFrozenPublished);
}

bool GroupWriter::TakesPart(const Ledger& ledger, const std::string& stream,
                            const StreamMinutes& minutes) const {
  if (!minutes.newest || (minutes.history && *minutes.history >= *ledger.open)) return false;
  if (!MayPublish(ledger, stream).ok()) return false;
  return *minutes.newest >= *ledger.open || !IsFrozen(ledger, stream);
}

Status GroupWriter::MayPublish(const Ledger& ledger, const std::string& stream) const {
  if (options_.view == View::kLocal || !ledger.primary.empty()) return Status::Ok();
  return options_.rules.MayPublish(stream);
}

std::optional<Minute> GroupWriter::FloorOf(const Ledger& ledger, const std::string& stream) const {
  if (options_.view == View::kLocal) return std::nullopt;
  std::optional<Minute> floor = options_.rules.CutOf(stream);
  const auto known = ledger.streams.find(stream);
  if (known == ledger.streams.end() || !known->second.history) return floor;
  return floor ? std::max(*floor, *known->second.history) : *known->second.history;
}

Status GroupWriter::CloseFrozen() {
  Ledger& ledger = LedgerOf("");
  if (!ledger.open || Planted(Bug::kFrozenNotClosed)) return Status::Ok();
  for (const auto& [stream, minutes] : ledger.streams) {
    if (!IsFrozen(ledger, stream) || minutes.newest != *ledger.open) continue;
    return CloseBefore(ledger.open->Next());
  }
  return Status::Ok();
}

// A minute may have been closed without a stream that had to wait then (P28).
bool GroupWriter::NewestIsClosed(const std::string& stream) {
  if (Planted(Bug::kFrozenNotClosed)) return true;
  if (IsUnread(stream)) return false;
  const Ledger& ledger = LedgerOf("");
  const auto known = ledger.streams.find(stream);
  if (known == ledger.streams.end() || !known->second.newest) return true;
  const std::optional<Minute>& described =
      known->second.history ? known->second.history : ledger.closed;
  return described && *known->second.newest <= *described;
}

Status GroupWriter::CompleteHistory() {
  Ledger& ledger = LedgerOf("");
  if (!ledger.closed) return Status::Ok();
  std::map<Minute, std::vector<std::string>> due;
  for (const auto& [stream, minutes] : ledger.streams) {
    if (!minutes.history || !MayPublish(ledger, stream).ok()) continue;
    if (refused_minutes_.contains(stream)) continue;  // tried when a minute closes
    const Minute last =
        IsFrozen(ledger, stream) ? std::min(*ledger.closed, *minutes.newest) : *ledger.closed;
    for (Minute m = minutes.history->Next(); m <= last; m = m.Next()) {
      due[m].push_back(stream);
    }
  }
  MinuteContent content(options_.storage, options_.view, options_.group);
  while (!due.empty()) {
    DATABUS_RETURN_IF_ERROR(GoOn());
    Draft draft;
    MinuteDirs dirs;
    std::map<std::string, std::string> queue_texts;
    std::map<std::string, Minute> reached;
    size_t minutes = 0;
    for (auto it = due.begin();
         it != due.end() && minutes < kMinutesPerRecordMax && dirs.size() < kMinuteDirsPerRecordMax;
         it = due.erase(it), ++minutes) {
      Manifest manifest{options_.view, options_.group, it->first, "", {}};
      for (const std::string& stream : it->second) {
        if (refused_minutes_.contains(stream)) continue;
        const std::string dir = paths::MinuteDir(options_.view, stream, it->first);
        auto files = ReadMinuteFiles(options_.storage, dir);
        if (files.code() == Code::kRefused) {
          refused_minutes_[stream] = files.status().ToString();
          continue;
        }
        if (files.code() == Code::kNotFound) {
          dirs.emplace_back(stream, it->first);
          for (const std::string& queue : options_.rules.QueuesOf(options_.view, stream)) {
            queue_texts[queue] += Line(dir);
          }
          files = MinuteFiles();
        }
        DATABUS_RETURN_IF_ERROR(files.status());
        manifest.streams[stream] = std::move(*files);
        reached[stream] = it->first;
      }
      if (manifest.streams.empty()) continue;
      DATABUS_ASSIGN_OR_RETURN(const uint64_t number, content.NextAmendment(it->first));
      AddText(MoveKind::kManifest,
              paths::ManifestAmendment(options_.view, options_.group, it->first, number),
              manifest.Encode(), draft);
    }
    if (reached.empty()) continue;
    DATABUS_RETURN_IF_ERROR(AddMinuteDirs(dirs, draft.record));
    AddQueueEntries(queue_texts, draft);
    DATABUS_ASSIGN_OR_RETURN(const Applied applied, WriteAndApply(std::move(draft)));
    for (const auto& [stream, minute] : reached) {
      StreamMinutes& known = ledger.streams[stream];
      const Minute made = NewestMade(applied, stream, minute);
      known.history = std::max(*known.history, made);
      known.newest = std::max(*known.newest, made);
    }
    // What comes later of a stream must not be made: the next call goes on without it.
    if (!applied.refused.empty()) return Status::Ok();
  }
  return Status::Ok();
}

// By the last minute before the stream changed hands, so that several such sets lie apart.
std::string GroupWriter::DivergentPath(const std::string& stream, Minute minute,
                                       const std::string& name) const {
  const auto cut = options_.rules.CutOf(stream);
  const std::string dir = paths::DivergentMinute(cut ? cut->ToDashed() : "uncut", stream, minute);
  return paths::Join(dir, name);
}

std::string GroupWriter::UndoneTo(const paths::MinutePath& to) const {
  if (options_.view == View::kLocal || to.view == View::kLocal) return "";
  const auto primary = options_.rules.PrimaryOf(options_.view, to.stream);
  // P28: what was not published while it might be is published anew, from the queues.
  const bool waits =
      primary && primary->empty() && !to.file.empty() && !options_.rules.MayPublish(to.stream).ok();
  if (primary && primary->empty() && !waits) return "";
  const std::string name = to.file.empty() ? "minute" : to.file;
  return DivergentPath(to.stream, to.minute, name);
}

Status GroupWriter::MayMove(const paths::MinutePath& to) const {
  if (to.view == View::kLocal) return Status::Ok();
  return options_.rules.MayPublish(to.stream);
}

bool GroupWriter::AddChange(const std::string& stream, Minute minute,
                            const MinuteChange::OfStream& change, Record& record) {
  const std::string dir = paths::MinuteDir(options_.view, stream, minute);
  for (const auto& [name, facts] : change.out) {
    const std::string staged = staged::FileName(staging_.NextNumber());
    record.takes.push_back({paths::Join(dir, name), staged});
    record.moves.push_back(
        {MoveKind::kFile, staged, DivergentPath(stream, minute, name), facts.length, facts.crc32c});
  }
  for (const NewFile& file : change.in) {
    record.moves.push_back({MoveKind::kFile, file.staged, paths::Join(dir, file.name),
                            file.facts.length, file.facts.crc32c});
  }
  // One that stays with a file that was there before is no new one.
  return change.directory == MinuteChange::OfStream::Directory::kStays &&
         change.holds.size() <= change.in.size();
}

Status GroupWriter::ChangeMinute(MinuteChange change, MinuteContent& here) {
  Draft draft;
  draft.record.primary = change.primary;
  Manifest manifest{options_.view, options_.group, change.minute, change.primary, {}};
  MinuteDirs made;
  MinuteDirs gone;
  for (auto& [stream, of_stream] : change.streams) {
    if (AddChange(stream, change.minute, of_stream, draft.record)) {
      made.emplace_back(stream, change.minute);
    }
    if (of_stream.directory == MinuteChange::OfStream::Directory::kGoes) {
      manifest.gone.insert(stream);
      gone.emplace_back(stream, change.minute);
    } else {
      manifest.streams[stream] = std::move(of_stream.holds);
    }
  }
  DATABUS_RETURN_IF_ERROR(AddMinuteDirs(made, draft.record));
  DATABUS_ASSIGN_OR_RETURN(const uint64_t number, here.NextAmendment(change.minute));
  const std::string path =
      paths::ManifestAmendment(options_.view, options_.group, change.minute, number);
  AddText(MoveKind::kManifest, path, manifest.Encode(), draft);
  DATABUS_ASSIGN_OR_RETURN(const Applied applied, WriteAndApply(std::move(draft)));
  DATABUS_RETURN_IF_ERROR(applied.AllTaken());
  here.Add(path);
  return DropMinuteDirs(gone);
}

// Out through the own staging, as everything that leaves a view.
Status GroupWriter::DropMinuteDirs(const MinuteDirs& dirs) {
  std::vector<Move> moves;
  for (const auto& [stream, minute] : dirs) {
    moves.push_back({paths::MinuteDir(options_.view, stream, minute),
                     staging_.PathOf(staged::MinuteDirName(staging_.NextNumber()))});
  }
  if (moves.empty()) return Status::Ok();
  const std::vector<Status> answers = options_.storage.Renames(moves);
  std::vector<std::string> out;
  for (size_t i = 0; i < moves.size(); ++i) {
    if (answers[i].code() == Code::kNotFound) {
      DATABUS_RETURN_IF_ERROR(staging_.CheckOurs());
      continue;
    }
    DATABUS_RETURN_IF_ERROR(answers[i].WithContext("removing " + moves[i].from));
    out.push_back(moves[i].to);
  }
  if (out.empty()) return Status::Ok();
  for (const Status& removed : options_.storage.Removes(out)) {
    // kRefused: somebody put something in: the next take-over sets it aside.
    if (!removed.ok() && removed.code() != Code::kRefused) return removed;
  }
  return Status::Ok();
}

Status GroupWriter::SkipCopies(const Manifest& manifest) {
  Draft draft;
  draft.record.primary = manifest.primary;
  AddManifest(manifest, draft);
  return WriteAndApply(std::move(draft)).status();
}

// What could not be read stays so for this epoch: whoever keeps something about a writer's streams
// has kept nothing of them.
Status GroupWriter::Reload() {
  const auto before = std::exchange(ledgers_, {});
  DATABUS_RETURN_IF_ERROR(Load());
  for (const auto& [primary, ledger] : before) {
    for (const auto& [stream, why] : ledger.unread) {
      LedgerOf(primary).streams.erase(stream);
      LedgerOf(primary).unread.emplace(stream, why);
    }
  }
  return Status::Ok();
}

}  // namespace databus
