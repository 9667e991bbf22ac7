#include "collector/spool/spool.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "base/planted.h"
#include "collector/spool/files.h"
#include "collector/spool/spool_impl.h"

namespace databus {
namespace {

constexpr std::chrono::hours kForgetEvery{1};
constexpr std::chrono::hours kForgetAfter{7 * 24};

// Entries up to this size are copied behind their header: the copy costs less than a part of its
// own.
constexpr size_t kCopiedBytesMax = 4096;

constexpr std::string_view kNoRoom = "the disk's reserve is reached";

// What a group costs while it waits.
uint64_t QueuedBytes(const std::vector<SpoolBatch>& batches) {
  uint64_t bytes = 0;
  for (const SpoolBatch& batch : batches) {
    bytes += kRecordHeaderBytes + batch.frame.bytes().size();
    for (const RejectedEntry& entry : batch.rejected) bytes += entry.message.size();
  }
  return bytes;
}

}  // namespace

// Everything about one write and sync.
struct SpoolImpl::Flush {
  // One outcome of those below that depends on the write.
  struct Pending {
    SpoolOutcome* outcome = nullptr;
    SpoolAnswer if_kept = SpoolAnswer::kKept;
  };
  struct Accepted {
    const QueuedGroup* group = nullptr;
    const SpoolBatch* batch = nullptr;
  };
  std::deque<QueuedGroup> groups;
  std::vector<std::vector<SpoolOutcome>> outcomes;
  std::vector<Pending> pending;
  std::vector<Accepted> accepted;
  uint64_t repeats = 0;

  uint64_t begin = 0;  // where the records go
  uint64_t end = 0;
  std::string copied;  // reserved in full beforehand: parts are views into it
  std::deque<std::string> rejected;
  std::vector<std::string_view> parts;
  enum class LastPart : uint8_t { kCopied, kOther };
  LastPart last_part = LastPart::kOther;

  void AddPart(std::string_view part) {
    parts.push_back(part);
    last_part = LastPart::kOther;
  }
  // What stands in `copied` from `start` on, which is where the last such call ended.
  void AddCopied(size_t start) {
    if (last_part == LastPart::kCopied) {
      start -= parts.back().size();
      parts.pop_back();
    }
    parts.push_back(std::string_view(copied).substr(start));
    last_part = LastPart::kCopied;
  }
};

SpoolImpl::SpoolImpl(const Seams& seams, const SpoolOptions& options)
    : disk_(seams.disk),
      clock_(seams.clock),
      random_(seams.random),
      options_(options),
      disk_reserve_bytes_(options.disk_reserve_bytes),
      marks_(options.senders_max) {}

SpoolImpl::~SpoolImpl() {
  {
    MutexLock lock(mutex_);
    queue_.clear();
    running_ = Running::kStopping;
    queued_.NotifyAll();
  }
  flusher_.Join();
}

void SpoolImpl::Start() {
  {
    MutexLock lock(mutex_);
    running_ = Running::kThread;
  }
  flusher_ = Thread("spool", [this] {
    while (true) {
      {
        MutexLock lock(mutex_);
        while (queue_.empty() && running_ == Running::kThread) queued_.Wait(lock);
        if (queue_.empty()) return;
      }
      FlushOnce();
    }
  });
}

void SpoolImpl::Stop() {
  {
    MutexLock lock(mutex_);
    running_ = Running::kStopping;
    queued_.NotifyAll();
  }
  flusher_.Join();
  while (true) {
    while (FlushOnce()) {
    }
    MutexLock lock(mutex_);
    if (!queue_.empty()) continue;
    running_ = Running::kStopped;
    break;
  }
  // Should this fail, it is as after a kill: the last flush counts as unsure.
  if (!broken_end_) static_cast<void>(NoteSegments(0));
}

void SpoolImpl::Append(std::vector<SpoolBatch> batches, Done done) {
  const WallTime now = clock_.Wall();
  const uint64_t bytes = QueuedBytes(batches);
  MutexLock lock(mutex_);
  QueuedGroup group{std::move(batches), std::move(done), now, bytes, {}};
  if (running_ == Running::kStopping || running_ == Running::kStopped) {
    group.refused = "stopping";
  } else if (stats_.queued_bytes + bytes > options_.queued_bytes_max) {
    group.refused = "too much is waiting for the disk";
  }
  if (!group.refused.empty()) {
    // Its memory is given back now; only the number of outcomes is kept.
    group.bytes = 0;
    for (SpoolBatch& batch : group.batches) batch = SpoolBatch{Frame(nullptr, {}), {}, 0, {}, {}};
  }
  if (running_ == Running::kStopped) {
    lock.Unlock();
    const SpoolOutcome refused{SpoolAnswer::kTryLater, group.refused};
    group.done(std::vector<SpoolOutcome>(group.batches.size(), refused));
    return;
  }
  stats_.queued_bytes += group.bytes;
  queue_.push_back(std::move(group));
  queued_.NotifyOne();
}

std::deque<QueuedGroup> SpoolImpl::TakeGroups() {
  std::deque<QueuedGroup> groups;
  uint64_t bytes = 0;
  MutexLock lock(mutex_);
  while (!queue_.empty()) {
    bytes += queue_.front().bytes;
    if (!groups.empty() && bytes > options_.flush_bytes_max) break;
    groups.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return groups;
}

bool SpoolImpl::FlushOnce() {
  Flush flush;
  flush.groups = TakeGroups();
  if (flush.groups.empty()) return false;
  ForgetMarks();
  Judge(flush);
  SpoolOutcome fate;
  if (!flush.accepted.empty()) fate = Write(flush);
  Finish(flush, fate);
  for (size_t i = 0; i < flush.groups.size(); ++i) flush.groups[i].done(flush.outcomes[i]);
  return true;
}

void SpoolImpl::Judge(Flush& flush) {
  MutexLock lock(mutex_);
  for (const QueuedGroup& group : flush.groups) {
    std::vector<SpoolOutcome>& outcomes = flush.outcomes.emplace_back(group.batches.size());
    for (size_t i = 0; i < outcomes.size(); ++i) {
      if (!group.refused.empty()) {
        outcomes[i] = {SpoolAnswer::kTryLater, group.refused};
        continue;
      }
      const SpoolBatch& batch = group.batches[i];
      const auto verdict = batch.id ? marks_.Judge(*batch.id) : MarkTable::Verdict::kAccept;
      switch (verdict) {
        case MarkTable::Verdict::kAccept:
          flush.accepted.push_back({&group, &batch});
          flush.pending.push_back({&outcomes[i], SpoolAnswer::kKept});
          break;
        case MarkTable::Verdict::kPendingRepeat:
          flush.pending.push_back({&outcomes[i], SpoolAnswer::kRepeat});
          break;
        case MarkTable::Verdict::kRepeat:
          outcomes[i].answer = SpoolAnswer::kRepeat;
          ++flush.repeats;
          break;
        case MarkTable::Verdict::kGap:
          outcomes[i] = {SpoolAnswer::kTryLater, "an earlier batch of this sender is missing"};
          break;
      }
    }
  }
}

void SpoolImpl::AddRecord(Flush& flush, const QueuedGroup& group, const SpoolBatch& batch) {
  RecordHeader header;
  header.offset = flush.end;
  header.begins_flush = flush.end == flush.begin;
  header.accepted_ms = group.accepted.time_since_epoch().count();
  if (batch.id) {
    header.sender = batch.id->sender;
    header.number = batch.id->number;
  }
  header.count = batch.count;
  header.entries_bytes = static_cast<uint32_t>(batch.entries.size());
  header.body_crc32c = Crc32c(batch.entries);
  std::string rejected = EncodeRejected(batch.rejected);
  header.rejected_bytes = static_cast<uint32_t>(rejected.size());
  header.body_crc32c = Crc32c(rejected, header.body_crc32c);
  const size_t start = flush.copied.size();
  AppendRecordHeader(flush.copied, Id(open_.number), header);
  if (batch.entries.size() <= kCopiedBytesMax) flush.copied += batch.entries;
  flush.AddCopied(start);
  if (batch.entries.size() > kCopiedBytesMax) flush.AddPart(batch.entries);
  if (!rejected.empty()) flush.AddPart(flush.rejected.emplace_back(std::move(rejected)));
  flush.end = header.end();
}

SpoolOutcome SpoolImpl::Write(Flush& flush) {
  {
    MutexLock lock(mutex_);
    if (!stats_.retired.empty()) return {SpoolAnswer::kTryLater, "disk retired: " + stats_.retired};
  }
  uint64_t bytes = 0;
  size_t copied = 0;
  for (const Flush::Accepted& item : flush.accepted) {
    const size_t entries = item.batch->entries.size();
    bytes += kRecordHeaderBytes + entries;
    copied += kRecordHeaderBytes + (entries <= kCopiedBytesMax ? entries : 0);
  }
  Status room = RecordBrokenEnd();
  if (room.ok()) room = CheckRoom(bytes);
  if (room.ok()) room = EnsureSegment();
  if (!room.ok()) return {SpoolAnswer::kTryLater, room.message()};

  flush.begin = flush.end = open_.end;
  flush.copied.reserve(copied);
  for (const Flush::Accepted& item : flush.accepted) AddRecord(flush, *item.group, *item.batch);
  Status written = open_.file->Append(flush.parts);
  const bool appended = written.ok();
  if (appended && !Planted(Bug::kAnswerBeforeSync)) written = open_.file->Sync();
  if (Planted(Bug::kFailedSyncTrusted) && appended && !written.ok()) written = open_.file->Sync();
  if (written.ok()) written = CheckOpenHasName();
  if (!written.ok()) return Abandon(written);
  unchecked_bytes_ += flush.end - flush.begin;
  open_.end = flush.end;
  return {};
}

Status SpoolImpl::CheckOpenHasName() {
  const Result<bool> named = open_.file->HasName();
  if (!named.ok() || *named) return named.status();
  return {Code::kUnavailable, SegmentPath(options_.dir, open_.number) + " was removed"};
}

void SpoolImpl::Finish(Flush& flush, const SpoolOutcome& fate) {
  const bool kept = fate.answer == SpoolAnswer::kKept;
  for (const Flush::Pending& pending : flush.pending) {
    *pending.outcome = kept ? SpoolOutcome{pending.if_kept, {}} : fate;
  }
  MutexLock lock(mutex_);
  for (const QueuedGroup& group : flush.groups) stats_.queued_bytes -= group.bytes;
  stats_.repeats += flush.repeats;
  if (flush.accepted.empty()) return;
  ++stats_.flushes;
  stats_.refusing = fate.reason;
  if (!kept) {
    ++stats_.failed_flushes;
    Planted(Bug::kMarkThoughRefused) ? marks_.Commit(0, clock_.Wall()) : marks_.RollBack();
    return;
  }
  const WallTime accepted = flush.accepted.front().group->accepted;
  table_.Extend(open_.number, flush.end, accepted);
  marks_.Commit(open_.number, clock_.Wall());
  stats_.kept_batches += flush.accepted.size();
  stats_.kept_bytes += flush.end - flush.begin;
  stats_.repeats += flush.pending.size() - flush.accepted.size();
}

Status SpoolImpl::CheckRoom(uint64_t bytes) {
  const auto low = [&](uint64_t free_bytes) {
    return free_bytes < disk_reserve_bytes_ + unchecked_bytes_ + bytes;
  };
  uint64_t free_bytes;
  {
    MutexLock lock(mutex_);
    free_bytes = stats_.free_bytes;
  }
  if (!room_known_ || unchecked_bytes_ >= options_.free_check_bytes || low(free_bytes)) {
    const Result<uint64_t> asked = disk_.FreeBytes(options_.dir);
    if (!asked.ok()) return Status::Ok();  // the write itself will tell
    free_bytes = *asked;
    room_known_ = true;
    unchecked_bytes_ = 0;
    MutexLock lock(mutex_);
    stats_.free_bytes = free_bytes;
  }
  if (!low(free_bytes)) return Status::Ok();
  // What takes the room may be the open segment itself, with everything in it delivered.
  if (open_.file != nullptr) {
    CloseSegment();
    return CheckRoom(bytes);
  }
  return {Code::kNoSpace, std::string(kNoRoom)};
}

void SpoolImpl::LookForRoom() {
  {
    MutexLock lock(mutex_);
    if (stats_.refusing != kNoRoom) return;
  }
  const Result<uint64_t> free_bytes = disk_.FreeBytes(options_.dir);
  MutexLock lock(mutex_);
  if (!free_bytes.ok() || stats_.refusing != kNoRoom) return;
  stats_.free_bytes = *free_bytes;
  if (*free_bytes >= disk_reserve_bytes_) stats_.refusing.clear();
}

void SpoolImpl::CloseSegment() {
  open_ = {};
  room_known_ = false;
  {
    MutexLock lock(mutex_);
    current_ = 0;
  }
  RemoveFreed();
}

Status SpoolImpl::EnsureSegment() {
  bool gone = false;
  {
    MutexLock lock(mutex_);
    gone = left_ == open_.number;
  }
  if (open_.file == nullptr || open_.end >= options_.segment_bytes || gone) {
    DATABUS_RETURN_IF_ERROR(BeginSegment());
  }
  if (open_.noted) return Status::Ok();
  // Should this fail, its file stays: a restart may show that the note is there.
  DATABUS_RETURN_IF_ERROR(NoteSegments(open_.number).WithContext("cannot begin a segment"));
  open_.noted = true;
  return Status::Ok();
}

Status SpoolImpl::NoteSegments(uint64_t growing) {
  MutexLock naming(segments_mutex_);
  SpoolChange change;
  journal_->Look([&](const SpoolState& state) {
    MutexLock lock(mutex_);
    for (const SpoolEnd& end : table_.Ends()) {
      if (!state.begun.contains(end.segment)) change.begun.push_back(end.segment);
      if (end.segment == growing || state.EndIsKnown(end.segment)) continue;
      if (Planted(Bug::kBrokenEndForgotten)) continue;
      change.voids.push_back({end.segment, end.offset, kOffsetMax});
    }
  });
  if (change.begun.empty() && change.voids.empty()) return Status::Ok();
  return Commit(change);
}

Status SpoolImpl::BeginSegment() {
  open_ = {};
  const uint64_t number = next_segment_++;
  const Status created = CreateSegment(number);
  if (!created.ok()) {
    open_ = {};
    // Should this fail: an empty segment does no harm.
    static_cast<void>(disk_.Remove(SegmentPath(options_.dir, number)));
    return created.WithContext("cannot begin a segment");
  }
  MutexLock lock(mutex_);
  current_ = number;
  table_.Add(number, SpoolAge::kLive);
  return Status::Ok();
}

Status SpoolImpl::CreateSegment(uint64_t number) {
  DATABUS_ASSIGN_OR_RETURN(open_.file, disk_.Create(SegmentPath(options_.dir, number)));
  const std::string header = EncodeSegmentHeader(Id(number));
  const std::string_view parts[] = {header};
  DATABUS_RETURN_IF_ERROR(open_.file->Append(parts));
  DATABUS_RETURN_IF_ERROR(open_.file->Sync());
  if (!Planted(Bug::kNoDirSync)) DATABUS_RETURN_IF_ERROR(disk_.SyncDir(options_.dir));
  open_.number = number;
  open_.end = header.size();
  return Status::Ok();
}

SpoolOutcome SpoolImpl::Abandon(const Status& why) {
  broken_end_ = {open_.number, open_.end, kOffsetMax};
  open_ = {};
  const Status recorded = RecordBrokenEnd();
  if (recorded.ok()) return {SpoolAnswer::kTryLater, "write failed: " + why.message()};
  return {SpoolAnswer::kClose, "write failed: " + why.message() + "; then: " + recorded.message()};
}

Status SpoolImpl::RecordBrokenEnd() {
  if (!broken_end_) return Status::Ok();
  SpoolChange change;
  change.voids.push_back(*broken_end_);
  if (!Planted(Bug::kBrokenEndForgotten)) DATABUS_RETURN_IF_ERROR(Commit(change));
  broken_end_.reset();
  MutexLock lock(mutex_);
  current_ = 0;
  return Status::Ok();
}

void SpoolImpl::ForgetMarks() {
  const BootTime now = clock_.Boot();
  if (now < forget_at_) return;
  forget_at_ = now + kForgetEvery;
  const WallTime before = clock_.Wall() - kForgetAfter;
  journal_->DropMarks(before);
  MutexLock lock(mutex_);
  marks_.Forget(before);
}

SpoolIdentity SpoolImpl::identity() const {
  MutexLock lock(mutex_);
  return identity_;
}

std::vector<BatchMark> SpoolImpl::Marks() const {
  MutexLock lock(mutex_);
  return marks_.All();
}

std::optional<uint64_t> SpoolImpl::MarkOf(uint64_t sender) const {
  MutexLock lock(mutex_);
  return marks_.Find(sender);
}

SpoolEnd SpoolImpl::End() const {
  MutexLock lock(mutex_);
  return table_.End();
}

// What is cut meanwhile is counted twice, rather than not at all.
uint64_t SpoolImpl::BytesBefore(const SpoolEnd& position) const {
  uint64_t bytes = 0;
  const auto add = [&](const SpoolRange& range) {
    if (SpoolEnd{range.segment, range.begin} < position) bytes += range.end - range.begin;
  };
  std::vector<UnsealedRange> unsealed;
  {
    MutexLock lock(mutex_);
    unsealed = table_.Unsealed();
  }
  for (UnsealedRange& piece : unsealed) {
    SpoolRange& range = piece.range;
    if (range.segment == position.segment) range.end = std::min(range.end, position.offset);
    if (range.begin < range.end) add(range);
  }
  journal_->Look([&](const SpoolState& state) {
    for (const auto& [id, cut] : state.cuts) std::ranges::for_each(cut.ranges, add);
  });
  return bytes;
}

SpoolStats SpoolImpl::Stats() const {
  SpoolStats stats;
  std::vector<UnsealedRange> unsealed;
  {
    MutexLock lock(mutex_);
    stats = stats_;
    for (const uint64_t segment : missing_) {
      const bool back = returned_.contains(segment);
      (back ? stats.returned_segments : stats.missing_segments)
          .push_back(SegmentPath(options_.dir, segment));
    }
    stats.segments = table_.size();
    unsealed = table_.Unsealed();
  }
  for (const UnsealedRange& range : unsealed) {
    stats.unsealed_bytes += range.range.end - range.range.begin;
    if (!stats.oldest_unsealed || range.accepted < *stats.oldest_unsealed) {
      stats.oldest_unsealed = range.accepted;
    }
  }
  journal_->Look([&](const SpoolState& state) {
    stats.last_intent = state.last_intent;
    for (const auto& [id, cut] : state.cuts) {
      stats.open_intents += cut.intents.size();
      for (const SpoolRange& range : cut.ranges) stats.sealed_bytes += range.end - range.begin;
      for (const SpoolDeferral& deferral : cut.deferred) {
        stats.deferred_bytes += deferral.bytes;
        if (!stats.oldest_deferred || deferral.oldest < *stats.oldest_deferred) {
          stats.oldest_deferred = deferral.oldest;
        }
      }
    }
  });
  return stats;
}

}  // namespace databus
