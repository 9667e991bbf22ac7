// Opening a spool: what a killed run, a power cut or a damaged disk may have left.
//
//   found                                        done
//   newest segment, its last flush               copied into a segment of its own, and void where
//                                                it was: it may never have been synced, and where a
//                                                sync failed no later one can be believed. Nothing
//                                                is done when the journal knows the segment's end
//   copy, not yet a segment                      removed; or named, if the journal counts it
//   newest segment, bytes behind its last good   set aside unless zero; void, in the journal, so
//   record (never acknowledged, or damaged)      that it stays dead whatever is found there later
//   newest segment, damaged record before that   set aside, void: its batch mark does not count
//   newest segment, damage to what is cut        nothing: it is sealed, or delivered. Whoever reads
//                                                it again, for a stream that was held back or a
//                                                hand-over, sets it aside
//   segment whose end is not known, put back     as the newest
//   older segment (synced before the next one    only headers are read; damage shows when it is
//   was begun)                                   read for sealing, and is set aside then
//   segment shorter than what is known of it     what is missing before that, and not cut, counts
//   (cut, freed, void)                           as damaged when it is read for sealing
//   segment's own header damaged                 set aside; its records speak for themselves
//   segment all freed, file still there          removed again
//   segment begun, not all freed, no file        reported; what is sealed of it is delivered. What
//                                                is freed of it is kept in mind: the file may come
//                                                back
//   segment that was removed, a file with        reported, and not read: all in it was delivered,
//   records in its place                         or given up
//   journal, broken end                          never acknowledged: ignored
//   journal, damaged elsewhere, twice            kCorrupt: nothing is guessed
#include <algorithm>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/planted.h"
#include "collector/spool/files.h"
#include "collector/spool/identity.h"
#include "collector/spool/segment_reader.h"
#include "collector/spool/spool_impl.h"

namespace databus {
namespace {

// What of a segment is freed or under a cut.
IntervalSet Sealed(const SpoolState& state, uint64_t segment) {
  const auto freed = state.freed.find(segment);
  IntervalSet sealed = freed == state.freed.end() ? IntervalSet() : freed->second;
  for (const auto& [id, cut] : state.cuts) {
    for (const SpoolRange& range : cut.ranges) {
      if (range.segment == segment) sealed.Add({range.begin, range.end});
    }
  }
  return sealed;
}

// All before it is durable, says the journal: nothing else is cut.
uint64_t DurableEnd(const SpoolState& state, uint64_t segment) {
  if (state.EndIsKnown(segment)) return kOffsetMax;
  const std::vector<Interval> sealed = Sealed(state, segment).pieces();
  return sealed.empty() ? 0 : sealed.back().end;
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::Open(const Seams& seams, const SpoolOptions& options) {
  auto spool = std::make_unique<SpoolImpl>(seams, options);
  DATABUS_RETURN_IF_ERROR(spool->Recover());
  return std::unique_ptr<Spool>(std::move(spool));
}

Status SpoolImpl::Recover() {
  DATABUS_RETURN_IF_ERROR(disk_.MakeDirs(options_.dir));
  DATABUS_ASSIGN_OR_RETURN(lock_, disk_.LockDir(options_.dir));
  for (const std::string& dir : {DamagedDir(), RejectedDir()}) {
    DATABUS_RETURN_IF_ERROR(disk_.MakeDirs(dir));
    DATABUS_RETURN_IF_ERROR(disk_.SyncDir(dir));
  }
  DATABUS_RETURN_IF_ERROR(disk_.SyncDir(options_.dir));
  DATABUS_RETURN_IF_ERROR(OpenIdentity());
  DATABUS_ASSIGN_OR_RETURN(std::vector<uint64_t> segments,
                           ListNumbered(disk_, options_.dir, kSegmentPrefix));
  DATABUS_RETURN_IF_ERROR(OpenJournal(segments));
  for (const uint64_t segment : segments) {
    const ReadDepth depth = DepthFor(segment, segments.back());
    DATABUS_RETURN_IF_ERROR(
        RecoverSegment(segment, depth)
            .WithContext("spool: " + SegmentPath(options_.dir, segment) + " cannot be opened"));
  }
  TakeKnownRanges();
  // Nothing is appended to any of them. Should the note fail, it is made before the next is begun.
  static_cast<void>(NoteSegments(0));
  RemoveFreed();
  LookAtFiles();
  return Status::Ok();
}

Status SpoolImpl::OpenIdentity() {
  Result<SpoolIdentity> read = ReadIdentity(disk_, options_.dir);
  if (read.code() == Code::kNotFound) {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> names, disk_.List(options_.dir));
    for (const std::string& name : names) {
      if (name.starts_with(kSegmentPrefix) || name.starts_with(kJournalPrefix)) {
        return {Code::kCorrupt,
                "spool " + options_.dir + ": identity is missing, " + name + " is there"};
      }
    }
    // Once there is an identity, the way to it is known to be durable.
    DATABUS_RETURN_IF_ERROR(SyncAncestors(disk_, options_.dir));
    SpoolIdentity made{random_.Hex(16), options_.collector, {}, {}};
    made.first = made.incarnation;
    DATABUS_RETURN_IF_ERROR(WriteIdentity(disk_, options_.dir, made));
    read = made;
  }
  if (!read.ok()) return read.status();
  if (read->collector != options_.collector) {
    return {Code::kInvalid, "spool " + options_.dir + " belongs to collector " + read->collector +
                                ", this collector is " + options_.collector};
  }
  identity_ = *read;
  incarnation_ = ParseSender(identity_.first).value();
  return Status::Ok();
}

Status SpoolImpl::OpenJournal(std::vector<uint64_t>& segments) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> journals,
                           ListNumbered(disk_, options_.dir, kJournalPrefix));
  if (journals.empty() && !segments.empty()) {
    return {Code::kCorrupt, "spool " + options_.dir + ": journal is missing, segments are there"};
  }
  DATABUS_ASSIGN_OR_RETURN(
      journal_, Journal::Open(disk_, {options_.dir, incarnation_, options_.journal_bytes}));
  DATABUS_RETURN_IF_ERROR(FinishCopies(segments));
  journal_->Look([&](const SpoolState& state) {
    ends_are_noted_ = state.names_segments;
    next_segment_ = 1 + std::max(state.last_segment, segments.empty() ? 0 : segments.back());
    for (const auto& [sender, mark] : state.marks) marks_.Restore(mark, 0);
  });
  DATABUS_RETURN_IF_ERROR(LeaveStrays(segments));
  return LookForMissing(segments);
}

Status SpoolImpl::LeaveStrays(std::vector<uint64_t>& segments) {
  std::vector<uint64_t> kept;
  kept.reserve(segments.size());
  for (const uint64_t segment : segments) {
    DATABUS_ASSIGN_OR_RETURN(const bool stray, IsStray(segment));
    if (!stray) kept.push_back(segment);
  }
  segments = std::move(kept);
  return Status::Ok();
}

Status SpoolImpl::LookForMissing(const std::vector<uint64_t>& segments) {
  SpoolChange change;
  change.names_segments = true;
  journal_->Look([&](const SpoolState& state) {
    for (const uint64_t segment : state.KnownSegments()) {
      if (std::ranges::binary_search(segments, segment)) continue;
      if (!state.IsMissed(segment)) {
        change.removed.push_back(segment);  // durable: the directory was synced above
        continue;
      }
      // Should it be put back, what was delivered of it must be known.
      missing_.insert(segment);
      if (!state.begun.contains(segment)) change.begun.push_back(segment);
    }
    for (const uint64_t segment : segments) {
      if (!state.begun.contains(segment)) change.begun.push_back(segment);
    }
  });
  if (!ends_are_noted_ || !change.begun.empty()) return Commit(change);
  // Should this fail, as on a full disk, it is done at the next start.
  if (!change.removed.empty()) static_cast<void>(Commit(change));
  return Status::Ok();
}

// What was being written may never have been synced; all other segments were, before the next one
// was begun.
ReadDepth SpoolImpl::DepthFor(uint64_t segment, uint64_t newest) const {
  const bool unsure = journal_->Look(
      [&](const SpoolState& state) { return ends_are_noted_ && !state.EndIsKnown(segment); });
  return segment == newest || unsure ? ReadDepth::kBodies : ReadDepth::kHeaders;
}

Status SpoolImpl::FinishCopies(std::vector<uint64_t>& segments) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> copies,
                           ListNumbered(disk_, options_.dir, kCopyPrefix));
  for (const uint64_t number : copies) {
    const std::string path = CopyPath(options_.dir, number);
    const bool counts =
        journal_->Look([&](const SpoolState& state) { return state.EndIsKnown(number); });
    if (counts) {
      DATABUS_RETURN_IF_ERROR(disk_.Rename(path, SegmentPath(options_.dir, number)));
      segments.push_back(number);
    } else {
      DATABUS_RETURN_IF_ERROR(disk_.Remove(path));
    }
  }
  std::ranges::sort(segments);
  return copies.empty() ? Status::Ok() : disk_.SyncDir(options_.dir);
}

Status SpoolImpl::RecoverSegment(uint64_t number, ReadDepth depth) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file,
                           disk_.Open(SegmentPath(options_.dir, number)));
  DATABUS_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string head;
  DATABUS_RETURN_IF_ERROR(file->ReadAt(0, kSegmentHeaderBytes, head));
  const Status checked = CheckSegmentHeader(head, Id(number));
  if (checked.code() == Code::kInvalid) return checked;
  if (!checked.ok()) {
    DATABUS_RETURN_IF_ERROR(SetAsideDamage(*file, {number, 0, head.size()}, Blank::kUnwritten));
  }
  table_.Add(number, SpoolAge::kBacklog);
  const std::vector<Interval> pieces = journal_->Look([&](const SpoolState& state) {
    const auto found = state.voids.find(number);
    const Interval all{kSegmentHeaderBytes, std::max<uint64_t>(size, kSegmentHeaderBytes)};
    return found == state.voids.end() ? IntervalSet().Gaps(all) : found->second.Gaps(all);
  });
  SpoolChange voids;
  std::vector<RecordHeader> tail;
  for (const Interval& piece : pieces) {
    if (depth == ReadDepth::kHeaders) {
      DATABUS_RETURN_IF_ERROR(ScanHeaders(*file, number, piece));
    } else {
      DATABUS_RETURN_IF_ERROR(ScanBodies(*file, number, piece, voids, tail));
    }
  }
  const uint64_t durable =
      journal_->Look([&](const SpoolState& state) { return DurableEnd(state, number); });
  const auto first = std::ranges::find_if(
      tail, [&](const RecordHeader& header) { return header.offset >= durable; });
  for (auto it = tail.begin(); it != first; ++it) Restore(number, *it);
  tail.erase(tail.begin(), first);
  if (Planted(Bug::kLastFlushBelieved)) {
    for (const RecordHeader& header : std::exchange(tail, {})) Restore(number, header);
  }
  if (!tail.empty()) return CopyTail(*file, number, tail, voids);
  return voids.voids.empty() ? Status::Ok() : Commit(voids);
}

Status SpoolImpl::CopyTail(DiskFile& file, uint64_t number, const std::vector<RecordHeader>& tail,
                           SpoolChange& voids) {
  std::vector<RecordHeader> copied = tail;
  DATABUS_RETURN_IF_ERROR(WriteCopy(file, number, copied).WithContext("copying its last flush"));
  const uint64_t copy = next_segment_++;
  voids.voids.push_back({number, tail.front().offset, kOffsetMax});
  voids.voids.push_back({copy, copied.back().end(), kOffsetMax});
  voids.begun.push_back(copy);
  DATABUS_RETURN_IF_ERROR(Commit(voids));
  DATABUS_RETURN_IF_ERROR(
      disk_.Rename(CopyPath(options_.dir, copy), SegmentPath(options_.dir, copy)));
  DATABUS_RETURN_IF_ERROR(disk_.SyncDir(options_.dir));
  table_.Add(copy, SpoolAge::kBacklog);
  for (const RecordHeader& header : copied) Restore(copy, header);
  return Status::Ok();
}

// Durable, name and all, when it returns; `records` are then those of the copy.
Status SpoolImpl::WriteCopy(DiskFile& file, uint64_t number, std::vector<RecordHeader>& records) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> copy,
                           disk_.Create(CopyPath(options_.dir, next_segment_)));
  std::string written = EncodeSegmentHeader(Id(next_segment_));
  uint64_t end = written.size();
  std::string body;
  for (RecordHeader& header : records) {
    DATABUS_RETURN_IF_ERROR(
        file.ReadAt(header.offset + kRecordHeaderBytes, header.body_bytes(), body));
    if (body.size() != header.body_bytes() || Crc32c(body) != header.body_crc32c) {
      return {Code::kUnavailable, "segment " + std::to_string(number) + " reads differently now"};
    }
    header.offset = end;
    AppendRecordHeader(written, Id(next_segment_), header);
    const std::string_view parts[] = {written, body};
    DATABUS_RETURN_IF_ERROR(copy->Append(parts));
    written.clear();
    end = header.end();
  }
  DATABUS_RETURN_IF_ERROR(copy->Sync());
  return disk_.SyncDir(options_.dir);
}

void SpoolImpl::Restore(uint64_t segment, const RecordHeader& header) {
  const WallTime accepted{Milliseconds(header.accepted_ms)};
  table_.Extend(segment, header.end(), accepted);
  if (header.number != 0) marks_.Restore({header.sender, header.number, accepted}, segment);
}

Status SpoolImpl::ScanHeaders(DiskFile& file, uint64_t number, const Interval& piece) {
  SegmentReader reader(file, Id(number), piece, ReadDepth::kHeaders);
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const auto found, reader.Next());
    if (!found) return Status::Ok();
    if (found->header) {
      Restore(number, *found->header);
    } else {
      table_.Extend(number, found->bytes.end, clock_.Wall());  // nobody knows when
    }
  }
}

Status SpoolImpl::ScanBodies(DiskFile& file, uint64_t number, const Interval& piece,
                             SpoolChange& voids, std::vector<RecordHeader>& tail) {
  SegmentReader reader(file, Id(number), piece, ReadDepth::kBodies);
  std::vector<Interval> damaged;
  uint64_t good_end = piece.begin;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const auto found, reader.Next());
    if (!found) break;
    if (!found->header) {
      if (Planted(Bug::kTailDropsLater)) break;
      damaged.push_back(found->bytes);
      continue;
    }
    good_end = found->bytes.end;
    if (found->header->begins_flush) {
      for (const RecordHeader& header : tail) Restore(number, header);
      tail.clear();
    }
    tail.push_back(*found->header);
  }
  // What is damaged behind the last good record is one tail.
  std::erase_if(damaged, [&](const Interval& bytes) { return bytes.begin >= good_end; });
  if (good_end < piece.end) {
    damaged.push_back({good_end, piece.end});
    stats_.torn_tail_bytes += piece.end - good_end;
  }
  // What is before the last flush was synced.
  uint64_t synced =
      journal_->Look([&](const SpoolState& state) { return DurableEnd(state, number); });
  if (!tail.empty()) synced = std::max(synced, tail.front().offset);
  for (const Interval& bytes : damaged) {
    DATABUS_RETURN_IF_ERROR(VoidDamage(file, {number, bytes.begin, bytes.end}, synced, voids));
  }
  return Status::Ok();
}

Status SpoolImpl::VoidDamage(DiskFile& file, const SpoolRange& damage, uint64_t synced,
                             SpoolChange& voids) {
  const std::vector<Interval> pieces = journal_->Look([&](const SpoolState& state) {
    return Sealed(state, damage.segment).Gaps({damage.begin, damage.end});
  });
  for (const Interval& bytes : pieces) {
    const SpoolRange piece{damage.segment, bytes.begin, bytes.end};
    const Blank blank = bytes.begin < synced ? Blank::kDamage : Blank::kUnwritten;
    DATABUS_RETURN_IF_ERROR(SetAsideDamage(file, piece, blank));
    voids.voids.push_back(piece);
  }
  return Status::Ok();
}

void SpoolImpl::TakeKnownRanges() {
  const WallTime now = clock_.Wall();
  journal_->Look([&](const SpoolState& state) {
    const auto take = [&](const SpoolRange& range, uint64_t reached) {
      table_.Reach(range.segment, reached, now);
      table_.Take(range);
    };
    for (const auto& [segment, set] : state.voids) {
      for (const Interval& piece : set.pieces()) {
        take({segment, piece.begin, piece.end}, piece.begin);
      }
    }
    for (const auto& [segment, set] : state.freed) {
      for (const Interval& piece : set.pieces()) {
        take({segment, piece.begin, piece.end}, piece.end);
      }
    }
    for (const auto& [id, cut] : state.cuts) {
      for (const SpoolRange& range : cut.ranges) take(range, range.end);
    }
  });
}

}  // namespace databus
