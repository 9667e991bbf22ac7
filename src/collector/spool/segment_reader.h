// Walks over the records of a piece of a segment, in order, and steps over damage: where a record
// is not what it says, everything up to the next undamaged header is one damaged stretch.
//
// Used by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "collector/spool/format.h"
#include "collector/spool/intervals.h"
#include "storage/disk/disk.h"

namespace databus {

// kHeaders steps over the bodies without reading them: only damage to headers is seen.
enum class ReadDepth : uint8_t { kHeaders, kBodies };

class SegmentReader {
 public:
  // `piece` begins at a record boundary. `file` must outlive the reader.
  SegmentReader(DiskFile& file, const SegmentId& id, const Interval& piece, ReadDepth depth);

  struct Found {
    Interval bytes;
    // Nothing: these bytes are damaged.
    std::optional<RecordHeader> header;
    // Empty at depth kHeaders. Valid until the next call.
    std::string_view body;
  };
  // The next record or damaged stretch; nothing at the end. An error is the disk's, the walk may be
  // tried again from where it was.
  Result<std::optional<Found>> Next();

 private:
  // `most` bytes from `offset`, fewer only at the end of the piece. Valid until the next call.
  Result<std::string_view> View(uint64_t offset, uint64_t most);
  // Where the first undamaged header at or after `from` begins, or the end of the piece.
  Result<uint64_t> FindHeader(uint64_t from);
  Found Take(Found found);

  DiskFile& file_;
  const SegmentId id_;
  const Interval piece_;
  const ReadDepth depth_;
  uint64_t at_;
  std::string window_;
  uint64_t window_offset_ = 0;
};

}  // namespace databus
