// Delivery, put together: each stream goes the way that its route says, into the cluster, to
// another collector, or nowhere. Reach the right cluster (P1), move what is under an intent (Mover,
// HandOvers), cut and stage what is due (Stager).
//
// A cut holds messages of many streams. Those that cannot go now, because they are held, or their
// cluster or receiver is away, are deferred; when nothing can go there is no cut. Of one stream the
// deferred goes before the newer. What has piled up drains at a limited rate, live data first.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/deliver/delivery.h"
#include "collector/deliver/hand_overs.h"
#include "collector/deliver/held.h"
#include "collector/deliver/mover.h"
#include "collector/deliver/name_guard.h"
#include "collector/deliver/stager.h"
#include "commit/cluster_id.h"

namespace databus {

// "collector-<name>": the collector's process name in system/status/.
std::string CollectorProcess(const std::string& collector);

// What of a stream is in the spool. Of what was not looked at yet, nobody knows the streams.
struct StreamBacklog {
  DeliveryMode mode = DeliveryMode::kDeliver;  // of its route
  uint64_t unsealed_bytes = 0;                 // under no cut
  uint64_t deferred_bytes = 0;
  uint64_t open_intents = 0;
};

// Step, Finish, Configure, Publish, UseThreads and NameIsFree from one thread at a time; the rest
// from any.
class Deliverer {
 public:
  Deliverer(const DeliverySeams& seams, DeliverySettings settings);

  // Receivers are served by threads of their own from now on, which call `wake` when Step may have
  // something to do; it must not block. Before the first Step.
  void UseThreads(std::function<void()> wake) { hand_overs_.UseThreads(std::move(wake)); }

  // Does what is due. Returns when there may be something to do again.
  BootTime Step();
  // Delivers all that is in the spool, without regard to rhythm and rates, until nothing is left,
  // nothing more can go, or `deadline` has passed (a call that hangs may take longer).
  // Ok: all is delivered.
  Status Finish(BootTime deadline);

  // For a process that wants to end when its name is taken; to be asked before each Step until
  // NameIsCertain(). Ok as well while the cluster is away: what goes to other collectors goes.
  //   kRefused      another collector with this name is alive
  //   kUnavailable  ask again: its heartbeat is being watched
  Status NameIsFree();
  bool NameIsCertain() const { return !guard_ || guard_->clear(); }

  // Works by these settings from now on; the collector's name stays. A pause or a rhythm that would
  // be over by them is over.
  void Configure(DeliverySettings settings);

  // Brings Backlog() up to date.
  void Publish();
  // The next Step tries at once, even in the middle of a pause, and cuts all there is.
  void Hurry() { hurry_ = true; }
  // An operator's decision: what was handed over and never answered goes the way of its route
  // again, and may be doubled (counted in possible_duplicates). The next Step does it.
  void ReleaseUnknown() { release_ = true; }
  // A collector says in its heartbeat what it has kept: the last number of each sender.
  void NoteMarks(const std::string& incarnation, const std::map<uint64_t, uint64_t>& marks) {
    hand_overs_.NoteMarks(incarnation, marks);
  }
  // Whether such a word could settle something.
  bool wants_marks() const { return wants_marks_; }

  // Whether the last attempt reached the cluster, and it is the right one; what failed afterwards
  // does not matter.
  bool reached() const { return reached_; }
  // The spool cannot say what was recorded (P21): nothing is delivered until it is opened again.
  bool spool_unsure() const { return spool_unsure_; }
  // A heartbeat of this incarnation tells of so many deliveries. Of more than there were: the spool
  // was put back under a process that lives, with its machine or without (P17).
  void ToldOf(uint64_t last_intent) { told_since_ = last_intent; }
  // What is to be carried on in heartbeats. Complete where reached().
  ToldSpools ToldOfSpools() const;
  const DeliveryCounts& counts() const { return counts_; }
  // Acceptance of the oldest message under an intent.
  std::optional<WallTime> OldestSealed() const;
  // The streams of which something is known to be in the spool, as of a second ago at most.
  std::map<std::string, StreamBacklog> Backlog() const;

 private:
  using Ranges = std::vector<SpoolRange>;
  enum class Extent : uint8_t { kDue, kAll };
  enum class Culprit : uint8_t { kCluster, kSpool };
  enum class Way : uint8_t { kFile, kReceiver, kNone };
  // Where a stream's messages can go now.
  struct Destination {
    Way way = Way::kNone;
    Courier* courier = nullptr;
  };
  // The streams of a look by where they go.
  struct Sorted {
    Stager::Streams files;
    std::map<Courier*, std::vector<SpoolDeferral>> receivers;
    std::vector<SpoolDeferral> deferred;
    bool queued_behind = false;  // some could go, but for older messages of theirs

    bool nothing_goes() const { return files.empty() && receivers.empty() && !deferred.empty(); }
  };

  bool routed() const { return static_cast<bool>(settings_.route_of); }
  Destination DestinationOf(std::string_view stream);
  bool MayGo(std::string_view stream) { return DestinationOf(stream).way != Way::kNone; }
  // The oldest cut of which deferred streams can go now, and which of them.
  const SpoolCut* FindReady(std::set<std::string>& ready);
  Sorted Sort(const SpoolLook& look, LogPlace place);

  void EndPauses();
  Status Attempt(Extent extent);
  Status ServeCluster();
  Status Reach();
  Status CheckNotOlder();
  void CheckTold();
  Status Renew(const std::string& told);
  // P17: whether it is known, and if not, that this is remembered.
  Status MayNumber();
  Status Prepare();
  void MarkBacklog();
  Status HandOver();
  bool GoesTo(const std::string& stream, const Endpoint& receiver);
  void ReleaseHeld();
  Status CutDue(Extent extent);
  Status CutOne(const Ranges& ranges);
  Status Drain(Extent extent);
  Status ResolveSome();
  Status ResolveOne(const SpoolCut& cut, const std::set<std::string>& streams);
  Result<SpoolPlan> MakePlan(const SpoolLook& look, Sorted& sorted);
  Status TakeCharge(const SpoolCut& cut);
  std::pair<Ranges, Ranges> LiveAndBacklog() const;
  Status Fail(Culprit culprit, Status why);
  bool ClusterIsDue() const;
  bool IsDue();
  bool AllIsDelivered() const;
  BootTime NextStep();

  const DeliverySeams seams_;
  DeliverySettings settings_;  // the stager, the mover and the hand-overs look at it, too
  DeliveryCounts counts_;
  std::optional<NameGuard> guard_;
  Stager stager_;
  Mover mover_;
  HandOvers hand_overs_;
  DeferredBook deferred_;
  std::map<uint64_t, BootTime> unreadable_;  // cuts, and when they are tried again
  HeldBook held_;

  std::atomic<bool> hurry_{false};
  std::atomic<bool> release_{false};
  std::atomic<bool> reached_{false};
  std::atomic<bool> wants_marks_{false};
  ClusterIdentity cluster_;
  std::atomic<bool> spool_unsure_{false};
  const uint64_t opened_with_;  // the spool's last intent that says how old it is
  std::atomic<uint64_t> told_since_{0};
  bool is_no_older_copy_ = false;  // of the spool, as far as heartbeats tell
  bool cluster_up_ = false;        // files can be staged and moved
  bool prepared_ = false;          // our directories are there
  BootTime not_before_{};          // of the next attempt at the cluster
  BootTime spool_not_before_{};    // of the next attempt at anything
  BootTime next_cut_{};            // of live data
  BootTime next_allowance_{};      // for what has piled up
  BootTime next_publish_{};
  int64_t allowance_ = 0;  // cuts of it until then
  // What lay in the spool when the cluster was reached (again), or was held until now: (segment,
  // offset) below it is backlog.
  LogPlace backlog_end_{0, 0};
  mutable Mutex mutex_;
  std::optional<WallTime> oldest_sealed_;         // guarded by mutex_
  std::map<std::string, StreamBacklog> backlog_;  // guarded by mutex_
  ToldSpools told_;                               // guarded by mutex_
};

}  // namespace databus
