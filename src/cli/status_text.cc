// The report as text for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "cli/roles_text.h"
#include "cli/status_hops.h"
#include "cli/status_parts.h"
#include "cli/status_topology.h"
#include "cli/table.h"
#include "telemetry/facts.h"
#include "telemetry/iso_time.h"
#include "telemetry/worker_share.h"

namespace databus {
namespace {

// More streams than this are not listed one by one.
constexpr size_t kStreamsListed = 30;

// Without the machine part of a process's label: "worker-dc1@h1:812#..." is "worker-dc1@h1:812".
std::string WithoutMachine(std::string text) {
  const size_t colon = text.find(':', std::min(text.find('@'), text.size()));
  const size_t machine = text.find('#', std::min(colon, text.size()));
  if (machine == std::string::npos) return text;
  const size_t end = std::min(text.find(' ', machine), text.size());
  return text.erase(machine, end - machine);
}

std::string RenderProcesses(const InstallationReport& report) {
  Table table({"PROCESS", "KIND", "CLUSTER", "HOST", ">PID", "LIFE", ">HEARD", "STATE", "EPOCH",
               ">SPOOL", ">LAG", "WAITS FOR"});
  for (const ClusterReport& cluster : report.clusters) {
    for (const Heartbeat& process : cluster.processes) {
      const auto spool = Fact(process, facts::kSpoolBytes);
      const auto lag = Fact(process, facts::kLagMs);
      table.Row({process.process, process.kind, cluster.name, process.host,
                 std::to_string(process.pid),
                 std::string(LivenessName(LivenessOf(process, report))),
                 Ago(report.now, process.written) + " ago", process.state,
                 EpochText(process, report.picture), spool ? HumanBytes(*spool) : "",
                 lag ? ToHuman(Milliseconds(*lag)) : "", WithoutMachine(process.waiting_on)});
    }
  }
  return table.empty() ? "  no process has reported\n" : table.ToString("  ");
}

std::string LagText(const StreamHop& hop) {
  return hop.lag ? Grouped(static_cast<uint64_t>(LagSeconds(*hop.lag))) : "";
}

// For each hop and cluster the stream that is furthest behind.
std::string RenderLag(const std::vector<StreamHop>& hops) {
  struct Sum {
    size_t streams = 0;
    const StreamHop* slowest = nullptr;
  };
  std::map<std::pair<Hop, std::string>, Sum> sums;
  for (const StreamHop& hop : hops) {
    Sum& sum = sums[{hop.hop, hop.cluster}];
    ++sum.streams;
    if (sum.slowest == nullptr || hop.lag > sum.slowest->lag) sum.slowest = &hop;
  }
  Table table({"HOP", "CLUSTER", ">STREAMS", ">LAG (S)", "SLOWEST"});
  for (const auto& [key, sum] : sums) {
    table.Row({std::string(HopName(key.first)), key.second, Grouped(sum.streams),
               LagText(*sum.slowest), sum.slowest->lag ? sum.slowest->stream : ""});
  }
  return table.ToString("  ");
}

// Of many streams those that are furthest behind.
std::string RenderStreams(const std::vector<StreamHop>& hops, const Topology& topology,
                          const InstallationReport& report) {
  std::vector<std::pair<Milliseconds, std::string>> worst;
  worst.reserve(topology.streams.size());
  for (const StreamSpec& stream : topology.streams) worst.emplace_back(0, stream.name);
  std::map<std::string, Milliseconds> lags;
  for (const StreamHop& hop : hops) {
    Milliseconds& lag = lags[hop.stream];
    lag = std::max(lag, hop.lag.value_or(Milliseconds{0}));
  }
  for (auto& [lag, stream] : worst) lag = lags[stream];
  const size_t listed = std::min(worst.size(), kStreamsListed);
  std::ranges::stable_sort(worst, std::greater(), &std::pair<Milliseconds, std::string>::first);
  std::map<std::string, bool> shown;
  for (size_t i = 0; i < listed; ++i) shown[worst[i].second] = true;
  Table table({"STREAM", ">GROUP", "HOP", "CLUSTER", "NEWEST MINUTE", ">LAG (S)"});
  for (const StreamHop& hop : hops) {
    if (!shown.contains(hop.stream)) continue;
    const auto group = report.GroupOf(hop.stream);
    table.Row({hop.stream, group ? std::to_string(*group) : "", std::string(HopName(hop.hop)),
               hop.cluster,
               hop.away     ? "?"
               : hop.newest ? hop.newest->ToIso()
                            : "none yet",
               LagText(hop)});
  }
  std::string text = table.ToString("  ");
  if (listed < worst.size()) {
    text += fmt::format("  and {} more, less far behind; --stream NAME shows one\n",
                        Grouped(worst.size() - listed));
  }
  return text;
}

// What collectors do with their streams, where they say so.
std::string RenderModes(const InstallationReport& report) {
  Table table({"COLLECTOR", "CLUSTER", "MODE", "STREAMS"});
  for (const ClusterReport& cluster : report.clusters) {
    for (const Heartbeat& process : cluster.processes) {
      for (const auto& [mode, streams] : ModesOf(process)) {
        table.Row({process.process, cluster.name, mode, Some(streams)});
      }
    }
  }
  return table.empty() ? "" : "\nModes\n" + table.ToString("  ");
}

// "0-3, 7" of 0, 1, 2, 3, 7.
std::string Ranges(const std::set<uint32_t>& numbers) {
  std::vector<std::string> ranges;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const uint32_t first = *at;
    uint32_t last = first;
    while (++at != numbers.end() && *at == last + 1) last = *at;
    ranges.push_back(first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last));
  }
  return fmt::format("{}", fmt::join(ranges, ", "));
}

// The groups that a worker works on.
std::string GroupsOf(const Heartbeat& worker) {
  if (worker.state == "standby") return "none";
  const auto share = ShareOf(worker);
  if (!share) return "all";
  return share->groups.empty() ? "none yet" : Ranges(share->groups);
}

// Who works on each cluster, and who says so by what. Of spread groups the holder is that of group
// 0.
std::string RenderLeases(const InstallationReport& report) {
  Table table({"CLUSTER", "HELD BY", "LIES IN", "SAID BY", "WORKS ON GROUPS"});
  for (const ClusterReport& cluster : report.clusters) {
    for (const Heartbeat& process : cluster.processes) {
      const std::string where = TextFact(process, facts::kLeaseIn);
      if (where.empty() || !IsHeard(LivenessOf(process, report))) continue;
      table.Row({cluster.name, WithoutMachine(TextFact(process, facts::kLeaseHolder)), where,
                 process.process, GroupsOf(process)});
    }
  }
  return table.empty() ? "" : "\nLeases\n" + table.ToString("  ");
}

// What processes have asked of clusters with servers, where they count it.
std::string RenderCalls(const InstallationReport& report) {
  constexpr size_t kKindsListed = 4;
  Table table({"PROCESS", "CLUSTER", ">CALLS", ">PER FILE", ">PER IDLE RUN", "MOST OF THEM"});
  for (const ClusterReport& cluster : report.clusters) {
    for (const Heartbeat& process : cluster.processes) {
      const CallsReport calls = CallsOf(process);
      if (calls.by_kind.empty()) continue;
      std::vector<std::string> most;
      for (const auto& [kind, count] : calls.by_kind) {
        if (most.size() < kKindsListed) most.push_back(fmt::format("{} {}", kind, Grouped(count)));
      }
      const auto rate = [](std::optional<double> value) {
        return value ? fmt::format("{:.1f}", *value) : "";
      };
      table.Row({process.process, cluster.name, Grouped(calls.sum), rate(calls.per_file),
                 rate(calls.per_idle_run), fmt::format("{}", fmt::join(most, ", "))});
    }
  }
  return table.empty() ? "" : "\nCalls to name nodes\n" + table.ToString("  ");
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
    for (const StagingReport& staging : cluster.staging) {
      for (const auto& [stream, files] : staging.claims) {
        table.Row({cluster.name, "claimed of " + stream, Grouped(files), "", ""});
      }
    }
    for (const QueueReport& queue : cluster.queues) {
      table.Row(
          {cluster.name, "queue " + QueueText(queue), Grouped(queue.lines), "", age(queue.oldest)});
    }
  }
  return table.empty() ? "  nothing\n" : table.ToString("  ");
}

std::string Headline(const InstallationReport& report, size_t troubles) {
  std::string text = report.failover
                         ? fmt::format("{} is under way, at step {}. ", report.failover->id,
                                       failover::StepName(report.failover->step))
                         : "";
  if (troubles > 0) return text + Plural(troubles, "problem") + ", below.";
  return text.empty() ? "All is well." : text + "No problems.";
}

}  // namespace

std::string RenderStatus(const InstallationReport& report, const Topology& topology) {
  const std::vector<Trouble> troubles = FindTroubles(report, topology);
  std::string text =
      fmt::format("{}  {}\n\nClusters\n", ToIsoMs(report.now), Headline(report, troubles.size()));
  Table clusters({"NAME", "URL", "STATE", ">FREE"});
  for (const ClusterReport& cluster : report.clusters) {
    clusters.Row({cluster.name, cluster.url, cluster.away.empty() ? "reachable" : "AWAY",
                  cluster.free_bytes ? HumanBytes(*cluster.free_bytes) : ""});
  }
  text += clusters.ToString("  ");
  text += RenderStored(report);
  text += "\nProcesses\n" + RenderProcesses(report);
  text += RenderLeases(report);
  text += RenderModes(report);
  const std::vector<StreamHop> hops = StreamHops(report, topology);
  text += "\nRoles\n" + RenderRoles(topology);
  text += "\nLag\n" + RenderLag(hops);
  text += "\nStreams\n" + RenderStreams(hops, topology, report);
  text += "\nOn its way\n" + RenderWaiting(report);
  text += RenderCalls(report);
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

}  // namespace databus
