#include "failover/driver_beat.h"

#include <fmt/format.h>

#include "cluster/paths.h"
#include "telemetry/log.h"

namespace databus::failover {
namespace {

constexpr Milliseconds kInterval{10'000};  // a round may have to wait for clusters that are away
constexpr Milliseconds kGrace{3'000};      // for a machine that is busy

}  // namespace

std::string DriverBeat::Driver() const { return fmt::format("{}:{}", options_.host, options_.pid); }

bool IsOfDriver(const Heartbeat& beat, const Journal& journal) {
  return beat.process == paths::DriverProcess(journal.id) &&
         fmt::format("{}:{}", beat.host, beat.pid) == journal.driver;
}

void DriverBeat::Say(const Journal& journal, const std::string& waits_for) {
  const BootTime now = options_.clock.Boot();
  if (said_ && now - *said_ < kInterval / 2) return;
  said_ = now;
  Heartbeat beat;
  beat.process = paths::DriverProcess(journal.id);
  beat.kind = kDriverKind;
  beat.host = options_.host;
  beat.pid = options_.pid;
  beat.written = options_.clock.Wall();
  beat.interval = kInterval;
  beat.state = fmt::format("at step {}", StepName(journal.step));
  beat.waiting_on = waits_for;
  const std::string text = EncodeHeartbeat(beat);
  for (const auto& [cluster, tree] : options_.desk.AnsweringTrees()) {
    const Status said = tree->Replace(paths::StatusFile(beat.process), text);
    if (!said.ok()) LogDebug("failover", "heartbeat not written", {{"why", said}});
  }
}

void DriverBeat::Leave(const std::string& journal_id) {
  if (!said_) return;
  for (const auto& [cluster, tree] : options_.desk.AnsweringTrees()) {
    const Status removed = tree->Remove(paths::StatusFile(paths::DriverProcess(journal_id)));
    if (!removed.ok()) LogDebug("failover", "heartbeat not removed", {{"why", removed}});
  }
}

std::optional<Heartbeat> LastBeat(const TopologyDesk& desk, const Journal& journal) {
  std::optional<Heartbeat> last;
  const std::string path = paths::StatusFile(paths::DriverProcess(journal.id));
  for (const auto& [cluster, tree] : desk.AnsweringTrees()) {
    const auto text = tree->ReadFile(path);
    if (!text.ok()) continue;
    auto beat = DecodeHeartbeat(*text, path);
    if (!beat.ok() || !IsOfDriver(*beat, journal)) continue;
    if (!last || beat->written > last->written) last = *std::move(beat);
  }
  return last;
}

bool MayLive(const Heartbeat& beat, WallTime now) {
  return std::chrono::abs(now - beat.written) <= 3 * beat.interval + kGrace;
}

}  // namespace databus::failover
