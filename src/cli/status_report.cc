#include "cli/status_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/table.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

constexpr Milliseconds kHeartbeatGrace = std::chrono::seconds(10);
// Below the first, heartbeats and all else can fail at any moment; the second is time to act.
constexpr uint64_t kFullBytes = uint64_t{16} << 20;
constexpr uint64_t kNearlyFullBytes = uint64_t{256} << 20;
// What moves within a run or two when all is well; longer than this is worth a line.
constexpr Milliseconds kPatience = std::chrono::minutes(5);

constexpr const char* kNoWorker = "no worker is alive on this cluster";
constexpr const char* kStartOne = "start one: nothing is published here until then";

std::string Ago(WallTime now, WallTime then) {
  return ToHuman(std::max(now - then, Milliseconds{0}));
}

// Nothing while the next minute is not over: before, nobody need have begun it, and an idle stream
// gets it, empty, only then (P14).
Milliseconds Behind(WallTime now, Minute newest) {
  return std::max(now - newest.Next().End(), Milliseconds{0});
}

const ViewReport* FindView(const ClusterReport& cluster, std::string_view stream, View view) {
  for (const ViewReport& report : cluster.views) {
    if (report.stream == stream && report.view == view) return &report;
  }
  return nullptr;
}

std::string QueueText(const QueueReport& queue) {
  return fmt::format("{} -> {}, {}", queue.from, queue.to,
                     queue.view == View::kLocal ? "to be merged" : "to be mirrored");
}

// Collects the lines of one report.
class TroubleFinder {
 public:
  TroubleFinder(const InstallationReport& report, const Topology& topology)
      : report_(report), topology_(topology) {}

  std::vector<Trouble> Run() {
    for (const ClusterReport& cluster : report_.clusters) {
      if (!cluster.away.empty()) {
        Away(cluster);
        continue;
      }
      Disk(cluster);
      Processes(cluster);
      Waiting(cluster);
      Views(cluster);
      SetAside(cluster);
    }
    return std::move(troubles_);
  }

 private:
  void Add(std::string where, std::string what, std::optional<WallTime> since, std::string next) {
    troubles_.push_back({std::move(where), std::move(what), since, std::move(next)});
  }
  bool Old(std::optional<WallTime> time) const { return time && report_.now - *time > kPatience; }

  void Away(const ClusterReport& cluster) {
    const std::string what = "cannot be read: " + cluster.away;
    if (!cluster.absent) {
      Add(cluster.name, what, {},
          "data for it waits in spools and queues; all goes on by itself when it is back");
      return;
    }
    switch (MemoryOf(cluster.name)) {
      case Memory::kNone:
        Add(cluster.name, what + "; never initialised: no worker of it has ever run", {},
            "start its worker");
        Add(cluster.name, kNoWorker, {}, kStartOne);
        return;
      case Memory::kNobodyToAsk:
        Add(cluster.name, what + "; never initialised, or not mounted", {},
            "mount it, or start its worker");
        break;
      case Memory::kRemembered:
        Add(cluster.name, what + "; it was there before", {},
            "mount it, or start its worker; data for it waits in spools and queues");
        break;
    }
    Add(cluster.name, "no worker is heard of", {},
        "one that runs cannot say so while the cluster cannot be read; it goes on by itself then");
  }

  // Whether the workers of the other clusters know an id of `name`.
  enum class Memory : uint8_t { kNone, kNobodyToAsk, kRemembered };
  Memory MemoryOf(const std::string& name) const {
    Memory memory = Memory::kNobodyToAsk;
    for (const ClusterReport& cluster : report_.clusters) {
      for (const Heartbeat& process : cluster.processes) {
        const auto ids = process.facts.find("cluster_ids");
        if (ids == process.facts.end() || !ids->is_object()) continue;
        if (ids->contains(name)) return Memory::kRemembered;
        memory = Memory::kNone;
      }
    }
    return memory;
  }

  static bool DiskIsFull(const ClusterReport& cluster) {
    return cluster.free_bytes && *cluster.free_bytes < kFullBytes;
  }

  void Disk(const ClusterReport& cluster) {
    if (!cluster.free_bytes || *cluster.free_bytes >= kNearlyFullBytes) return;
    Add(cluster.name,
        fmt::format("{}: {} free", DiskIsFull(cluster) ? "disk full" : "disk nearly full",
                    HumanBytes(*cluster.free_bytes)),
        {},
        "make room, or let the disk grow; no process needs help: all goes on by itself then, and "
        "what is accepted waits in the spools. Never remove anything below the cluster's root");
  }

  void Processes(const ClusterReport& cluster) {
    bool worker = false;
    for (const Heartbeat& process : cluster.processes) {
      const Liveness life = LivenessOf(process, report_);
      const bool heard = life == Liveness::kAlive || life == Liveness::kLate;
      worker |= process.kind == "worker" && heard;
      if (life == Liveness::kDead || life == Liveness::kSilent) Gone(cluster, process, life);
      if (life == Liveness::kLate) {
        Add(process.process, "late: a heartbeat is missing", process.written,
            "wait some seconds; if this stays, see whether the process hangs: stopped by a signal, "
            "or waiting for its disk");
      }
      if (!heard) continue;
      for (const Problem& problem : process.problems) {
        Add(process.process, problem.what, problem.since, problem.next);
      }
    }
    if (worker) return;
    if (DiskIsFull(cluster)) {
      Add(cluster.name, "no worker is heard of", {},
          "no heartbeat can be written while the disk is full: make room first");
    } else {
      Add(cluster.name, kNoWorker, {}, kStartOne);
    }
  }

  const Heartbeat* Standby(const ClusterReport& cluster) const {
    for (const Heartbeat& process : cluster.processes) {
      if (process.kind == "worker" && process.state == "standby" &&
          LivenessOf(process, report_) == Liveness::kAlive) {
        return &process;
      }
    }
    return nullptr;
  }

  void Gone(const ClusterReport& cluster, const Heartbeat& process, Liveness life) {
    const bool dead = life == Liveness::kDead;
    std::string next =
        process.kind == "collector"
            ? "start it again: what it had accepted lies in its spool and is delivered then"
            : "start it again: what is queued waits";
    if (const Heartbeat* standby = Standby(cluster); standby && process.kind == "worker") {
      next = standby->process + " stands by and takes over by itself";
    }
    if (!dead && DiskIsFull(cluster)) {
      next = "it may well live, and cannot say so while the disk is full: make room first";
    }
    Add(process.process,
        fmt::format("{} (was pid {} on {})", dead ? "dead" : "silent", process.pid, process.host),
        process.written, std::move(next));
  }

  void Waiting(const ClusterReport& cluster) {
    for (const QueueReport& queue : cluster.queues) {
      if (!Old(queue.oldest)) continue;
      Add(cluster.name, fmt::format("queue {}: {}", QueueText(queue), Plural(queue.lines, "line")),
          queue.oldest, fmt::format("taken by the worker of {} when it gets there", queue.to));
    }
    for (const BacklogReport& backlog : cluster.backlog) {
      if (!Old(backlog.oldest)) continue;
      Add(cluster.name,
          fmt::format("stream {}: {} in data/ not published", backlog.stream,
                      Plural(backlog.files, "file")),
          backlog.oldest, "published by the worker of this cluster when it gets there");
    }
    for (const StagingReport& staging : cluster.staging) {
      if (!Old(staging.oldest)) continue;
      Add(cluster.name,
          fmt::format("view {}: {} and {} open", ViewName(staging.view),
                      Plural(staging.records, "commit"), Plural(staging.pending, "clean-up list")),
          staging.oldest, "finished by whichever worker holds the lease; see its problems");
    }
  }

  void Views(const ClusterReport& cluster) {
    for (const StreamSpec& stream : topology_.streams) {
      for (const View view : {View::kLocal, View::kMerged}) {
        const bool ours = view == View::kLocal ? stream.HasSource(cluster.name)
                                               : stream.RoleOf(cluster.name).has_value();
        const ViewReport* seen = FindView(cluster, stream.name, view);
        if (!ours || seen == nullptr || !seen->newest) continue;
        if (Behind(report_.now, *seen->newest) <= kPatience) continue;
        Add(cluster.name,
            fmt::format("stream {}, view {}: the newest minute is {}", stream.name, ViewName(view),
                        seen->newest->ToIso()),
            seen->newest->End(),
            "a minute appears every minute, empty ones too, while its publisher runs; see there");
      }
    }
  }

  void SetAside(const ClusterReport& cluster) {
    for (const SetAsideFile& file : cluster.quarantine) {
      Add(cluster.name, fmt::format("set aside: {}: {}", file.path, file.reason), {},
          "stays until somebody has looked at it and taken it away");
    }
    if (cluster.quarantined > cluster.quarantine.size()) {
      Add(cluster.name,
          fmt::format("{} more set aside",
                      Plural(cluster.quarantined - cluster.quarantine.size(), "file")),
          {}, "look below system/quarantine");
    }
    for (const std::string& what : cluster.unreadable) {
      Add(cluster.name, "could not be read: " + what, {}, "the rest of this report is complete");
    }
  }

  const InstallationReport& report_;
  const Topology& topology_;
  std::vector<Trouble> troubles_;
};

std::string_view LivenessName(Liveness life) {
  switch (life) {
    case Liveness::kAlive: return "alive";
    case Liveness::kLate: return "late";
    case Liveness::kSilent: return "SILENT";
    case Liveness::kDead: return "DEAD";
    case Liveness::kStopped: return "stopped";
  }
  __builtin_unreachable();
}

// A number among a heartbeat's facts.
std::optional<uint64_t> Fact(const Heartbeat& heartbeat, const char* key) {
  const auto found = heartbeat.facts.find(key);
  if (found == heartbeat.facts.end() || !found->is_number_integer()) return std::nullopt;
  const auto value = found->get<int64_t>();
  return value < 0 ? std::nullopt : std::optional<uint64_t>(value);
}

// Without the machine part of a process's label: "worker-dc1@h1:812#..." is "worker-dc1@h1:812".
std::string WithoutMachine(std::string text) {
  const size_t colon = text.find(':', std::min(text.find('@'), text.size()));
  const size_t machine = text.find('#', std::min(colon, text.size()));
  if (machine == std::string::npos) return text;
  const size_t end = std::min(text.find(' ', machine), text.size());
  return text.erase(machine, end - machine);
}

std::string RenderProcesses(const InstallationReport& report) {
  Table table({"PROCESS", "KIND", "CLUSTER", "HOST", ">PID", "LIFE", ">HEARD", "STATE", ">SPOOL",
               ">LAG", "WAITS FOR"});
  for (const ClusterReport& cluster : report.clusters) {
    for (const Heartbeat& process : cluster.processes) {
      const auto spool = Fact(process, "spool_bytes");
      const auto lag = Fact(process, "lag_ms");
      table.Row({process.process, process.kind, cluster.name, process.host,
                 std::to_string(process.pid),
                 std::string(LivenessName(LivenessOf(process, report))),
                 Ago(report.now, process.written) + " ago", process.state,
                 spool ? HumanBytes(*spool) : "", lag ? ToHuman(Milliseconds(*lag)) : "",
                 WithoutMachine(process.waiting_on)});
    }
  }
  return table.empty() ? "  no process has reported\n" : table.ToString("  ");
}

std::string RenderStreams(const InstallationReport& report, const Topology& topology) {
  Table table({"STREAM", "CLUSTER", "VIEW", "PART", "NEWEST MINUTE", ">BEHIND"});
  for (const StreamSpec& stream : topology.streams) {
    for (const View view : {View::kLocal, View::kMerged}) {
      for (const ClusterReport& cluster : report.clusters) {
        const auto role = stream.RoleOf(cluster.name);
        if (view == View::kLocal ? !stream.HasSource(cluster.name) : !role) continue;
        const ViewReport* seen = FindView(cluster, stream.name, view);
        const bool any = seen != nullptr && seen->newest;
        table.Row({stream.name, cluster.name, std::string(ViewName(view)),
                   view == View::kLocal      ? "source"
                   : *role == Role::kPrimary ? "primary"
                                             : "mirror",
                   !cluster.away.empty() ? "?"
                   : any                 ? seen->newest->ToIso()
                                         : "none yet",
                   any ? ToHuman(Behind(report.now, *seen->newest)) : ""});
      }
    }
  }
  return table.ToString("  ");
}

std::string RenderWaiting(const InstallationReport& report) {
  Table table({"WHERE", "WHAT", ">FILES", ">BYTES", ">OLDEST"});
  const auto age = [&](std::optional<WallTime> oldest) {
    return oldest ? Ago(report.now, *oldest) : "";
  };
  for (const ClusterReport& cluster : report.clusters) {
    for (const BacklogReport& backlog : cluster.backlog) {
      table.Row({cluster.name, fmt::format("data/{}", backlog.stream), Grouped(backlog.files),
                 HumanBytes(backlog.bytes), age(backlog.oldest)});
    }
    for (const QueueReport& queue : cluster.queues) {
      table.Row(
          {cluster.name, "queue " + QueueText(queue), Grouped(queue.lines), "", age(queue.oldest)});
    }
  }
  return table.empty() ? "  nothing\n" : table.ToString("  ");
}

Json ToJson(std::optional<WallTime> time) { return time ? Json(ToIsoMs(*time)) : Json(nullptr); }

Json ProcessToJson(const Heartbeat& process, const InstallationReport& report) {
  Json json = HeartbeatToJson(process);
  const Liveness life = LivenessOf(process, report);
  json["life"] = life == Liveness::kSilent ? "silent"
                 : life == Liveness::kDead ? "dead"
                                           : LivenessName(life);
  return json;
}

Json ClusterToJson(const ClusterReport& cluster, const InstallationReport& report) {
  Json json = {
      {"name", cluster.name}, {"url", cluster.url}, {"id", cluster.id}, {"away", cluster.away}};
  json["free_bytes"] = cluster.free_bytes ? Json(*cluster.free_bytes) : Json(nullptr);
  for (const char* list : {"processes", "streams", "backlog", "queues", "open", "quarantine"}) {
    json[list] = Json::array();
  }
  for (const Heartbeat& process : cluster.processes) {
    json["processes"].push_back(ProcessToJson(process, report));
  }
  for (const ViewReport& view : cluster.views) {
    json["streams"].push_back(
        {{"stream", view.stream},
         {"view", ViewName(view.view)},
         {"newest", view.newest ? Json(view.newest->ToIso()) : Json(nullptr)},
         {"behind_ms",
          view.newest ? Json(Behind(report.now, *view.newest).count()) : Json(nullptr)}});
  }
  for (const BacklogReport& backlog : cluster.backlog) {
    json["backlog"].push_back({{"stream", backlog.stream},
                               {"files", backlog.files},
                               {"bytes", backlog.bytes},
                               {"oldest", ToJson(backlog.oldest)}});
  }
  for (const QueueReport& queue : cluster.queues) {
    json["queues"].push_back({{"to", queue.to},
                              {"for", queue.view == View::kLocal ? "merge" : "mirror"},
                              {"entries", queue.entries},
                              {"lines", queue.lines},
                              {"oldest", ToJson(queue.oldest)}});
  }
  for (const StagingReport& staging : cluster.staging) {
    json["open"].push_back({{"view", ViewName(staging.view)},
                            {"commits", staging.records},
                            {"clean_up_lists", staging.pending},
                            {"oldest", ToJson(staging.oldest)}});
  }
  for (const SetAsideFile& file : cluster.quarantine) {
    json["quarantine"].push_back({{"path", file.path}, {"reason", file.reason}});
  }
  json["quarantined"] = cluster.quarantined;
  json["unreadable"] = cluster.unreadable;
  return json;
}

}  // namespace

Liveness LivenessOf(const Heartbeat& heartbeat, const InstallationReport& report) {
  if (heartbeat.state == "stopped") return Liveness::kStopped;
  const Milliseconds age = report.now - heartbeat.written;
  // One that writes when it should lives, whatever our numbers of processes say: it may be in a
  // container that shares our host's name.
  const bool ours = report.process_is_gone && heartbeat.host == report.host;
  if (ours && age > heartbeat.interval && report.process_is_gone(heartbeat.pid)) {
    return Liveness::kDead;
  }
  if (age > 3 * heartbeat.interval + kHeartbeatGrace) return Liveness::kSilent;
  return age > 2 * heartbeat.interval ? Liveness::kLate : Liveness::kAlive;
}

std::vector<Trouble> FindTroubles(const InstallationReport& report, const Topology& topology) {
  return TroubleFinder(report, topology).Run();
}

std::string RenderStatus(const InstallationReport& report, const Topology& topology) {
  const std::vector<Trouble> troubles = FindTroubles(report, topology);
  std::string text = fmt::format(
      "{}  {}\n\nClusters\n", ToIsoMs(report.now),
      troubles.empty() ? "All is well." : Plural(troubles.size(), "problem") + ", below.");
  Table clusters({"NAME", "URL", "STATE", ">FREE"});
  for (const ClusterReport& cluster : report.clusters) {
    clusters.Row({cluster.name, cluster.url, cluster.away.empty() ? "reachable" : "AWAY",
                  cluster.free_bytes ? HumanBytes(*cluster.free_bytes) : ""});
  }
  text += clusters.ToString("  ");
  text += "\nProcesses\n" + RenderProcesses(report);
  text += "\nStreams\n" + RenderStreams(report, topology);
  text += "\nOn its way\n" + RenderWaiting(report);
  if (troubles.empty()) return text;
  text += "\nProblems\n";
  for (const Trouble& trouble : troubles) {
    text += fmt::format("  {}: {}{}\n      next: {}\n", trouble.where, trouble.what,
                        trouble.since ? fmt::format(", since {} ({})", ToIsoMs(*trouble.since),
                                                    Ago(report.now, *trouble.since))
                                      : "",
                        trouble.next);
  }
  return text;
}

nlohmann::ordered_json StatusToJson(const InstallationReport& report, const Topology& topology) {
  Json json = {{"version", 1}, {"now", ToIsoMs(report.now)}, {"clusters", Json::array()}};
  for (const ClusterReport& cluster : report.clusters) {
    json["clusters"].push_back(ClusterToJson(cluster, report));
  }
  json["problems"] = Json::array();
  for (const Trouble& trouble : FindTroubles(report, topology)) {
    json["problems"].push_back({{"where", trouble.where},
                                {"what", trouble.what},
                                {"since", ToJson(trouble.since)},
                                {"next", trouble.next}});
  }
  return json;
}

}  // namespace databus
