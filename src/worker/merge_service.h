// The merged stream on its primary: pulls what every source cluster has published locally into
// `streams`, each file once (P19), and tells the mirrors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/identity_index.h"
#include "cluster/topology.h"
#include "worker/clusters.h"
#include "worker/copier.h"
#include "worker/queue.h"
#include "worker/run_stats.h"
#include "worker/writers.h"

namespace databus {

// One thread at a time.
class MergeService {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    Clusters& clusters;
    const Clock& clock;
    Writers& writers;  // of View::kMerged
    ProblemBoard& problems;
    RunStats& stats;
    int copy_threads = 4;
  };
  explicit MergeService(Options options);

  // Merges what the queues of all sources that answer name, and closes the minutes before `now`. A
  // source that is away delays nothing but itself.
  void RunOnce(Minute now);

 private:
  // A line of a queue that is to be fetched.
  struct Index {
    uint64_t epoch = 0;  // of the writer whose ledger it agrees with
    enum class Built : uint8_t { kNo, kYes } built = Built::kNo;
    // Every file of minutes that were closed by then is in it; later ones may be, too.
    std::optional<Minute> covered;
    IdentityIndex index;
  };
  struct Wanted {
    std::string source;
    QueueEntry* entry = nullptr;
    size_t line = 0;
  };
  void RefreshQueues();
  Status CheckGroups(const std::string& source) const;
  Status MergeGroup(GroupWriter& writer, Group group, Minute now);
  std::vector<Wanted> Select(Group group);
  bool IsDue(const std::string& source, QueueEntry& entry, size_t i);
  Status Fetch(GroupWriter& writer, const std::vector<Wanted>& wanted, CommitRequest& request);
  Status Judge(GroupWriter& writer, const Wanted& wanted, const std::string& staged,
               const CopyOutcome& outcome, CommitRequest& request);
  void AcknowledgeFrozen(GroupWriter& writer, Group group);
  void AddCleanUps(Group group, CommitRequest& request);
  Result<IdentityIndex*> IndexOf(GroupWriter& writer, Group group);
  Status ExtendIndex(GroupWriter& writer, Group group, Index& index);
  Status IndexMinutes(GroupWriter& writer, Group group, Index& index);
  Status IndexOwnMinute(GroupWriter& writer, Group group, Minute minute, IdentityIndex& index);
  Status IndexUndescribed(GroupWriter& writer, IdentityIndex& index);
  Status IndexByListing(GroupWriter& writer, Minute minute, IdentityIndex& index);
  Status IndexTheOriginals(GroupWriter& writer, Group group, Minute before, IdentityIndex& index);

  const Options options_;
  std::map<Group, std::vector<std::string>> frozen_;  // own streams
  std::map<std::string, QueueReader> queues_;         // by source cluster
  std::map<Group, Index> indexes_;
  IdentityIndex in_request_;  // of the commit under way
};

}  // namespace databus
