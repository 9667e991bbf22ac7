// What a group's writer knows of streams whose minutes the view refuses to have made (P11): they
// are tried one minute at a time, however long that lasts.
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

Status GroupWriter::PutOffRefused(const Ledger& ledger, Minute minute, CommitRequest& request,
                                  std::vector<Refusal>& refused) {
  // One that lacks no minute before this one is tried with its files.
  const auto is_put_off = [&](const NewFile& file) {
    const auto known = ledger.streams.find(file.stream);
    return refused_minutes_.contains(file.stream) && known != ledger.streams.end() &&
           known->second.newest && known->second.newest->Next() < minute;
  };
  std::vector<std::string> copies;
  for (const NewFile& file : request.files) {
    if (!is_put_off(file)) continue;
    const auto is_of_it = [&](const std::string& path) { return path == file.original; };
    std::erase_if(request.trashed, [&](const TrashedFile& one) { return is_of_it(one.staged); });
    std::erase_if(request.clean_ups, [&](const CleanUp& one) { return is_of_it(one.remove); });
    const bool is_claim = staged::Parse(file.staged).kind == staged::Kind::kClaim;
    if (!is_claim) copies.push_back(staging_.PathOf(file.staged));
    refused.push_back({file.original.empty() ? file.staged : file.original,
                       paths::Join(paths::Stream(options_.view, file.stream), file.name),
                       refused_minutes_.at(file.stream)});
  }
  if (refused.empty()) return Status::Ok();
  std::erase_if(request.files, is_put_off);
  if (options_.view == View::kMerged && !Planted(Bug::kRefusedCleanedUp)) {
    KeepSources(request.clean_ups);
  }
  for (const Status& removed : options_.storage.Removes(copies)) {
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  return Status::Ok();
}

}  // namespace databus
