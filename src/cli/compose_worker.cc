#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "cli/compose.h"
#include "cli/installation.h"
#include "cli/kept_leases.h"
#include "cli/monitor.h"
#include "cli/open_failover.h"
#include "cluster/worker_config.h"
#include "control/adopt_file.h"
#include "control/topology_desk.h"
#include "control/topology_watch.h"
#include "telemetry/log.h"
#include "worker/worker.h"

namespace databus {
namespace {

// How often the stored topology is looked at: with the runs, but no clock of the world needs more.
std::chrono::nanoseconds PollInterval(const WorkerConfig& config) {
  return std::clamp<std::chrono::nanoseconds>(config.run_interval, std::chrono::seconds(1),
                                              std::chrono::seconds(5));
}

std::vector<std::string> ClustersOf(const WorkerConfig& config, const Topology& topology) {
  if (!config.all_clusters) return config.clusters;
  std::vector<std::string> all;
  all.reserve(topology.clusters.size());
  for (const ClusterSpec& cluster : topology.clusters) all.push_back(cluster.name);
  return all;
}

// A worker process from its first look at the clusters to its end. Each topology that it obeys is
// one life of its services: what is new to it begins as after a restart. Leases, and what is true
// whatever the topology says, go on from one life to the next.
class WorkerProcess {
 public:
  WorkerProcess(Seams& seams, WorkerConfig config, const WorkerStart& start)
      : seams_(seams),
        config_(std::move(config)),
        start_(start),
        leases_([this](const LeaseRequest& request) {
          return seams_.zookeeper_lease(config_.zk_connect, request);
        }) {}

  Status Run(StopFlag& stop) {
    if (config_.enable_zk && !seams_.zookeeper_lease) {
      return {Code::kInvalid, config_.file +
                                  ": com.inmobi.databus.enablezk: found true, expected "
                                  "false: there is no ZooKeeper here"};
    }
    DATABUS_ASSIGN_OR_RETURN(const Topology file, LoadTopology(seams_, config_.topology_file));
    DATABUS_RETURN_IF_ERROR(monitor_.Open(config_.http_port));
    watch_ = std::make_unique<TopologyWatch>(
        TopologyWatch::Options{seams_.random,
                               [this](const ClusterSpec& spec) {
                                 return seams_.open_storage(spec.url, spec.root_dir);
                               },
                               file.clusters, ClustersOf(config_, file)},
        nullptr);
    DATABUS_RETURN_IF_ERROR(BeginWith(file, stop));
    while (!stop.Stopped()) DATABUS_RETURN_IF_ERROR(LiveOnce(stop));
    return Status::Ok();
  }

 private:
  // P29
  Status BeginWith(const Topology& file, StopFlag& stop) {
    watch_->Poll();
    if (watch_->WaitsForHome()) {
      LogWarning("worker", "its clusters do not answer; what they obeyed last is not known yet",
                 {{"clusters", fmt::format("{}", fmt::join(config_.clusters, ", "))}});
    }
    while (watch_->WaitsForHome()) {
      if (stop.SleepUntil(seams_.clock, seams_.clock.Boot() + PollInterval(config_))) {
        return Status::Ok();
      }
      watch_->Poll();
    }
    const auto obeyed = watch_->obeyed();
    DATABUS_ASSIGN_OR_RETURN(
        const FileVerdict verdict,
        JudgeFile(file, obeyed == nullptr ? nullptr : &obeyed->epoch, start_.adopt_config));
    if (verdict.kind == FileVerdict::Kind::kStored) return Status::Ok();
    if (verdict.kind == FileVerdict::Kind::kNext) DATABUS_RETURN_IF_ERROR(CheckNobodySteers(file));
    return watch_->Begin(verdict.epoch);
  }

  // Here, as only the commands' side knows failovers; processes obey what is stored.
  Status CheckNobodySteers(const Topology& file) {
    TopologyDesk desk({.random = seams_.random,
                       .open =
                           [this](const ClusterSpec& spec) {
                             return seams_.open_storage(spec.url, spec.root_dir);
                           },
                       .clusters = file.clusters});
    desk.Look();
    return CheckNoFailoverIsOpen(desk).WithContext(
        fmt::format("--adopt-config={}", start_.adopt_config.value_or(0)));
  }

  // A cluster that a newer topology does not know any more ends nothing but the service for it; at
  // the start it is a mistake in the file.
  WorkerConfig ConfigOfLife(const Topology& topology) {
    WorkerConfig config = config_;
    if (std::exchange(first_life_, false)) return config;
    std::erase_if(config.clusters, [&](const std::string& cluster) {
      if (topology.FindCluster(cluster) != nullptr) return false;
      LogWarning("worker", "the topology has no such cluster any more; it is not served",
                 {{"cluster", cluster}});
      return true;
    });
    return config;
  }

  MakeLease LeaseMaker() {
    if (!config_.enable_zk) return {};
    return [this](const LeaseRequest& request) { return leases_.Of(request); };
  }

  // Until `stop`, or until another topology is to be obeyed.
  Status LiveOnce(StopFlag& stop) {
    const std::shared_ptr<const ObeyedTopology> obeyed = watch_->obeyed();
    const WorkerConfig config = ConfigOfLife(obeyed->topology);
    watch_->SetHomes(ClustersOf(config, obeyed->topology));
    const WorkerSeams outside{
        seams_.clock,
        seams_.random,
        [this](const ClusterSpec& spec) { return seams_.open_storage(spec.url, spec.root_dir); },
        [this](const ClusterSpec& spec) { return seams_.create_root(spec.url, spec.root_dir); },
        LeaseMaker(),
        seams_.storage_calls};
    leases_.BeginLife();
    DATABUS_ASSIGN_OR_RETURN(
        const std::unique_ptr<Worker> worker,
        Worker::Create(outside, config, obeyed,
                       {seams_.host, seams_.pid, seams_.machine, seams_.process_is_gone},
                       start_.adopt_tree, std::exchange(learnt_, {})));
    DATABUS_RETURN_IF_ERROR(worker->Start());
    LogInfo("worker", "started",
            {{"config", config_.file},
             {"clusters", worker->clusters().size()},
             {"topology_epoch", obeyed->epoch.stored.epoch}});
    monitor_.Serve([&](Metrics& metrics) { worker->Expose(metrics); },
                   [&]() -> std::optional<std::string> {
                     const Status ready = worker->Ready();
                     if (ready.ok()) return std::nullopt;
                     return ready.message();
                   });
    while (!stop.SleepUntil(seams_.clock, seams_.clock.Boot() + PollInterval(config_)) &&
           !watch_->Poll()) {
      leases_.SkipUnused();
    }
    monitor_.Serve({}, {});
    if (stop.Stopped()) {
      LogInfo("worker", "stopping", {{"why", "told to"}});
      worker->Stop();
    } else {
      LogInfo("worker", "stopping", {{"why", "a newer topology"}});
      const Topology& next = watch_->obeyed()->topology;
      std::vector<std::string> served = ClustersOf(config_, next);
      std::erase_if(
          served, [&](const std::string& cluster) { return next.FindCluster(cluster) == nullptr; });
      learnt_ = worker->StopFor(served);
      if (stop.Stopped()) worker->Finish();  // there is no next one after all
    }
    LogInfo("worker", "stopped");
    return Status::Ok();
  }

  Seams& seams_;
  const WorkerConfig config_;
  const WorkerStart start_;
  KeptLeases leases_;
  bool first_life_ = true;
  Learnt learnt_;  // by the last life
  std::unique_ptr<TopologyWatch> watch_;
  Monitor monitor_;
};

}  // namespace

Status RunWorker(Seams& seams, const ConfigText& text, const WorkerStart& start, StopFlag& stop) {
  DATABUS_ASSIGN_OR_RETURN(WorkerConfig config, ParseWorkerConfig(text.text, text.file));
  return WorkerProcess(seams, std::move(config), start).Run(stop);
}

}  // namespace databus
