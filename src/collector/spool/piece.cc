#include "collector/spool/piece.h"

#include <algorithm>
#include <utility>

#include "cluster/names.h"
#include "collector/spool/files.h"
#include "collector/spool/segment_reader.h"
#include "net/entry_list.h"
#include "net/thrift_binary.h"

namespace databus {
namespace {

// A file as if it were the whole segment.
class PieceFile final : public DiskFile {
 public:
  PieceFile(DiskFile& file, uint64_t begin) : file_(file), begin_(begin) {}
  Status Append(std::span<const std::string_view>) override {
    return {Code::kRefused, "a piece is only read"};
  }
  Status Sync() override { return {Code::kRefused, "a piece is only read"}; }
  // Nobody asks for what lies before the piece.
  Status ReadAt(uint64_t offset, size_t most, std::string& out) override {
    return file_.ReadAt(offset - begin_, most, out);
  }
  Result<uint64_t> Size() override { return file_.Size(); }
  Result<bool> HasName() override { return file_.HasName(); }

 private:
  DiskFile& file_;
  const uint64_t begin_;
};

// How every known client writes an entry: two fields of type string, category and message, each
// with type, number and length, and a stop.
constexpr std::string_view kCategory{"\x0b\0\x01", 3};
constexpr std::string_view kMessage{"\x0b\0\x02", 3};

// Takes a field of this kind from the front of `left`.
std::optional<std::string_view> TakeField(std::string_view& left, std::string_view kind) {
  const size_t head = kind.size() + sizeof(uint32_t);
  if (left.size() < head || !left.starts_with(kind)) return std::nullopt;
  const uint32_t size = thrift_binary::LoadBigEndian32(left.data() + kind.size());
  if (size > left.size() - head) return std::nullopt;
  const std::string_view text = left.substr(head, size);
  left.remove_prefix(head + size);
  return text;
}

// Takes an entry from the front of `left`, or nothing.
std::optional<PieceMessage> TakeEntry(std::string_view& left) {
  std::string_view rest = left;
  const auto stream = TakeField(rest, kCategory);
  if (!stream || !ValidateStreamName(*stream).ok()) return std::nullopt;
  const auto message = TakeField(rest, kMessage);
  if (!message || rest.empty() || rest.front() != '\0') return std::nullopt;
  rest.remove_prefix(1);
  left = rest;
  return PieceMessage{*stream, *message};
}

// False: the list is not one, though its checksum is right.
bool ReadList(std::string_view entries, std::vector<PieceMessage>& messages) {
  return ForEachEntry(entries,
                      [&](std::string_view stream, std::string_view message) {
                        messages.push_back({stream, message});
                      })
      .ok();
}

PieceRecord Whole(const SegmentReader::Found& found) {
  PieceRecord record{.bytes = found.bytes, .header = found.header};
  const std::string_view entries = found.body.substr(0, found.header->entries_bytes);
  if (ReadList(entries, record.messages)) {
    record.state = PieceRecord::State::kWhole;
    record.rejected = static_cast<uint32_t>(
        DecodeRejected(found.body.substr(found.header->entries_bytes)).size());
  } else {
    record.messages = FindEntries(entries);
  }
  return record;
}

}  // namespace

std::string PieceName(const PiecePlace& place) {
  return std::string(kSegmentPrefix) + std::to_string(place.segment) + "-" +
         std::to_string(place.begin);
}

std::optional<PiecePlace> PlaceFromName(std::string_view name) {
  if (const auto copy = NumberInName(name, kCopyPrefix)) return PiecePlace{*copy, 0};
  if (const auto segment = NumberInName(name, kSegmentPrefix)) return PiecePlace{*segment, 0};
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto segment = NumberInName(name.substr(0, dash), kSegmentPrefix);
  const std::string_view offset = name.substr(dash);
  const auto begin = offset == "-0" ? 0 : NumberInName(offset, "-");
  if (!segment || !begin) return std::nullopt;
  return PiecePlace{*segment, *begin};
}

std::vector<PieceMessage> FindEntries(std::string_view bytes) {
  std::vector<PieceMessage> entries;
  std::string_view left = bytes;
  while (!left.empty()) {
    if (const auto entry = TakeEntry(left)) {
      entries.push_back(*entry);
    } else {
      left.remove_prefix(std::min(left.find(kCategory, 1), left.size()));
    }
  }
  return entries;
}

Status WalkPiece(DiskFile& file, const PiecePlace& place, uint64_t incarnation,
                 const std::function<void(const PieceRecord&)>& visit) {
  const SegmentId id{incarnation, place.segment};
  DATABUS_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  if (place.begin > kOffsetMax - size) return {Code::kInvalid, "no segment reaches that far"};
  const uint64_t end = place.begin + size;
  const uint64_t begin =
      place.begin == 0 ? std::min<uint64_t>(kSegmentHeaderBytes, end) : place.begin;
  PieceFile piece(file, place.begin);
  SegmentReader reader(piece, id, {begin, end}, ReadDepth::kBodies);
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const auto found, reader.Next());
    if (!found) return Status::Ok();
    if (found->header) {
      visit(Whole(*found));
      continue;
    }
    DATABUS_ASSIGN_OR_RETURN(const std::string bytes, ReadBytes(piece, found->bytes));
    PieceRecord record{.bytes = found->bytes,
                       .header = DecodeRecordHeader(bytes, id, found->bytes.begin)};
    std::string_view entries = bytes;
    // What is rejected stands behind them, in a form of its own.
    if (record.header) {
      entries = entries.substr(0, kRecordHeaderBytes + uint64_t{record.header->entries_bytes});
    }
    record.messages = FindEntries(entries);
    visit(record);
  }
}

void PieceSummary::Add(const PieceRecord& record) {
  const bool whole = record.state == PieceRecord::State::kWhole;
  ++(whole ? whole_records : suspect_records);
  if (!whole) suspect_bytes += record.bytes.end - record.bytes.begin;
  const uint64_t expected = record.header ? record.header->count : 0;
  unrecognised += expected - std::min<uint64_t>(expected, record.messages.size());
  rejected += record.rejected;
  for (const PieceMessage& message : record.messages) {
    auto it = streams.find(message.stream);
    if (it == streams.end()) it = streams.try_emplace(std::string(message.stream)).first;
    ++(whole ? it->second.whole : it->second.suspect);
  }
}

uint64_t PieceSummary::whole_messages() const {
  uint64_t all = 0;
  for (const auto& [stream, count] : streams) all += count.whole;
  return all;
}

uint64_t PieceSummary::suspect_messages() const {
  uint64_t all = 0;
  for (const auto& [stream, count] : streams) all += count.suspect;
  return all;
}

Result<PieceSummary> SummarisePiece(DiskFile& file, const PiecePlace& place, uint64_t incarnation) {
  PieceSummary summary;
  DATABUS_ASSIGN_OR_RETURN(summary.bytes, file.Size());
  DATABUS_RETURN_IF_ERROR(
      WalkPiece(file, place, incarnation, [&](const PieceRecord& record) { summary.Add(record); }));
  return summary;
}

}  // namespace databus
