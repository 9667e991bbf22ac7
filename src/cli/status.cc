// `databus status`: every process, queue and lag; what is stuck, why, and what happens next.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>

#include "base/settings.h"
#include "base/sync.h"
#include "cli/all_commands.h"
#include "cli/installation.h"
#include "cli/own_heartbeats.h"
#include "cli/signals.h"
#include "cli/status_report.h"
#include "failover/driver_beat.h"
#include "failover/journal_store.h"
#include "failover/plan.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr int kWatchDefault = 2;
constexpr int kWatchMax = 3600;

struct Options {
  std::string topology_file;
  std::string stream;
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

// What a failover has written down, on the clusters of the desk's last look.
void ReadJournals(const TopologyDesk& desk, InstallationReport& report) {
  failover::FoundJournals journals = failover::JournalStore(desk).ReadAll();
  if (const failover::Journal* open = failover::FindOpen(journals.by_id)) report.failover = *open;
  report.unreadable_journals = std::move(journals.unreadable);
}

// Who drives a failover is no process of a cluster: its sign of life goes where the failover is
// told of, and what one that was killed has left is told of nowhere else.
void TakeDriver(InstallationReport& report) {
  for (ClusterReport& cluster : report.clusters) {
    for (Heartbeat& beat : cluster.processes) {
      if (!report.failover || !failover::IsOfDriver(beat, *report.failover)) continue;
      if (!report.driver || beat.written > report.driver->written) report.driver = beat;
    }
    std::erase_if(cluster.processes,
                  [](const Heartbeat& beat) { return beat.kind == failover::kDriverKind; });
  }
}

// As the desk has just found it: whoever is away is not waited for once more.
Result<Storage*> TreeOf(const TopologyDesk& desk, const ClusterSpec& cluster) {
  for (const TopologyAt& at : desk.picture().clusters) {
    if (at.cluster != cluster.name) continue;
    Storage* const tree = desk.Tree(cluster.name);
    if (at.away.empty() && tree != nullptr) return tree;
    return Status(Code::kUnavailable, at.away);
  }
  return Status(Code::kNotFound, cluster.RootUrl() + ": no cluster of the stored topology");
}

InstallationReport Observe(const Topology& topology, const TopologyDesk& desk,
                           const Options& options, Seams& seams) {
  ObserveScope scope;
  if (!options.stream.empty()) scope.stream = options.stream;
  InstallationReport report;
  for (const ClusterSpec& cluster : topology.clusters) {
    report.clusters.push_back(ObserveCluster(cluster, topology, TreeOf(desk, cluster), scope));
    report.clusters.back().free_bytes = FreeBytes(cluster, seams.disk);
  }
  SortByOwnCluster(report.clusters);
  report.picture = desk.picture();
  ReadJournals(desk, report);
  TakeDriver(report);
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

// Only one of its streams. kInvalid when there is no such.
Status Narrow(Topology& topology, const std::string& stream) {
  if (topology.FindStream(stream) == nullptr) {
    std::vector<std::string_view> names;
    for (const StreamSpec& known : topology.streams) names.push_back(known.name);
    const auto nearest = NearestName(stream, names);
    return {Code::kInvalid,
            fmt::format("{} has no stream {}{}", topology.file, Quoted(stream),
                        nearest ? fmt::format("; did you mean '{}'?", *nearest) : "")};
  }
  std::erase_if(topology.streams, [&](const StreamSpec& other) { return other.name != stream; });
  return Status::Ok();
}

// As it is stored now, but for streams that are not asked for.
Result<Topology> Current(TopologyDesk& desk, const Topology& file, const Options& options) {
  Topology topology = CurrentTopology(desk, file);
  if (!options.stream.empty()) DATABUS_RETURN_IF_ERROR(Narrow(topology, options.stream));
  return topology;
}

Exit Show(const Topology& file, TopologyDesk& desk, const Options& options, Io& io, Seams& seams) {
  const auto current = Current(desk, file, options);
  if (!current.ok()) return Report(io, current.status());
  const Topology& topology = *current;
  const InstallationReport report = Observe(topology, desk, options, seams);
  if (options.json) {
    const int indent = options.watch_s == 0 ? 1 : -1;  // while watching, one object is one line
    io.out << StatusToJson(report, topology)
                  .dump(indent, ' ', true, nlohmann::json::error_handler_t::replace)
           << "\n";
  } else {
    io.out << Lines(RenderStatus(report, topology));
  }
  io.out.flush();
  const bool all_away = std::ranges::all_of(
      report.clusters, [](const auto& cluster) { return !cluster.away.empty(); });
  return all_away ? Exit::kFailed : Exit::kDone;
}

// Until TERM or INT, or until nobody reads any more.
Exit Watch(const Topology& file, TopologyDesk& desk, const Options& options, Io& io, Seams& seams) {
  StopFlag stop;
  const SignalWatch signals([&stop] { stop.Stop(); });
  const bool redraw = io.terminal == Terminal::kYes && !options.json;
  while (io.out && !stop.Stopped()) {
    if (redraw) io.out << "\x1b[H\x1b[2J";
    Show(file, desk, options, io, seams);
    stop.SleepUntil(seams.clock, seams.clock.Boot() + std::chrono::seconds(options.watch_s));
  }
  return Exit::kDone;
}

Exit RunStatus(const Options& options, Io& io, Seams& seams) {
  const auto file = LoadTopology(seams, options.topology_file);
  if (!file.ok()) return Report(io, file.status());
  auto desk = OpenDesk(seams, options.topology_file);
  if (!desk.ok()) return Report(io, desk.status());
  if (options.watch_s == 0) return Show(*file, *desk, options, io, seams);
  if (const auto current = Current(*desk, *file, options); !current.ok()) {
    return Report(io, current.status());
  }
  return Watch(*file, *desk, options, io, seams);
}

// "--watch" or "--watch 5".
void AddWatchOption(CLI::App& app, int& watch_s) {
  app.add_option_function<std::vector<std::string>>(
         "--watch",
         [&watch_s](const std::vector<std::string>& values) {
           watch_s = kWatchDefault;
           if (values.empty() || values[0].empty()) return;
           const std::string& text = values[0];
           const char* const end = text.data() + text.size();
           const auto [stopped_at, error] = std::from_chars(text.data(), end, watch_s);
           if (error == std::errc() && stopped_at == end && watch_s >= 1 && watch_s <= kWatchMax) {
             return;
           }
           throw CLI::ValidationError(
               "--watch", fmt::format("found '{}', expected a whole number from 1 to {} (s)", text,
                                      kWatchMax));
         },
         fmt::format("Show it again every SECONDS ({}), until TERM or INT; with --json one object "
                     "a line",
                     kWatchDefault))
      ->type_name("[SECONDS]")
      ->expected(0, 1);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddTopologyOption(app, options->topology_file);
  app.add_flag("--json", options->json, "Print JSON");
  app.add_option("--stream", options->stream, "Only this stream")->type_name("STREAM");
  AddWatchOption(app, options->watch_s);
  return [options](Io& io, Seams& seams) { return RunStatus(*options, io, seams); };
}

}  // namespace

const Command kStatus{
    .name = "status",
    .summary = "Show every process, queue and lag, what is stuck and what happens next.",
    .details =
        "Reads the clusters' trees only, so it needs no process to be alive. LIFE: alive; late, a\n"
        "heartbeat is missing; SILENT, several are; DEAD, its process is gone; stopped.\n"
        "LAG: seconds since the end of the minute that should be there by now, for each hop of a\n"
        "stream: local (at a source), merged (at the primary), mirror.\n"
        "Exit 0 when something could be shown, with problems or without: whoever asks from a "
        "script\n"
        "looks at \"problems\" of --json. Exit 1 when no cluster can be read, 2 when the topology "
        "cannot.",
    .define = &Define};

}  // namespace databus
