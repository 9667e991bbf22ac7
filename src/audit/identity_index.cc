#include "audit/identity_index.h"

namespace databus {

bool CounterSet::Contains(uint64_t counter) const {
  auto after = last_by_first_.upper_bound(counter);
  return after != last_by_first_.begin() && std::prev(after)->second >= counter;
}

bool CounterSet::Add(uint64_t counter) {
  if (Contains(counter)) return false;
  auto after = last_by_first_.upper_bound(counter);
  uint64_t first = counter;
  uint64_t last = counter;
  if (after != last_by_first_.end() && after->first == counter + 1) {
    last = after->second;
    after = last_by_first_.erase(after);
  }
  if (after != last_by_first_.begin() && std::prev(after)->second + 1 == counter) {
    first = std::prev(after)->first;
  }
  last_by_first_[first] = last;
  return true;
}

bool IdentityIndex::Add(std::string_view stream, std::string_view name, const ManifestFile& file) {
  if (file.identity) {
    return counters_[{file.identity->incarnation, std::string(stream)}].Add(file.identity->counter);
  }
  return foreign_.emplace(stream, name, file.length, file.crc32c).second;
}

bool IdentityIndex::Contains(std::string_view stream, std::string_view name,
                             const ManifestFile& file) const {
  if (file.identity) {
    const auto found = counters_.find({file.identity->incarnation, std::string(stream)});
    return found != counters_.end() && found->second.Contains(file.identity->counter);
  }
  return names_.contains({std::string(stream), std::string(name)}) ||
         foreign_.contains({std::string(stream), std::string(name), file.length, file.crc32c});
}

void IdentityIndex::AddName(std::string_view stream, std::string_view name) {
  names_.emplace(stream, name);
}

void IdentityIndex::AddAll(std::string_view stream, const MinuteFiles& files) {
  for (const auto& [name, file] : files) Add(stream, name, file);
}

}  // namespace databus
