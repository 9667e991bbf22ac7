#include "collector/spool/format.h"

#include <array>

#include "base/crc32c.h"

namespace databus {
namespace {

constexpr uint32_t kSegmentMagic = 0x47534244;  // "DBSG"
constexpr uint32_t kFirstMagic = 0x46524244;    // "DBRF": a record that begins a flush
constexpr uint32_t kRecordMagic = 0x43524244;   // "DBRC": any other
constexpr uint32_t kVersion = 2;                // 2: kFirstMagic
constexpr size_t kSegmentCrcOffset = kSegmentHeaderBytes - 4;
constexpr size_t kRecordCrcOffset = kRecordHeaderBytes - 4;

uint32_t HeaderCrc(std::string_view bytes, const SegmentId& id) {
  std::string seed;
  PutU64(seed, id.incarnation);
  return Crc32c(bytes, Crc32c(seed));
}

}  // namespace

namespace {

// The bytes are gathered before they are appended: headers are written for every call.
template <typename Number>
void PutNumber(std::string& out, Number value) {
  std::array<char, sizeof(Number)> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  out.append(bytes.data(), bytes.size());
}

}  // namespace

void PutU32(std::string& out, uint32_t value) { PutNumber(out, value); }

void PutU64(std::string& out, uint64_t value) { PutNumber(out, value); }

void PutText(std::string& out, std::string_view text) {
  PutU32(out, static_cast<uint32_t>(text.size()));
  out += text;
}

uint64_t FieldReader::Number(size_t bytes) {
  if (left_.size() < bytes) {
    ok_ = false;
    left_ = {};
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= uint64_t{static_cast<unsigned char>(left_[i])} << (8 * i);
  }
  left_.remove_prefix(bytes);
  return value;
}

std::string FieldReader::Text() {
  const uint32_t size = U32();
  if (size > left_.size()) {
    ok_ = false;
    left_ = {};
    return {};
  }
  std::string text(left_.substr(0, size));
  left_.remove_prefix(size);
  return text;
}

std::string EncodeSegmentHeader(const SegmentId& id) {
  std::string out;
  PutU32(out, kSegmentMagic);
  PutU32(out, kVersion);
  PutU64(out, id.segment);
  PutU64(out, id.incarnation);
  PutU32(out, 0);
  PutU32(out, Crc32c(out));
  return out;
}

Result<SegmentId> DecodeSegmentHeader(std::string_view bytes) {
  FieldReader fields(bytes);
  SegmentId id;
  const uint32_t magic = fields.U32();
  const uint32_t version = fields.U32();
  id.segment = fields.U64();
  id.incarnation = fields.U64();
  fields.U32();
  const uint32_t crc = fields.U32();
  if (!fields.ok() || magic != kSegmentMagic || crc != Crc32c(bytes.substr(0, kSegmentCrcOffset))) {
    return {Code::kCorrupt, "segment header damaged"};
  }
  if (version > kVersion) {
    return {Code::kInvalid, "segment of version " + std::to_string(version) +
                                "; this program reads up to version " + std::to_string(kVersion)};
  }
  return id;
}

Status CheckSegmentHeader(std::string_view bytes, const SegmentId& id) {
  DATABUS_ASSIGN_OR_RETURN(const SegmentId found, DecodeSegmentHeader(bytes));
  if (found.segment != id.segment || found.incarnation != id.incarnation) {
    return {Code::kInvalid, "segment belongs to another spool or has another number"};
  }
  return Status::Ok();
}

void AppendRecordHeader(std::string& out, const SegmentId& id, const RecordHeader& header) {
  std::array<char, kRecordHeaderBytes> bytes;  // appended at once: this is done for every call
  char* at = bytes.data();
  const auto put = [&at](auto value) {
    for (size_t i = 0; i < sizeof value; ++i) *at++ = static_cast<char>(value >> (8 * i));
  };
  put(header.begins_flush ? kFirstMagic : kRecordMagic);
  put(header.entries_bytes);
  put(id.segment);
  put(header.offset);
  put(static_cast<uint64_t>(header.accepted_ms));
  put(header.sender);
  put(header.number);
  put(header.count);
  put(header.rejected_bytes);
  put(header.body_crc32c);
  put(HeaderCrc({bytes.data(), kRecordCrcOffset}, id));
  out.append(bytes.data(), bytes.size());
}

std::optional<RecordHeader> DecodeRecordHeader(std::string_view bytes, const SegmentId& id,
                                               uint64_t offset) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  FieldReader fields(bytes.substr(0, kRecordHeaderBytes));
  const uint32_t magic = fields.U32();
  if (magic != kFirstMagic && magic != kRecordMagic) return std::nullopt;
  RecordHeader header;
  header.begins_flush = magic == kFirstMagic;
  header.entries_bytes = fields.U32();
  const uint64_t segment = fields.U64();
  header.offset = fields.U64();
  if (segment != id.segment || header.offset != offset) return std::nullopt;
  header.accepted_ms = static_cast<int64_t>(fields.U64());
  header.sender = fields.U64();
  header.number = fields.U64();
  header.count = fields.U32();
  header.rejected_bytes = fields.U32();
  header.body_crc32c = fields.U32();
  if (fields.U32() != HeaderCrc(bytes.substr(0, kRecordCrcOffset), id)) return std::nullopt;
  return header;
}

size_t FindRecordMagic(std::string_view bytes, size_t from) {
  constexpr std::string_view kCommon = "DBR";  // how both kinds begin
  const size_t found = bytes.find(kCommon, from);
  return found == std::string_view::npos ? bytes.size() : found;
}

std::string EncodeRejected(std::span<const RejectedEntry> entries) {
  std::string out;
  for (const RejectedEntry& entry : entries) {
    PutText(out, entry.stream);
    PutText(out, entry.reason);
    PutText(out, entry.message);
  }
  return out;
}

std::vector<RejectedEntry> DecodeRejected(std::string_view bytes) {
  std::vector<RejectedEntry> entries;
  FieldReader fields(bytes);
  while (fields.ok() && !fields.AtEnd()) {
    RejectedEntry entry;
    entry.stream = fields.Text();
    entry.reason = fields.Text();
    entry.message = fields.Text();
    if (fields.ok()) entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace databus
