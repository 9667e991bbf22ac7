// Which topology a process obeys: the newest epoch that any cluster it can reach has stored, as
// long as it follows the one obeyed so far (P27). Every process has one of these and polls it; so
// whoever may write one cluster's tree can steer all that can reach it, without another network
// path.
//
// A poll costs one listing per cluster; an epoch is read once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "control/epoch_store.h"
#include "storage/open.h"

namespace databus {

// What a process acts by. Never changes: a newer one takes its place.
struct ObeyedTopology {
  TopologyEpoch epoch;
  // The epoch's topology; but the streams that a conflict is about are frozen.
  Topology topology;
  // "dc2 has stored another epoch 7, which does not follow ours: ..."; for operators.
  std::vector<std::string> conflicts;
};

// obeyed, away: any thread. The others: one thread at a time.
class TopologyWatch {
 public:
  struct Options {
    Random& random;
    OpenClusterStorage open;
    // Where to look until an epoch says which clusters there are.
    std::vector<ClusterSpec> clusters;
    // The clusters whose trees this process keeps up to date: what it obeys is stored there.
    std::vector<std::string> homes;
  };
  // `known`: what the process obeyed in its last life, or what it begins with; may be null.
  TopologyWatch(Options options, std::shared_ptr<const TopologyEpoch> known);

  // The homes from now on, where a process serves whatever clusters there are.
  void SetHomes(std::vector<std::string> homes) { homes_ = std::move(homes); }

  // Looks at every cluster. True: what is obeyed has changed; it is in the homes' trees by then.
  bool Poll();
  // The same of one cluster only. True: it is the one with this id (empty: any), and has answered
  // which epoch is the newest there, be it one that nobody can obey; or it is not to be opened
  // here, and never tells.
  bool Ask(const std::string& cluster, const std::string& id);

  // Whether there is an epoch, and none is obeyed yet as no home answers: there lies what this
  // process obeyed in its last life, and the clusters that answer may be those of the other side.
  bool WaitsForHome() const;

  // Obeys an epoch that this process has made, and stores it on every cluster that answers, one
  // after the other in the order of names: so of two who do this at once, and reach the same
  // clusters, one stores nothing.
  //   kExists   another epoch of that number is stored somewhere: nothing is obeyed; poll again
  //   others    a home could not store it, others may have; nothing is obeyed; poll again. Homes
  //             that are not initialised yet get it later
  Status Begin(const TopologyEpoch& epoch);

  // Null as long as there is none.
  std::shared_ptr<const ObeyedTopology> obeyed() const;
  // Which clusters did not answer, or hold what cannot be read, at the last poll, and why.
  std::map<std::string, std::string> away() const;

 private:
  struct Site {
    std::unique_ptr<Storage> storage;
    std::string url;
    std::optional<uint64_t> newest;  // at the last look that was answered
    bool told = false;               // that it holds an epoch, whether it could be read or not
    std::shared_ptr<const TopologyEpoch> tip;
    Status looked;  // at the last look
  };
  using Tip = std::pair<std::string, std::shared_ptr<const TopologyEpoch>>;  // of a cluster
  void OpenSites();
  Status Look(const std::string& cluster, Site& site);
  std::vector<Tip> Tips() const;
  void Choose(const std::vector<Tip>& tips);
  void ReturnToHomes();
  bool HomeIsKnown(const TopologyEpoch& other) const;
  void KeepHomes();
  void Obey(const std::vector<Tip>& tips);

  const Options options_;
  std::vector<std::string> homes_;
  std::map<std::string, Site> sites_;
  std::shared_ptr<const TopologyEpoch> best_;
  // Homes that did not answer when an epoch of others was chosen.
  std::set<std::string> unseen_homes_;

  mutable Mutex mutex_;  // guards what follows
  std::shared_ptr<const ObeyedTopology> obeyed_;
  std::map<std::string, std::string> away_;
};

// The streams that two topologies publish differently: another primary, frozen in one of them,
// missing in one of them.
std::set<std::string> StreamsInDispute(const Topology& one, const Topology& other);

}  // namespace databus
