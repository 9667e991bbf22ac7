// How commands see and change the stored topology of an installation (P27): what every cluster that
// answers has stored, whether these agree, and the next epoch, stored on all of them.
//
// Processes obey (control/topology_watch.h); commands steer, and only by this.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "control/epoch_store.h"
#include "storage/open.h"

namespace databus {

using SharedEpoch = std::shared_ptr<const TopologyEpoch>;

// What one cluster says.
struct TopologyAt {
  std::string cluster;
  std::string url;       // with rootdir
  std::string away{};    // why it cannot be read, or is not believed (P1); empty: it answered
  std::string id{};      // its system/cluster-id; empty: away, or never initialised
  SharedEpoch newest{};  // null: away, or nothing is stored there
};

struct TopologyPicture {
  std::vector<TopologyAt> clusters;  // those that the heads name, or where we were told to look
  // What is stored somewhere and followed by nothing that is stored elsewhere, the highest number
  // first. None: nothing is stored, or all are away. More than one: a conflict.
  std::vector<SharedEpoch> heads;

  // The one head. kNotFound: nothing is stored. kUnavailable: no cluster answered. kRefused: a
  // conflict. The message says what to do.
  Result<SharedEpoch> Newest() const;
  // The clusters whose newest is exactly this one.
  std::vector<std::string> HoldersOf(const TopologyEpoch& epoch) const;
  // Of the clusters that answered; P1.
  std::map<std::string, std::string> ClusterIds() const;
};

// One thread at a time.
class TopologyDesk {
 public:
  struct Options {
    Random& random;
    OpenClusterStorage open;
    std::vector<ClusterSpec> clusters;  // where to look until an epoch says which ones there are
  };
  explicit TopologyDesk(Options options) : options_(std::move(options)) {}

  // Looks at every cluster: a listing each, and an epoch that was not read before.
  const TopologyPicture& Look();
  const TopologyPicture& picture() const { return picture_; }
  // A cluster's tree, also while it is away; null: not one of the picture's, or cannot be opened.
  Storage* Tree(const std::string& cluster) const;
  // Of the clusters that answered the last look and are initialised, by name.
  std::map<std::string, Storage*> AnsweringTrees() const;

  // `base` with nothing changed but the author and the clusters' ids, which are added as far as the
  // last look found them: to be changed and stored.
  StoredTopology Next(const TopologyEpoch& base, std::string author) const;

  struct Stored {
    std::vector<std::string> on;
    std::map<std::string, std::string> not_on;  // cluster to reason; its processes get it later
  };
  // Stores an epoch on every cluster that answers, one after the other in the order of names: so of
  // two who do this at once, and reach the same clusters, one stores nothing and is refused.
  // Repeating it with the same epoch does no harm.
  //   kExists   somebody else has stored an epoch that `next` does not follow; look again. The
  //             message says so if `next` was stored on others already, which is a conflict
  //   kRefused  by its redirects messages would go round in a circle that is not there yet
  //   kUnavailable, others   it is certainly, or possibly, on no cluster
  Result<Stored> Store(const TopologyEpoch& next);

 private:
  struct Site {
    std::string url;
    std::unique_ptr<Storage> storage;
    std::string why_not;  // it cannot be opened
    std::string id;
    SharedEpoch tip;
  };
  void OpenSites(const std::vector<ClusterSpec>& clusters);
  TopologyAt LookAt(const std::string& cluster, Site& site);
  std::vector<ClusterSpec> KnownClusters() const;
  std::map<std::string, TopologyAt> LookForAll(const Topology& next);
  Status StoreAt(const TopologyAt& at, const TopologyEpoch& next);

  const Options options_;
  std::map<std::string, Site> sites_;
  TopologyPicture picture_;
};

// "epoch 6 (failover, digest 0123456789abcdef) on dc1, dc2": one line for each head of a conflict.
std::vector<std::string> DescribeHeads(const TopologyPicture& picture);

}  // namespace databus
