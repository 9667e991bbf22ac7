// Delivery into the cluster, put together: reach the right cluster (P1), move what is under an
// intent (Mover), cut and stage what is due (Stager). While the cluster is away everything stays in
// the spool; afterwards live data goes first, then the backlog, oldest first, at a limited rate.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/deliver/delivery.h"
#include "collector/deliver/mover.h"
#include "collector/deliver/name_guard.h"
#include "collector/deliver/stager.h"
#include "commit/cluster_id.h"

namespace databus {

// "collector-<name>": the collector's process name in system/status/.
std::string CollectorProcess(const std::string& collector);

// Step, Finish and NameIsFree from one thread at a time; the rest from any.
class Deliverer {
 public:
  Deliverer(const DeliverySeams& seams, DeliverySettings settings);

  // Does what is due. Returns when there may be something to do again.
  BootTime Step();
  // Delivers all that is in the spool, without regard to rhythm and rates, until nothing is left,
  // the cluster does not answer, or `deadline` has passed (a call that hangs may take longer).
  // Ok: all is delivered.
  Status Finish(BootTime deadline);

  // For a start that wants to refuse; asked until it is certain. Ok as well while the cluster is
  // away: the first Step that reaches it looks again before anything is delivered.
  //   kRefused      another collector with this name is alive
  //   kUnavailable  ask again: its heartbeat is being watched
  Status NameIsFree();

  // The next Step tries at once, even in the middle of a pause, and cuts all there is.
  void Hurry() { hurry_ = true; }

  // Whether the last attempt reached the cluster, and it is the right one; what failed afterwards
  // does not matter.
  bool reached() const { return reached_; }
  // The spool cannot say what was recorded (P21): nothing is delivered until it is opened again.
  bool spool_unsure() const { return spool_unsure_; }
  const DeliveryCounts& counts() const { return counts_; }
  // Acceptance of the oldest message under an intent.
  std::optional<WallTime> OldestSealed() const;

 private:
  using Ranges = std::vector<SpoolRange>;
  enum class Extent : uint8_t { kDue, kAll };

  Status Attempt(Extent extent);
  Status Reach();
  Status Prepare();
  Status CutDue(Extent extent);
  Status CutOne(const Ranges& ranges);
  std::pair<Ranges, Ranges> LiveAndBacklog() const;
  void Fail(const Status& why);
  bool IsDue() const;
  BootTime NextStep();

  const DeliverySeams seams_;
  const DeliverySettings settings_;
  DeliveryCounts counts_;
  NameGuard guard_;
  Stager stager_;
  Mover mover_;

  std::atomic<bool> hurry_{false};
  std::atomic<bool> reached_{false};
  ClusterIdentity cluster_;
  std::atomic<bool> spool_unsure_{false};
  bool prepared_ = false;      // our directories are there
  BootTime not_before_{};      // of the next attempt
  BootTime next_cut_{};        // of live data
  BootTime next_allowance_{};  // for backlog
  int64_t allowance_ = 0;      // cuts of backlog until then
  // What lay in the spool when the cluster was reached (again): (segment, offset) below it is
  // backlog.
  std::pair<uint64_t, uint64_t> backlog_end_{0, 0};
  mutable Mutex mutex_;
  std::optional<WallTime> oldest_sealed_;  // guarded by mutex_
};

}  // namespace databus
