#include "cli/status_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "cli/status_parts.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

constexpr Milliseconds kHeartbeatGrace = std::chrono::seconds(10);

}  // namespace

std::string Ago(WallTime now, WallTime then) {
  return ToHuman(std::max(now - then, Milliseconds{0}));
}

std::string QueueText(const QueueReport& queue) {
  return fmt::format("{} -> {}, {}", queue.from, queue.to,
                     queue.view == View::kLocal ? "to be merged" : "to be mirrored");
}

std::optional<Group> InstallationReport::GroupOf(const std::string& stream) const {
  // The number of groups is the same in the whole installation (P1).
  const auto known = std::ranges::find_if(
      clusters, [](const ClusterReport& cluster) { return cluster.groups > 0; });
  if (known == clusters.end()) return std::nullopt;
  return databus::GroupOf(stream, known->groups);
}

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

std::string TextFact(const Heartbeat& heartbeat, const char* key) {
  const auto found = heartbeat.facts.find(key);
  return found != heartbeat.facts.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<uint64_t> Fact(const Heartbeat& heartbeat, const char* key) {
  const auto found = heartbeat.facts.find(key);
  if (found == heartbeat.facts.end() || !found->is_number_integer()) return std::nullopt;
  const auto value = found->get<int64_t>();
  return value < 0 ? std::nullopt : std::optional<uint64_t>(value);
}

CallsReport CallsOf(const Heartbeat& heartbeat) {
  CallsReport report;
  const auto calls = heartbeat.facts.find("storage_calls");
  if (calls == heartbeat.facts.end() || !calls->is_object()) return report;
  const auto rate = [&](const char* key) -> std::optional<double> {
    const auto found = calls->find(key);
    if (found == calls->end() || !found->is_number()) return std::nullopt;
    return found->get<double>();
  };
  report.per_file = rate("per_file");
  report.per_idle_run = rate("per_idle_run");
  const auto by_tree = calls->find("by_tree");
  if (by_tree == calls->end() || !by_tree->is_object()) return report;
  std::map<std::string, uint64_t> kinds;
  for (const auto& tree : *by_tree) {
    if (!tree.is_object()) continue;
    for (const auto& [kind, count] : tree.items()) {
      if (!count.is_number_unsigned()) continue;
      kinds[kind] += count.get<uint64_t>();
      report.sum += count.get<uint64_t>();
    }
  }
  report.by_kind.assign(kinds.begin(), kinds.end());
  std::ranges::stable_sort(report.by_kind, std::greater(),
                           &std::pair<std::string, uint64_t>::second);
  return report;
}

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

}  // namespace databus
