// The commit record (P7, P8): what one commit does, written whole into the holder's staging
// directory before any of it is visible, so that anybody who holds a later epoch can finish it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/storage.h"

namespace databus {

// What a move brings into place. The order of the kinds is the order of applying (P8, P15).
enum class MoveKind : uint8_t {
  kMinuteDir,   // an empty minute directory
  kFile,        // a file into a minute directory, or into quarantine
  kManifest,    // closes a minute: after all files of it
  kQueueEntry,  // tells a downstream: after the files it names
  kTrash,       // the original of a published copy, out of staging into the trash
};

struct RecordedMove {
  MoveKind kind = MoveKind::kFile;
  std::string staged;   // the name within the staging directory
  std::string to;       // the path it gets
  uint64_t length = 0;  // of what is published, as the checksum; P10
  uint32_t crc32c = 0;
  // Of kTrash: the number in the staged name of the copy. 0: nothing was published of it, or an
  // earlier version did not say. It is written in the place of the length, which a kTrash has not.
  uint64_t copy_number = 0;
  friend bool operator==(const RecordedMove&, const RecordedMove&) = default;
};

// Undoing a source whose destination is durable. The only effects outside staging (G7).
struct CleanUp {
  std::string cluster;  // empty: the record's own cluster
  std::string remove;   // the path that goes
  std::string trash;    // if not empty: it is renamed there (own cluster) rather than removed
  friend bool operator==(const CleanUp&, const CleanUp&) = default;
};

// Something visible that is taken into staging before the moves, by the first of which it goes on:
// nothing leaves a view but through the holder's own staging.
struct Take {
  std::string from;
  std::string staged;
  friend bool operator==(const Take&, const Take&) = default;
};

struct Record {
  uint64_t number = 0;
  uint64_t amendment = 0;           // the highest amendment of a number rules (P11)
  std::vector<RecordedMove> moves;  // in the order of applying
  std::vector<CleanUp> clean_ups;
  // Whose minutes it copies; empty: it publishes by this cluster's own right, which may end (P33).
  std::string primary{};
  std::vector<Take> takes{};  // made before the moves

  std::string Encode() const;
  static Result<Record> Decode(std::string_view text, std::string_view where);
  friend bool operator==(const Record&, const Record&) = default;
};

// Names within a staging directory. Each is used once per epoch: `number` counts up.
namespace staged {

enum class Kind : uint8_t {
  kRecord,     // record-<n>.<amendment>
  kPending,    // pending-<n>: a record of clean-ups that could not be done yet (P12)
  kClaim,      // c<n>~<collector>~<data file name>: a data file taken for publishing (P10)
  kFile,       // f<n>: a copy, a queue entry, a manifest, anything being written
  kMinuteDir,  // d<n>: an empty directory
  kPurged,     // x<n>: an hour that retention took out of a view
  kUnknown,    // nothing of ours
};

struct Name {
  Kind kind = Kind::kUnknown;
  uint64_t number = 0;
  uint64_t amendment = 0;  // kRecord
  std::string collector;   // kClaim
  std::string data_name;   // kClaim
};

Name Parse(std::string_view name);
std::string RecordName(uint64_t number, uint64_t amendment);
std::string PendingName(uint64_t number);
std::string ClaimName(uint64_t number, std::string_view collector, std::string_view data_name);
std::string FileName(uint64_t number);
std::string MinuteDirName(uint64_t number);
std::string PurgedName(uint64_t number);

}  // namespace staged
}  // namespace databus
