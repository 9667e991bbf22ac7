// The book of a spool's segments: how far each one reaches, and what of it is taken (under a cut,
// freed, or void). A value without I/O.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "collector/spool/intervals.h"
#include "collector/spool/spool_types.h"
#include "collector/spool/state.h"

namespace databus {

class SegmentTable {
 public:
  // An empty segment.
  void Add(uint64_t segment, SpoolAge age);
  // The segment's durable end is now `end`; what was added was accepted at or after `accepted`.
  void Extend(uint64_t segment, uint64_t end, WallTime accepted);
  void Take(const SpoolRange& range);
  // The segment reached at least to `end` once, whatever is left of it on the disk. What is missing
  // was accepted at or after `accepted`.
  void Reach(uint64_t segment, uint64_t end, WallTime accepted);
  void Remove(uint64_t segment) { segments_.erase(segment); }
  // REQUIRES: the segment is there.
  uint64_t EndOf(uint64_t segment) const { return segments_.at(segment).end; }

  // kInvalid unless all ranges are unsealed and do not overlap.
  Status CheckUnsealed(std::span<const SpoolRange> ranges) const;
  std::vector<UnsealedRange> Unsealed() const;
  SpoolEnd End() const;
  // Of each segment, ascending.
  std::vector<SpoolEnd> Ends() const;
  // Segments but `current` of which all is freed or void, and which no open cut names: what is
  // under one may have to be read again.
  std::vector<uint64_t> Removable(const SpoolState& state, uint64_t current) const;
  size_t size() const { return segments_.size(); }

 private:
  struct Segment {
    SpoolAge age = SpoolAge::kLive;
    uint64_t end = 0;
    IntervalSet taken;
    // Offset and acceptance, ascending: nothing behind the offset was accepted earlier. Thinned.
    std::vector<std::pair<uint64_t, WallTime>> times;
  };
  std::vector<Interval> Gaps(const Segment& segment) const;

  std::map<uint64_t, Segment> segments_;
};

}  // namespace databus
