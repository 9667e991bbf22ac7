// What is on its way through one cluster's tree: delivered and not published, in commits that are
// not finished, in its queues.
#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "failover/observation.h"
#include "storage/storage.h"

namespace databus::failover {

// Which streams of a cluster a look is about.
class StreamFilter {
 public:
  StreamFilter(const Scope& scope, const std::string& cluster)
      : scope_(scope), all_(scope.whole == cluster) {}
  bool Wants(const std::string& stream) const { return all_ || scope_.streams.contains(stream); }

 private:
  const Scope& scope_;
  const bool all_;
};

// Of one cluster. One thread at a time.
class FlowReader {
 public:
  // Adds to `tree.flow` what is on its way in the local view (data/, commits, queues to merge), or
  // in the merged one (commits, queues to mirror).
  //   kUnavailable  something did not answer, or changed while it was looked at: look again
  Status Read(Storage& storage, View view, const StreamFilter& wanted, SeenTree& tree);

 private:
  using Lines = std::map<std::string, uint64_t>;  // by stream
  static Status ReadData(Storage& storage, const StreamFilter& wanted, SeenTree& tree);
  static Status ReadCommits(Storage& storage, View view, const StreamFilter& wanted,
                            SeenTree& tree);
  Status ReadQueues(Storage& storage, View view, const StreamFilter& wanted, SeenTree& tree);
  struct Queue {
    View view;
    std::string root;  // of all queues of that view
    std::string reader;
  };
  // `counted`: the entries, by path, that are in `tree` already.
  Status ReadQueue(Storage& storage, const Queue& queue, const StreamFilter& wanted,
                   std::set<std::string>& counted, SeenTree& tree);
  Result<const Lines*> ReadEntry(Storage& storage, const std::string& path);

  std::map<std::string, Lines> entries_;  // by path: names are never used twice
};

}  // namespace databus::failover
