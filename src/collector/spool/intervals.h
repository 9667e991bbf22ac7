// A set of half-open intervals of offsets. A value; small sets, so a sorted map of disjoint pieces.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <vector>

namespace databus {

struct Interval {
  uint64_t begin = 0;
  uint64_t end = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

inline constexpr uint64_t kOffsetMax = std::numeric_limits<uint64_t>::max();

class IntervalSet {
 public:
  // Empty intervals add nothing.
  void Add(const Interval& interval);
  // The pieces of `within` that are not in the set, in order.
  std::vector<Interval> Gaps(const Interval& within) const;
  bool Covers(const Interval& interval) const { return Gaps(interval).empty(); }
  bool Touches(const Interval& interval) const;
  // The piece that holds `offset`, or an empty one.
  Interval Find(uint64_t offset) const;
  std::vector<Interval> pieces() const;

 private:
  // Begin to end; disjoint and not adjacent.
  std::map<uint64_t, uint64_t> pieces_;
};

}  // namespace databus
