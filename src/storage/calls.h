// What is asked of the servers of clusters, counted by tree and kind of call, for heartbeats,
// metrics and the tests that bound it. A tree on a disk has no servers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/sync.h"

namespace databus {

// Thread-safe.
class StorageCalls {
 public:
  using ByKind = std::map<std::string, uint64_t, std::less<>>;

  // `tree`: its URL, as Storage::Describe has it. `kind`: as the server calls it ("getFileInfo").
  // A call that is made again counts again: the server has it twice.
  void Add(const std::string& tree, std::string_view kind) {
    MutexLock lock(mutex_);
    ByKind& kinds = trees_[tree];
    const auto found = kinds.find(kind);
    if (found != kinds.end()) {
      ++found->second;
    } else {
      kinds.emplace(kind, 1);
    }
  }
  std::map<std::string, ByKind> All() const {
    MutexLock lock(mutex_);
    return trees_;
  }
  // Of all trees and kinds.
  uint64_t Sum() const {
    MutexLock lock(mutex_);
    uint64_t sum = 0;
    for (const auto& [tree, kinds] : trees_) {
      for (const auto& [kind, count] : kinds) sum += count;
    }
    return sum;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, ByKind> trees_;
};

}  // namespace databus
