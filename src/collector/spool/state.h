// What a spool knows besides its segments, as a value, and how it changes. Pure: no I/O. Every
// change goes to the journal first and is applied afterwards; replaying the journal gives the same
// state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "collector/spool/intervals.h"
#include "collector/spool/spool_types.h"

namespace databus {

// More is decided about a cut.
struct CutChange {
  uint64_t cut = 0;
  std::vector<SpoolDeferral> deferred;  // from now on
  std::vector<SpoolIntent> intents;     // besides those that are open
};

// One durable step. The parts are applied in the order of the members, all or none.
struct SpoolChange {
  // The highest number of a segment, a cut and an intent given so far.
  uint64_t last_segment = 0;
  uint64_t last_cut = 0;
  uint64_t last_intent = 0;
  // Segments whose file, its name durable, is there from now on, until all of it is delivered.
  std::vector<uint64_t> begun;
  // Segments that are gone for good: all in them was delivered or given up.
  std::vector<uint64_t> removed;
  // That all segments which are there are named in `begun`, here or before.
  bool names_segments = false;
  // Bytes that count as if they were not there: after the end of a broken segment (P21), or set
  // aside.
  std::vector<SpoolRange> voids;
  // Bytes whose messages are where they belong.
  std::vector<SpoolRange> freed;
  // P17: per stream, the last number that may be in use.
  std::vector<std::pair<std::string, uint64_t>> counters;
  // Of what is cut, and of segments that are about to go. Lower than what is known: nothing.
  std::vector<BatchMark> marks;
  std::vector<SpoolCut> cuts;
  std::vector<CutChange> changed;
  // Only id, final_path and note count.
  std::vector<SpoolIntent> amended;
  std::vector<uint64_t> settled;
};

// Version 1 knew no deferred streams, version 2 did not say which segments there are.
inline constexpr uint32_t kChangeVersion = 3;

std::string EncodeChange(const SpoolChange& change);
// Nothing when the bytes are none of ours.
std::optional<SpoolChange> DecodeChange(std::string_view bytes, uint32_t version = kChangeVersion);

struct SpoolState {
  uint64_t last_segment = 0;
  uint64_t last_cut = 0;
  uint64_t last_intent = 0;
  std::set<uint64_t> begun;
  bool names_segments = false;  // no longer false once a program of version 3 has opened the spool
  std::map<uint64_t, IntervalSet> voids;
  std::map<uint64_t, IntervalSet> freed;
  std::map<std::string, uint64_t> counters;
  std::map<uint64_t, BatchMark> marks;
  // With the open intents only; a cut without one, and without deferred streams, is freed and gone.
  std::map<uint64_t, SpoolCut> cuts;

  void Apply(const SpoolChange& change);
  // The change that makes an empty state equal to this one.
  SpoolChange Snapshot() const;
  // A void from there on says so. All that is before it is durable.
  bool EndIsKnown(uint64_t segment) const;
  // Each byte up to the segment's known end is delivered or void, and no open cut has any of it:
  // its file may go.
  bool IsDone(uint64_t segment) const;
  bool IsUnderCut(uint64_t segment) const;
  // What of a segment is delivered or void.
  IntervalSet Done(uint64_t segment) const;
  // Those of which anything is known.
  std::set<uint64_t> KnownSegments() const;
  // Whether a segment that has no file is lost, or what is left of it: not all is done with.
  bool IsMissed(uint64_t segment) const;
  // Whether a file of so many bytes under the segment's name was put there by somebody else: the
  // spool has removed that segment.
  bool IsStray(uint64_t segment, uint64_t bytes) const;

 private:
  void Drop(uint64_t segment);
  void Change(const CutChange& change);
  void ApplyToIntents(const SpoolChange& change);
  void Free(const SpoolCut& cut);
};

}  // namespace databus
