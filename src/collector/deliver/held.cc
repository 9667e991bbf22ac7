#include "collector/deliver/held.h"

#include <algorithm>

namespace databus {
namespace {

using ByStream = std::map<std::string, SpoolDeferral, std::less<>>;

void CountIn(ByStream& streams, const SpoolDeferral& share) {
  const auto [at, added] = streams.try_emplace(share.stream, share);
  if (added) return;
  at->second.bytes += share.bytes;
  at->second.oldest = std::min(at->second.oldest, share.oldest);
}

}  // namespace

LogPlace PlaceOf(const std::vector<SpoolRange>& ranges) {
  if (ranges.empty()) return {};
  const SpoolRange& first = *std::ranges::min_element(ranges);
  return {first.segment, first.begin};
}

void DeferredBook::Add(const SpoolCut& cut) {
  if (cut.deferred.empty()) return;
  const LogPlace place = PlaceOf(cut.ranges);
  places_[cut.id] = place;
  const auto [at, added] = cuts_.try_emplace(place, SpoolCut{cut.id, cut.ranges, {}, {}});
  at->second.deferred.insert(at->second.deferred.end(), cut.deferred.begin(), cut.deferred.end());
  for (const SpoolDeferral& share : cut.deferred) streams_[share.stream][place] += share.bytes;
}

void DeferredBook::Keep(uint64_t cut, const std::vector<SpoolDeferral>& deferred) {
  const auto found = places_.find(cut);
  if (found == places_.end()) return;
  const LogPlace place = found->second;
  for (const SpoolDeferral& share : cuts_.at(place).deferred) {
    const auto stream = streams_.find(share.stream);
    stream->second.erase(place);
    if (stream->second.empty()) streams_.erase(stream);
  }
  for (const SpoolDeferral& share : deferred) streams_[share.stream][place] += share.bytes;
  cuts_.at(place).deferred = deferred;
  if (!deferred.empty()) return;
  cuts_.erase(place);
  places_.erase(found);
}

bool DeferredBook::Before(std::string_view stream, LogPlace place) const {
  const auto found = streams_.find(stream);
  return found != streams_.end() && found->second.begin()->first < place;
}

const SpoolCut* DeferredBook::FindReady(const MayGo& may_go, std::set<std::string>& ready) const {
  const SpoolCut* oldest = nullptr;
  LogPlace oldest_place;
  for (const auto& [stream, places] : streams_) {
    const LogPlace place = places.begin()->first;
    if (oldest != nullptr && oldest_place < place) continue;
    const SpoolCut& cut = cuts_.at(place);
    if (!may_go(stream, cut.id)) continue;
    if (oldest != &cut) ready.clear();
    oldest = &cut;
    oldest_place = place;
    ready.insert(stream);
  }
  return oldest;
}

std::map<std::string, uint64_t> DeferredBook::Bytes() const {
  std::map<std::string, uint64_t> all;
  for (const auto& [stream, places] : streams_) {
    for (const auto& [place, bytes] : places) all[stream] += bytes;
  }
  return all;
}

void HeldBook::Add(const std::vector<SpoolRange>& ranges,
                   const std::vector<SpoolDeferral>& streams) {
  for (const SpoolRange& range : ranges) {
    if (ranges_.empty()) begin_ = {range.segment, range.begin};
    ranges_[range.segment].Add({range.begin, range.end});
    begin_ = std::min(begin_, {range.segment, range.begin});
    end_ = std::max(end_, {range.segment, range.end});
  }
  for (const SpoolDeferral& share : streams) CountIn(streams_, share);
}

void HeldBook::Clear() { *this = {}; }

std::vector<SpoolRange> HeldBook::Without(const SpoolRange& range) const {
  const auto held = ranges_.find(range.segment);
  if (held == ranges_.end()) return {range};
  std::vector<SpoolRange> left;
  for (const Interval& gap : held->second.Gaps({range.begin, range.end})) {
    left.push_back({range.segment, gap.begin, gap.end});
  }
  return left;
}

}  // namespace databus
