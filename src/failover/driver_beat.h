// The sign of life of whoever drives a failover: a heartbeat (telemetry/heartbeat.h) of kind
// "failover", in system/status/failover-<id>.json of every cluster that answers. It tells others,
// anywhere, whether somebody is at it. A hint, as every heartbeat: nothing is decided by it.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "control/topology_desk.h"
#include "failover/journal.h"
#include "telemetry/heartbeat.h"

namespace databus::failover {

inline constexpr const char* kDriverKind = "failover";  // of its heartbeat

// Of one process that drives. Sees the clusters of the desk's last look. One thread at a time.
class DriverBeat {
 public:
  struct Options {
    const TopologyDesk& desk;
    const Clock& clock;
    std::string host;
    int64_t pid = 0;
  };
  explicit DriverBeat(Options options) : options_(std::move(options)) {}

  // "host:pid", as the journal has it.
  std::string Driver() const;
  // Does something every few seconds only. `waits_for` may be empty.
  void Say(const Journal& journal, const std::string& waits_for);
  // It is driven by nobody from now on: it has ended, or was stopped.
  void Leave(const std::string& journal_id);

 private:
  const Options options_;
  std::optional<BootTime> said_;
};

// Whether it is a sign of life of who drives the journal now.
bool IsOfDriver(const Heartbeat& beat, const Journal& journal);
// The last sign of life of the journal's driver, wherever it is the latest. Nothing: there is none.
std::optional<Heartbeat> LastBeat(const TopologyDesk& desk, const Journal& journal);
// Whether a driver that spoke then has to be taken for alive.
bool MayLive(const Heartbeat& beat, WallTime now);

}  // namespace databus::failover
