#include "worker/worker.h"

#include <algorithm>

#include <fmt/format.h>

#include "telemetry/log.h"
#include "worker/metrics.h"

namespace databus {

Worker::Worker(WorkerSeams seams, WorkerConfig config, std::shared_ptr<const ObeyedTopology> obeyed)
    : seams_(std::move(seams)),
      config_(std::move(config)),
      obeyed_(std::move(obeyed)),
      clusters_(std::make_unique<Clusters>(obeyed_->topology, seams_.open_storage)) {}

Result<std::unique_ptr<Worker>> Worker::Create(WorkerSeams seams, WorkerConfig config,
                                               std::shared_ptr<const ObeyedTopology> obeyed,
                                               WorkerIdentity identity, AdoptTree adopt_tree,
                                               Learnt learnt) {
  std::unique_ptr<Worker> worker(
      new Worker(std::move(seams), std::move(config), std::move(obeyed)));
  const Topology& topology = worker->obeyed_->topology;
  std::vector<std::string> names = worker->config_.clusters;
  if (worker->config_.all_clusters) {
    names.clear();
    for (const ClusterSpec& spec : topology.clusters) names.push_back(spec.name);
  }
  for (const std::string& name : names) {
    if (topology.FindCluster(name) == nullptr) {
      return Status(
          Code::kInvalid,
          fmt::format("{}: com.inmobi.databus.clusters: found '{}', expected a cluster of "
                      "{}",
                      worker->config_.file, name, topology.file));
    }
    const auto before = learnt.find(name);
    worker->workers_.push_back(std::make_unique<ClusterWorker>(
        ClusterWorker::Options{
            *worker->obeyed_, worker->config_, name, *worker->clusters_, worker->seams_.clock,
            worker->seams_.random, worker->seams_.create_root, worker->seams_.make_lease, identity,
            adopt_tree, &worker->stop_, [all = worker.get()] { return all->DescribeCalls(); }},
        before == learnt.end() ? std::nullopt : std::optional(std::move(before->second))));
  }
  return worker;
}

Worker::~Worker() { Stop(); }

Status Worker::Start() {
  for (const auto& worker : workers_) {
    const Status prepared = worker->Prepare();
    if (prepared.code() == Code::kRefused || prepared.code() == Code::kInvalid) return prepared;
    if (!prepared.ok()) {
      LogWarning("worker", "cluster does not answer; trying on",
                 {{"cluster", worker->cluster()}, {"why", prepared}});
    }
  }
  for (const auto& worker : workers_) StartThreads(*worker);
  return Status::Ok();
}

void Worker::StartThreads(ClusterWorker& worker) {
  const std::string& name = worker.cluster();
  sign_threads_.emplace_back("lease " + name, [this, &worker] {
    do {
      worker.LeaseStep();
    } while (!stop_signs_.SleepUntil(seams_.clock, seams_.clock.Boot() + worker.LeasePace()));
  });
  threads_.emplace_back("local " + name, [this, &worker] {
    Loop(stop_, config_.run_interval, [&worker] {
      if (worker.Prepare().ok()) worker.LocalStep();
    });
  });
  threads_.emplace_back("streams " + name, [this, &worker] {
    Loop(stop_, config_.run_interval, [&worker] { worker.StreamsStep(); });
  });
  sign_threads_.emplace_back("beat " + name, [this, &worker] {
    Loop(stop_signs_, kBeatInterval, [&worker] { worker.BeatStep(); });
  });
}

// At a steady pace; a step that takes longer than the interval is followed by the next one at once.
void Worker::Loop(StopFlag& stop, std::chrono::nanoseconds interval,
                  const std::function<void()>& step) {
  BootTime next = seams_.clock.Boot();
  do {
    step();
    next = std::max(next + interval, seams_.clock.Boot());
  } while (!stop.SleepUntil(seams_.clock, next));
}

void Worker::JoinThreads() {
  stop_.Stop();
  for (Thread& thread : threads_) thread.Join();
  threads_.clear();
  stop_signs_.Stop();
  for (Thread& thread : sign_threads_) thread.Join();
}

void Worker::Stop() {
  JoinThreads();
  if (!sign_threads_.empty()) Finish();
  sign_threads_.clear();
}

void Worker::Finish() {
  for (const auto& worker : workers_) worker->Finish();
}

Learnt Worker::StopFor(const std::vector<std::string>& next) {
  JoinThreads();
  sign_threads_.clear();
  Learnt learnt;
  for (const auto& worker : workers_) {
    if (std::ranges::count(next, worker->cluster()) == 0) {
      worker->Finish();
    } else if (auto of_cluster = worker->HandOver()) {
      learnt.emplace(worker->cluster(), *std::move(of_cluster));
    }
  }
  return learnt;
}

nlohmann::ordered_json Worker::DescribeCalls() {
  nlohmann::ordered_json calls;
  if (seams_.calls == nullptr) return calls;
  const auto by_tree = seams_.calls->All();
  if (by_tree.empty()) return calls;
  CallRates::Sums sums{.calls = seams_.calls->Sum()};
  for (const auto& worker : workers_) {
    sums.runs += worker->stats().Runs();
    for (const auto& [key, hop] : worker->stats().Hops()) sums.files += hop.files;
  }
  sums.runs /= workers_.size();
  MutexLock lock(rates_mutex_);
  rates_.Note(sums);
  calls["by_tree"] = by_tree;
  if (const auto rate = rates_.PerIdleRun()) calls["per_idle_run"] = *rate;
  if (const auto rate = rates_.PerFile()) calls["per_file"] = *rate;
  return calls;
}

Status Worker::Ready() const {
  for (const auto& worker : workers_) {
    const Status ready = worker->Ready();
    if (!ready.ok()) return ready.WithContext(worker->cluster());
  }
  return Status::Ok();
}

void Worker::Expose(Metrics& metrics) const {
  for (const auto& worker : workers_) {
    const std::string& cluster = worker->cluster();
    for (const auto& [key, hop] : worker->stats().Hops()) {
      const auto& [name, stream] = key;
      metrics.CountUpTo(kPublishedFilesTotal, {cluster, name, stream}, hop.files);
      metrics.CountUpTo(kPublishedMessagesTotal, {cluster, name, stream}, hop.messages);
      metrics.CountUpTo(kPublishedBytesTotal, {cluster, name, stream}, hop.bytes);
      metrics.CountUpTo(kDuplicateFilesTotal, {cluster, name, stream}, hop.duplicates);
    }
    for (const auto& [queue, entries] : worker->stats().Queues()) {
      metrics.Set(kQueueEntries, {cluster, queue}, static_cast<double>(entries));
    }
    for (const auto& [source, files] : worker->Missed()) {
      metrics.Set(kUnsalvagedFiles, {cluster, source}, static_cast<double>(files));
    }
    metrics.Set(kGroupsHeld, {cluster}, static_cast<double>(worker->GroupsHeld()));
    metrics.Set(kProblems, {cluster}, static_cast<double>(worker->ListProblems().size()));
  }
  if (seams_.calls != nullptr) {
    for (const auto& [tree, kinds] : seams_.calls->All()) {
      for (const auto& [kind, count] : kinds) metrics.CountUpTo(kStorageCalls, {tree, kind}, count);
    }
  }
  const auto frozen =
      std::ranges::count(obeyed_->topology.streams, Publication::kFrozen, &StreamSpec::publication);
  metrics.Set(kTopologyEpoch, {}, static_cast<double>(obeyed_->epoch.stored.epoch));
  metrics.Set(kTopologyConflicts, {}, static_cast<double>(obeyed_->conflicts.size()));
  metrics.Set(kFrozenStreams, {}, static_cast<double>(frozen));
}

}  // namespace databus
