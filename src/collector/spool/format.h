// The bytes of a segment file: a file header, then records, each a header and a body. All numbers
// are little-endian. Pure bytes, no I/O.
//
// A record says which segment and offset it belongs to, and its header's checksum is seeded with
// the spool's incarnation. So neither a record found at the wrong place nor the image of a record
// inside a message is ever believed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/spool/spool_types.h"

namespace databus {

inline constexpr size_t kSegmentHeaderBytes = 32;
inline constexpr size_t kRecordHeaderBytes = 64;

// Which spool and which of its segments.
struct SegmentId {
  uint64_t incarnation = 0;
  uint64_t segment = 0;
};

std::string EncodeSegmentHeader(const SegmentId& id);
// Whose segment it is, says its undamaged header. Errors as below.
Result<SegmentId> DecodeSegmentHeader(std::string_view bytes);
// kCorrupt: damaged. kInvalid: written by a newer version.
Status CheckSegmentHeader(std::string_view bytes, const SegmentId& id);

struct RecordHeader {
  uint64_t offset = 0;  // where the header begins
  // The first one of a write: all before it was synced before this was written.
  bool begins_flush = false;
  int64_t accepted_ms = 0;
  uint64_t sender = 0;
  uint64_t number = 0;  // 0: no batch identity
  uint32_t count = 0;
  // The body is the raw list<LogEntry>, followed by the encoded rejected entries.
  uint32_t entries_bytes = 0;
  uint32_t rejected_bytes = 0;
  uint32_t body_crc32c = 0;

  uint64_t body_bytes() const { return uint64_t{entries_bytes} + rejected_bytes; }
  uint64_t end() const { return offset + kRecordHeaderBytes + body_bytes(); }
};

void AppendRecordHeader(std::string& out, const SegmentId& id, const RecordHeader& header);
// Nothing unless `bytes` begins with the undamaged header of the record at `offset`.
std::optional<RecordHeader> DecodeRecordHeader(std::string_view bytes, const SegmentId& id,
                                               uint64_t offset);
// The first place in `bytes` at or after `from` where a record header may begin, or its size.
size_t FindRecordMagic(std::string_view bytes, size_t from);

std::string EncodeRejected(std::span<const RejectedEntry> entries);
std::vector<RejectedEntry> DecodeRejected(std::string_view bytes);

// Reading and writing of fields, also for the journal.
void PutU32(std::string& out, uint32_t value);
void PutU64(std::string& out, uint64_t value);
void PutText(std::string& out, std::string_view text);

// Reads what Put* wrote. After the end everything is zero or empty and ok() is false.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : left_(bytes) {}
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t U64() { return Number(8); }
  std::string Text();
  bool ok() const { return ok_; }
  bool AtEnd() const { return left_.empty(); }

 private:
  uint64_t Number(size_t bytes);
  std::string_view left_;
  bool ok_ = true;
};

}  // namespace databus
