// For tests of collectors that hand over to one another: machines in two data centres with trees in
// memory and a network between them, all on one thread. A machine's storage, disk and network calls
// share one fault plan, so that its process can die at any of them.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "collector/deliver/test_delivery_world.h"
#include "collector/service/collector.h"
#include "collector/service/test_wire.h"
#include "control/epoch_store.h"
#include "net/scribe_codec.h"
#include "storage/fault/fault_plan.h"

namespace databus::testing_redirect {

using testing_delivery::Entries;

class Installation;

// A collector's machine: its disk stays, its processes come and go.
class Machine {
 public:
  Machine(Installation& world, std::string host, std::string cluster)
      : world_(world), host_(std::move(host)), cluster_(std::move(cluster)) {}
  ~Machine() { Kill(); }

  // scribe.conf: into its cluster, or to another collector.
  std::string ToCluster() const;
  std::string ToReceiver(const std::string& receiver_host) const;

  void Start(const std::string& conf);
  void Kill();
  void LoseSpool() {
    Kill();
    disk = std::make_unique<MemoryDisk>();
  }
  // One answered call: "ok", "later", or nothing.
  std::string Log(const Entries& entries);
  Heartbeat Beat() { return collector->Describe(); }
  std::string Problems() {
    std::string text;
    for (const Problem& problem : Beat().problems) text += problem.what + "\n";
    return text;
  }
  void Reload(const std::string& conf) {
    const Status taken = collector->Reload(ParseScribeConf(conf, "scribe.conf"));
    EXPECT_TRUE(taken.ok()) << taken.ToString();
  }

  const std::string& host() const { return host_; }

 private:
  Installation& world_;
  const std::string host_;
  const std::string cluster_;

 public:
  std::unique_ptr<MemoryDisk> disk = std::make_unique<MemoryDisk>();
  std::function<void(FaultPlan&)> on_start;   // of the next processes
  std::function<Fault(const Call&)> on_call;  // of all of them
  // Of the present process:
  std::unique_ptr<FaultPlan> plan;
  std::unique_ptr<FaultDisk> faulty_disk;
  std::unique_ptr<Storage> tree;
  std::unique_ptr<WireNetwork> net;
  std::unique_ptr<Collector> collector;
};

inline constexpr char kTopology[] = R"(<databus>
  <defaults><rootdir>databus</rootdir></defaults>
  <stream name="clicks">
    <source><name>dc1</name></source>
    <source><name>dc2</name></source>
    <destination><name>dc1</name><primary>true</primary></destination>
    <destination><name>dc2</name></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file:///srv/dc1" jturl="local" jobqueuename="default"/>
  <cluster name="dc2" hdfsurl="file:///srv/dc2" jturl="local" jobqueuename="default"/>
</databus>)";

// Two data centres with a collector each: a at dc1, b at dc2.
class Installation {
 public:
  explicit Installation(uint64_t seed = 1) : random(SeededRandom(seed)) {
    wire.clock = &clock;
    for (const char* name : {"dc1", "dc2"}) {
      trees[name] = std::make_unique<MemoryStorage>(clock, std::string("memory:") + name);
      EXPECT_TRUE(InitializeTree(*trees[name], *random, 16).ok());
    }
  }

  // Time goes on for all, in small steps.
  void Run(int seconds) {
    for (int i = 0; i < seconds * 4; ++i) {
      for (Machine* machine : {&b, &a}) {
        if (machine->collector != nullptr) machine->collector->Step();
      }
      clock.Advance(std::chrono::milliseconds(250));
    }
  }
  std::map<std::string, int> Lines(const std::string& cluster) {
    return testing_delivery::LinesIn(*trees.at(cluster));
  }
  // Of both trees.
  std::map<std::string, int> AllLines() {
    std::map<std::string, int> lines = Lines("dc1");
    for (const auto& [line, times] : Lines("dc2")) lines[line] += times;
    return lines;
  }
  // Stores the next epoch on the clusters named.
  void Steer(const std::vector<ModeRule>& modes, const std::vector<std::string>& on) {
    StoredTopology next = epoch.stored.Next("test");
    if (epoch.text.empty()) {
      next = StoredTopology{};
      next.topology = *ParseTopology(kTopology, "databus.xml");
      for (auto& [name, tree] : trees) next.cluster_ids[name] = ReadClusterId(*tree)->id;
    }
    next.modes = modes;
    epoch = TopologyEpoch::Of(next);
    for (const std::string& name : on) {
      const Status stored = StoreEpoch(*trees.at(name), *random, epoch);
      EXPECT_TRUE(stored.ok()) << stored.ToString();
    }
  }

  ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 50))};
  std::unique_ptr<Random> random;
  std::map<std::string, std::unique_ptr<MemoryStorage>> trees;
  std::set<std::string> away;  // clusters whose trees do not answer
  Wire wire;
  TopologyEpoch epoch;
  Machine a{*this, "a", "dc1"};
  Machine b{*this, "b", "dc2"};
};

inline std::string Conf(const std::string& host, const std::string& primary) {
  return "port=1463\ncheck_interval=1\ndatabus.collector.disk_reserve_bytes=0\n"
         "<store>\ncategory=default\ntype=buffer\nretry_interval=2\nretry_interval_range=1\n"
         "buffer_send_rate=5\n<primary>\n" +
         primary + "</primary>\n<secondary>\ntype=file\nfs_type=std\nfile_path=/spool/" + host +
         "\nmax_size=128000000\n</secondary>\n</store>\n";
}

inline std::string Machine::ToCluster() const {
  return Conf(host_, "type=file\nfs_type=hdfs\nfile_path=file:///srv/" + cluster_ +
                         "/databus/data\nrotate_period=1s\nadd_newlines=1\n");
}

inline std::string Machine::ToReceiver(const std::string& receiver_host) const {
  return Conf(host_,
              "type=network\nremote_host=" + receiver_host + "\nremote_port=1463\ntimeout=5000\n");
}

inline void Machine::Start(const std::string& conf) {
  Kill();
  plan = std::make_unique<FaultPlan>(FaultPlan::Trace::kNone);
  plan->SetCallback([this](const Call& call) {
    const bool away = call.store.starts_with("memory:") &&
                      world_.away.contains(call.store.substr(std::string("memory:").size()));
    if (away) return Fault::RequestLost();
    return on_call ? on_call(call) : Fault{};
  });
  if (on_start) on_start(*plan);
  faulty_disk = std::make_unique<FaultDisk>(*disk, *plan);
  tree = std::make_unique<FaultStorage>(*world_.trees.at(cluster_), *plan);
  net = std::make_unique<WireNetwork>(world_.wire, *plan, host_);
  net->pump = [this] {
    try {
      while (collector != nullptr && collector->FlushOnce()) continue;
    } catch (const Crash&) {  // this machine's process, not that of whoever sent
    }
  };
  auto config = ParseScribeConf(conf, "scribe.conf");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const bool has_cluster = !CollectorCluster(*config)->empty();
  auto opened = Collector::Open(
      {world_.clock, *world_.random, *faulty_disk, *net, has_cluster ? tree.get() : nullptr,
       [this](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
         const std::string name = spec.RootUrl().substr(std::string("file:///srv/").size(), 3);
         return std::unique_ptr<Storage>(
             std::make_unique<FaultStorage>(*world_.trees.at(name), *plan));
       }},
      *std::move(config), {.host = host_, .pid = 1, .on_shutdown = {}, .on_reload = {}});
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  collector = *std::move(opened);
  const Status started = collector->Start(Drive::kByHand);
  ASSERT_TRUE(started.ok()) << started.ToString();
}

inline void Machine::Kill() {
  if (plan) plan->Kill();
  collector.reset();
  net.reset();
}

inline std::string Machine::Log(const Entries& entries) {
  EntryList list;
  for (const auto& [stream, message] : entries) list.Add(stream, message);
  FaultPlan harmless(FaultPlan::Trace::kNone);
  const std::string name = Endpoint{host_, 1463}.ToString();
  WireClient client(world_.wire, harmless, name, world_.wire.listening.at(name));
  const std::string call = EncodeLogCall({.header = {.seqid = 1}, .entries = list.bytes()});
  const std::string_view frames[] = {call};
  if (!client.Send(frames, {}).ok()) return "";
  const auto answer = client.Receive({});
  if (!answer.ok() || !answer->has_value()) return "";
  const auto reply = DecodeLogReply(**answer);
  if (!reply.ok() || !reply->code) return "";
  return *reply->code == ResultCode::kOk ? "ok" : "later";
}

}  // namespace databus::testing_redirect
