// Reading, cuts, counters and clean-up: what the delivering thread does.
#include <algorithm>
#include <map>
#include <utility>

#include "base/planted.h"
#include "collector/spool/files.h"
#include "collector/spool/identity.h"
#include "collector/spool/piece.h"
#include "collector/spool/segment_reader.h"
#include "collector/spool/spool_impl.h"
#include "telemetry/iso_time.h"
#include "telemetry/log.h"

namespace databus {
namespace {

// Counters are reserved so many at a time.
constexpr uint64_t kCounterBlock = 64;
constexpr std::string_view kRejectedHead = "databus-rejected 2\n";

WallTime Accepted(const RecordHeader& header) { return WallTime(Milliseconds(header.accepted_ms)); }

// One line each, whatever the bytes: when, why, stream, message.
void AppendRejected(std::string& text, const RecordHeader& header, std::string_view encoded) {
  for (const RejectedEntry& entry : DecodeRejected(encoded)) {
    text += ToIsoMs(Accepted(header));
    for (const std::string* field : {&entry.reason, &entry.stream, &entry.message}) {
      text += " \"" + Printable(*field) + '"';
    }
    text += '\n';
  }
}

}  // namespace

Status SpoolImpl::Commit(const SpoolChange& change) { return NoteBroken(journal_->Commit(change)); }

Status SpoolImpl::MakeCertain() { return NoteBroken(journal_->MakeCertain()); }

Status SpoolImpl::NoteBroken(Status committed) {
  if (committed.unknown()) {
    MutexLock lock(mutex_);
    if (stats_.retired.empty()) stats_.retired = committed.message();
  }
  return committed;
}

Status SpoolImpl::RememberCluster(const std::string& cluster_id) {
  SpoolIdentity changed = identity();
  if (changed.cluster_id == cluster_id) return Status::Ok();
  if (!changed.cluster_id.empty()) {
    return {Code::kRefused, "spool " + options_.dir + " belongs to cluster " + changed.cluster_id +
                                ", not to " + cluster_id};
  }
  changed.cluster_id = cluster_id;
  return ChangeIdentity(std::move(changed));
}

Status SpoolImpl::ChangeIdentity(SpoolIdentity changed) {
  DATABUS_RETURN_IF_ERROR(WriteIdentity(disk_, options_.dir, changed));
  MutexLock lock(mutex_);
  identity_ = std::move(changed);
  return Status::Ok();
}

uint64_t SpoolImpl::LastIntent() const {
  return journal_->Look([](const SpoolState& state) { return state.last_intent; });
}

// The note first: of who finds no new incarnation nobody has to be told.
Status SpoolImpl::Renew(const std::string& why) {
  SpoolIdentity renewed = identity();
  renewed.incarnation = random_.Hex(16);
  renewed.since = LastIntent();
  renewed.unchecked.reset();
  // Behind what nobody has looked at yet.
  const auto before = ReadWholeFile(disk_, options_.dir + "/" + std::string(kRenewed));
  if (!before.ok() && before.code() != Code::kNotFound) return before.status();
  const std::string notes = (before.ok() ? *before : "") + why + "\n";
  DATABUS_RETURN_IF_ERROR(WriteFileDurably(disk_, options_.dir, std::string(kRenewed), notes));
  return ChangeIdentity(std::move(renewed));
}

Status SpoolImpl::BeginUnchecked() {
  SpoolIdentity changed = identity();
  if (changed.unchecked) return Status::Ok();
  changed.unchecked = LastIntent();
  return ChangeIdentity(std::move(changed));
}

Status SpoolImpl::Checked() {
  SpoolIdentity changed = identity();
  if (!changed.unchecked) return Status::Ok();
  changed.unchecked.reset();
  return ChangeIdentity(std::move(changed));
}

std::vector<UnsealedRange> SpoolImpl::UnsealedRanges() const {
  MutexLock lock(mutex_);
  return table_.Unsealed();
}

Result<SpoolRange> SpoolImpl::Read(const SpoolRange& range, uint64_t bytes_max,
                                   const std::function<void(const SpoolRecord&)>& visit) {
  {
    MutexLock lock(mutex_);
    DATABUS_RETURN_IF_ERROR(table_.CheckUnsealed({&range, 1}));
  }
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, OpenSegmentFile(range.segment));
  SpoolRange piece = range;
  std::string rejected;
  DATABUS_RETURN_IF_ERROR(ReadPiece(*file, piece, bytes_max, visit, rejected));
  if (!rejected.empty()) {
    // Named by where it begins: reading again, further or less far, replaces it.
    DATABUS_RETURN_IF_ERROR(WriteFileDurably(disk_, RejectedDir(),
                                             PieceName({piece.segment, piece.begin}),
                                             std::string(kRejectedHead) + rejected));
  }
  return piece;
}

Status SpoolImpl::ReadAgain(const SpoolRange& range,
                            const std::function<void(const SpoolRecord&)>& visit) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, OpenSegmentFile(range.segment));
  SpoolRange piece = range;
  std::string rejected;  // lies in rejected/ since the first time
  return ReadPiece(*file, piece, kOffsetMax, visit, rejected);
}

Result<std::unique_ptr<DiskFile>> SpoolImpl::OpenSegmentFile(uint64_t segment) {
  const std::string path = SegmentPath(options_.dir, segment);
  Result<std::unique_ptr<DiskFile>> file = disk_.Open(path);
  if (file.code() != Code::kNotFound) return file;
  return Status(Code::kNotFound, path + " is gone: nobody but the collector may remove it");
}

Status SpoolImpl::ReadPiece(DiskFile& file, SpoolRange& piece, uint64_t bytes_max,
                            const std::function<void(const SpoolRecord&)>& visit,
                            std::string& rejected) {
  SegmentReader reader(file, Id(piece.segment), {piece.begin, piece.end}, ReadDepth::kBodies);
  uint64_t at = piece.begin;
  while (at == piece.begin || (at < piece.end && at - piece.begin < bytes_max)) {
    DATABUS_ASSIGN_OR_RETURN(const auto found, reader.Next());
    if (!found) break;
    const SpoolRange bytes{piece.segment, found->bytes.begin, found->bytes.end};
    if (found->header) {
      const RecordHeader& header = *found->header;
      visit({bytes, Accepted(header), header.count, header.sender, header.number,
             found->body.substr(0, header.entries_bytes)});
      AppendRejected(rejected, header, found->body.substr(header.entries_bytes));
    } else {
      DATABUS_RETURN_IF_ERROR(SetAsideDamage(file, bytes, Blank::kDamage));
    }
    at = bytes.end;
  }
  piece.end = at;
  return Status::Ok();
}

Status SpoolImpl::SetAsideDamage(DiskFile& file, const SpoolRange& bytes, Blank blank) {
  const std::string name = PieceName({bytes.segment, bytes.begin});
  const Interval piece{bytes.begin, bytes.end};
  DATABUS_ASSIGN_OR_RETURN(const std::optional<uint64_t> kept,
                           SetAside(disk_, file, piece, blank, {DamagedDir(), name}));
  if (!kept) return Status::Ok();
  const uint64_t missing = bytes.end - bytes.begin - std::min(*kept, bytes.end - bytes.begin);
  {
    MutexLock lock(mutex_);
    const auto known = damaged_.find(name);
    if (known != damaged_.end() && known->second == missing) return Status::Ok();
    damaged_[name] = missing;
    CountDamaged();
  }
  LogWarning("collector", "part of a segment set aside",
             {{"piece", DamagedDir() + "/" + name}, {"bytes", *kept}, {"missing_bytes", missing}});
  return Status::Ok();
}

Result<std::vector<uint64_t>> SpoolImpl::NextCounters(std::span<const std::string> streams) {
  std::map<std::string, uint64_t> wanted;
  for (const std::string& stream : streams) ++wanted[stream];
  SpoolChange change;
  for (const auto& [stream, count] : wanted) {
    auto [it, added] = counters_.try_emplace(stream);
    if (added) {
      const uint64_t reserved = journal_->Look([&](const SpoolState& state) {
        const auto found = state.counters.find(stream);
        return found == state.counters.end() ? 0 : found->second;
      });
      it->second = {reserved + 1, reserved};
    }
    const auto& [next, reserved] = it->second;
    const uint64_t last = next + count - 1;
    if (last > reserved) change.counters.emplace_back(stream, last + kCounterBlock - 1);
  }
  if (!change.counters.empty() && !Planted(Bug::kCounterReused)) {
    DATABUS_RETURN_IF_ERROR(Commit(change));
  }
  for (const auto& [stream, reserved] : change.counters) counters_[stream].second = reserved;
  std::vector<uint64_t> numbers;
  numbers.reserve(streams.size());
  for (const std::string& stream : streams) numbers.push_back(counters_[stream].first++);
  return numbers;
}

Result<SpoolCut> SpoolImpl::AddCut(std::vector<SpoolRange> ranges, SpoolPlan plan) {
  {
    MutexLock lock(mutex_);
    DATABUS_RETURN_IF_ERROR(table_.CheckUnsealed(ranges));
  }
  SpoolCut cut{0, std::move(ranges), std::move(plan.intents), std::move(plan.deferred)};
  uint64_t last_intent = 0;
  journal_->Look([&](const SpoolState& state) {
    cut.id = state.last_cut + 1;
    last_intent = state.last_intent;
  });
  for (SpoolIntent& intent : cut.intents) intent.id = ++last_intent;
  SpoolChange change;
  change.marks = std::move(plan.marks);
  change.cuts.push_back(cut);
  DATABUS_RETURN_IF_ERROR(Commit(change));
  {
    MutexLock lock(mutex_);
    for (const SpoolRange& range : cut.ranges) table_.Take(range);
  }
  if (cut.intents.empty()) RemoveFreed();
  return cut;
}

Result<SpoolCut> SpoolImpl::FindCut(uint64_t id) const {
  return journal_->Look([&](const SpoolState& state) -> Result<SpoolCut> {
    const auto found = state.cuts.find(id);
    if (found == state.cuts.end()) {
      return Status(Code::kNotFound, "spool: cut " + std::to_string(id) + " is not open");
    }
    return found->second;
  });
}

Result<SpoolCut> SpoolImpl::Resolve(uint64_t cut, SpoolPlan plan) {
  DATABUS_ASSIGN_OR_RETURN(SpoolCut resolved, FindCut(cut));
  uint64_t last_intent = journal_->Look([](const SpoolState& state) { return state.last_intent; });
  for (SpoolIntent& intent : plan.intents) intent.id = ++last_intent;
  SpoolChange change;
  change.changed.push_back({cut, plan.deferred, plan.intents});
  DATABUS_RETURN_IF_ERROR(Commit(change));
  if (plan.intents.empty()) RemoveFreed();
  resolved.intents = std::move(plan.intents);
  resolved.deferred = std::move(plan.deferred);
  return resolved;
}

Status SpoolImpl::Return(uint64_t cut, uint64_t intent_id, std::vector<SpoolDeferral> streams) {
  DATABUS_ASSIGN_OR_RETURN(SpoolCut returned, FindCut(cut));
  if (std::ranges::count(returned.intents, intent_id, &SpoolIntent::id) == 0) {
    return {Code::kNotFound, "spool: intent " + std::to_string(intent_id) + " is not open"};
  }
  returned.deferred.insert(returned.deferred.end(), streams.begin(), streams.end());
  SpoolChange change;
  change.changed.push_back({cut, std::move(returned.deferred), {}});
  change.settled.push_back(intent_id);
  DATABUS_RETURN_IF_ERROR(Commit(change));
  RemoveFreed();
  return Status::Ok();
}

Status SpoolImpl::Amend(const SpoolIntent& intent) {
  for (const SpoolCut& cut : OpenCuts()) {
    for (const SpoolIntent& open : cut.intents) {
      if (open.id != intent.id) continue;
      SpoolChange change;
      change.amended.push_back(intent);
      return Commit(change);
    }
  }
  return {Code::kNotFound, "spool: intent " + std::to_string(intent.id) + " is not open"};
}

Status SpoolImpl::Settle(std::span<const uint64_t> intent_ids) {
  if (intent_ids.empty()) return Status::Ok();
  SpoolChange change;
  change.settled.assign(intent_ids.begin(), intent_ids.end());
  DATABUS_RETURN_IF_ERROR(Commit(change));
  RemoveFreed();
  return Status::Ok();
}

std::vector<SpoolCut> SpoolImpl::OpenCuts() const {
  return journal_->Look([](const SpoolState& state) {
    std::vector<SpoolCut> cuts;
    cuts.reserve(state.cuts.size());
    for (const auto& [id, cut] : state.cuts) cuts.push_back(cut);
    return cuts;
  });
}

// First the marks, which the journal alone knows once the segment is gone, and its end: a file that
// is gone with its end unknown is missed. That the ranges are freed may be forgotten only when the
// removal is durable, else the segment could come back.
void SpoolImpl::RemoveFreed() {
  MutexLock naming(segments_mutex_);
  SpoolChange change;
  std::vector<uint64_t> freed;
  journal_->Look([&](const SpoolState& state) {
    MutexLock lock(mutex_);
    freed = table_.Removable(state, current_);
    for (const uint64_t segment : freed) {
      for (const BatchMark& mark : marks_.ProvedBy(segment)) change.marks.push_back(mark);
      if (state.EndIsKnown(segment)) continue;
      change.voids.push_back({segment, table_.EndOf(segment), kOffsetMax});
    }
  });
  if (freed.empty()) return;
  const bool news = !change.marks.empty() || !change.voids.empty();
  Status done = news ? Commit(change) : Status::Ok();
  for (size_t i = 0; done.ok() && i < freed.size(); ++i) {
    done = disk_.Remove(SegmentPath(options_.dir, freed[i]));
    if (done.code() == Code::kNotFound) done = Status::Ok();
  }
  if (done.ok()) done = disk_.SyncDir(options_.dir);
  {
    MutexLock lock(mutex_);
    stats_.cleanup_error = done.ok() ? "" : done.message();
    if (!done.ok()) return;
    for (const uint64_t segment : freed) {
      table_.Remove(segment);
      missing_.erase(segment);
    }
  }
  // From now on a file of that name is somebody else's, and maybe the only one of what was given
  // up. Should this fail, it is said at the next start.
  SpoolChange gone;
  gone.removed = std::move(freed);
  static_cast<void>(Commit(gone));
}

}  // namespace databus
