// For tests of the pure parts: an installation of three clusters in which everybody obeys at once
// and nothing is ever under way, so that every gate is open.
//   clicks, views: primary dc1, mirrors dc2 and dc3, sources everywhere
//   orders:        primary dc2, mirror dc1, sources dc1 and dc2
//   logs:          primary dc3, mirror dc2, source dc1
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/minute.h"
#include "cluster/steering.h"
#include "failover/journal.h"
#include "failover/observation.h"
#include "failover/plan.h"
#include "telemetry/iso_time.h"

namespace databus::failover {

inline const WallTime kTestNow = *ParseIsoMs("2031-05-06T10:04:05.678Z");
inline const Minute kTestMinute = Minute::Of(kTestNow);

inline Topology TestTopology() {
  using std::chrono::hours;
  Topology topology;
  topology.default_root_dir = "databus";
  for (const char* name : {"dc1", "dc2", "dc3"}) {
    topology.clusters.push_back(
        {name, std::string("file:///") + name, "databus", "local", "default"});
  }
  const auto source = [](const char* name) { return SourceSpec{name, hours(24)}; };
  const auto primary = [](const char* name) {
    return DestinationSpec{name, Role::kPrimary, hours(48)};
  };
  const auto mirror = [](const char* name) {
    return DestinationSpec{name, Role::kMirror, hours(72)};
  };
  for (const char* name : {"clicks", "views"}) {
    topology.streams.push_back({.name = name,
                                .sources = {source("dc1"), source("dc2"), source("dc3")},
                                .destinations = {primary("dc1"), mirror("dc2"), mirror("dc3")}});
  }
  topology.streams.push_back({.name = "orders",
                              .sources = {source("dc1"), source("dc2")},
                              .destinations = {primary("dc2"), mirror("dc1")}});
  topology.streams.push_back({.name = "logs",
                              .sources = {source("dc1")},
                              .destinations = {primary("dc3"), mirror("dc2")}});
  return topology;
}

inline StoredTopology TestBase() {
  StoredTopology base;
  base.author = "test";
  base.topology = TestTopology();
  return base;
}

class TestModel {
 public:
  WallTime now = kTestNow;
  BootTime boot{std::chrono::hours(1)};
  std::map<std::string, TopologyEpoch> tips;  // by cluster

  explicit TestModel(const StoredTopology& base = TestBase()) { Store(TopologyEpoch::Of(base)); }

  void Store(const TopologyEpoch& epoch) {
    for (const ClusterSpec& cluster : epoch.stored.topology.clusters) tips[cluster.name] = epoch;
  }
  const TopologyEpoch& Newest() const {
    const TopologyEpoch* newest = &tips.begin()->second;
    for (const auto& [cluster, tip] : tips) {
      if (tip.stored.epoch > newest->stored.epoch) newest = &tip;
    }
    return *newest;
  }

  // As it would be seen; a second later each time.
  Observation See() {
    now += std::chrono::seconds(1);
    boot += std::chrono::seconds(1);
    Observation seen;
    seen.now = now;
    seen.boot = boot;
    seen.newest = Newest();
    for (const auto& [cluster, tip] : tips) {
      const bool fits = tip.digest == seen.newest->digest || seen.newest->Follows(tip);
      if (!fits) seen.conflicts.push_back(cluster + " has another one");
      seen.tips[cluster] = tip.digest;
      seen.trees[cluster].why_away = "";
      seen.trees[cluster].why_flow_unknown = "";
      AddProcesses(cluster, seen);
    }
    for (const StreamSpec& stream : Newest().stored.topology.streams) {
      for (const std::string& mirror : stream.Mirrors()) {
        SeenMirror& equal = seen.mirrors[{stream.name, mirror}];
        equal.newest = kTestMinute;
        equal.primary_newest = kTestMinute;
      }
    }
    return seen;
  }

 private:
  void AddProcesses(const std::string& cluster, Observation& seen) const {
    const TopologyEpoch& newest = Newest();
    SeenWorker worker{.life = Life::kAlive,
                      .written = now,
                      .epoch = newest.stored.epoch,
                      .digest = newest.digest,
                      .run_interval = Milliseconds(1000),
                      .program = std::string(ProgramVersion()),
                      .steering = kSteeringVersion};
    SeenCollector collector{.cluster = cluster,
                            .name = "c1",
                            .written = now,
                            .epoch = newest.stored.epoch,
                            .digest = newest.digest,
                            .bytes_before_epoch = 0,
                            .program = std::string(ProgramVersion()),
                            .steering = kSteeringVersion};
    for (const StreamSpec& stream : newest.stored.topology.streams) {
      if (stream.publication == Publication::kFrozen && stream.Primary() == cluster) {
        worker.frozen[stream.name] = kTestMinute;
      }
      const ModeRule* const rule = newest.stored.FindMode(cluster, stream.name);
      collector.modes[stream.name] =
          DeliveryModeName(rule == nullptr ? DeliveryMode::kDeliver : rule->mode);
    }
    seen.workers[cluster] = worker;
    seen.collectors.push_back(collector);
  }
};

}  // namespace databus::failover
