// For tests of the failover commands: trees in memory, puppets in the place of workers and
// collectors, which obey the newest epoch of their own cluster and say so whenever somebody looks,
// and a network that can be cut between the command and a cluster.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/test_world.h"
#include "cluster/steering.h"
#include "commit/eras.h"
#include "control/adopt_file.h"
#include "storage/fault/fault_storage.h"
#include "telemetry/heartbeat.h"
#include "worker/salvage.h"

namespace databus {

inline const Minute kFailoverNow = *Minute::ParseIso("2031-05-06T12:00Z");

// Looks for heartbeats are told to the test before.
class ObservedStorage final : public BorrowedStorage {
 public:
  ObservedStorage(Storage& tree, std::function<void()> before)
      : BorrowedStorage(tree), before_(std::move(before)) {}
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    if (path == paths::StatusRoot()) before_();
    return BorrowedStorage::List(path);
  }

 private:
  std::function<void()> before_;
};

class FailoverCliTest : public testing::Test {
 protected:
  FailoverCliTest() {
    network_.SetCallback([this](const Call& call) {
      return cut_off.contains(call.store.substr(call.store.rfind('d'))) ? Fault::RequestLost()
                                                                        : Fault();
    });
    const TopologyEpoch first =
        JudgeFile(*ParseTopology(kTestTopology, "databus.xml"), nullptr, {})->epoch;
    for (const auto& [cluster, tree] : world_.trees) {
      EXPECT_TRUE(StoreEpoch(*tree, SystemRandom(), first).ok());
      EXPECT_TRUE(world_.Publish(cluster, View::kMerged, kFailoverNow + (-1), "dc1", 1).ok());
    }
    EXPECT_TRUE(world_.Publish("dc1", View::kLocal, kFailoverNow + (-1), "dc1", 1).ok());
    Obey();
  }

  Ran Run(std::vector<std::string> args, const std::string& input = "") {
    args.insert(args.end(), {"--topology", "databus.xml"});
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Io io{.in = in, .out = out, .err = err};
    io.listen_for_stop = [this](std::function<void()> stop) {
      tell_to_stop = std::move(stop);
      return std::shared_ptr<void>();
    };
    Seams seams = MakeSeams();
    const int code = RunProgram(args, io, seams);
    return {code, out.str(), err.str()};
  }
  Ran Over(std::vector<std::string> more = {}, const std::string& input = "") {
    std::vector<std::string> args = {"failover", "run", "--from", "dc1", "--to", "dc2"};
    args.insert(args.end(), more.begin(), more.end());
    return Run(args, input);
  }
  Ran Plan(const std::string& from, const std::string& to, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"failover", "plan", "--from", from, "--to", to});
    return Run(more);
  }
  Seams MakeSeams() {
    Seams seams = world_.MakeSeams();
    seams.open_storage = [this](const std::string& url,
                                const std::string&) -> Result<std::unique_ptr<Storage>> {
      const std::string cluster = url.substr(url.rfind('d'));
      const auto tree = world_.trees.find(cluster);
      if (tree == world_.trees.end()) return Status(Code::kUnavailable, url + ": unmounted?");
      Storage& cable = cables_.emplace_back(*tree->second, network_);
      return std::unique_ptr<Storage>(std::make_unique<ObservedStorage>(cable, [this] {
        Obey();
        if (before_look) before_look();
      }));
    };
    return seams;
  }

  // All processes obey the newest epoch of their own cluster, and say so.
  void Obey() {
    for (const auto& [cluster, tree] : world_.trees) {
      const TopologyEpoch epoch = At(cluster);
      if (!asleep.contains("worker-" + cluster)) {
        Beat(*tree, "worker-" + cluster, epoch);
        if (!uncompared.contains(cluster)) SayCompared(*tree, epoch);
      }
      if (!asleep.contains(cluster + "/c1")) Beat(*tree, "collector-c1", epoch);
    }
  }
  void Beat(Storage& tree, const std::string& process, const TopologyEpoch& epoch) {
    const std::string cluster = tree.Describe().substr(tree.Describe().rfind('d'));
    Heartbeat beat;
    beat.process = process;
    beat.kind = process.substr(0, process.find('-'));
    beat.cluster = cluster;
    beat.host = "h1";
    beat.written = world_.clock.Wall() + clock_ahead;
    beat.interval = Milliseconds(2000);
    beat.state = "running";
    auto& facts = beat.facts;
    facts["program"] = ProgramVersion();
    facts["steering"] = steering;
    facts["topology_epoch"] = epoch.stored.epoch;
    facts["topology_digest"] = epoch.digest;
    facts["lag_ms"] = 0;
    facts["spool_bytes_before_epoch"] = 0;
    if (free_bytes > 0) facts["free_bytes"] = free_bytes;
    for (const StreamSpec& stream : epoch.stored.topology.streams) {
      if (stream.publication == Publication::kFrozen && stream.Primary() == cluster) {
        facts["frozen"][stream.name] = stream.name == "clicks" ? (kFailoverNow + (-1)).ToIso() : "";
      }
      const ModeRule* const rule = epoch.stored.FindMode(cluster, stream.name);
      facts["mode"][stream.name] =
          DeliveryModeName(rule == nullptr ? DeliveryMode::kDeliver : rule->mode);
    }
    ASSERT_TRUE(tree.Replace(paths::StatusFile(process), EncodeHeartbeat(beat)).ok());
  }

  TopologyEpoch At(const std::string& cluster) {
    Storage& tree = *world_.trees.at(cluster);
    return *ReadEpoch(tree, **NewestEpoch(tree));
  }
  std::string Primary() { return At("dc2").stored.topology.FindStream("clicks")->Primary(); }
  // As somebody else would, over what dc1 shows.
  void StoreForeign() {
    const TopologyEpoch theirs = TopologyEpoch::Of(At("dc1").stored.Next("an operator"));
    for (const auto& [cluster, tree] : world_.trees) {
      ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), theirs).ok());
    }
  }
  // Until the drain, whose gate stays shut; there it is told to stop.
  Ran RunUntilItIsStopped() {
    asleep = {"dc1/c1"};
    int looks = 0;
    before_look = [&] {
      if (At("dc1").stored.modes.empty() || ++looks != 5) return;
      tell_to_stop();
    };
    Ran ran = Over({"--yes"});
    before_look = {};
    return ran;
  }
  // What a cluster's worker writes down when it has compared its minutes with the new primary's.
  static void SayCompared(Storage& tree, const TopologyEpoch& epoch) {
    const StreamSpec* const stream = epoch.stored.topology.FindStream("clicks");
    if (stream == nullptr) return;
    Eras eras;
    eras.streams["clicks"] = EraOf(*stream);
    const paths::QueueEntryName name{GroupOf("clicks", kGroupsDefault), 1, epoch.stored.epoch};
    ASSERT_TRUE(EnsureDirsBelow(tree, "", paths::Eras()).ok());
    ASSERT_TRUE(tree.Replace(paths::Join(paths::Eras(), name.ToString()), eras.Encode()).ok());
  }
  // What the primary's worker writes down of its search in the source's local stream (P34).
  void LookedThrough(const std::string& primary, const std::string& source, Minute to,
                     uint64_t number) {
    const Topology topology = At(primary).stored.topology;
    const StreamSpec* const stream = topology.FindStream("clicks");
    Eras eras;
    eras.streams["clicks"] = EraOf(*stream);
    eras.salvaged[{source, "clicks"}] = {SalvageDigest(*stream), to};
    const paths::QueueEntryName name{GroupOf("clicks", kGroupsDefault), 2, number};
    ASSERT_TRUE(
        world_.Put(primary, paths::Join(paths::Eras(), name.ToString()), eras.Encode()).ok());
  }
  void Compared(const std::string& cluster) {
    uncompared.erase(cluster);
    Obey();
  }
  nlohmann::ordered_json StatusJson() {
    return nlohmann::ordered_json::parse(Run({"failover", "status", "--json"}).out);
  }

  // What `next` makes of the topology is stored everywhere.
  void Store(const StoredTopology& next) {
    for (const auto& [cluster, tree] : world_.trees) {
      ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), TopologyEpoch::Of(next)).ok());
    }
  }
  // As the worker of a cluster that is back does with what it finds elsewhere.
  void TakeOverEpoch(const std::string& cluster, const std::string& from) {
    ASSERT_TRUE(StoreEpoch(*world_.trees.at(cluster), SystemRandom(), At(from)).ok());
  }
  // By whom the loss of `from` is accepted.
  Ran Unplanned(const std::string& from, const std::string& to) {
    const nlohmann::ordered_json plan =
        nlohmann::ordered_json::parse(Plan(from, to, {"--unplanned", "--json"}).out);
    const std::string loss = plan.value("loss_id", "none");
    return Run({"failover", "run", "--from", from, "--to", to, "--unplanned", "--yes",
                "--accept-loss", loss});
  }
  static std::string PrimaryAt(const TopologyEpoch& epoch, const std::string& stream) {
    return epoch.stored.topology.FindStream(stream)->Primary();
  }

  TestWorld world_;
  FaultPlan network_{FaultPlan::Trace::kNone};
  std::deque<FaultStorage> cables_;
  std::set<std::string> cut_off;  // clusters that commands do not reach
  std::set<std::string> asleep;
  std::set<std::string> uncompared;  // whose workers have not compared their minutes yet
  std::function<void()> before_look;
  std::function<void()> tell_to_stop;
  Milliseconds clock_ahead{0};
  uint64_t free_bytes = 0;
  uint64_t steering = kSteeringVersion;
};

}  // namespace databus
