// The epochs of the stored topology of a simulated installation, whoever stored them where, and
// what follows from them for who may publish which minutes (P27-P33).
//
// Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/stored_topology.h"
#include "commit/eras.h"
#include "failover/journal.h"

namespace databus::sim {

class EpochHistory {
 public:
  // `first`: what is obeyed until an epoch is stored.
  explicit EpochHistory(const Topology& first) : present_(first) {}

  // A file of system/topology was put in place somewhere.
  void OnStored(std::string text);
  // A file of system/eras of this cluster was put in place.
  void OnEras(const std::string& cluster, const std::string& text);
  // A journal of a failover was written somewhere. Null: nothing that was not known.
  const failover::Journal* OnJournal(std::string_view text);

  // Of the newest epoch; of several that contradict each other, the one with the highest number.
  const Topology& present() const { return present_; }
  const StreamSpec* Find(std::string_view stream) const { return present_.FindStream(stream); }
  // Whether the stored topologies contradict each other at present.
  bool InConflict() const { return heads_.size() > 1; }
  bool EverChanged() const { return epochs_.size() > 1; }
  // Whether it was the primary of the stream in any epoch.
  bool WasPrimary(const std::string& cluster, const std::string& stream) const {
    return primaries_.contains({stream, cluster});
  }
  // Whether what the cluster has of a stream may have to be put right (P32): its primary was
  // changed without the help of the one before, or two changed it at once, and the cluster has not
  // been compared since.
  bool MayDiverge(const std::string& cluster, const std::string& stream) const;

  // Whether the cluster was brought into the era that the newest epoch says.
  bool HasBegun(const std::string& cluster, const std::string& stream) const;

  // Whether an operator has said in any epoch that the cluster is the only one there is.
  bool IsConfirmedAlone(const std::string& cluster) const { return alone_.contains(cluster); }

  // Whether the stream has ever got another primary without the help of the one before, or two
  // have changed it at once.
  bool WasForced(const std::string& stream) const {
    const auto line = lines_.find(stream);
    return line != lines_.end() && line->second.forced.has_value();
  }

  // The failover with the old primary's help, or failback, whose swap is this epoch, that is not
  // stored anywhere yet; null: there is none.
  const failover::Journal* SwapOf(std::string_view text) const;
  // The step of the failover that is under way; nothing: none is.
  std::optional<failover::Step> step() const;
  // Of the journals that were begun, in their order.
  const std::map<std::string, failover::Journal>& journals() const { return journals_; }

  // What a failover found at its end that must not be, and which one; empty: nothing.
  const std::string& unequal() const { return unequal_; }
  // How many conflicts were settled.
  uint64_t settled() const { return settled_; }
  // At which steps another operator has gone on with a failover.
  const std::vector<failover::Step>& taken_over() const { return taken_over_; }

 private:
  struct Known {
    uint64_t epoch = 0;
    StoredTopology stored;
  };
  // Changes of one stream's primary, in the order in which they were stored.
  struct Line {
    std::vector<Era> eras;
    // Since when a cluster that was compared is known to be right; nothing: there was no force.
    std::optional<size_t> forced;
  };
  enum class Settles : uint8_t { kNo, kYes };  // a conflict
  void NoticeEras(const StoredTopology& stored, Settles settles);
  void NoticeConflict();

  Topology present_;
  std::map<std::string, Known> epochs_;  // by digest
  std::vector<std::string> heads_;       // digests of those that no other one follows
  std::set<std::pair<std::string, std::string>> primaries_;      // stream, cluster
  std::map<std::string, Line, std::less<>> lines_;               // by stream
  std::map<std::pair<std::string, std::string>, Era> compared_;  // cluster, stream
  std::set<std::string> alone_;
  std::map<std::string, failover::Journal> journals_;
  std::vector<failover::Step> taken_over_;
  std::string unequal_;
  uint64_t settled_ = 0;
};

}  // namespace databus::sim
