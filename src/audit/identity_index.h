// Which files are already in a merged view (P19), so that nothing is published twice whatever the
// queues say. Costs what there are collectors and streams, not files: counters are kept as
// intervals per (incarnation, stream). Foreign files, which have no identity, are kept by name,
// length and checksum.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "commit/manifest.h"

namespace databus {

// A set of counters as disjoint intervals.
class CounterSet {
 public:
  // False when it was there already.
  bool Add(uint64_t counter);
  bool Contains(uint64_t counter) const;
  size_t Intervals() const { return last_by_first_.size(); }

 private:
  std::map<uint64_t, uint64_t> last_by_first_;
};

// One thread at a time.
class IdentityIndex {
 public:
  // False when this very file was there already.
  bool Add(std::string_view stream, std::string_view name, const ManifestFile& file);
  bool Contains(std::string_view stream, std::string_view name, const ManifestFile& file) const;
  void AddAll(std::string_view stream, const MinuteFiles& files);
  // A file of the original system, of which nothing but the name is known: any foreign file of this
  // name is the same.
  void AddName(std::string_view stream, std::string_view name);

 private:
  using StreamOf = std::pair<std::string, std::string>;  // incarnation, stream
  using Foreign = std::tuple<std::string, std::string, uint64_t, uint32_t>;
  std::map<StreamOf, CounterSet> counters_;
  std::set<Foreign> foreign_;
  std::set<std::pair<std::string, std::string>> names_;  // stream, name
};

}  // namespace databus
