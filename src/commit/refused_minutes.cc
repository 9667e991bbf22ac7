// What a group's writer knows of streams whose minutes the view refuses to have made (P11): one
// minute of each is tried at a time, however long that lasts. And the files of all that wait.
#include <algorithm>

#include "base/planted.h"
#include "cluster/names.h"
#include "commit/clean_ups.h"
#include "commit/group_writer_draft.h"

namespace databus {

void GroupWriter::NoteRefusedMinutes(const Applied& applied) {
  for (const RecordedMove& move : applied.record.moves) {
    const auto place = paths::ParseMinutePath(move.to);
    if (move.kind == MoveKind::kMinuteDir && place) refused_minutes_.erase(place->stream);
  }
  std::map<std::string, const Refusal*> first;
  for (const Refusal& one : applied.refused) {
    const auto place = one.AsMinute();
    if (!place) continue;
    const Refusal*& earliest = first[place->stream];
    if (earliest == nullptr || one.to < earliest->to) earliest = &one;
  }
  for (const auto& [stream, one] : first) {
    refused_minutes_[stream] = options_.storage.Describe() + ": " + one->ToString();
  }
}

Status GroupWriter::ProbeRefused(Ledger& ledger, const std::set<std::string>& streams,
                                 Minute last) {
  MinuteDirs dirs;
  std::map<std::string, std::string> queue_texts;
  for (const std::string& stream : streams) {
    const auto known = ledger.streams.find(stream);
    if (known == ledger.streams.end() || !known->second.newest) continue;
    if (!refused_minutes_.contains(stream)) continue;
    AddMissingMinutes(stream, *known->second.newest, last, dirs, queue_texts);
  }
  return dirs.empty() ? Status::Ok() : MakeMinutes(ledger, dirs, queue_texts).status();
}

Status GroupWriter::PutOff(const Ledger& ledger, Minute minute, CommitRequest& request,
                           std::vector<Refusal>& refused) {
  // Null: it is to be tried. So is one that lacks no minute before this one, with its files.
  const auto why_not = [&](const std::string& stream) -> const std::string* {
    const auto unread = ledger.unread.find(stream);
    if (unread != ledger.unread.end()) return &unread->second;
    const auto known = ledger.streams.find(stream);
    const bool lacks_minutes = ledger.primary.empty() && known != ledger.streams.end() &&
                               known->second.newest && known->second.newest->Next() < minute;
    const auto why = refused_minutes_.find(stream);
    return lacks_minutes && why != refused_minutes_.end() ? &why->second : nullptr;
  };
  std::vector<std::string> copies;
  for (const NewFile& file : request.files) {
    const std::string* const why = why_not(file.stream);
    if (why == nullptr) continue;
    const auto is_of_it = [&](const std::string& path) { return path == file.original; };
    std::erase_if(request.trashed, [&](const TrashedFile& one) { return is_of_it(one.staged); });
    std::erase_if(request.clean_ups, [&](const CleanUp& one) { return is_of_it(one.remove); });
    const bool is_claim = staged::Parse(file.staged).kind == staged::Kind::kClaim;
    if (!is_claim) copies.push_back(staging_.PathOf(file.staged));
    refused.push_back({file.original.empty() ? file.staged : file.original,
                       paths::MinuteFile(options_.view, file.stream, minute, file.name), *why});
  }
  if (refused.empty()) return Status::Ok();
  std::erase_if(request.files,
                [&](const NewFile& file) { return why_not(file.stream) != nullptr; });
  if (options_.view == View::kMerged && !Planted(Bug::kRefusedCleanedUp)) {
    KeepSources(request.clean_ups);
  }
  for (const Status& removed : options_.storage.Removes(copies)) {
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  return Status::Ok();
}

}  // namespace databus
