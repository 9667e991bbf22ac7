#include "sim/unsynced.h"

#include <algorithm>

#include "cluster/paths.h"

namespace databus::sim {
namespace {

// The local back end syncs the directories that a call has changed, and with them what was changed
// there before.
bool Syncs(const Call& call, const UnsyncedMoves::Rename& rename) {
  if (call.store != rename.store || !Changes(call.verb)) return false;
  if (call.verb == Verb::kSync) return true;
  if (call.verb == Verb::kAppend) return false;
  const std::string_view directory = paths::Parent(rename.to);
  return paths::Parent(call.path) == directory ||
         (call.verb == Verb::kRename && paths::Parent(call.to) == directory);
}

}  // namespace

void UnsyncedMoves::OnCall(const Call& call, const Fault& fault) {
  const bool answered = fault.kind == Fault::Kind::kNone || fault.kind == Fault::Kind::kDelayed;
  if (answered) {
    if (!renames_.empty()) {
      std::erase_if(renames_, [&](const Rename& one) { return Syncs(call, one); });
    }
    return;
  }
  const bool may_be_done =
      fault.kind == Fault::Kind::kAnswerLost || fault.kind == Fault::Kind::kCrashAfter;
  if (may_be_done && call.verb == Verb::kRename) {
    renames_.push_back({call.store, call.path, call.to});
  }
}

std::vector<UnsyncedMoves::Rename> UnsyncedMoves::Take(std::string_view store) {
  std::vector<Rename> taken;
  std::erase_if(renames_, [&](const Rename& one) {
    if (one.store != store) return false;
    taken.push_back(one);
    return true;
  });
  std::ranges::reverse(taken);
  return taken;
}

}  // namespace databus::sim
