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
#include "control/heartbeats.h"
#include "failover/observation.h"
#include "storage/storage.h"
#include "telemetry/heartbeat.h"
#include "telemetry/worker_share.h"

namespace databus::failover {

struct Moment {
  WallTime wall;
  BootTime boot;
};

// Tells who lives by whether heartbeats change while they are watched. Until that is known, by
// their dates: clocks of two machines, which need not agree.
class LifeWatch {
 public:
  // `tree`: the cluster in whose tree it lies.
  Life LifeOf(const std::string& tree, const Heartbeat& beat, const Moment& now);

 private:
  struct Last {
    WallTime written;
    BootTime since{};    // when this one was first seen
    bool spoke = false;  // it took the place of another one
  };
  std::map<std::pair<std::string, std::string>, Last> last_;
};

// One look.
class ProcessReader {
 public:
  ProcessReader(const Moment& now, LifeWatch& watch) : now_(now), watch_(watch) {}

  // Not ok: the tree does not show its heartbeats; some may have been read.
  Status Read(const std::string& cluster, Storage& storage);
  // By how much the clock of the tree read last is ahead, by its youngest heartbeat.
  std::optional<Milliseconds> ClockAhead() const { return clock_ahead_; }

  std::vector<SeenCollector> Collectors() &&;
  std::map<std::string, SeenWorker> Workers() const;

 private:
  void Take(const std::string& cluster, const Heartbeat& beat);
  // What the workers of one cluster say.
  struct Sharer {
    SeenWorker worker{};
    WorkerShare share{};
  };
  struct AtWork {
    std::optional<SeenWorker> leader{};  // whose share may be among the next
    std::vector<Sharer> shares{};
    std::string standby{};
    std::string why_unreadable{};
    SeenWorker Together() const;
  };
  void TakeWorker(const std::string& cluster, const Heartbeat& beat, Life life);
  void TakeUnreadable(const std::string& cluster, const UnreadBeat& unread);

  const Moment now_;
  LifeWatch& watch_;
  std::optional<Milliseconds> clock_ahead_;
  std::map<std::pair<std::string, std::string>, SeenCollector> collectors_;
  std::map<std::string, AtWork> workers_;
};

}  // namespace databus::failover
