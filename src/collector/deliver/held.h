// What in the spool cannot go at present: deferred streams of cuts that are made, and ranges that
// no cut was made of, because nothing in them could go. Values without I/O.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/spool/intervals.h"
#include "collector/spool/spool_types.h"

namespace databus {

// (segment, offset): the order in which messages came.
using LogPlace = std::pair<uint64_t, uint64_t>;

// Where a cut, or what is going to be one, begins.
LogPlace PlaceOf(const std::vector<SpoolRange>& ranges);

class DeferredBook {
 public:
  // The deferred streams of a cut, besides those of it that are known.
  void Add(const SpoolCut& cut);
  // From now on only these streams of the cut are deferred.
  void Keep(uint64_t cut, const std::vector<SpoolDeferral>& deferred);

  bool empty() const { return cuts_.empty(); }
  // Whether messages of the stream that came before `place` are deferred: they go first.
  bool Before(std::string_view stream, LogPlace place) const;
  // The oldest cut with a stream that may go, and which of its streams those are: only streams that
  // no older cut defers. Null: there is none.
  using MayGo = std::function<bool(std::string_view stream, uint64_t cut)>;
  const SpoolCut* FindReady(const MayGo& may_go, std::set<std::string>& ready) const;
  // Bytes of each stream.
  std::map<std::string, uint64_t> Bytes() const;

 private:
  std::map<LogPlace, SpoolCut> cuts_;  // with deferred streams only, without intents
  std::map<uint64_t, LogPlace> places_;
  // Each stream, and in which cuts how much of it.
  std::map<std::string, std::map<LogPlace, uint64_t>, std::less<>> streams_;
};

// Ranges without a cut.
class HeldBook {
 public:
  void Add(const std::vector<SpoolRange>& ranges, const std::vector<SpoolDeferral>& streams);
  // The ranges can be cut again.
  void Clear();

  bool empty() const { return streams_.empty(); }
  LogPlace begin() const { return begin_; }
  LogPlace end() const { return end_; }
  // What is left of `range`.
  std::vector<SpoolRange> Without(const SpoolRange& range) const;
  const std::map<std::string, SpoolDeferral, std::less<>>& streams() const { return streams_; }

 private:
  std::map<uint64_t, IntervalSet> ranges_;
  LogPlace begin_{};
  LogPlace end_{};
  std::map<std::string, SpoolDeferral, std::less<>> streams_;
};

}  // namespace databus
