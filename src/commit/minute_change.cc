// What GroupWriter does about minutes when a stream changes its primary (P13, P30-P33).
#include <algorithm>

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
  if (!ledger.open) return Status::Ok();
  for (const auto& [stream, minutes] : ledger.streams) {
    if (!IsFrozen(ledger, stream) || minutes.newest != *ledger.open) continue;
    return CloseBefore(ledger.open->Next());
  }
  return Status::Ok();
}

Status GroupWriter::CompleteHistory() {
  Ledger& ledger = LedgerOf("");
  if (!ledger.closed) return Status::Ok();
  std::map<Minute, std::vector<std::string>> due;
  for (const auto& [stream, minutes] : ledger.streams) {
    if (!minutes.history || IsFrozen(ledger, stream)) continue;
    if (!MayPublish(ledger, stream).ok()) continue;
    for (Minute m = minutes.history->Next(); m <= *ledger.closed; m = m.Next()) {
      due[m].push_back(stream);
    }
  }
  MinuteContent content(options_.storage, options_.view, options_.group);
  while (!due.empty()) {
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
        const std::string dir = paths::MinuteDir(options_.view, stream, it->first);
        auto files = ReadMinuteFiles(options_.storage, dir);
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
      DATABUS_ASSIGN_OR_RETURN(const uint64_t number, content.NextAmendment(it->first));
      AddText(MoveKind::kManifest,
              paths::ManifestAmendment(options_.view, options_.group, it->first, number),
              manifest.Encode(), draft);
    }
    DATABUS_RETURN_IF_ERROR(AddMinuteDirs(dirs, draft.record));
    AddQueueEntries(queue_texts, draft);
    DATABUS_RETURN_IF_ERROR(WriteAndApply(std::move(draft)).status());
    for (const auto& [stream, minute] : reached) {
      StreamMinutes& known = ledger.streams[stream];
      known.history = minute;
      known.newest = std::max(*known.newest, minute);
    }
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

Status GroupWriter::ChangeMinute(MinuteChange change) {
  const bool goes = change.directory == MinuteChange::Directory::kGoes;
  const std::string dir = paths::MinuteDir(options_.view, change.stream, change.minute);
  Draft draft;
  draft.record.primary = change.primary;
  for (const auto& [name, facts] : change.out) {
    const std::string staged = staged::FileName(staging_.NextNumber());
    draft.record.takes.push_back({paths::Join(dir, name), staged});
    draft.record.moves.push_back({MoveKind::kFile, staged,
                                  DivergentPath(change.stream, change.minute, name), facts.length,
                                  facts.crc32c});
  }
  for (const NewFile& file : change.in) {
    draft.record.moves.push_back({MoveKind::kFile, file.staged, paths::Join(dir, file.name),
                                  file.facts.length, file.facts.crc32c});
  }
  if (!goes) {
    DATABUS_RETURN_IF_ERROR(AddMinuteDirs({{change.stream, change.minute}}, draft.record));
  }
  Manifest manifest{options_.view, options_.group, change.minute, change.primary, {}};
  if (goes) {
    manifest.gone.insert(change.stream);
  } else {
    manifest.streams[change.stream] = std::move(change.holds);
  }
  MinuteContent content(options_.storage, options_.view, options_.group);
  DATABUS_ASSIGN_OR_RETURN(const uint64_t number, content.NextAmendment(change.minute));
  AddText(MoveKind::kManifest,
          paths::ManifestAmendment(options_.view, options_.group, change.minute, number),
          manifest.Encode(), draft);
  DATABUS_RETURN_IF_ERROR(WriteAndApply(std::move(draft)).status());
  if (!goes) return Status::Ok();
  // Out through the own staging, as everything that leaves a view.
  const std::string out = staging_.PathOf(staged::MinuteDirName(staging_.NextNumber()));
  const Status moved = options_.storage.Rename(dir, out);
  if (moved.code() == Code::kNotFound) return staging_.CheckOurs();
  DATABUS_RETURN_IF_ERROR(moved.WithContext("removing " + dir));
  const Status removed = options_.storage.Remove(out);
  // Somebody put something in: the next take-over sets it aside.
  return removed.code() == Code::kRefused ? Status::Ok() : removed;
}

Status GroupWriter::SkipCopies(const Manifest& manifest) {
  Draft draft;
  draft.record.primary = manifest.primary;
  AddManifest(manifest, draft);
  return WriteAndApply(std::move(draft)).status();
}

Status GroupWriter::Reload() {
  ledgers_.clear();
  return Load();
}

}  // namespace databus
