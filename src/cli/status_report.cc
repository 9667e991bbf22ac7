#include "cli/status_report.h"

#include <fmt/format.h>

#include <algorithm>

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
