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
#include "worker/era_book.h"
#include "worker/merged_index.h"
#include "worker/queue.h"
#include "worker/refusals.h"
#include "worker/run_stats.h"
#include "worker/salvage.h"
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
    EraBook& eras;
    ProblemBoard& problems;
    RunStats& stats;
    const StreamRules& rules;
    int copy_threads = 4;
    int retention_limit_percent = 200;
  };
  // What is true still when another topology is obeyed, so that only what that has changed is found
  // out again: what the groups' merged streams hold.
  struct Learnt {
    MergedIndex::Learnt index;
    std::map<std::string, Era> own;  // the streams that were published here, and since when
    Salvage::Learnt salvage;
  };
  explicit MergeService(Options options, Learnt learnt = {});
  // At the end.
  Learnt TakeLearnt();

  // Merges what the queues of all sources that answer name, and closes the minutes before `now`. A
  // source that is away delays nothing but itself.
  void RunOnce(Minute now);

 private:
  // A line of a queue that is to be fetched.
  struct Wanted {
    std::string source;
    QueueEntry* entry = nullptr;
    size_t line = 0;
  };
  void RefreshQueues();
  Status CheckGroups(const std::string& source) const;
  Status MergeGroup(GroupWriter& writer, Group group, Minute now);
  // P28: finds which own streams wait; says so.
  void FindWaiting();
  // P32: what comes before anything is published after a change of primary.
  Status BeginEras(GroupWriter& writer, Group group);
  Status DescribeUnnamed(GroupWriter& writer, Group group,
                         const std::vector<const StreamSpec*>& beginning);
  Status SalvageGroup(GroupWriter& writer, Group group, Minute now);
  void NoteUnread(GroupWriter& writer);
  // What may be here already, in a file that cannot be read (MergedIndex), waits.
  Status ReadDoubtful(GroupWriter& writer, Group group);
  void TellDoubtful(Group group);
  // Publishes what is in `request`, and remembers it. Answers what the view refused.
  Result<std::vector<Refusal>> PublishInto(IdentityIndex& index, GroupWriter& writer,
                                           CommitRequest request, Minute now);
  // P11: their lines stay, and are fetched again when their streams have waited.
  void PutOff(Group group, const std::vector<Refusal>& refused);
  void Accepted(const std::string& stream);
  // Forgets those of which no queue has a line any more.
  void ForgetRefused(Group group);
  std::string RefusedTopic(const std::string& stream) const;
  std::vector<Wanted> Select(Group group);
  bool IsDue(const std::string& source, QueueEntry& entry, size_t i);
  void TellStrangers();
  Status Fetch(GroupWriter& writer, const std::vector<Wanted>& wanted, CommitRequest& request);
  Status Judge(GroupWriter& writer, const Wanted& wanted, const std::string& staged,
               const CopyOutcome& outcome, CommitRequest& request);
  // A file that was copied into staging.
  struct Copied {
    const std::string& source;
    const std::string& stream;
    const std::string& name;
    const std::string& staged;
    const FileFacts& facts;
  };
  // Adds it to the request, unless it is here already.
  Status Accept(GroupWriter& writer, const Copied& copied, CommitRequest& request);
  // Fetches what a salvage has found; answers the staged names of the batch's files. `missed`: what
  // its source did not give.
  Result<std::vector<std::string>> FetchSalvage(GroupWriter& writer, const Salvage::Batch& batch,
                                                CommitRequest& request,
                                                std::vector<Salvage::Missed>& missed);
  void AcknowledgeFrozen(GroupWriter& writer, Group group);
  void AddCleanUps(Group group, CommitRequest& request);

  const Options options_;
  std::map<Group, std::vector<std::string>> frozen_;     // own streams
  std::map<std::string, QueueReader> queues_;            // by source cluster
  std::map<Group, std::vector<const StreamSpec*>> own_;  // open streams
  std::set<std::string> waiting_;  // own streams that may not be published in this run
  // Streams that queues name and that are not merged here, and what is to be said, by source.
  std::map<std::string, std::map<std::string, std::string>> strangers_;
  MergedIndex index_;
  std::map<Group, RefusedPause> read_again_;                      // what the index could not read
  std::map<Group, std::map<std::string, std::string>> doubtful_;  // what waits for that, by stream
  std::map<std::string, Era> own_eras_;
  Salvage salvage_;
  IdentityIndex in_request_;                     // of the commit under way
  std::map<std::string, Wanted> fetched_;        // the same: by staged name
  std::map<std::string, RefusedPause> refused_;  // streams of which the view refused a file
};

}  // namespace databus
