#include "worker/merged_index.h"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/sealed_header.h"
#include "commit/ledger.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

// The files of a minute that somebody reads.
std::vector<std::string> VisibleFiles(const std::string& stream, Minute minute,
                                      const std::vector<DirEntry>& entries) {
  std::vector<std::string> files;
  for (const DirEntry& entry : entries) {
    if (!IsVisibleFile(entry)) continue;
    files.push_back(paths::MinuteFile(View::kMerged, stream, minute, entry.name));
  }
  return files;
}

Result<bool> IsSealed(const Result<std::unique_ptr<FileReader>>& reader) {
  DATABUS_RETURN_IF_ERROR(reader.status());
  DATABUS_ASSIGN_OR_RETURN(const std::string head, (*reader)->Read(0, kSealedHeaderBytesMax));
  return DecodeSealedHeader(head).ok();
}

struct SealedSearch {
  bool found = false;
  bool answered = false;            // one could be read
  std::vector<std::string> unread;  // paths of those that could not
  Status failure{};                 // of one of them: where any gave no answer, of such a one
};

// Whether one of the files was sealed by us. Their names do not tell: the original's are of the
// same form (cluster/names.h).
SealedSearch FindSealed(Storage& storage, std::span<const std::string> files) {
  SealedSearch search;
  const size_t at_once = std::max<size_t>(storage.SmallFilesAtOnce(), 1);
  while (!files.empty()) {
    const auto batch = files.first(std::min(at_once, files.size()));
    files = files.subspan(batch.size());
    const auto readers = storage.Opens(batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto sealed = IsSealed(readers[i]);
      if (sealed.ok()) search.answered = true;
      search.found = sealed.ok() && *sealed;
      if (search.found) return search;
      if (sealed.ok() || sealed.code() == Code::kNotFound) continue;
      search.unread.push_back(batch[i]);
      if (search.failure.ok() || sealed.unknown()) search.failure = sealed.status();
    }
  }
  return search;
}

Status GroupWaits(const Status& why, const std::string& stream, Minute minute) {
  return why.WithContext(
      fmt::format("nothing of the group is merged before it is known what lies in {} of {}",
                  minute.ToIso(), stream));
}

}  // namespace

Result<IdentityIndex*> MergedIndex::Of(GroupWriter& writer, Group group) {
  Known& known = known_[group];
  if (known.epoch == writer.staging().epoch()) return &known.index;
  if (Planted(Bug::kIndexNotRebuilt)) return &known.index;
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  if (known.eras != eras->streams) known = Known{.eras = eras->streams};
  // Files never leave the index: what it holds is true in every epoch of the same eras, and only
  // what was closed since, by whomever, and what is open now may be missing.
  DATABUS_RETURN_IF_ERROR(Extend(writer, group, known));
  for (const auto& [stream, open] : writer.OwnLedger().streams) {
    if (!Planted(Bug::kIndexWithoutOpen)) known.index.AddAll(stream, open.open_files);
  }
  known.epoch = writer.staging().epoch();
  return &known.index;
}

MergedIndex::Learnt MergedIndex::TakeLearnt() {
  for (auto& [group, known] : known_) known.epoch = 0;
  return std::move(known_);
}

bool MergedIndex::IsLookedAt(Only only, const std::string& stream) const {
  return (only == nullptr || only->contains(stream)) && !unreadable_.contains(stream);
}

bool MergedIndex::WaitsAlone(const std::string& stream, const Status& read, Again again) {
  if (!CannotBeRead(read)) return false;
  unreadable_.try_emplace(stream, Unreadable{read.message(), std::move(again)});
  return true;
}

// Not before the walk is over: it goes through what the writer knows.
void MergedIndex::LeaveOut(GroupWriter& writer, Known& known) {
  for (const auto& [stream, unreadable] : unreadable_) {
    writer.LeaveOut(stream, unreadable.why, unreadable.again);
  }
  NoteLeftOut(writer, known);
}

// A stream that cannot be read waits, and what is to be known of the others does not grow with
// that: it is looked through by itself, when it can be.
Status MergedIndex::Extend(GroupWriter& writer, Group group, Known& known) {
  unreadable_.clear();
  if (known.built == Known::Built::kNo) {
    DATABUS_RETURN_IF_ERROR(AddWhole(writer, group, nullptr, known));
    known.built = Known::Built::kYes;
    known.left_out.clear();
    LeaveOut(writer, known);
    return Status::Ok();
  }
  const Minute from = known.covered ? known.covered->Next() : kFirstMinute;
  DATABUS_ASSIGN_OR_RETURN(const Walked walked, AddMinutes(writer, group, from, nullptr, known));
  const auto& unread = writer.OwnLedger().unread;
  std::set<std::string> readable;
  for (const std::string& stream : known.left_out) {
    if (!unread.contains(stream) && options_.own.contains(stream)) readable.insert(stream);
  }
  if (!readable.empty()) DATABUS_RETURN_IF_ERROR(AddWhole(writer, group, &readable, known));
  for (const std::string& stream : readable) known.left_out.erase(stream);
  LeaveOut(writer, known);
  if (walked.closed) known.covered = walked.closed;  // now that all of them are read
  return Status::Ok();
}

Status MergedIndex::AddWhole(GroupWriter& writer, Group group, Only only, Known& known) {
  DATABUS_ASSIGN_OR_RETURN(const Walked walked,
                           AddMinutes(writer, group, kFirstMinute, only, known));
  DATABUS_RETURN_IF_ERROR(
      AddTheOriginals(writer, group, walked.oldest.value_or(kLastMinute), only, known));
  DATABUS_RETURN_IF_ERROR(AddUndescribed(writer, only, known.index));
  if (only == nullptr) known.covered = walked.closed;
  return Status::Ok();
}

// Whoever closed them: what was mirrored before this cluster became the primary counts as well. A
// minute may have been closed without a stream that had to wait (P28), here or at the primary of
// then: its files lie there, and no manifest names them.
Result<MergedIndex::Walked> MergedIndex::AddMinutes(GroupWriter& writer, Group group, Minute from,
                                                    Only only, Known& known) {
  Storage& storage = writer.staging().storage();
  std::set<Minute> minutes;
  Walked walked;
  DATABUS_RETURN_IF_ERROR(
      WalkHours(storage, paths::ManifestRoot(View::kMerged, group), from, kLastMinute,
                Order::kAscending, [&](Minute hour, const DirEntry& entry) {
                  const auto name = paths::ManifestName::Parse(entry.name);
                  const auto minute = name ? MinuteInHour(hour, name->minute) : std::nullopt;
                  if (!minute || *minute < from) return Walk::kContinue;
                  if (name->primary.empty() && !name->amendment) walked.closed = minute;
                  minutes.insert(*minute);
                  return Walk::kContinue;
                }));
  OldestMinutes oldest(storage, View::kMerged);
  MinuteContent content(storage, View::kMerged, group);
  for (const Minute minute : minutes) {
    DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* streams, content.Described(minute));
    for (const auto& [stream, files] : *streams) known.index.AddAll(stream, files);
    if (!content.damaged().empty()) {
      options_.problems.Report(content.damaged(),
                               "the minute's files were read instead; remove the manifest");
    }
    for (const auto& [stream, own] : writer.OwnLedger().streams) {
      if (streams->contains(stream) || !IsLookedAt(only, stream)) continue;
      const auto may_hold = oldest.MayHold(stream, minute);
      const auto again = [&storage, root = paths::Stream(View::kMerged, stream)] {
        return OldestMinute(storage, root).status();
      };
      if (WaitsAlone(stream, may_hold.status(), again)) continue;
      DATABUS_RETURN_IF_ERROR(may_hold.status());
      if (!*may_hold) continue;
      DATABUS_RETURN_IF_ERROR(AddUnnamed(writer, group, stream, minute, known.index));
    }
  }
  const auto last = minutes.empty() ? std::nullopt : std::optional(*minutes.rbegin());
  DATABUS_RETURN_IF_ERROR(AddUnclosed(writer, group, last, only, known.index));
  if (!minutes.empty()) walked.oldest = *minutes.begin();
  return walked;
}

// What was copied of the primary before, and closed neither here nor, as it seems, there; perhaps
// after the cut was decided upon. The open minute is another matter.
Status MergedIndex::AddUnclosed(GroupWriter& writer, Group group, std::optional<Minute> last,
                                Only only, IdentityIndex& index) {
  for (const auto& [stream, minutes] : writer.OwnLedger().streams) {
    const auto own = options_.own.find(stream);
    if (own == options_.own.end() || !minutes.newest || !IsLookedAt(only, stream)) continue;
    const std::optional<Minute>& cut = own->second.cut;
    const Minute to = std::max(*minutes.newest, cut.value_or(kFirstMinute));
    for (Minute m = last ? last->Next() : *minutes.newest; m <= to; m = m.Next()) {
      if (m == writer.OwnLedger().open && (!cut || m > *cut)) continue;
      DATABUS_RETURN_IF_ERROR(AddUnnamed(writer, group, stream, m, index));
    }
  }
  return Status::Ok();
}

Result<std::optional<MinuteFiles>> MergedIndex::ReadMinute(Storage& storage,
                                                           const std::string& stream,
                                                           Minute minute) {
  const std::string dir = paths::MinuteDir(View::kMerged, stream, minute);
  auto files = ReadMinuteFiles(storage, dir);
  if (files.ok()) return std::optional(*std::move(files));
  const auto again = [&storage, dir] { return ReadMinuteFiles(storage, dir).status(); };
  const bool absent = files.code() == Code::kNotFound;
  if (absent || WaitsAlone(stream, files.status(), again)) return std::optional<MinuteFiles>();
  return GroupWaits(files.status(), stream, minute);
}

Status MergedIndex::AddUnnamed(GroupWriter& writer, Group group, const std::string& stream,
                               Minute minute, IdentityIndex& index) {
  DATABUS_ASSIGN_OR_RETURN(auto files, ReadMinute(writer.staging().storage(), stream, minute));
  if (!files) return Status::Ok();
  index.AddAll(stream, *files);
  unnamed_[group][minute][stream] = *std::move(files);
  return Status::Ok();
}

// The minutes that the primary before this one had not closed yet.
Status MergedIndex::AddUndescribed(GroupWriter& writer, Only only, IdentityIndex& index) {
  for (const auto& [stream, minutes] : writer.OwnLedger().streams) {
    if (!minutes.history) continue;
    for (Minute m = minutes.history->Next(); m <= *minutes.newest; m = m.Next()) {
      if (!IsLookedAt(only, stream)) break;
      DATABUS_ASSIGN_OR_RETURN(const auto files, ReadMinute(writer.staging().storage(), stream, m));
      if (files) index.AddAll(stream, *files);
    }
  }
  return Status::Ok();
}

// Whether the minute is ours: all that we publish is sealed, but for what came of the original's
// collectors. A file that cannot be read holds nothing up where another one tells: the original may
// have left it so, and then it is in no queue any more. But it may be a sealed one beside foreign
// ones: what a queue names by its name waits (MayBeHere), or it might be published twice.
Result<MergedIndex::Holds> MergedIndex::LookForSealed(Storage& storage, const std::string& stream,
                                                      Minute minute,
                                                      const std::vector<DirEntry>& entries,
                                                      Known& known) {
  known.unread.erase(stream);
  const std::vector<std::string> files = VisibleFiles(stream, minute, entries);
  const SealedSearch search = FindSealed(storage, files);
  if (search.found) return Holds::kSealed;
  if (search.failure.ok()) return Holds::kForeign;
  if (!search.answered) {
    const auto again = [&storage, files] {
      const SealedSearch now = FindSealed(storage, files);
      return now.answered ? Status::Ok() : now.failure;
    };
    if (WaitsAlone(stream, search.failure, again)) return Holds::kUnread;
    return GroupWaits(search.failure, stream, minute);
  }
  for (const std::string& path : search.unread) {
    known.unread[stream].emplace(paths::BaseName(path), path);
  }
  options_.problems.Report(
      fmt::format("{} of {} is taken for the original's, and this file for one of it: {}",
                  minute.ToIso(), stream, search.failure.ToString()),
      "restore the file, or remove it");
  return Holds::kForeign;
}

// Minutes from before there were manifests are of the original system, and its files are known by
// name. But for one: who was a mirror in its first minute, and then became the primary, has that
// open still. What came after it is described, or empty.
Status MergedIndex::AddTheOriginals(GroupWriter& writer, Group group, Minute before, Only only,
                                    Known& known) {
  for (const auto& [stream, own] : options_.own) {
    if (!IsLookedAt(only, stream)) continue;
    if (GroupOf(stream, options_.groups) != group || writer.IsUnread(stream)) continue;
    DATABUS_RETURN_IF_ERROR(AddOriginalsOf(writer, stream, before, known));
  }
  return Status::Ok();
}

Status MergedIndex::AddOriginalsOf(GroupWriter& writer, const std::string& stream, Minute before,
                                   Known& known) {
  Storage& storage = writer.staging().storage();
  const auto list = [&storage, root = paths::Stream(View::kMerged, stream), before] {
    return ListMinutes(storage, root, kFirstMinute, before + -1);
  };
  const auto minutes = list();
  if (WaitsAlone(stream, minutes.status(), [list] { return list().status(); })) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(minutes.status());
  bool is_last = true;  // of those that hold anything
  for (auto minute = minutes->rbegin(); minute != minutes->rend(); ++minute) {
    const std::string dir = paths::MinuteDir(View::kMerged, stream, *minute);
    const auto entries = storage.List(dir);
    if (entries.code() == Code::kNotFound) continue;
    const auto again = [&storage, dir] { return storage.List(dir).status(); };
    if (WaitsAlone(stream, entries.status(), again)) return Status::Ok();
    if (!entries.ok()) return entries.status();
    if (entries->empty()) continue;
    Holds holds = Holds::kForeign;
    if (std::exchange(is_last, false)) {
      DATABUS_ASSIGN_OR_RETURN(holds, LookForSealed(storage, stream, *minute, *entries, known));
    }
    if (holds == Holds::kUnread) return Status::Ok();
    if (holds == Holds::kSealed) {
      DATABUS_RETURN_IF_ERROR(
          AddUnnamed(writer, writer.staging().group(), stream, *minute, known.index));
      continue;
    }
    for (const DirEntry& entry : *entries) known.index.AddName(stream, entry.name);
  }
  return Status::Ok();
}

// A file whose name was taken has its own behind something else (P18).
const std::string* MergedIndex::MayBeHere(const std::string& stream,
                                          const std::string& name) const {
  const auto known = known_.find(GroupOf(stream, options_.groups));
  if (known == known_.end()) return nullptr;
  const auto unread = known->second.unread.find(stream);
  if (unread == known->second.unread.end()) return nullptr;
  for (const auto& [of_unread, path] : unread->second) {
    if (of_unread.ends_with(name)) return &path;
  }
  return nullptr;
}

Status MergedIndex::ReadAgain(GroupWriter& writer, Group group) {
  Known& known = known_[group];
  for (auto& [stream, unread] : known.unread) {
    for (auto one = unread.begin(); one != unread.end();) {
      DATABUS_RETURN_IF_ERROR(writer.GoOn());
      const auto& [name, path] = *one;
      const auto facts = ReadFacts(writer.staging().storage(), path);
      const bool gone = facts.code() == Code::kNotFound;
      if (facts.ok()) known.index.Add(stream, name, facts->file);
      one = facts.ok() || gone ? unread.erase(one) : std::next(one);
    }
  }
  std::erase_if(known.unread, [](const auto& of_stream) { return of_stream.second.empty(); });
  return Status::Ok();
}

}  // namespace databus
