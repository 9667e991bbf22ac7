// What a power cut of a cluster's machine may undo: renames whose caller was never told that they
// are done. An answer of ok promises durability (storage.h); one that was lost promises nothing,
// until a later call that changes the directory it went to, or SyncAll, is answered.
//
// Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/fault/fault_plan.h"

namespace databus::sim {

class UnsyncedMoves {
 public:
  // A call of some process, and what its caller is told.
  void OnCall(const Call& call, const Fault& fault);

  struct Rename {
    std::string store;
    std::string from;
    std::string to;
  };
  // Those of `store`, newest first; they are forgotten.
  std::vector<Rename> Take(std::string_view store);

 private:
  std::vector<Rename> renames_;  // whose answers were lost, oldest first
};

}  // namespace databus::sim
