// For tests of what reads and writes trees: the installation of failover/test_model.h in memory,
// and puppets in the place of its processes, which obey the newest epoch that they find and say so.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "commit/eras.h"
#include "control/topology_desk.h"
#include "failover/test_model.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"
#include "telemetry/heartbeat.h"

namespace databus::failover {

// Passes by being looked at, so that nobody waits for it.
class PassingClock final : public Clock {
 public:
  WallTime Wall() const override { return kTestNow + Milliseconds(100 * looks_); }
  BootTime Boot() const override { return BootTime(std::chrono::hours(++looks_)); }

 private:
  mutable int64_t looks_ = 0;
};

inline Heartbeat NewBeat(const std::string& kind, const std::string& process,
                         const std::string& cluster) {
  Heartbeat beat;
  beat.kind = kind;
  beat.process = process;
  beat.cluster = cluster;
  beat.host = "h";
  beat.interval = Milliseconds(2000);
  beat.state = "running";
  beat.facts["program"] = ProgramVersion();
  beat.facts["steering"] = kSteeringVersion;
  return beat;
}

class Puppets {
 public:
  PassingClock clock;
  std::map<std::string, std::unique_ptr<MemoryStorage>> trees;
  std::set<std::string> asleep;  // "dc1/c1", "dc1/worker": says nothing new

  Puppets() {
    const Topology topology = TestTopology();
    for (const ClusterSpec& cluster : topology.clusters) {
      auto& tree = trees[cluster.name];
      tree = std::make_unique<MemoryStorage>(clock, "memory:" + cluster.name);
      EXPECT_TRUE(InitializeTree(*tree, SystemRandom(), kGroupsDefault).ok());
      EXPECT_TRUE(StoreEpoch(*tree, SystemRandom(), TopologyEpoch::Of(TestBase())).ok());
      for (const StreamSpec& stream : topology.streams) {
        if (stream.RoleOf(cluster.name)) MakeMinute(cluster.name, stream.name, kTestMinute);
      }
    }
    Obey();
  }

  void MakeMinute(const std::string& cluster, const std::string& stream, Minute minute) {
    EXPECT_TRUE(
        EnsureDirsBelow(*trees[cluster], "", paths::MinuteDir(View::kMerged, stream, minute)).ok());
  }
  void Put(const std::string& cluster, const std::string& path, const std::string& content) {
    Storage& tree = *trees[cluster];
    EXPECT_TRUE(EnsureDirsBelow(tree, "", std::string(paths::Parent(path))).ok());
    EXPECT_TRUE(tree.WriteFile(path, content).ok());
  }

  SharedEpoch Newest() {
    TopologyDesk desk = Desk(nullptr);
    return *desk.Look().Newest();
  }

  // All processes obey, and say so.
  void Obey() {
    const SharedEpoch newest = Newest();
    for (const auto& [cluster, tree] : trees) {
      if (!asleep.contains(cluster + "/worker")) {
        Beat(*tree, WorkerBeat(cluster, *newest));
        BeginEras(*tree, *newest);
      }
      if (!asleep.contains(cluster + "/c1")) Beat(*tree, CollectorBeat(cluster, *newest));
    }
  }

  // The desk of a command; with a plan, of one that can be killed.
  TopologyDesk Desk(FaultPlan* plan) {
    return TopologyDesk(
        {.random = SystemRandom(),
         .open = [this, plan](const ClusterSpec& cluster) -> Result<std::unique_ptr<Storage>> {
           static FaultPlan harmless(FaultPlan::Trace::kNone);
           return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(
               *trees.at(cluster.name), plan == nullptr ? harmless : *plan));
         },
         .clusters = TestTopology().clusters});
  }

 private:
  static void BeginEras(Storage& tree, const TopologyEpoch& newest) {
    std::map<Group, Eras> eras;
    for (const StreamSpec& stream : newest.stored.topology.streams) {
      eras[GroupOf(stream.name, kGroupsDefault)].streams[stream.name] = EraOf(stream);
    }
    EXPECT_TRUE(EnsureDirsBelow(tree, "", paths::Eras()).ok());
    for (const auto& [group, said] : eras) {
      const paths::QueueEntryName name{group, 1, newest.stored.epoch};
      EXPECT_TRUE(tree.Replace(paths::Join(paths::Eras(), name.ToString()), said.Encode()).ok());
    }
  }
  Heartbeat WorkerBeat(const std::string& cluster, const TopologyEpoch& newest) const {
    Heartbeat beat = NewBeat("worker", "worker-" + cluster, cluster);
    beat.facts["topology_epoch"] = newest.stored.epoch;
    beat.facts["topology_digest"] = newest.digest;
    for (const StreamSpec& stream : newest.stored.topology.streams) {
      if (stream.publication == Publication::kFrozen && stream.Primary() == cluster) {
        beat.facts["frozen"][stream.name] = kTestMinute.ToIso();
      }
    }
    return beat;
  }
  Heartbeat CollectorBeat(const std::string& cluster, const TopologyEpoch& newest) const {
    Heartbeat beat = NewBeat("collector", "collector-c1", cluster);
    beat.facts["topology_epoch"] = newest.stored.epoch;
    beat.facts["topology_digest"] = newest.digest;
    beat.facts["lag_ms"] = 0;
    beat.facts["spool_bytes_before_epoch"] = 0;
    for (const StreamSpec& stream : newest.stored.topology.streams) {
      const ModeRule* const rule = newest.stored.FindMode(cluster, stream.name);
      beat.facts["mode"][stream.name] =
          DeliveryModeName(rule == nullptr ? DeliveryMode::kDeliver : rule->mode);
    }
    return beat;
  }
  void Beat(Storage& tree, Heartbeat beat) const {
    beat.written = clock.Wall();
    EXPECT_TRUE(tree.Replace(paths::StatusFile(beat.process), EncodeHeartbeat(beat)).ok());
  }
};

}  // namespace databus::failover
