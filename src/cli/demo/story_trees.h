// What the trees of a demo's clusters say about its story: what dc1 had and lacked when it came
// back, what was copied to it since, and what a primary that is none any more has published.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "cli/failover/figures.h"
#include "cluster/topology.h"
#include "storage/storage.h"

namespace databus {

// Paths of the files in the merged and mirrored streams of a cluster, all streams together, and
// when they were published.
using PublishedFiles = std::map<std::string, WallTime>;
Result<PublishedFiles> ListPublished(Storage& tree, const Topology& topology);

// Of dc1, from when it came back, with none of its processes running, until they have ended.
class Return {
 public:
  // `from`, `to`: dc1's tree and dc2's.
  static Result<Return> At(Storage& from, Storage& to, const Topology& topology);

  // Names of the files of streams that wait (P28) that dc1 published after `swapped`: those that it
  // had when it came back, and those that were set aside since.
  Result<std::set<std::string>> StaleCommits(Storage& from, const Topology& topology,
                                             WallTime swapped) const;
  // What `worker`, whose process number was `pid` when it had come back, counts at its end.
  Result<BootstrapFigures> Bootstrap(Storage& from, const Topology& topology,
                                     const std::string& worker, int64_t pid) const;

 private:
  PublishedFiles had_;
  uint64_t missing_ = 0;
};

}  // namespace databus
