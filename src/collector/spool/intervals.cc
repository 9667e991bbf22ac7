#include "collector/spool/intervals.h"

#include <algorithm>

namespace databus {

void IntervalSet::Add(const Interval& interval) {
  if (interval.begin >= interval.end) return;
  Interval merged = interval;
  auto it = pieces_.upper_bound(merged.begin);
  if (it != pieces_.begin() && std::prev(it)->second >= merged.begin) --it;
  while (it != pieces_.end() && it->first <= merged.end) {
    merged.begin = std::min(merged.begin, it->first);
    merged.end = std::max(merged.end, it->second);
    it = pieces_.erase(it);
  }
  pieces_[merged.begin] = merged.end;
}

std::vector<Interval> IntervalSet::Gaps(const Interval& within) const {
  std::vector<Interval> gaps;
  uint64_t at = std::max(within.begin, Find(within.begin).end);
  for (auto it = pieces_.upper_bound(at); at < within.end; ++it) {
    const uint64_t stop = it == pieces_.end() ? within.end : std::min(it->first, within.end);
    if (at < stop) gaps.push_back({at, stop});
    if (it == pieces_.end()) break;
    at = it->second;
  }
  return gaps;
}

bool IntervalSet::Touches(const Interval& interval) const {
  const std::vector<Interval> gaps = Gaps(interval);
  return interval.begin < interval.end && (gaps.size() != 1 || gaps.front() != interval);
}

Interval IntervalSet::Find(uint64_t offset) const {
  auto it = pieces_.upper_bound(offset);
  if (it == pieces_.begin()) return {};
  --it;
  return offset < it->second ? Interval{it->first, it->second} : Interval{};
}

std::vector<Interval> IntervalSet::pieces() const {
  std::vector<Interval> all;
  all.reserve(pieces_.size());
  for (const auto& [begin, end] : pieces_) all.push_back({begin, end});
  return all;
}

}  // namespace databus
