// Obeys the stored topology on behalf of a collector:
//   - watches all clusters for the newest epoch (P27), and keeps it in the spool's directory, so
//     that it is known at the next start when no tree can be read; its own cluster is asked first,
//     and alone, as nothing is delivered there before (Routes);
//   - finds out who lives of the clusters that messages are redirected to;
//   - shows the collector in the trees of the other clusters, as collector-<name>@<cluster>, while
//     a rule steers it or its own tree is away: whoever steers must see that it obeys;
//   - learns from heartbeats what other collectors have kept of hand-overs (P22).
//
// Works on a thread of its own, so that a tree that hangs holds up neither intake nor delivery; or
// by hand, by Step.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "collector/spool/spool.h"
#include "collector/steer/roster.h"
#include "collector/steer/routes.h"
#include "control/topology_watch.h"
#include "storage/disk/disk.h"
#include "telemetry/heartbeat.h"
#include "telemetry/problems.h"

namespace databus {

class Steering {
 public:
  // All must outlive it.
  struct Seams {
    const Clock& clock;
    Random& random;
    Disk& disk;
    const Spool& spool;
    ProblemBoard& problems;
    OpenClusterStorage open;
  };
  struct Self {
    std::string collector;
    std::string root_url;  // of its own cluster's tree
    std::string spool_directory;
  };
  // Asked and told on the steering thread.
  struct Calls {
    std::function<Heartbeat()> describe;
    std::function<bool()> reached;  // whether its own tree answers
    std::function<bool()> wants_marks;
    std::function<void(const std::string& incarnation, const Roster::Marks& marks)> note_marks;
    std::function<void()> changed;  // the orders are others now; must not block
  };

  // Obeys at once what the last life has kept; touches no tree yet.
  Steering(const Seams& seams, Self self, Calls calls);
  ~Steering() { EndThread(); }

  // A thread of its own from now on.
  void Start();
  // Ends it.
  void EndThread();
  // One round of work, when there is no thread. Returns when the next is due.
  BootTime Step();
  // Writes the heartbeat into the trees of other clusters, or takes it away, as it should be now.
  // Not while there is a thread.
  void Show();

  // Any thread.
  Orders orders() const;

 private:
  // What this process has to do with the tree of another cluster.
  struct Site {
    std::string url;
    std::unique_ptr<Storage> tree;  // null: it cannot be opened
    bool shown = true;              // our heartbeat may be there, of an earlier life as well
  };

  Orders Obeyed();
  void AskHome();
  std::shared_ptr<const TopologyEpoch> Kept() const;
  void Keep(const ObeyedTopology& obeyed);
  void OpenSites(const Topology& topology);
  std::string FindSelf(const StoredTopology& stored) const;
  void LookAround(const Orders& orders);
  std::map<std::string, std::vector<Endpoint>> Receivers(const Orders& orders);
  void Give(Orders orders);
  bool HomeIsAway();
  void TellTroubles(const Orders& orders);

  const Seams seams_;
  const Self self_;
  const Calls calls_;
  TopologyWatch watch_;
  Roster roster_;
  std::map<std::string, Site> sites_;  // the other clusters
  std::string kept_;                   // the digest of the epoch in the spool's directory
  BootTime next_look_{};
  BootTime next_show_{};
  BootTime away_at_{};     // when its own tree counts as away
  bool asks_home_ = true;  // as Orders says
  bool looked_ = false;    // at all trees, once

  mutable Mutex mutex_;  // guards what follows
  Orders orders_;
  CondVar wake_;
  bool end_ = false;
  Thread thread_;
};

}  // namespace databus
