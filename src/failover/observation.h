// What the gates of a failover are decided by: the facts of one look at all clusters. A value;
// nothing is judged here. What could not be read is unknown, and never taken for absent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/minute.h"
#include "cluster/paths.h"
#include "cluster/route.h"
#include "control/epoch_store.h"
#include "telemetry/heartbeat.h"

namespace databus::failover {

// Whether a process says what it is due to say.
enum class Life : uint8_t { kAlive, kSilent, kStopped };

// What a collector's spool holds of a stream.
struct SpoolBacklog {
  uint64_t unsealed_bytes = 0;
  uint64_t deferred_bytes = 0;
  uint64_t open_intents = 0;
};

// How people name a collector: "dc1/c1".
std::string LabelOf(const std::string& cluster, const std::string& collector);

// By the newest heartbeat in any tree.
struct SeenCollector {
  std::string cluster{};
  std::string name{};
  Life life = Life::kAlive;
  // Not empty: there is a heartbeat, and nobody knows what it says; the rest is not known.
  std::string why_unreadable{};
  WallTime written;
  uint64_t epoch = 0;  // the topology obeyed; 0: none
  std::string digest{};
  std::map<std::string, std::string> modes{};  // by stream: deliver, spool, redirect
  std::map<std::string, SpoolBacklog> backlog{};
  uint64_t open_intents = 0;  // of all streams
  Milliseconds lag{0};        // of the oldest message in its spool; 0: there is none
  uint64_t spool_bytes = 0;
  // Of those, what came before `epoch` was taken up; nothing: it does not say.
  std::optional<uint64_t> bytes_before_epoch{};
  std::optional<uint64_t> free_bytes{};
  std::string host{};  // and port: where producers and other collectors reach it
  uint16_t port = 0;
  std::string allow{};            // the addresses that may send; empty: all
  std::string program{};          // its version; empty: older than that it would say so
  uint64_t steering = 0;          // cluster/steering.h
  std::vector<Problem> losses{};  // it tells of messages that may never come

  std::string Label() const { return LabelOf(cluster, name); }
  // Why it counts as silent.
  std::string Silence() const;
};

// The holder of a cluster's lease; or all those together who have a share of its groups. Then it is
// alive if each group has a holder who is, obeys what the slowest of them obeys, and `frozen` and
// `divergent` are what those say who live.
struct SeenWorker {
  Life life = Life::kSilent;
  WallTime written;
  uint64_t epoch = 0;
  std::string digest{};
  Milliseconds run_interval{0};                           // 0: not known
  std::map<std::string, std::optional<Minute>> frozen{};  // P30: acknowledged, with its last minute
  std::map<std::string, std::string> divergent{};         // P32: what is being put right
  std::string program{};                                  // and the next, as of a collector
  uint64_t steering = 0;
  std::vector<Problem> problems{};
  // One that lives and does not hold the lease, and what it waits for; empty: there is none.
  std::string standby{};
  // Not empty: what one of them says cannot be read; it may live.
  std::string why_unreadable{};
  // Groups that nobody who lives holds, though others are held; empty: there are none.
  std::vector<Group> unheld{};

  // Whether somebody lives who may take what is not held.
  bool OthersLive() const { return !standby.empty() || !unheld.empty(); }
  // What it says keeps the stream from going on there until somebody mends it, or null.
  const Problem* WhyWaits(std::string_view stream) const;
  // REQUIRES: it is not alive. What is wrong with it.
  std::string WhyNone(const std::string& cluster) const;
};

// What of a stream is on its way at a cluster.
struct Underway {
  std::map<std::string, uint64_t> data_files{};  // by collector
  uint64_t in_commit = 0;                        // claims and records of the local view
  uint64_t merging = 0;                          // records of the merged view
  std::map<std::string, uint64_t> to_merge{};    // queue lines, by destination
  std::map<std::string, uint64_t> to_mirror{};   // the same, by mirror
};

struct SeenTree {
  std::string why_away{};  // empty: it answers
  // By how much its clock is ahead of ours, as far as heartbeats can tell; nothing: not known.
  std::optional<Milliseconds> clock_ahead{};
  std::string why_flow_unknown = "not looked at";    // empty: `flow` is all there is
  std::map<std::string, Underway> flow{};            // by stream
  std::map<std::string, uint64_t> mirror_entries{};  // queue entries, by mirror

  bool Answers() const { return why_away.empty(); }
};

// How far a mirror equals the primary, for one stream.
struct SeenMirror {
  std::string why_unknown{};  // empty: the rest is known; else `newest` may be
  // Not empty: the mirror answers, but `newest` could not be read; it is not "none".
  std::string why_newest_unknown{};
  // Not empty: what it holds has not been compared with the present primary's, and may have to be
  // set aside (P32); whatever is equal now says nothing.
  std::string why_not_compared{};
  std::optional<Minute> primary_newest{};
  std::optional<Minute> newest{};
  uint64_t compared = 0;            // minutes that both hold
  std::optional<Minute> differs{};  // the oldest minute that is not equal, and how
  std::string difference{};

  bool Known() const { return why_unknown.empty(); }
};

struct MirrorKey {
  std::string stream{};
  std::string mirror{};
  friend auto operator<=>(const MirrorKey&, const MirrorKey&) = default;
};

// Another failover that has not ended.
struct OpenFailover {
  std::string id{};
  std::string driver{};
  // It has not looked yet whether it is alone, or has not written down that it is.
  enum class Has : uint8_t { kBegun, kGoneOn } has = Has::kBegun;
};

struct Observation {
  WallTime now;
  BootTime boot;  // of this machine: how long something takes is measured by it
  // The newest epoch of the stored topology anywhere; nothing: none is stored.
  std::optional<TopologyEpoch> newest{};
  std::map<std::string, std::string> tips{};  // its newest one's digest, by cluster that answers
  std::vector<std::string> conflicts{};       // P27
  std::map<std::string, SeenTree> trees{};    // by cluster
  std::vector<SeenCollector> collectors{};
  std::map<std::string, SeenWorker> workers{};  // by cluster
  std::map<MirrorKey, SeenMirror> mirrors{};
  std::vector<OpenFailover> others{};
  std::string why_others_unknown{};  // empty: they are all that there are

  // A tree that was not looked at does not answer.
  const SeenTree& TreeOf(const std::string& cluster) const;
  const SeenWorker& WorkerOf(const std::string& cluster) const;
};

// What a look is for.
struct Scope {
  // How far a stream's mirror is compared with its primary.
  struct Mirrored {
    std::string stream;
    std::string primary;
    std::string mirror;
    enum class Depth : uint8_t { kNewest, kAll } depth = Depth::kNewest;
  };
  enum class Flow : uint8_t { kSkip, kLook } flow = Flow::kSkip;
  std::set<std::string> streams{};  // whose flow is looked at
  std::string whole{};              // at this cluster, of all streams
  std::vector<Mirrored> mirrored{};
};

}  // namespace databus::failover
