// What a group's writer knows of streams that wait (P11): of those whose minutes the view refuses
// to have made one minute is tried at a time, however long that lasts; of those that cannot be read
// nothing is known.
#include <algorithm>

#include <fmt/format.h>

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

std::map<std::string, std::string> GroupWriter::Unread() const {
  std::map<std::string, std::string> unread;
  for (const auto& [primary, ledger] : ledgers_) {
    for (const auto& [stream, why] : ledger.unread) {
      unread[stream] = fmt::format("{}: {}: {}", options_.storage.Describe(),
                                   paths::Stream(options_.view, stream), why);
    }
  }
  return unread;
}

bool GroupWriter::IsUnread(const std::string& stream) const {
  return std::ranges::any_of(
      ledgers_, [&](const auto& ledger) { return ledger.second.unread.contains(stream); });
}

// What such a record has published and told nobody of may lie in what cannot be read.
Status GroupWriter::CheckAllRead() const {
  const auto unread = Unread();
  if (unread.empty()) return Status::Ok();
  return {Code::kRefused,
          "a commit record is damaged, and what it published has to be looked for: " +
              unread.begin()->second};
}

void GroupWriter::LeaveOut(const std::string& stream, std::string why,
                           std::function<Status()> again) {
  Ledger& ledger = LedgerOf("");
  ledger.streams.erase(stream);
  ledger.unread.emplace(stream, std::move(why));
  left_out_.insert_or_assign(stream, std::move(again));
}

// The stream by itself, and what the others' open minute asks of it beside that.
bool GroupWriter::CanReadMore() const {
  const auto is_read = [](const Status& read) {
    return read.ok() || read.code() == Code::kNotFound;
  };
  for (const auto& [primary, ledger] : ledgers_) {
    for (const auto& [stream, why] : ledger.unread) {
      const auto left_out = left_out_.find(stream);
      if (left_out != left_out_.end() && !is_read(left_out->second())) continue;
      const auto now = LoadLedger(options_.storage, options_.view, options_.group, primary,
                                  {stream}, options_.latest, CutsOf({stream}));
      if (!now.ok() || !now->unread.empty()) continue;
      if (!ledger.open || now->open == ledger.open) return true;
      const auto in_open =
          ReadMinuteFiles(options_.storage, paths::MinuteDir(options_.view, stream, *ledger.open));
      if (is_read(in_open.status())) return true;
    }
  }
  return false;
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
