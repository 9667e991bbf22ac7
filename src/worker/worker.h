// A worker process: one ClusterWorker per cluster it works for, and the threads that drive them.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/sync.h"
#include "control/topology_watch.h"
#include "storage/call_rates.h"
#include "storage/calls.h"
#include "telemetry/metrics.h"
#include "worker/cluster_worker.h"

namespace databus {

// What a worker needs of the outside world.
struct WorkerSeams {
  Clock& clock;
  Random& random;
  OpenClusterStorage open_storage;
  std::function<Status(const ClusterSpec&)> create_root;
  MakeLease make_lease{};  // empty: leases are in the trees
  // What this process has asked of the clusters' servers; null: nobody counts.
  const StorageCalls* calls = nullptr;
};

class Worker {
 public:
  // `learnt`: by the worker of this process that obeyed the topology before.
  //   kInvalid  the configuration names a cluster that the topology does not have
  static Result<std::unique_ptr<Worker>> Create(WorkerSeams seams, WorkerConfig config,
                                                std::shared_ptr<const ObeyedTopology> obeyed,
                                                WorkerIdentity identity, AdoptTree adopt_tree,
                                                Learnt learnt = {});
  // Stops, if Stop was not called.
  ~Worker();

  // Prepares every cluster once. kRefused or kInvalid, which an operator must see, are answered; a
  // cluster that does not answer is tried again by its thread.
  Status Start();
  // Ends the steps under way, at the latest after the commit that each is at, joins the threads,
  // and gives up the leases.
  void Stop();
  // The same, but another worker of this process goes on at once, by another topology, for the
  // clusters `next`: it gets their leases, and what was learnt of them.
  Learnt StopFor(const std::vector<std::string>& next);
  // Gives up what StopFor has left to others.
  void Finish();

  // Ok when every cluster is prepared.
  Status Ready() const;
  // Brings the metrics (worker/metrics.h) up to date.
  void Expose(Metrics& metrics) const;

  // For tests and the simulator, which drive the steps themselves instead of calling Start.
  const std::vector<std::unique_ptr<ClusterWorker>>& clusters() const { return workers_; }

 private:
  Worker(WorkerSeams seams, WorkerConfig config, std::shared_ptr<const ObeyedTopology> obeyed);
  void StartThreads(ClusterWorker& worker);
  void Loop(StopFlag& stop, std::chrono::nanoseconds interval, const std::function<void()>& step);
  void JoinThreads();
  // What all of it has asked of servers, for a heartbeat; null when nothing is counted.
  nlohmann::ordered_json DescribeCalls();

  const WorkerSeams seams_;
  const WorkerConfig config_;
  const std::shared_ptr<const ObeyedTopology> obeyed_;
  std::unique_ptr<Clusters> clusters_;
  std::vector<std::unique_ptr<ClusterWorker>> workers_;
  Mutex rates_mutex_;
  CallRates rates_;
  StopFlag stop_;
  StopFlag stop_signs_;  // after the others: lease and heartbeat outlive the last commit
  std::vector<Thread> threads_;
  std::vector<Thread> sign_threads_;
};

}  // namespace databus
