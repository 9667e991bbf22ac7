// What can be read of a piece of a segment's file: one that was set aside in `damaged/`, or the
// file itself. For who looks at a spool from outside; reads only.
//
// A record that is whole is one that the spool itself would believe. Of anything else the entries
// are looked for by their form: where the damage is, nobody knows, so that each of their bytes may
// be wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/spool/format.h"
#include "collector/spool/intervals.h"
#include "storage/disk/disk.h"

namespace databus {

// Where the bytes of a file lay.
struct PiecePlace {
  uint64_t segment = 0;
  uint64_t begin = 0;  // offset in the segment
  friend bool operator==(const PiecePlace&, const PiecePlace&) = default;
};
// "segment-N-OFFSET": what the bytes are called that a spool takes out of a segment.
std::string PieceName(const PiecePlace& place);
// `segment-N` and `copy-N` begin at 0, `segment-N-OFFSET` where it says. Nothing: another name.
std::optional<PiecePlace> PlaceFromName(std::string_view name);

struct PieceMessage {
  std::string_view stream;
  std::string_view message;
};

// One record, or a stretch of bytes that holds none that is whole.
struct PieceRecord {
  enum class State : uint8_t { kWhole, kSuspect };
  State state = State::kSuspect;
  Interval bytes;                      // in the segment
  std::optional<RecordHeader> header;  // undamaged
  std::vector<PieceMessage> messages{};
  uint32_t rejected = 0;  // entries that no stream can take, of a whole record
};

// Calls visit(record) for all of `file`, whose first byte lay at `place`; views are valid during
// the call. An error is the disk's.
Status WalkPiece(DiskFile& file, const PiecePlace& place, uint64_t incarnation,
                 const std::function<void(const PieceRecord&)>& visit);

// The entries in `bytes` as far as they can be recognised.
std::vector<PieceMessage> FindEntries(std::string_view bytes);

// Messages of one stream.
struct PieceCount {
  uint64_t whole = 0;
  uint64_t suspect = 0;
};

struct PieceSummary {
  uint64_t bytes = 0;  // of the file
  uint64_t whole_records = 0;
  uint64_t suspect_records = 0;  // or stretches
  uint64_t suspect_bytes = 0;
  uint64_t unrecognised = 0;  // messages that a suspect record holds by its header, and not found
  uint64_t rejected = 0;
  std::map<std::string, PieceCount, std::less<>> streams;

  void Add(const PieceRecord& record);
  uint64_t whole_messages() const;
  uint64_t suspect_messages() const;
};
Result<PieceSummary> SummarisePiece(DiskFile& file, const PiecePlace& place, uint64_t incarnation);

}  // namespace databus
