// `databus status`: every process, queue and lag; what is stuck, why, and what happens next.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>

#include "base/sync.h"
#include "cli/all_commands.h"
#include "cli/installation.h"
#include "cli/status_report.h"
#include "telemetry/log.h"

namespace databus {
namespace {

struct Options {
  std::string topology_file;
  bool json = false;
  int watch_s = 0;
};

// Of the disk below the cluster's tree, where that is a disk.
std::optional<uint64_t> FreeBytes(const ClusterSpec& cluster, Disk& disk) {
  constexpr std::string_view kLocal = "file://";
  const std::string url = cluster.RootUrl();
  if (!url.starts_with(kLocal)) return std::nullopt;
  const auto free = disk.FreeBytes(url.substr(kLocal.size()));
  return free.ok() ? std::optional(*free) : std::nullopt;
}

InstallationReport Observe(const Topology& topology, Seams& seams) {
  InstallationReport report;
  for (const ClusterSpec& cluster : topology.clusters) {
    const auto storage = seams.open_storage(cluster.url, cluster.root_dir);
    report.clusters.push_back(ObserveCluster(
        cluster, topology,
        storage.ok() ? Result<Storage*>(storage->get()) : Result<Storage*>(storage.status())));
    report.clusters.back().free_bytes = FreeBytes(cluster, seams.disk);
  }
  report.host = seams.host;
  report.process_is_gone = seams.process_is_gone;
  report.now = seams.clock.Wall();
  return report;
}

// Text from the trees may hold anything; what reaches a terminal may not.
std::string Lines(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '\n' || (c >= ' ' && c <= '~') ? std::string(1, c) : Printable({&c, 1});
  }
  return out;
}

Exit Show(const Topology& topology, const Options& options, Io& io, Seams& seams) {
  const InstallationReport report = Observe(topology, seams);
  if (options.json) {
    io.out << StatusToJson(report, topology)
                  .dump(1, ' ', true, nlohmann::json::error_handler_t::replace)
           << "\n";
  } else {
    io.out << Lines(RenderStatus(report, topology));
  }
  io.out.flush();
  const bool all_away = std::ranges::all_of(
      report.clusters, [](const auto& cluster) { return !cluster.away.empty(); });
  return all_away ? Exit::kFailed : Exit::kDone;
}

Exit RunStatus(const Options& options, Io& io, Seams& seams) {
  const auto topology = LoadTopology(seams, options.topology_file);
  if (!topology.ok()) return Report(io, topology.status());
  if (options.watch_s == 0) return Show(*topology, options, io, seams);
  StopFlag never;  // ends with the process, or when nobody reads any more
  while (io.out) {
    if (io.terminal == Terminal::kYes) io.out << "\x1b[H\x1b[2J";
    Show(*topology, options, io, seams);
    never.SleepUntil(seams.clock, seams.clock.Boot() + std::chrono::seconds(options.watch_s));
  }
  return Exit::kDone;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddTopologyOption(app, options->topology_file);
  app.add_flag("--json", options->json, "Print JSON");
  app.add_option("--watch", options->watch_s, "Show it again every S seconds, until interrupted")
      ->type_name("S")
      ->check(CLI::Range(1, 3600));
  return [options](Io& io, Seams& seams) { return RunStatus(*options, io, seams); };
}

}  // namespace

const Command kStatus{
    .name = "status",
    .summary = "Show every process, queue and lag, what is stuck and what happens next.",
    .details =
        "Reads the clusters' trees only, so it needs no process to be alive. LIFE: alive; late, a\n"
        "heartbeat is missing; SILENT, several are; DEAD, its process is gone; stopped.\n"
        "Exit 0 when something could be shown, with problems or without: whoever asks from a "
        "script\n"
        "looks at \"problems\" of --json. Exit 1 when no cluster can be read, 2 when the topology "
        "cannot.",
    .define = &Define};

}  // namespace databus
