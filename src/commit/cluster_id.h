// P1: a cluster is recognised by `system/cluster-id`, written once. A tree without it, or with
// another one than anybody remembers, is unreachable (an unmounted disk), never initialised again.
#pragma once

#include <span>
#include <string>

#include "base/random.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

struct ClusterIdentity {
  std::string id;  // 32 hex digits, random
  Group groups = kGroupsDefault;
  friend bool operator==(const ClusterIdentity&, const ClusterIdentity&) = default;
};

// kNotFound: the tree certainly has no id (or is not there at all).
Result<ClusterIdentity> ReadClusterId(Storage& storage);

// Ok when the tree has the id `remembered` (empty: nobody remembers one, any id will do).
// kUnavailable, with the reason, when it has none or another.
Result<ClusterIdentity> CheckClusterId(Storage& storage, const std::string& remembered);

enum class TreeState : uint8_t { kEmpty, kForeign };

// Whether a tree without id holds anything of somebody's: kEmpty only when there is nothing but the
// directories that an interrupted InitializeTree leaves.
Result<TreeState> LookAtTree(Storage& storage);

// Makes the service directories and, last, the id. Two that do this at once agree on one id: the
// answer is the id that stands. May be repeated after a crash.
Result<ClusterIdentity> InitializeTree(Storage& storage, Random& random, Group groups);

// Makes the service directories of `system/` that are missing, and the top of the views and of
// data.
Status EnsureServiceDirs(Storage& storage);

// kRefused, saying so, when something that is no directory has this name.
Status CheckIsDirectory(Storage& storage, const std::string& path);
// Makes one directory; there already is fine.
Status EnsureDir(Storage& storage, const std::string& path);
// Makes `path` and what is missing of its parents below the existing directory `base`.
Status EnsureDirsBelow(Storage& storage, const std::string& base, const std::string& path);

}  // namespace databus
