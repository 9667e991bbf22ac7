// Which way each stream of a collector goes: by the mode rules of the stored topology, which go
// before, else by the store of its scribe.conf.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cluster/route.h"
#include "collector/config/reload.h"
#include "control/topology_watch.h"

namespace databus {

// What the stored topology says to one collector at some moment.
struct Orders {
  std::shared_ptr<const ObeyedTopology> topology;  // null: none is known
  std::string cluster{};  // the collector's own, as the topology calls it; empty: it is not there
  // Of the clusters that messages are redirected to: the collectors that live.
  std::map<std::string, std::vector<Endpoint>> receivers{};
  // Its own tree has not answered yet, in this life, which epoch is the newest there.
  bool asks_home = false;
  // No epoch is known, and no tree was asked for one yet, in this life.
  bool blind = false;

  // Whether a rule is in force for some stream of this collector.
  bool Steer() const;
  friend bool operator==(const Orders&, const Orders&) = default;
};

// A value that never changes. Thread-safe.
class Routes {
 public:
  Routes(ConfigSnapshot config, Orders orders);

  // A redirect while the topology is in conflict (P27) is no redirect but a wait: two sides that
  // redirect to each other would send messages to and fro. Nothing goes into the own cluster before
  // that has said which epoch is the newest there: what was obeyed in the last life may be older,
  // and the cluster drained since (P30). Nothing goes anywhere before the first look for a topology
  // has ended, however it did: there may be a rule against it.
  Route Of(std::string_view stream) const;
  // Nothing goes into the collector's own cluster.
  bool only_redirects() const;

  const ConfigSnapshot& config() const { return config_; }
  const Orders& orders() const { return orders_; }

 private:
  Route WayOf(std::string_view stream) const;
  Route ByRule(const ModeRule& rule) const;
  Route ByStore(std::string_view stream) const;

  const ConfigSnapshot config_;
  const Orders orders_;
  // Those of its cluster: of single streams, and of all others.
  std::unordered_map<std::string_view, const ModeRule*> rules_;
  const ModeRule* rule_of_the_rest_ = nullptr;
};

}  // namespace databus
