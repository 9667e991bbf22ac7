// Opening a spool: what a killed run, a power cut or a damaged disk may have left.
//
//   found                                        done
//   newest segment                               synced: the run may have died before its sync
//   newest segment, bytes behind its last good   set aside unless zero; void, in the journal, so
//   record (never acknowledged, or damaged)      that it stays dead whatever is found there later
//   newest segment, damaged record before that   set aside, void: its batch mark does not count
//   older segment (synced before the next one    only headers are read; damage shows when it is
//   was begun)                                   read for sealing, and is set aside then
//   segment's own header damaged                 set aside; its records speak for themselves
//   segment all freed, file still there          removed again
//   segment not all freed, no file               reported; what is sealed of it is delivered
//   journal, broken end                          never acknowledged: ignored
//   journal, damaged elsewhere, twice            kCorrupt: nothing is guessed
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "collector/spool/files.h"
#include "collector/spool/identity.h"
#include "collector/spool/segment_reader.h"
#include "collector/spool/spool_impl.h"

namespace databus {
namespace {

constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kJournalPrefix = "journal-";

// A segment is removed when all of it is freed or void: then no cut of it is open, and what is
// freed or void has no gap behind the segment's header.
std::set<uint64_t> MissingSegments(const SpoolState& state, const std::vector<uint64_t>& there) {
  std::set<uint64_t> missing;
  std::map<uint64_t, IntervalSet> done;
  for (const auto& [id, cut] : state.cuts) {
    for (const SpoolRange& range : cut.ranges) missing.insert(range.segment);
  }
  for (const auto* sets : {&state.freed, &state.voids}) {
    for (const auto& [segment, set] : *sets) {
      for (const Interval& piece : set.pieces()) done[segment].Add(piece);
    }
  }
  for (const auto& [segment, set] : done) {
    const std::vector<Interval> pieces = set.pieces();
    if (pieces.size() != 1 || pieces[0].begin > kSegmentHeaderBytes) missing.insert(segment);
  }
  for (const uint64_t segment : there) missing.erase(segment);
  return missing;
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
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> damaged, disk_.List(DamagedDir()));
  for (const std::string& name : damaged) {
    if (!name.ends_with(".tmp")) damaged_names_.insert(name);
  }
  stats_.damaged_files = damaged_names_.size();

  DATABUS_RETURN_IF_ERROR(OpenIdentity());
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> segments,
                           ListNumbered(disk_, options_.dir, kSegmentPrefix));
  DATABUS_RETURN_IF_ERROR(OpenJournal(segments));
  for (const uint64_t segment : segments) {
    const ReadDepth depth = segment == segments.back() ? ReadDepth::kBodies : ReadDepth::kHeaders;
    DATABUS_RETURN_IF_ERROR(
        RecoverSegment(segment, depth).WithContext(SegmentPath(options_.dir, segment)));
  }
  TakeKnownRanges();
  RemoveFreed();
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
    const SpoolIdentity made{random_.Hex(16), options_.collector, {}};
    DATABUS_RETURN_IF_ERROR(WriteIdentity(disk_, options_.dir, made));
    read = made;
  }
  if (!read.ok()) return read.status();
  if (read->collector != options_.collector) {
    return {Code::kInvalid, "spool " + options_.dir + " belongs to collector " + read->collector +
                                ", this collector is " + options_.collector};
  }
  identity_ = *read;
  incarnation_ = ParseSender(identity_.incarnation).value();
  return Status::Ok();
}

Status SpoolImpl::OpenJournal(const std::vector<uint64_t>& segments) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> journals,
                           ListNumbered(disk_, options_.dir, kJournalPrefix));
  if (journals.empty() && !segments.empty()) {
    return {Code::kCorrupt, "spool " + options_.dir + ": journal is missing, segments are there"};
  }
  DATABUS_ASSIGN_OR_RETURN(
      journal_, Journal::Open(disk_, {options_.dir, incarnation_, options_.journal_bytes}));
  std::vector<uint64_t> gone;
  journal_->Look([&](const SpoolState& state) {
    next_segment_ = 1 + std::max(state.last_segment, segments.empty() ? 0 : segments.back());
    for (const auto& [sender, mark] : state.marks) marks_.Restore(mark, 0);
    for (const auto* sets : {&state.freed, &state.voids}) {
      for (const auto& [segment, set] : *sets) {
        if (!std::binary_search(segments.begin(), segments.end(), segment)) gone.push_back(segment);
      }
    }
    for (const uint64_t segment : MissingSegments(state, segments)) {
      stats_.missing_segments.push_back(SegmentPath(options_.dir, segment));
    }
  });
  // Their removal is durable: the directory was synced above.
  for (const uint64_t segment : gone) journal_->DropSegment(segment);
  return Status::Ok();
}

Status SpoolImpl::RecoverSegment(uint64_t number, ReadDepth depth) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file,
                           disk_.Open(SegmentPath(options_.dir, number)));
  // A run that was killed between write and sync left records that can be read, and are lost with
  // the power. Nothing is concluded from them before they are durable.
  if (depth == ReadDepth::kBodies) DATABUS_RETURN_IF_ERROR(file->Sync());
  DATABUS_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string head;
  DATABUS_RETURN_IF_ERROR(file->ReadAt(0, kSegmentHeaderBytes, head));
  const Status checked = CheckSegmentHeader(head, Id(number));
  if (checked.code() == Code::kInvalid) return checked;
  if (!checked.ok()) {
    DATABUS_RETURN_IF_ERROR(SetAsideDamage(*file, {number, 0, head.size()}));
  }
  table_.Add(number, SpoolAge::kBacklog);
  const std::vector<Interval> pieces = journal_->Look([&](const SpoolState& state) {
    const auto found = state.voids.find(number);
    const Interval all{kSegmentHeaderBytes, std::max<uint64_t>(size, kSegmentHeaderBytes)};
    return found == state.voids.end() ? IntervalSet().Gaps(all) : found->second.Gaps(all);
  });
  SpoolChange voids;
  for (const Interval& piece : pieces) {
    if (depth == ReadDepth::kHeaders) {
      DATABUS_RETURN_IF_ERROR(ScanHeaders(*file, number, piece));
    } else {
      DATABUS_RETURN_IF_ERROR(ScanBodies(*file, number, piece, voids));
    }
  }
  return voids.voids.empty() ? Status::Ok() : Commit(voids);
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
                             SpoolChange& voids) {
  SegmentReader reader(file, Id(number), piece, ReadDepth::kBodies);
  std::vector<Interval> damaged;
  uint64_t good_end = piece.begin;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const auto found, reader.Next());
    if (!found) break;
    if (!found->header) {
      damaged.push_back(found->bytes);
      continue;
    }
    good_end = found->bytes.end;
    Restore(number, *found->header);
  }
  // What is damaged behind the last good record is one tail.
  std::erase_if(damaged, [&](const Interval& bytes) { return bytes.begin >= good_end; });
  if (good_end < piece.end) {
    damaged.push_back({good_end, piece.end});
    stats_.torn_tail_bytes += piece.end - good_end;
  }
  for (const Interval& bytes : damaged) {
    DATABUS_RETURN_IF_ERROR(SetAsideDamage(file, {number, bytes.begin, bytes.end}));
    voids.voids.push_back({number, bytes.begin, bytes.end});
  }
  return Status::Ok();
}

void SpoolImpl::TakeKnownRanges() {
  journal_->Look([&](const SpoolState& state) {
    for (const auto* sets : {&state.freed, &state.voids}) {
      for (const auto& [segment, set] : *sets) {
        for (const Interval& piece : set.pieces()) {
          table_.Take({segment, piece.begin, piece.end});
        }
      }
    }
    for (const auto& [id, cut] : state.cuts) {
      for (const SpoolRange& range : cut.ranges) table_.Take(range);
    }
  });
}

}  // namespace databus
