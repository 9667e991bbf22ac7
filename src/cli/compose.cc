#include "cli/compose.h"

#include <chrono>
#include <memory>
#include <optional>

#include "cli/installation.h"
#include "cli/monitor.h"
#include "collector/service/collector.h"
#include "telemetry/log.h"

namespace databus {
namespace {

// How long a collector that stops may go on answering and delivering, each.
constexpr std::chrono::seconds kStopWithin{10};
// How often is looked whether its spool has to be opened again, or its configuration read again;
// and the pause before its spool is opened again.
constexpr std::chrono::seconds kLook{1};

std::optional<std::string> WhyNotReady(const Collector& collector) {
  const Heartbeat beat = collector.Describe();
  if (beat.state != "running") return beat.state;
  for (const std::string_view fact : {"retired", "refusing"}) {
    const std::string why = beat.facts.value(fact, "");
    if (!why.empty()) return why;
  }
  return std::nullopt;
}

enum class Ending : uint8_t { kStopped, kReopen };

Status ReadAgain(const Seams& seams, Collector& collector) {
  const std::string file = collector.config()->file;
  const auto text = ReadConfiguration(seams, file);
  return collector.Reload(text.ok() ? ParseScribeConf(*text, file) : text.status());
}

// One life of a collector, from opening its spool to the end. `config` becomes what was in force
// then.
Result<Ending> RunCollectorOnce(Seams& seams, CollectorConfig& config, StopFlag& stop,
                                ReloadFlag& reload) {
  DATABUS_ASSIGN_OR_RETURN(const std::string url, CollectorCluster(config));
  std::unique_ptr<Storage> cluster;
  if (!url.empty()) {
    DATABUS_ASSIGN_OR_RETURN(cluster, seams.open_storage(url, ""));
  }
  Monitor monitor;
  DATABUS_RETURN_IF_ERROR(monitor.Open(config.http_port));
  CollectorProcessInfo process{
      .host = seams.host, .pid = seams.pid, .on_shutdown = {}, .on_reload = {}};
  process.on_shutdown = [&stop] { stop.Stop(); };
  process.on_reload = [&reload] { reload.Ask(); };
  DATABUS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Collector> collector,
      Collector::Open({seams.clock, seams.random, seams.disk, seams.network, cluster.get(),
                       [&seams](const ClusterSpec& spec) {
                         return seams.open_storage(spec.url, spec.root_dir);
                       },
                       seams.storage_calls},
                      config, std::move(process)));
  DATABUS_RETURN_IF_ERROR(collector->Start());
  LogInfo("collector", "ready",
          {{"name", collector->name()}, {"port", collector->port()}, {"cluster", url}});
  monitor.Serve([&](Metrics& metrics) { collector->Export(metrics); },
                [&] { return WhyNotReady(*collector); });
  Status reloaded;
  while (!stop.SleepUntil(seams.clock, seams.clock.Boot() + kLook) &&
         !collector->WantsReopening() && collector->Refused().ok()) {
    if (reload.Take()) reloaded = ReadAgain(seams, *collector);
  }
  LogInfo("collector", "stopping", {{"name", collector->name()}});
  monitor.Close();
  const Status stopped = collector->Stop(seams.clock.Boot() + kStopWithin);
  if (!stopped.ok()) {
    LogInfo("collector", "what is left stays in the spool and is delivered at the next start");
  }
  config = *collector->config();
  if (!reloaded.ok()) reload.Ask();  // so that its next life tells of it, too
  DATABUS_RETURN_IF_ERROR(collector->Refused());
  return stop.Stopped() ? Ending::kStopped : Ending::kReopen;
}

}  // namespace

Status RunCollector(Seams& seams, const ConfigText& text, StopFlag& stop, ReloadFlag& reload) {
  DATABUS_ASSIGN_OR_RETURN(CollectorConfig config, ParseScribeConf(text.text, text.file));
  std::string last_failure;
  for (int lives = 1;; ++lives) {
    const Result<Ending> ending = RunCollectorOnce(seams, config, stop, reload);
    if (!ending.ok() && lives == 1) return ending.status();
    if (ending.ok() && *ending == Ending::kStopped) return Status::Ok();
    if (ending.ok()) {
      LogWarning("collector",
                 "opening the spool again: its disk failed and works again, or it was renewed");
    } else if (ending.status().ToString() != last_failure) {
      last_failure = ending.status().ToString();
      LogWarning("collector", "cannot be started again; tried on every second",
                 {{"config", text.file}, {"why", ending.status()}});
    }
    if (stop.SleepUntil(seams.clock, seams.clock.Boot() + kLook)) return Status::Ok();
  }
}

}  // namespace databus
