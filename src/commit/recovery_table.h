// What is found when a record is applied, the first time or again after a crash, and what is done
// about it. One row per situation; the code names its row where it decides, tests reach every row
// by crashing, and docs/recovery-table.md is this table.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace databus {

enum class RecoveryRow : uint8_t {
  kMoveDue,
  kMoveDone,
  kMoveSourceAndSameThere,
  kMoveSourceAndOtherThere,
  kForeignInTheWay,
  kMoveRefused,
  kMoveUnknown,
  kMinuteDirThere,
  kRecordFound,
  kRecordSuperseded,
  kRecordDamaged,
  kRecordedFileDamaged,
  kRecordOfDemoted,
  kCleanUpDone,
  kCleanUpAway,
  kPendingFound,
  kClaimWithoutRecord,
  kFileWithoutRecord,
  kMinuteDirWithoutRecord,
  kPurgedHour,
  kUnknownName,
  kFencedDirEmpty,
};

struct RecoveryRule {
  RecoveryRow row;
  std::string_view found;
  std::string_view done;
};

inline constexpr std::array<RecoveryRule, 22> kRecoveryTable = {{
    {RecoveryRow::kMoveDue, "a move's source is staged, nothing at its destination",
     "rename it into place"},
    {RecoveryRow::kMoveDone, "a move's source is gone",
     "done, whatever the destination looks like: it may have been consumed or purged since (P9)"},
    {RecoveryRow::kMoveSourceAndSameThere, "source and destination both there, same content",
     "drop the source (P9)"},
    {RecoveryRow::kMoveSourceAndOtherThere, "source and destination both there, different content",
     "amend the record: the file gets a prefixed name beside the other (P18)"},
    {RecoveryRow::kForeignInTheWay, "something foreign has the name of a manifest or a queue entry",
     "quarantine it (P6) and make the move"},
    {RecoveryRow::kMoveRefused, "the move is definitely refused",
     "amend the record: the file is left out of it, with its queue lines; a claim waits in "
     "staging, "
     "a copy is made again, as its source and the queue entries that name it stay (P11)"},
    {RecoveryRow::kMoveUnknown, "the answer to a move was lost",
     "look whether the source is gone; as long as that is unknown too, stop and try again later"},
    {RecoveryRow::kMinuteDirThere, "a minute directory is staged and already stands",
     "drop the staged one"},
    {RecoveryRow::kRecordFound, "a record in a directory taken over", "apply it, whole"},
    {RecoveryRow::kRecordSuperseded, "a record with a later amendment", "remove it"},
    {RecoveryRow::kRecordDamaged, "a record that cannot be read",
     "where it was an amendment, the originals of its copies that are published go, as what it "
     "amends says (P25); its claims are published as unrecorded, its copies are made again, the "
     "queues are told of all files of the open minute; then quarantine it"},
    {RecoveryRow::kRecordedFileDamaged,
     "a recorded file whose length or checksum is not as recorded",
     "amend the record: quarantine (P10)"},
    {RecoveryRow::kRecordOfDemoted,
     "a record that publishes merged files of a stream whose primary is another cluster now, or "
     "which "
     "waits for a majority (P28)",
     "amend the record: what is staged of the stream goes to system/divergent, its queue lines go, "
     "no clean-up is done (P33)"},
    {RecoveryRow::kCleanUpDone, "what a clean-up removes is gone", "done"},
    {RecoveryRow::kCleanUpAway, "a clean-up's cluster does not answer",
     "keep it in the pending list, which blocks nothing (P12)"},
    {RecoveryRow::kPendingFound, "a pending list in a directory taken over", "adopt it"},
    {RecoveryRow::kClaimWithoutRecord, "a claimed data file that no record names",
     "adopt it with its stream, collector and name; never put it back (P10)"},
    {RecoveryRow::kFileWithoutRecord, "a staged copy or text that no record names",
     "remove it: its source is still where it was"},
    {RecoveryRow::kMinuteDirWithoutRecord, "a staged empty directory that no record names",
     "remove it"},
    {RecoveryRow::kPurgedHour, "an hour that retention took out of its view",
     "finish removing it, file by file"},
    {RecoveryRow::kUnknownName, "a name that is none of ours", "quarantine it (P6)"},
    {RecoveryRow::kFencedDirEmpty, "a directory taken over, empty", "remove it"},
}};

// How often each row was reached. Thread-safe.
class RecoveryRows {
 public:
  void Hit(RecoveryRow row) {
    ++hits_[static_cast<size_t>(row)];
    ++all_hits_[static_cast<size_t>(row)];
  }
  uint64_t Hits(RecoveryRow row) const { return hits_[static_cast<size_t>(row)]; }
  // By all that ever were in this program: what a simulation of many installations has reached.
  static uint64_t AllHits(RecoveryRow row) { return all_hits_[static_cast<size_t>(row)]; }

 private:
  using Counts = std::array<std::atomic<uint64_t>, kRecoveryTable.size()>;
  Counts hits_{};
  static inline Counts all_hits_{};
};

}  // namespace databus
