// What a spool's directory holds, as a value: for an operator, from outside. Nothing is written and
// no lock is taken, so that it may be read while the collector runs, or when it cannot be started.
//
// What cannot be read is a problem in the value, and all else is there.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "collector/spool/intervals.h"
#include "collector/spool/piece.h"
#include "collector/spool/segment_reader.h"
#include "collector/spool/spool_types.h"
#include "collector/spool/state.h"
#include "storage/disk/disk.h"

namespace databus {

// What the journal says about a record.
enum class RecordFate : uint8_t {
  kDelivered,  // where it belongs
  kSealed,     // of a cut whose deliveries are decided, and not all done
  kHeldBack,   // of a cut of which a stream waits; the cut's other streams went, or are about to
  kUnsealed,
  kVoid,     // counts as not there: set aside, written again elsewhere, or never acknowledged
  kUnknown,  // there is no journal to ask, or it does not know the segment
};
inline constexpr size_t kRecordFates = 6;

// The journal's knowledge of one segment.
struct SegmentFates {
  // `state` null: no journal. It may also not know the segment.
  SegmentFates(const SpoolState* state, uint64_t segment);

  RecordFate At(uint64_t offset) const;
  // Whether some of these bytes, set aside, may have been part of a cut before; of none, those that
  // are missing. What of them was sound then may be delivered.
  bool MayHaveBeenCut(const Interval& piece) const;
  // How far the bytes from this offset on went at most: to the end of what is cut together with
  // them, else of the segment. Nothing: the journal does not say, or no longer.
  std::optional<uint64_t> EndFrom(uint64_t offset) const;

  bool known = false;
  bool end_is_known = false;
  IntervalSet voids;
  IntervalSet freed;
  IntervalSet held_back;
  IntervalSet sealed;
  std::set<std::string> waiting;  // streams that are held back in it
  uint64_t reach = 0;             // so far the segment went at least
  uint64_t end = 0;               // where it ends, if that is known
};

struct Tally {
  uint64_t bytes = 0;  // records, with their headers
  uint64_t records = 0;
  uint64_t messages = 0;
};

enum class SegmentPresence : uint8_t {
  kPresent,
  kGone,   // not all delivered, and no file
  kStray,  // a file, though the spool has removed it or given it up; it reads it no more
};

struct SegmentInventory {
  uint64_t segment = 0;
  std::string path;
  SegmentPresence presence = SegmentPresence::kPresent;
  uint64_t bytes = 0;  // of the file
  // By RecordFate. Of a segment that is gone, bytes only, as far as the journal knows them. What is
  // void is not looked into.
  std::array<Tally, kRecordFates> fates{};
  uint64_t damaged_bytes = 0;  // not delivered, and not set aside yet
  uint64_t missing_bytes = 0;  // not delivered, and behind the end of the file
  // Behind the last whole record, where the journal knows no end: it is being written, or it was
  // when the collector was killed.
  uint64_t tail_bytes = 0;
  std::map<std::string, uint64_t, std::less<>> streams{};  // messages; empty at depth kHeaders
  std::set<std::string> waiting{};
  std::optional<WallTime> oldest{};  // acceptance
  std::optional<WallTime> newest{};

  Tally& Of(RecordFate fate) { return fates[static_cast<size_t>(fate)]; }
  const Tally& Of(RecordFate fate) const { return fates[static_cast<size_t>(fate)]; }
};

struct PieceInventory {
  std::string path;
  PiecePlace place;
  bool may_have_been_cut = true;  // see SegmentFates
  // Of one without a byte, as its segment's file ended before it: how many there were, at most.
  // Nothing: that is not known.
  std::optional<uint64_t> missing_bytes{};
  std::optional<PieceSummary> summary{};  // nothing: see the problems
};

struct RejectedFile {
  std::string path;
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

struct HeldStream {
  uint64_t bytes = 0;
  WallTime oldest;
};

struct SpoolInventory {
  std::string dir;
  std::optional<SpoolIdentity> identity;
  bool has_journal = false;
  std::vector<SegmentInventory> segments;
  std::vector<PieceInventory> pieces;
  std::vector<RejectedFile> rejected;
  std::map<std::string, HeldStream> held_back;  // by stream, as the journal has them
  uint64_t deliveries = 0;                      // decided, and not done yet
  std::vector<std::string> problems;            // one line each
};

// kHeaders: without the names of streams, and without seeing damage in messages, but quickly.
// Errors: there is no spool there, or the directory cannot be listed.
Result<SpoolInventory> ReadInventory(Disk& disk, const std::string& dir, ReadDepth depth);

// The incarnation of the spool in `dir`: from its identity, else from any of its segments.
Result<uint64_t> FindIncarnation(Disk& disk, const std::string& dir);

}  // namespace databus
