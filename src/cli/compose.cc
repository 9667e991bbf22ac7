#include "cli/compose.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "cli/installation.h"
#include "cluster/worker_config.h"
#include "collector/service/collector.h"
#include "telemetry/http.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "worker/worker.h"

namespace databus {
namespace {

// How long a collector that stops may go on answering and delivering, each.
constexpr std::chrono::seconds kStopWithin{10};
// How often it is asked whether its spool has to be opened again, and the pause before that.
constexpr std::chrono::seconds kLookAtSpool{1};

// The HTTP endpoint of a service: opened before the service starts, so that a port in use is found
// before anything happens; knows the service from Serve on.
class Monitor {
 public:
  using WhyNotReady = std::function<std::optional<std::string>()>;

  // Nothing is opened when `port` is 0.
  Status Open(int port) {
    if (port == 0) return Status::Ok();
    DATABUS_ASSIGN_OR_RETURN(
        http_, HttpEndpoint::Start(port, {.metrics = [this] { return Expose(); },
                                          .why_not_ready = [this] { return Why(); }}));
    return Status::Ok();
  }

  void Serve(std::function<void(Metrics&)> refresh, WhyNotReady why_not_ready) {
    MutexLock lock(mutex_);
    refresh_ = std::move(refresh);
    why_not_ready_ = std::move(why_not_ready);
  }
  // Before the service goes away.
  void Close() { http_.reset(); }

 private:
  std::string Expose() {
    MutexLock lock(mutex_);
    if (refresh_) refresh_(metrics_);
    return metrics_.Expose();
  }
  std::optional<std::string> Why() {
    MutexLock lock(mutex_);
    return why_not_ready_ ? why_not_ready_() : "starting";
  }

  Metrics metrics_;
  Mutex mutex_;
  std::function<void(Metrics&)> refresh_;
  WhyNotReady why_not_ready_;
  std::unique_ptr<HttpEndpoint> http_;
};

void WaitFor(StopFlag& stop, const Clock& clock) {
  while (!stop.SleepUntil(clock, clock.Boot() + std::chrono::hours(1))) {
  }
}

std::optional<std::string> WhyNotReady(const Collector& collector) {
  const Heartbeat beat = collector.Describe();
  if (beat.state != "running") return beat.state;
  for (const std::string_view fact : {"retired", "refusing"}) {
    const std::string why = beat.facts.value(fact, "");
    if (!why.empty()) return why;
  }
  return std::nullopt;
}

}  // namespace

namespace {

enum class Ending : uint8_t { kStopped, kReopen };

// One life of a collector, from opening its spool to the end.
Result<Ending> RunCollectorOnce(Seams& seams, const CollectorConfig& config, StopFlag& stop) {
  DATABUS_ASSIGN_OR_RETURN(const std::string url, CollectorCluster(config));
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<Storage> cluster, seams.open_storage(url, ""));
  Monitor monitor;
  DATABUS_RETURN_IF_ERROR(monitor.Open(config.http_port));
  CollectorProcessInfo process{
      .host = seams.host, .pid = seams.pid, .on_shutdown = {}, .on_reload = {}};
  process.on_shutdown = [&stop] { stop.Stop(); };
  DATABUS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Collector> collector,
      Collector::Open({seams.clock, seams.random, seams.disk, seams.network, *cluster}, config,
                      std::move(process)));
  DATABUS_RETURN_IF_ERROR(collector->Start());
  LogInfo("collector", "ready",
          {{"name", collector->name()}, {"port", collector->port()}, {"cluster", url}});
  monitor.Serve([&](Metrics& metrics) { collector->Export(metrics); },
                [&] { return WhyNotReady(*collector); });
  while (!stop.SleepUntil(seams.clock, seams.clock.Boot() + kLookAtSpool) &&
         !collector->WantsReopening()) {
  }
  LogInfo("collector", "stopping", {{"name", collector->name()}});
  monitor.Close();
  const Status stopped = collector->Stop(seams.clock.Boot() + kStopWithin);
  if (!stopped.ok()) {
    LogInfo("collector", "what is left stays in the spool and is delivered at the next start");
  }
  return stop.Stopped() ? Ending::kStopped : Ending::kReopen;
}

}  // namespace

Status RunCollector(Seams& seams, const ConfigText& text, StopFlag& stop) {
  DATABUS_ASSIGN_OR_RETURN(const CollectorConfig config, ParseScribeConf(text.text, text.file));
  std::string last_failure;
  for (int lives = 1;; ++lives) {
    const Result<Ending> ending = RunCollectorOnce(seams, config, stop);
    if (!ending.ok() && lives == 1) return ending.status();
    if (ending.ok() && *ending == Ending::kStopped) return Status::Ok();
    if (ending.ok()) {
      LogWarning("collector", "the spool's disk failed and works again: opening the spool again");
    } else if (ending.status().ToString() != last_failure) {
      last_failure = ending.status().ToString();
      LogWarning("collector", "cannot be started again; tried on every second",
                 {{"config", text.file}, {"why", ending.status()}});
    }
    if (stop.SleepUntil(seams.clock, seams.clock.Boot() + kLookAtSpool)) return Status::Ok();
  }
}

Status RunWorker(Seams& seams, const ConfigText& text, AdoptTree adopt_tree, StopFlag& stop) {
  DATABUS_ASSIGN_OR_RETURN(WorkerConfig config, ParseWorkerConfig(text.text, text.file));
  DATABUS_ASSIGN_OR_RETURN(Topology topology, LoadTopology(seams, config.topology_file));
  Monitor monitor;
  DATABUS_RETURN_IF_ERROR(monitor.Open(config.http_port));
  const WorkerSeams outside{
      seams.clock, seams.random,
      [&seams](const ClusterSpec& spec) { return seams.open_storage(spec.url, spec.root_dir); },
      [&seams](const ClusterSpec& spec) { return seams.create_root(spec.url, spec.root_dir); }};
  DATABUS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Worker> worker,
      Worker::Create(outside, std::move(config), std::move(topology),
                     {seams.host, seams.pid, seams.machine, seams.process_is_gone}, adopt_tree));
  DATABUS_RETURN_IF_ERROR(worker->Start());
  LogInfo("worker", "started", {{"config", text.file}, {"clusters", worker->clusters().size()}});
  monitor.Serve([&](Metrics& metrics) { worker->Expose(metrics); },
                [&]() -> std::optional<std::string> {
                  const Status ready = worker->Ready();
                  if (ready.ok()) return std::nullopt;
                  return ready.message();
                });
  WaitFor(stop, seams.clock);
  LogInfo("worker", "stopping");
  monitor.Close();
  worker->Stop();
  LogInfo("worker", "stopped");
  return Status::Ok();
}

}  // namespace databus
