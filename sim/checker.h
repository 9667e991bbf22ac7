// The promises (docs/design.md), phrased as a reader would see them and checked after every change
// of a cluster's tree, whoever made it. Costs what changes, not what exists.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "base/minute.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "sim/epoch_history.h"
#include "sim/messages.h"
#include "storage/memory/memory_storage.h"

namespace databus::sim {

class StreamReader;

// What happened, in the words of the promise that was broken.
struct Violation {
  std::string promise;  // "G3"
  std::string what;
  std::string path;  // where to look in a trace; may be empty
};

class Checker {
 public:
  using Trees = std::map<std::string, std::unique_ptr<MemoryStorage>>;

  struct Tell {
    std::function<void(Violation)> violation;  // called at most once
    // P32: a closed minute of a merged view is being put right.
    std::function<void(const std::string& cluster, const std::string& stream, Minute minute)>
        put_right;
    // P28: whether nobody at the cluster has been able to read a majority for so long, awake, that
    // it publishes nothing of what is to wait then.
    std::function<bool(const std::string& cluster)> is_alone;
  };
  // Looks at the trees themselves, where no fault can hide anything. `topology`: until another one
  // is stored. `clock` is the clusters' own.
  Checker(const Topology& topology, const Trees& trees, const Clock& clock, Tell tell);

  // What producers do. `cluster` is that of the collector.
  void Sent(MessageId id, const std::string& cluster, const std::string& stream);
  void Acknowledged(MessageId id);
  // The collector said that it did not keep it.
  void Refused(MessageId id);

  // A disk has damaged it where nothing but the disk had it: it need not arrive.
  void Damaged(uint64_t message) { damaged_.insert(message); }

  // What happens to a tree, after it happened.
  void OnRename(const std::string& cluster, const std::string& from, const std::string& to);
  void OnMakeDir(const std::string& cluster, const std::string& path);
  void OnCreate(const std::string& cluster, const std::string& path);
  // Before it happens: what is removed can still be read.
  void OnRemove(const std::string& cluster, const std::string& path);
  // A power cut has undone a rename (to is where it had been moved to).
  void OnUndone(const std::string& cluster, const std::string& from, const std::string& to);

  // An acknowledged message that some reader cannot see yet, and which; nothing when all is there.
  std::optional<std::string> Missing();

  // What was due before `healed`, when the last fault ended, and is not done yet: a queue entry or
  // announcement of then (G10); or a stream that stands still without traffic (G5, P14).
  std::optional<std::string> Unfinished(WallTime healed) const;

  // An acknowledged message that `reader` should have read and has not, and which.
  std::optional<std::string> Unread(const StreamReader& reader) const;

  const EpochHistory& epochs() const { return history_; }
  uint64_t messages() const { return sent_.size(); }
  uint64_t checks() const { return checks_; }

 private:
  enum class Fate : uint8_t { kUnknown, kAcknowledged, kRefused };
  struct Message {
    std::string cluster;
    std::string stream;
    Fate fate = Fate::kUnknown;
    bool was_merged = false;  // it was in a merged view, of any cluster
  };
  struct SeenMinute {
    std::map<std::string, uint64_t> files;  // name to a digest of the bytes
    bool differs = false;  // from the primary's when it began to be set aside, and none came since
  };
  // One stream in one view of one cluster.
  struct Seen {
    std::map<Minute, SeenMinute> minutes;
    std::optional<Minute> purged;                   // up to here
    std::unordered_map<uint64_t, Minute> messages;  // ever visible, and where; not set aside
    std::unordered_set<uint64_t> too_old;           // visible once, and may become so again
  };
  using SeenKey = std::tuple<std::string, View, std::string>;  // cluster, view, stream

  void Fail(const std::string& promise, std::string what, const std::string& path);
  void OnEpoch(std::string text, const std::string& path);
  void OnJournal(std::string_view text, const std::string& path);
  void OnMinuteAppears(const std::string& cluster, const paths::MinutePath& at,
                       const std::string& path);
  void OnFileAppears(const std::string& cluster, const paths::MinutePath& at,
                     const std::string& path);
  void CheckPublisher(const std::string& cluster, const paths::MinutePath& at,
                      const std::string& from);
  void CheckMirrorFile(const std::string& mirror, const paths::MinutePath& at, uint64_t digest,
                       const std::string& path);
  void CheckNotAlone(const std::string& cluster, const paths::MinutePath& at,
                     const std::string& path);
  void CheckOwnFile(const std::string& primary, const paths::MinutePath& at, uint64_t digest,
                    const std::string& path);
  // Why the minute before `at` at the mirror is not as at `primary`, closed; empty: it is.
  std::string WhyIncomplete(const std::string& mirror, const std::string& primary,
                            const paths::MinutePath& at);
  // A file or a directory leaves a merged view for the staging of its writer.
  void CheckTaken(const std::string& cluster, const paths::MinutePath& at, const std::string& from,
                  const std::string& to);
  bool AnotherBeginsAfter(const std::string& but, const paths::MinutePath& at) const;
  bool IsEqualUpTo(const std::string& cluster, const std::string& primary,
                   const paths::MinutePath& at);
  bool IsNobodysHint(const std::string& cluster, const std::string& reader,
                     const paths::MinutePath& line) const;
  bool HasFile(const std::string& cluster, const paths::MinutePath& at, uint64_t digest) const;
  bool AnotherHasFile(const std::string& but, const paths::MinutePath& at, uint64_t digest) const;
  // Whether a cluster that is, or in a conflict was, the stream's primary shows the message merged.
  bool IsMergedSomewhere(const std::string& stream, uint64_t key) const;
  // Whether a queue entry at the cluster other than `but` holds the line.
  bool IsQueued(const std::string& cluster, std::string_view line, const std::string& but) const;
  bool WasVisible(const std::string& cluster, const std::string& stream, uint64_t message) const;
  bool VisibleAnywhere(View view, const std::string& stream, uint64_t message) const;
  void CheckMirrorIsComplete(const std::string& mirror, const paths::MinutePath& at);
  void OnReturned(const std::string& cluster, const paths::MinutePath& at, const std::string& path);
  void CheckDiscarded(const std::string& cluster, const std::string& path);
  void CheckPurged(const std::string& cluster, const paths::MinutePath& at,
                   const std::string& path);
  void ForgetMinute(const std::string& cluster, const paths::MinutePath& at);
  void CheckHourPurged(const std::string& cluster, const std::string& from, const std::string& to);
  std::string ReadFile(const std::string& cluster, const std::string& path) const;
  std::optional<std::string> OldEntry(const std::string& cluster, const std::string& queues,
                                      WallTime before) const;
  // Whether a file below `directory`, other than `but`, holds the message.
  bool IsBelow(const std::string& cluster, const std::string& directory, const std::string& but,
               uint64_t message);
  bool Visible(const std::string& cluster, View view, const std::string& stream,
               uint64_t message) const;
  // Of one that is acknowledged: where it is not visible yet.
  std::optional<std::string> MissingIn(uint64_t message) const;

  // Of planned failovers and failbacks, when a step is over (checker_gates.cc).
  struct Flow {
    const std::string& cluster;  // where it was delivered
    const std::string& stream;
    const std::string& primary;  // where it has to be
  };
  void CheckStep(const failover::Journal& journal, const std::string& path);
  void NoteCatchUp(const failover::Journal& journal);
  void CheckCaughtUp(const failover::Journal& journal, const std::string& path);
  void CheckFrozen(const failover::Journal& journal, const std::string& path);
  void CheckNothingAfter(const std::string& from, const std::string& stream,
                         const std::optional<Minute>& cut, const std::string& path);
  void CheckSwap(const failover::Journal& journal, const std::string& path);
  void CheckMirrored(const failover::Journal& journal, const std::string& stream,
                     const std::string& path);
  void CheckDrained(const failover::Journal& journal, const Flow& flow, const std::string& path);
  bool IsMergedBefore(const failover::Journal& journal, const std::string& primary,
                      const std::string& stream, uint64_t message) const;
  std::vector<uint64_t> MessagesBelow(const std::string& cluster, const std::string& directory);
  std::optional<Minute> Newest(const std::string& cluster, const std::string& stream) const;
  std::optional<Minute> Differs(const std::string& one, const std::string& other,
                                const std::string& stream, Minute last);
  bool IsClosed(const std::string& cluster, const std::string& stream, Minute minute) const;

  EpochHistory history_;
  const Trees& trees_;
  const Clock& clock_;
  const Tell tell_;
  bool told_ = false;
  uint64_t checks_ = 0;
  MessageReader reader_;
  std::unordered_map<uint64_t, Message> sent_;
  std::unordered_set<uint64_t> damaged_;
  std::vector<uint64_t> due_;  // acknowledged, and not known to be visible everywhere
  std::map<SeenKey, Seen> seen_;
  // What the primary had when a failback began to catch up, by journal and stream.
  std::map<std::string, std::map<std::string, Minute>> catching_up_;
  std::set<std::pair<std::string, failover::Step>> judged_;  // journals, at which steps
  // The highest epoch that has published, by cluster, view and group.
  std::map<std::tuple<std::string, std::string, std::string>, uint64_t> epochs_;
};

}  // namespace databus::sim
