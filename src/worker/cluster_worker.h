// Everything that a worker does for one cluster: prepares its tree, holds its lease, runs local,
// merge, mirror and purge, and says how it goes. Made of steps that somebody else schedules:
// threads in worker.cc, a test or the simulator by hand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "cluster/names.h"
#include "cluster/topology.h"
#include "cluster/worker_config.h"
#include "control/topology_watch.h"
#include "lease/lease.h"
#include "worker/clock_guard.h"
#include "worker/clusters.h"
#include "worker/local_service.h"
#include "worker/majority.h"
#include "worker/merge_service.h"
#include "worker/mirror_service.h"
#include "worker/purge_service.h"
#include "worker/stream_rules.h"

namespace databus {

// Whether a tree that holds data but no system/cluster-id (one of the original system) may be given
// one.
enum class AdoptTree : uint8_t { kNo, kYes };

// How often BeatStep is to be called, and what the heartbeat says of it.
inline constexpr std::chrono::seconds kBeatInterval{2};

struct WorkerIdentity {
  std::string host;
  int64_t pid = 0;
  // Equal for two processes only if each can tell by the other's pid whether it lives; or empty.
  std::string machine{};
  std::function<bool(int64_t pid)> process_is_gone{};
};

// What a worker knows of a cluster's tree when it is told to obey another topology. Whoever goes on
// in the same process need not find it out again: so that a new epoch costs what it has changed,
// and not what the tree holds.
struct LearntOfCluster {
  std::string id;   // of the cluster; of another tree all this says nothing
  std::string url;  // of its root
  MergeService::Learnt merge;
  std::optional<BootTime> local_purged;
  std::optional<BootTime> merged_purged;
  std::string last_beat;  // the heartbeat's path
  RunStats::Totals hops;  // counters never go back in a process
  ClockGuard::Belief clock;
};
using Learnt = std::map<std::string, LearntOfCluster>;  // by cluster

// The steps of one kind are called by one thread at a time: Local*, Streams*, Lease*, Beat*.
class ClusterWorker {
 public:
  struct Options {
    const ObeyedTopology& obeyed;
    const WorkerConfig& config;
    std::string cluster;
    Clusters& clusters;
    Clock& clock;
    Random& random;
    std::function<Status(const ClusterSpec&)> create_root;
    MakeLease make_lease;  // empty: the lease is in the cluster's tree
    WorkerIdentity identity;
    AdoptTree adopt_tree = AdoptTree::kNo;
    const StopFlag* stop = nullptr;  // looked at between commits
    // What this process has asked of servers, for the heartbeat; null: nothing is counted. May be
    // empty.
    std::function<nlohmann::ordered_json()> describe_calls{};

    const Topology& topology() const { return obeyed.topology; }
  };
  explicit ClusterWorker(Options options, std::optional<LearntOfCluster> learnt = std::nullopt);
  ~ClusterWorker();

  // Makes sure that the tree is there and is this cluster's: initialises an empty one that nobody
  // remembers (P1), makes the service directories, probes the store. Cheap once it has succeeded.
  //   kRefused, kInvalid  an operator must act; the message says how
  //   kUnavailable        the cluster does not answer; call again
  Status Prepare();

  void LeaseStep();
  // From one LeaseStep to the next.
  std::chrono::nanoseconds LeasePace() const;
  void LocalStep();
  void StreamsStep();  // merge, mirror, purge
  void BeatStep();     // writes the heartbeat, compares the clocks

  // After the last step. Gives up the lease, and says in the heartbeat that it has stopped.
  void Finish();
  // Instead of that: the same process goes on by another topology. The lease is left to it, and the
  // heartbeat stands. Nothing: there is nothing to hand over.
  std::optional<LearntOfCluster> HandOver();

  // Ok while this worker publishes or stands by; else what it waits for.
  Status Ready() const;
  const std::string& cluster() const { return options_.cluster; }
  const RunStats& stats() const { return stats_; }
  const RecoveryRows& rows() const { return rows_; }
  std::vector<Problem> ListProblems() const;
  // By source: files of groups that are held here which cannot be fetched (P34).
  std::map<std::string, uint64_t> Missed() const;
  size_t GroupsHeld() const;

 private:
  struct Services;
  Status PrepareTree(Storage& storage);
  static Status SweepTmp(Storage& storage);
  Status CompareClock(Storage& storage);
  Status InitializeEmpty(Storage& storage);
  void RememberFromHeartbeats();
  void RememberFrom(Storage& storage);
  std::shared_ptr<Lease> NewLease(Storage& storage);
  // Null until Prepare has succeeded; then they stay as long as this does.
  Lease* OurLease() const;
  Services* Running();
  bool MayPublish();
  void LogHolder(const std::string& holder);
  void LogShare();
  Group Groups() const;  // how many the cluster has
  bool Holds(Group group) const;
  WorkerPart PartOf(const std::string& holder) const;
  Heartbeat MakeHeartbeat(const std::string& holder) const;
  // Of a share, what it may speak for: the groups whose merged streams it has looked at since it
  // holds them.
  void NoteServed(std::set<Group> groups);
  std::set<Group> ServedNow(const std::set<Group>& share) const;
  // What it is to say of streams, where it holds their groups.
  void TellOfStreams(Heartbeat& beat) const;
  void LookForAnother(Storage& storage);
  void RemoveOwnBeat(Storage& storage);

  const Options options_;
  const bool waits_when_alone_;  // P28: some stream that is published here
  const std::string label_;      // unique to this process: "worker-dc1@host:4711#machine"
  Majority majority_;
  TopologyRules rules_;
  ProblemBoard problems_;      // of the services: of streams, queues, files
  ProblemBoard own_problems_;  // of this process: lease, clock, heartbeat, topology
  RunStats stats_;
  RecoveryRows rows_;
  ClockGuard guard_;

  mutable Mutex mutex_;  // guards what follows, but not what the pointers point to
  std::shared_ptr<Lease> lease_;
  std::unique_ptr<Services> services_;
  std::set<Group> served_;
  Status prepared_{Code::kUnavailable, "not prepared yet"};
  std::optional<LearntOfCluster> learnt_;                              // until Prepare
  std::string last_beat_;                                              // of the heartbeat's thread
  enum class Resumes : uint8_t { kNo, kYes } resumes_ = Resumes::kNo;  // of the same
  std::string last_holder_;                                            // of the lease's thread
  std::optional<std::set<Group>> last_share_;                          // of the same
};

}  // namespace databus
