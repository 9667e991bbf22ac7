// What is read of a spool from outside: names of pieces, entries found by their form, pieces of
// segments, and the inventory of a whole spool (`databus spool ls` and `cat`). Whatever is damaged,
// all bytes are accounted for, nothing passes for whole that was not put in, and nothing is
// written.
//
// The first byte says which of these; see the functions below for the rest.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/random.h"
#include "cluster/names.h"
#include "collector/spool/files.h"
#include "collector/spool/inventory.h"
#include "collector/spool/piece.h"
#include "collector/spool/spool.h"
#include "net/batch_id.h"
#include "net/entry_list.h"
#include "storage/disk/memory_disk.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

constexpr uint64_t kIncarnation = 5;
constexpr uint64_t kMost = uint64_t{1} << 30;
const std::string kDir = "/spool";

using Message = std::pair<std::string, std::string>;  // stream, text

std::vector<Message> ToMessages(const std::vector<PieceMessage>& found) {
  std::vector<Message> messages;
  for (const PieceMessage& one : found) messages.emplace_back(one.stream, one.message);
  return messages;
}

std::string EncodeList(const std::vector<Message>& messages) {
  EntryList list;
  for (const auto& [stream, message] : messages) list.Add(stream, message);
  return std::string(list.bytes());
}

void Write(MemoryDisk& disk, const std::string& path, std::string_view content) {
  const auto made = disk.Create(path);
  const std::string_view parts[] = {content};
  FUZZ_REQUIRE(made.ok() && (*made)->Append(parts).ok() && (*made)->Sync().ok());
}

// One spelling for each place, but for whole files.
void CheckName(std::string_view name) {
  const auto place = PlaceFromName(name);
  if (!place) return;
  FUZZ_REQUIRE(PlaceFromName(PieceName(*place)) == place);
  const bool whole_file = NumberInName(name, kSegmentPrefix) || NumberInName(name, kCopyPrefix);
  FUZZ_REQUIRE(whole_file ? place->begin == 0 : PieceName(*place) == name);
}

// Each is an entry of a stream, found where it stands; put together they are found again.
void CheckEntries(std::string_view bytes) {
  const std::vector<PieceMessage> found = FindEntries(bytes);
  const char* at = bytes.data();
  for (const PieceMessage& one : found) {
    FUZZ_REQUIRE(ValidateStreamName(one.stream).ok());
    FUZZ_REQUIRE(at <= one.stream.data() && one.stream.end() <= one.message.begin());
    at = one.message.data() + one.message.size() + 1;
    FUZZ_REQUIRE(at <= bytes.data() + bytes.size());
  }
  const std::vector<Message> messages = ToMessages(found);
  FUZZ_REQUIRE(ToMessages(FindEntries(EncodeList(messages))) == messages);
}

// Walks a file twice: all of its bytes belong to some record, once, and what is whole is a record
// that would be written just so. Returns the messages that are whole.
std::vector<Message> CheckWalk(DiskFile& file, const PiecePlace& place, uint64_t incarnation) {
  const uint64_t size = *file.Size();
  std::string content;
  FUZZ_REQUIRE(file.ReadAt(0, kMost, content).ok());
  const SegmentId id{incarnation, place.segment};
  std::vector<Message> whole;
  PieceSummary sum;
  uint64_t at = place.begin == 0 ? std::min<uint64_t>(kSegmentHeaderBytes, size) : place.begin;
  const Status walked = WalkPiece(file, place, incarnation, [&](const PieceRecord& record) {
    FUZZ_REQUIRE(record.bytes.begin == at && at < record.bytes.end);
    const std::string_view bytes = std::string_view(content).substr(
        record.bytes.begin - place.begin, record.bytes.end - record.bytes.begin);
    at = record.bytes.end;
    sum.Add(record);
    if (record.state == PieceRecord::State::kSuspect) return;
    FUZZ_REQUIRE(record.header && record.header->end() == record.bytes.end);
    FUZZ_REQUIRE(record.header->body_crc32c == Crc32c(bytes.substr(kRecordHeaderBytes)));
    std::string header;
    AppendRecordHeader(header, id, *record.header);
    FUZZ_REQUIRE(bytes.starts_with(header));
    for (Message& message : ToMessages(record.messages)) whole.push_back(std::move(message));
  });
  const auto summary = SummarisePiece(file, place, incarnation);
  FUZZ_REQUIRE(summary.code() == walked.code());
  if (!walked.ok()) {
    FUZZ_REQUIRE(walked.code() == Code::kInvalid && place.begin > kOffsetMax - size);
    return whole;
  }
  FUZZ_REQUIRE(at == place.begin + size);
  FUZZ_REQUIRE(summary->bytes == size && summary->suspect_bytes <= size);
  FUZZ_REQUIRE(summary->whole_messages() == whole.size());
  FUZZ_REQUIRE(summary->suspect_messages() == sum.suspect_messages());
  FUZZ_REQUIRE(summary->whole_records == sum.whole_records);
  return whole;
}

// Bytes that may have lain anywhere: segment, from where the offset counts, the offset.
void CheckAnyBytes(fuzz::Parts parts) {
  PiecePlace place{.segment = parts.Byte()};
  const bool from_the_end = parts.Byte() % 2 == 1;
  place.begin = parts.Short();
  if (from_the_end) place.begin = kOffsetMax - place.begin;
  MemoryDisk disk;
  Write(disk, "/piece", parts.Rest());
  CheckWalk(**disk.Open("/piece"), place, kIncarnation);
}

// Two records of any messages: the number of entries of each, streams and texts, then damages.
void CheckRecords(fuzz::Parts parts) {
  const SegmentId id{kIncarnation, 7};
  const uint64_t begin = 4096;
  std::string piece;
  std::vector<Message> all;
  for (int record = 0; record < 2; ++record) {
    std::vector<Message> messages;
    for (int left = parts.Byte() % 4; left > 0; --left) {
      std::string stream(parts.Bytes(parts.Byte() % 16));
      if (!ValidateStreamName(stream).ok()) stream = "clicks";
      messages.emplace_back(std::move(stream), parts.Bytes(parts.Byte()));
    }
    const std::string body = EncodeList(messages);
    FUZZ_REQUIRE(ToMessages(FindEntries(body)) == messages);
    AppendRecordHeader(piece, id,
                       {.offset = begin + piece.size(),
                        .begins_flush = true,
                        .accepted_ms = 1936087440000,
                        .count = static_cast<uint32_t>(messages.size()),
                        .entries_bytes = static_cast<uint32_t>(body.size()),
                        .body_crc32c = Crc32c(body)});
    piece += body;
    all.insert(all.end(), messages.begin(), messages.end());
  }
  const std::string sound = piece;
  while (!parts.empty()) fuzz::Damage(parts, piece);
  MemoryDisk disk;
  Write(disk, "/piece", piece);
  const auto whole = CheckWalk(**disk.Open("/piece"), {7, begin}, kIncarnation);
  if (piece == sound) FUZZ_REQUIRE(whole == all);
  auto at = all.begin();
  for (const Message& message : whole) {
    at = std::find(at, all.end(), message);
    FUZZ_REQUIRE(at != all.end());
    ++at;
  }
}

std::unique_ptr<Spool> OpenSpool(Disk& disk, Clock& clock, Random& random) {
  SpoolOptions options{.dir = kDir, .collector = "c1"};
  options.segment_bytes = 400;
  options.disk_reserve_bytes = 0;
  auto opened = Spool::Open({disk, clock, random}, options);
  return opened.ok() ? *std::move(opened) : nullptr;
}

void Put(Spool& spool, const std::string& stream, const std::string& message) {
  const Frame frame = Frame::Copy(EncodeList({{stream, message}}));
  std::vector<SpoolBatch> batches;
  batches.push_back({frame, frame.bytes(), 1, {}, {{"bad/name", "rejected", "no stream"}}});
  spool.Append(std::move(batches), [](std::span<const SpoolOutcome> outcomes) {
    FUZZ_REQUIRE(outcomes.front().answer == SpoolAnswer::kKept);
  });
  FUZZ_REQUIRE(spool.FlushOnce());
}

// An undamaged spool with something of each kind: segments with delivered, sealed, held back and
// other records, a piece that was set aside, rejected entries. Each message is there once.
struct Origin {
  std::map<std::string, std::string> files;
  std::set<Message> messages;
  uint64_t incarnation = 0;

  Origin() {
    MemoryDisk disk;
    ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 60))};
    const auto random = SeededRandom(7);
    auto spool = OpenSpool(disk, clock, *random);
    FUZZ_REQUIRE(spool);
    incarnation = *ParseSender(spool->identity().incarnation);
    for (int i = 1; i <= 9; ++i) {
      const Message message{"stream-" + std::to_string(i), "message-" + std::to_string(i)};
      Put(*spool, message.first, message.second);
      messages.insert(message);
    }
    const auto damaged = SpoolRange(spool->UnsealedRanges().back().range);
    const std::string path = SegmentPath(kDir, damaged.segment);
    std::string content = Content(disk, path);
    content[damaged.end - 40] ^= 1;
    FUZZ_REQUIRE(disk.Remove(path).ok());
    Write(disk, path, content);
    CutAll(*spool);
    spool.reset();
    for (const std::string dir : {"", "/damaged", "/rejected"}) {
      const auto names = disk.List(kDir + dir);
      for (const std::string& name : *names) {
        const std::string file = kDir + dir + "/" + name;
        if (name != kDiskLockName && disk.Open(file).ok()) files[file] = Content(disk, file);
      }
    }
    FUZZ_REQUIRE(files.size() >= 8);
  }

  static std::string Content(Disk& disk, const std::string& path) {
    Result<std::string> content = ReadWholeFile(disk, path);
    FUZZ_REQUIRE(content.ok());
    return *std::move(content);
  }

  // The ranges of the first segments get a fate each; the last is read, which finds the damage.
  static void CutAll(Spool& spool) {
    const auto unsealed = spool.UnsealedRanges();
    FUZZ_REQUIRE(unsealed.size() >= 3);
    std::vector<std::vector<SpoolRange>> records;
    for (const UnsealedRange& one : unsealed) {
      auto& of_segment = records.emplace_back();
      FUZZ_REQUIRE(spool
                       .Read(one.range, kMost,
                             [&](const SpoolRecord& found) { of_segment.push_back(found.range); })
                       .ok());
    }
    FUZZ_REQUIRE(spool.AddCut({records[0].front()}, {}).ok());
    FUZZ_REQUIRE(spool.AddCut({records[0].back()}, {.intents = {{.stream = "stream-2"}}}).ok());
    FUZZ_REQUIRE(spool.AddCut({records[1].front()}, {.deferred = {{"stream-4", 9, {}}}}).ok());
  }
};

void CheckSegment(const SegmentInventory& segment) {
  uint64_t accounted = segment.damaged_bytes + segment.tail_bytes;
  uint64_t messages = 0;
  for (const Tally& tally : segment.fates) {
    accounted += tally.bytes;
    messages += tally.messages;
  }
  if (segment.presence == SegmentPresence::kGone) return;
  FUZZ_REQUIRE(accounted <= segment.bytes);
  uint64_t named = 0;
  for (const auto& [stream, count] : segment.streams) named += count;
  FUZZ_REQUIRE(named == messages);
}

// Damages to the files of a spool: which file, and as above. One that is cut to nothing is gone.
void CheckInventory(fuzz::Parts parts) {
  static const Origin kOrigin;
  std::map<std::string, std::string> files = kOrigin.files;
  while (!parts.empty()) {
    fuzz::Damage(parts,
                 std::next(files.begin(), parts.Byte() % static_cast<int>(files.size()))->second);
  }
  const bool sound = files == kOrigin.files;
  MemoryDisk disk;
  for (const char* dir : {"/damaged", "/rejected"}) FUZZ_REQUIRE(disk.MakeDirs(kDir + dir).ok());
  for (const auto& [path, content] : files) Write(disk, path, content);
  const auto inventory = ReadInventory(disk, kDir, ReadDepth::kBodies);
  FUZZ_REQUIRE(inventory.ok() && inventory->pieces.size() == 1);
  std::set<std::string> streams;
  for (const SegmentInventory& segment : inventory->segments) {
    CheckSegment(segment);
    for (const auto& [stream, count] : segment.streams) {
      FUZZ_REQUIRE(streams.insert(stream).second && count == 1);
    }
  }
  if (sound) {
    FUZZ_REQUIRE(inventory->problems.empty() && inventory->has_journal);
    FUZZ_REQUIRE(streams.size() == kOrigin.messages.size() - 1);
  }
  FUZZ_REQUIRE(ReadInventory(disk, kDir, ReadDepth::kHeaders).ok());
  for (const auto& [path, content] : files) {
    const auto file = disk.Open(path);
    FUZZ_REQUIRE(file.ok() && Origin::Content(disk, path) == content);
    const auto place = PlaceFromName(path.substr(path.rfind('/') + 1));
    if (!place || path.starts_with(kDir + "/rejected")) continue;
    const auto whole = CheckWalk(**file, *place, kOrigin.incarnation);
    const std::set<Message> once(whole.begin(), whole.end());
    FUZZ_REQUIRE(once.size() == whole.size() && std::ranges::includes(kOrigin.messages, once));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Parts parts(fuzz::Text(data, size));
  switch (parts.Byte() % 5) {
    case 0: CheckName(parts.Rest()); break;
    case 1: CheckEntries(parts.Rest()); break;
    case 2: CheckAnyBytes(parts); break;
    case 3: CheckRecords(parts); break;
    case 4: CheckInventory(parts); break;
  }
  return 0;
}
