// Who lives and what they obey, by the heartbeats in the trees. A collector that is steered, or
// whose own tree is away, writes into the trees of other clusters, too; the newest one counts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "failover/observation.h"
#include "storage/storage.h"
#include "telemetry/heartbeat.h"

namespace databus::failover {

class ProcessReader {
 public:
  explicit ProcessReader(WallTime now) : now_(now) {}

  // Not ok: the tree does not show its heartbeats; some may have been read.
  Status Read(const std::string& cluster, Storage& storage);
  // By how much the clock of the tree read last is ahead, by its youngest heartbeat.
  std::optional<Milliseconds> ClockAhead() const { return clock_ahead_; }

  std::vector<SeenCollector> Collectors() &&;
  std::map<std::string, SeenWorker> Workers() const { return workers_; }

 private:
  void Take(const std::string& cluster, const Heartbeat& beat);
  Life LifeOf(const Heartbeat& beat) const;

  const WallTime now_;
  std::optional<Milliseconds> clock_ahead_;
  std::map<std::pair<std::string, std::string>, SeenCollector> collectors_;
  std::map<std::string, SeenWorker> workers_;
};

}  // namespace databus::failover
