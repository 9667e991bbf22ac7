// What is wrong, by what was found.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/status_hops.h"
#include "cli/status_parts.h"
#include "cli/status_topology.h"
#include "cli/table.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "telemetry/facts.h"
#include "telemetry/iso_time.h"
#include "telemetry/told_loss.h"

namespace databus {
namespace {

// Below the first, heartbeats and all else can fail at any moment; the second is time to act.
constexpr uint64_t kFullBytes = uint64_t{16} << 20;
constexpr uint64_t kNearlyFullBytes = uint64_t{256} << 20;
// What moves within a run or two when all is well; longer than this is worth a line.
constexpr Milliseconds kPatience = std::chrono::minutes(5);

// A worker that has been silent for so long was started again, if another one lives on its host.
constexpr std::chrono::minutes kReplacedAfter{10};

constexpr const char* kNoWorker = "no worker is alive on this cluster";
constexpr const char* kStartOne = "start one: nothing is published here until then";

// Collects the lines of one report.
class TroubleFinder {
 public:
  TroubleFinder(const InstallationReport& report, const Topology& topology)
      : report_(report), hops_(StreamHops(report, topology)) {}

  std::vector<Trouble> Run() {
    troubles_ = TopologyTroubles(report_);
    for (const ClusterReport& cluster : report_.clusters) {
      if (!cluster.away.empty()) {
        Away(cluster);
        continue;
      }
      Disk(cluster);
      Processes(cluster);
      Leases(cluster);
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
        const auto ids = process.facts.find(facts::kClusterIds);
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

  // Two that ask different places who may work both may.
  void Leases(const ClusterReport& cluster) {
    std::map<std::string, std::string> said;
    for (const Heartbeat& process : cluster.processes) {
      const std::string where = TextFact(process, facts::kLeaseIn);
      if (!where.empty() && IsHeard(LivenessOf(process, report_))) said[where] = process.process;
    }
    if (said.size() < 2) return;
    std::string what = "its workers look for the lease in different places:";
    for (const auto& [where, process] : said) what += fmt::format(" {}: {};", process, where);
    what.pop_back();
    Add(cluster.name, what, {},
        "give all of them the same enablezk, zkconnect and spread_groups; until then each keeps "
        "the other from its work, and nothing is lost or doubled");
  }

  void Processes(const ClusterReport& cluster) {
    bool worker = false;
    for (const Heartbeat& process : cluster.processes) {
      const Liveness life = LivenessOf(process, report_);
      const bool heard = IsHeard(life);
      worker |= process.kind == "worker" && heard;
      if (life == Liveness::kDead || life == Liveness::kSilent) Gone(cluster, process, life);
      if (life == Liveness::kLate) {
        Add(process.process, "late: a heartbeat is missing", process.written,
            "wait some seconds; if this stays, see whether the process hangs: stopped by a signal, "
            "or waiting for its disk");
      }
      if (life == Liveness::kStopped) Stopped(cluster, process);
      if (!heard) continue;
      for (const Problem& problem : process.problems) {
        Add(process.process, problem.what, problem.since, problem.next);
      }
    }
    if (worker) return;
    if (const std::string* why = WhyHeartbeatsAreHidden(cluster)) {
      Add(cluster.name, "nobody can tell who is alive: " + *why, {},
          "make it readable for whoever asks; workers go on meanwhile if they can read the rest");
      return;
    }
    if (DiskIsFull(cluster)) {
      Add(cluster.name, "no worker is heard of", {},
          "no heartbeat can be written while the disk is full: make room first");
    } else {
      Add(cluster.name, kNoWorker, {}, kStartOne);
    }
  }

  // Who was stopped says nothing any more; what it alone has, or knows to be lost, stays so.
  void Stopped(const ClusterReport& cluster, const Heartbeat& process) {
    if (process.kind != "collector" || HasSaidMore(cluster, process)) return;
    for (const Problem& loss : LossesToldBy(process)) {
      Add(process.process, "said before it was stopped: " + loss.what, loss.since, loss.next);
    }
    const uint64_t bytes = Fact(process, facts::kSpoolBytes).value_or(0);
    if (bytes == 0) return;
    Add(process.process,
        fmt::format("stopped with {} in its spool that are not delivered", HumanBytes(bytes)),
        process.written, "start it: what it had accepted is delivered then");
  }

  static std::pair<std::string, std::string> CollectorOf(const ClusterReport& cluster,
                                                         const Heartbeat& process) {
    const auto name = CollectorProcessName::Parse(process.process);
    if (!name) return {cluster.name, process.process};
    return {name->Home(cluster.name), name->collector};
  }

  // In another tree, where it was the last time.
  bool HasSaidMore(const ClusterReport& where, const Heartbeat& process) const {
    const auto collector = CollectorOf(where, process);
    return std::ranges::any_of(report_.clusters, [&](const ClusterReport& cluster) {
      return std::ranges::any_of(cluster.processes, [&](const Heartbeat& other) {
        const bool is_it = other.kind == "collector" && CollectorOf(cluster, other) == collector;
        // Of two that say the same, that of its own cluster.
        return is_it && (other.written > process.written ||
                         (other.written == process.written && &other != &process &&
                          cluster.name == collector.first));
      });
    });
  }

  // Whether what could not be read is one of them, or all.
  static bool IsOfHeartbeats(const std::string& what) {
    return what.find(paths::StatusRoot()) != std::string::npos;
  }
  // Null: they could be listed.
  static const std::string* WhyHeartbeatsAreHidden(const ClusterReport& cluster) {
    for (const std::string& what : cluster.unreadable) {
      if (IsOfHeartbeats(what)) return &what;
    }
    return nullptr;
  }

  bool StandsBy(const Heartbeat& process) const {
    return process.kind == "worker" && process.state == "standby" &&
           LivenessOf(process, report_) == Liveness::kAlive;
  }

  const Heartbeat* Standby(const ClusterReport& cluster) const {
    for (const Heartbeat& process : cluster.processes) {
      if (StandsBy(process)) return &process;
    }
    return nullptr;
  }

  // Another one that works on groups of the cluster.
  const Heartbeat* Sharer(const ClusterReport& cluster) const {
    for (const Heartbeat& process : cluster.processes) {
      if (process.facts.contains(facts::kShare) &&
          LivenessOf(process, report_) == Liveness::kAlive) {
        return &process;
      }
    }
    return nullptr;
  }

  // One that does not only stand by.
  bool AnyWorks(const ClusterReport& cluster) const {
    return std::ranges::any_of(cluster.processes, [&](const Heartbeat& process) {
      return process.kind == "worker" && process.state != "standby" &&
             IsHeard(LivenessOf(process, report_));
    });
  }

  // The same process, which has lost the lease to nobody: ZooKeeper is away.
  const Heartbeat* Itself(const ClusterReport& cluster, const Heartbeat& holder) const {
    for (const Heartbeat& process : cluster.processes) {
      if (StandsBy(process) && holder.kind == "worker" && process.host == holder.host &&
          process.pid == holder.pid) {
        return &process;
      }
    }
    return nullptr;
  }

  // Long gone, and another process of its host works there, or stands by: it has been started
  // again, and its name has gone with it.
  bool IsReplaced(const ClusterReport& cluster, const Heartbeat& gone) const {
    if (!IsOfOneWorkerProcess(cluster.name, gone.process)) return false;
    if (report_.now - gone.written < kReplacedAfter) return false;
    return std::ranges::any_of(cluster.processes, [&](const Heartbeat& process) {
      return process.kind == "worker" && process.host == gone.host &&
             LivenessOf(process, report_) == Liveness::kAlive;
    });
  }

  void Gone(const ClusterReport& cluster, const Heartbeat& process, Liveness life) {
    if (IsReplaced(cluster, process)) return;
    const bool dead = life == Liveness::kDead;
    if (const Heartbeat* itself = Itself(cluster, process)) {
      Add(process.process, "holds the lease no longer", process.written,
          fmt::format("nothing: the process lives, as {}, and works as soon as it holds it again",
                      itself->process));
      return;
    }
    std::string next =
        process.kind == "collector"
            ? "start it again: what it had accepted lies in its spool and is delivered then"
            : "start it again: what is queued waits";
    if (process.kind == "worker" && process.state == "standby" && AnyWorks(cluster)) {
      next =
          "nothing waits for it, as it only stood by; start it again if another worker is to be "
          "at hand; it is forgotten after a day";
    } else if (process.kind == "worker") {
      if (const Heartbeat* other = Sharer(cluster)) next = "its groups go to " + other->process;
      if (const Heartbeat* standby = Standby(cluster)) {
        next = standby->process + " stands by and takes over by itself";
      }
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
    for (const StreamHop& hop : hops_) {
      if (hop.cluster != cluster.name || !hop.lag || *hop.lag <= kPatience) continue;
      const View view = hop.hop == Hop::kLocal ? View::kLocal : View::kMerged;
      Add(cluster.name,
          fmt::format("stream {}, view {}: the newest minute is {}", hop.stream, ViewName(view),
                      hop.newest->ToIso()),
          hop.newest->End(),
          "a minute appears every minute, empty ones too, while its publisher runs; see there");
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
      Add(cluster.name, "could not be read: " + what, {},
          IsOfHeartbeats(what)
              ? "that process is missing in this report: it writes the file anew when it is "
                "started; if it may not be read, give the right to it"
              : "the rest of this report is complete");
    }
  }

  const InstallationReport& report_;
  const std::vector<StreamHop> hops_;
  std::vector<Trouble> troubles_;
};

}  // namespace

std::vector<Trouble> FindTroubles(const InstallationReport& report, const Topology& topology) {
  return TroubleFinder(report, topology).Run();
}

}  // namespace databus
