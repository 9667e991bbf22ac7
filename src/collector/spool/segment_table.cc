#include "collector/spool/segment_table.h"

#include <algorithm>
#include <string>

#include "collector/spool/format.h"

namespace databus {
namespace {

// How finely acceptance times are remembered.
constexpr uint64_t kTimesApartBytes = 256u << 10;
constexpr Milliseconds kTimesApart{100};

// The last time noted at or before `offset`.
WallTime AcceptedAt(const std::vector<std::pair<uint64_t, WallTime>>& times, uint64_t offset) {
  auto it = std::upper_bound(times.begin(), times.end(), offset,
                             [](uint64_t at, const auto& time) { return at < time.first; });
  if (it == times.begin()) return WallTime();
  return std::prev(it)->second;
}

}  // namespace

void SegmentTable::Add(uint64_t segment, SpoolAge age) {
  Segment& added = segments_[segment];
  added.age = age;
  added.end = kSegmentHeaderBytes;
}

void SegmentTable::Extend(uint64_t segment, uint64_t end, WallTime accepted) {
  Segment& extended = segments_[segment];
  auto& times = extended.times;
  // After a step of the clock backwards everything since counts as old as it says.
  if (times.empty() || accepted < times.back().second ||
      extended.end - times.back().first >= kTimesApartBytes ||
      accepted - times.back().second >= kTimesApart) {
    times.emplace_back(extended.end, accepted);
  }
  extended.end = end;
}

void SegmentTable::Take(const SpoolRange& range) {
  const auto found = segments_.find(range.segment);
  if (found != segments_.end()) found->second.taken.Add({range.begin, range.end});
}

void SegmentTable::Reach(uint64_t segment, uint64_t end, WallTime accepted) {
  const auto found = segments_.find(segment);
  if (found != segments_.end() && found->second.end < end) Extend(segment, end, accepted);
}

Status SegmentTable::CheckUnsealed(std::span<const SpoolRange> ranges) const {
  std::map<uint64_t, IntervalSet> taken;
  for (const SpoolRange& range : ranges) {
    const auto found = segments_.find(range.segment);
    const Interval bytes{range.begin, range.end};
    if (found == segments_.end() || range.begin < kSegmentHeaderBytes || range.begin >= range.end ||
        range.end > found->second.end || found->second.taken.Touches(bytes) ||
        taken[range.segment].Touches(bytes)) {
      return {Code::kInvalid, "spool: range " + std::to_string(range.begin) + "-" +
                                  std::to_string(range.end) + " of segment " +
                                  std::to_string(range.segment) + " is not unsealed"};
    }
    taken[range.segment].Add(bytes);
  }
  return Status::Ok();
}

std::vector<Interval> SegmentTable::Gaps(const Segment& segment) const {
  return segment.taken.Gaps({kSegmentHeaderBytes, segment.end});
}

std::vector<UnsealedRange> SegmentTable::Unsealed() const {
  std::vector<UnsealedRange> unsealed;
  for (const auto& [number, segment] : segments_) {
    for (const Interval& gap : Gaps(segment)) {
      unsealed.push_back(
          {{number, gap.begin, gap.end}, AcceptedAt(segment.times, gap.begin), segment.age});
    }
  }
  return unsealed;
}

SpoolEnd SegmentTable::End() const {
  if (segments_.empty()) return {};
  const auto& [number, segment] = *segments_.rbegin();
  return {number, segment.end};
}

std::vector<SpoolEnd> SegmentTable::Ends() const {
  std::vector<SpoolEnd> ends;
  ends.reserve(segments_.size());
  for (const auto& [number, segment] : segments_) ends.push_back({number, segment.end});
  return ends;
}

std::vector<uint64_t> SegmentTable::Removable(const SpoolState& state, uint64_t current) const {
  std::vector<uint64_t> removable;
  for (const auto& [number, segment] : segments_) {
    if (number == current) continue;
    if (!state.Done(number).Covers({kSegmentHeaderBytes, segment.end})) continue;
    if (!state.IsUnderCut(number)) removable.push_back(number);
  }
  return removable;
}

}  // namespace databus
