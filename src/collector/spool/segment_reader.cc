#include "collector/spool/segment_reader.h"

#include <algorithm>

#include "base/crc32c.h"
#include "collector/spool/files.h"

namespace databus {
namespace {

// Headers of small records share a read, bodies of large ones are not read for nothing.
constexpr uint64_t kHeaderWindowBytes = 16u << 10;

}  // namespace

SegmentReader::SegmentReader(DiskFile& file, const SegmentId& id, const Interval& piece,
                             ReadDepth depth)
    : file_(file), id_(id), piece_(piece), depth_(depth), at_(piece.begin) {}

Result<std::string_view> SegmentReader::View(uint64_t offset, uint64_t most) {
  most = std::min(most, piece_.end - offset);
  const uint64_t window_end = window_offset_ + window_.size();
  if (offset < window_offset_ || offset + most > window_end) {
    const uint64_t usual = depth_ == ReadDepth::kHeaders ? kHeaderWindowBytes : kReadBytes;
    const uint64_t wanted = std::min(std::max(most, usual), piece_.end - offset);
    window_offset_ = offset;
    DATABUS_RETURN_IF_ERROR(file_.ReadAt(offset, wanted, window_));
  }
  return std::string_view(window_).substr(offset - window_offset_, most);
}

Result<uint64_t> SegmentReader::FindHeader(uint64_t from) {
  while (from < piece_.end) {
    DATABUS_ASSIGN_OR_RETURN(const std::string_view bytes, View(from, kHeaderWindowBytes));
    if (bytes.size() < kRecordHeaderBytes) break;
    const size_t last = bytes.size() - kRecordHeaderBytes;
    for (size_t at = FindRecordMagic(bytes, 0); at <= last; at = FindRecordMagic(bytes, at + 1)) {
      if (DecodeRecordHeader(bytes.substr(at), id_, from + at)) return from + at;
    }
    from += last + 1;
  }
  return piece_.end;
}

SegmentReader::Found SegmentReader::Take(Found found) {
  at_ = found.bytes.end;
  return found;
}

Result<std::optional<SegmentReader::Found>> SegmentReader::Next() {
  if (at_ >= piece_.end) return std::optional<Found>();
  DATABUS_ASSIGN_OR_RETURN(const std::string_view head, View(at_, kRecordHeaderBytes));
  const std::optional<RecordHeader> header = DecodeRecordHeader(head, id_, at_);
  if (!header || header->end() > piece_.end) {
    DATABUS_ASSIGN_OR_RETURN(const uint64_t next, FindHeader(at_ + 1));
    return std::optional(Take({{at_, next}, std::nullopt, {}}));
  }
  const Interval bytes{at_, header->end()};
  if (depth_ == ReadDepth::kHeaders) return std::optional(Take({bytes, header, {}}));
  DATABUS_ASSIGN_OR_RETURN(const std::string_view whole, View(at_, bytes.end - bytes.begin));
  const std::string_view body = whole.substr(std::min<size_t>(whole.size(), kRecordHeaderBytes));
  if (body.size() != header->body_bytes() || Crc32c(body) != header->body_crc32c) {
    return std::optional(Take({bytes, std::nullopt, {}}));
  }
  return std::optional(Take({bytes, header, body}));
}

}  // namespace databus
