// A redirect with real processes: the collector of one data centre hands its messages over to that
// of the other, by the stored topology, while both are killed with -9 again and again; and back.
// Nothing here is measured; the limits of time are far beyond what is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "audit/gzip.h"
#include "base/sync.h"
#include "cli/bench/child.h"
#include "client/publisher.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "control/epoch_store.h"
#include "net/network.h"
#include "storage/open.h"
#include "storage/test_directory.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{90};

BootTime In(Milliseconds time) { return SystemClock().Boot() + time; }

uint16_t FreePort() {
  const auto listening = TcpNetwork().Listen({});
  return listening.ok() ? (*listening)->port() : uint16_t{0};
}

// A collector's process, and all that outlives it.
struct Site {
  std::string name;  // of collector and cluster
  std::string directory;
  uint16_t port = FreePort();
  std::unique_ptr<Storage> tree;
  std::optional<Child> process;
  int starts = 0;

  std::string Url() const { return "file://" + directory + "/" + name; }
  void Configure(const std::string& primary) const {
    std::ofstream(directory + "/" + name + ".conf")
        << "port=" << port << "\ncheck_interval=1\ndatabus.collector.advertised_host=127.0.0.1\n"
        << "<store>\ncategory=default\ntype=buffer\nretry_interval=1\nretry_interval_range=1\n"
        << "buffer_send_rate=20\n<primary>\n"
        << primary << "</primary>\n<secondary>\ntype=file\nfile_path=" << directory << "/spool/"
        << name << "\n</secondary>\n</store>\n";
  }
  std::string ToCluster() const {
    return "type=file\nfs_type=std\nfile_path=" + directory + "/" + name +
           "/data\nrotate_period=1s\nadd_newlines=1\n";
  }
  static std::string ToReceiver(const Site& other) {
    return "type=network\nremote_host=127.0.0.1\nremote_port=" + std::to_string(other.port) +
           "\ntimeout=2000\n";
  }
  void Start() {
    auto child =
        Child::Start(DATABUS_PROGRAM, {"collector", "--config", directory + "/" + name + ".conf"},
                     directory + "/" + name + ".log." + std::to_string(++starts));
    ASSERT_TRUE(child.ok()) << child.status().ToString();
    process.emplace(*std::move(child));
  }
  void Kill() {
    ASSERT_EQ(::kill(process->pid(), SIGKILL), 0);
    ASSERT_TRUE(process->Wait().ok());
    process.reset();
  }
  // Of its last process.
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(directory + "/" + name + ".log." + std::to_string(starts)).rdbuf();
    return text.str();
  }
  nlohmann::ordered_json Facts() const {
    const auto text = tree->ReadFile(paths::StatusFile("collector-" + name));
    if (!text.ok()) return nlohmann::ordered_json::object();
    const auto beat = DecodeHeartbeat(*text, "heartbeat");
    return beat.ok() ? beat->facts : nlohmann::ordered_json::object();
  }
};

class RedirectE2eTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    for (Site* site : {&dc1_, &dc2_}) {
      ASSERT_TRUE(CreateRoot(site->Url(), "").ok());
      auto tree = OpenStorage(site->Url(), "");
      ASSERT_TRUE(tree.ok()) << tree.status().ToString();
      site->tree = *std::move(tree);
      ASSERT_TRUE(InitializeTree(*site->tree, SystemRandom(), kGroupsDefault).ok());
      site->Configure(site->ToCluster());
    }
  }
  // The next epoch, stored on both clusters.
  void Steer(const std::vector<ModeRule>& modes) {
    StoredTopology next;
    if (epoch_.text.empty()) {
      const auto topology = ParseTopology(TopologyXml(), "databus.xml");
      ASSERT_TRUE(topology.ok()) << topology.status().ToString();
      next.topology = *topology;
    } else {
      next = epoch_.stored.Next("test");
    }
    next.modes = modes;
    epoch_ = TopologyEpoch::Of(next);
    for (Site* site : {&dc1_, &dc2_}) {
      ASSERT_TRUE(StoreEpoch(*site->tree, SystemRandom(), epoch_).ok());
    }
  }
  std::string TopologyXml() const {
    std::string clusters;
    for (const Site* site : {&dc1_, &dc2_}) {
      clusters += "<cluster name=\"" + site->name + "\" hdfsurl=\"file://" + site->directory +
                  "\" jturl=\"local\" jobqueuename=\"default\"><rootdir>" + site->name +
                  "</rootdir></cluster>";
    }
    return "<databus><defaults><rootdir>dc1</rootdir></defaults><stream name=\"clicks\"><source>"
           "<name>dc1</name></source><destination><name>dc2</name><primary>true</primary>"
           "</destination></stream>" +
           clusters + "</databus>";
  }

  template <typename Condition>
  static bool Eventually(Condition&& condition) {
    StopFlag pause;
    for (const BootTime end = In(kPatience); SystemClock().Boot() < end;) {
      if (condition()) return true;
      pause.SleepUntil(SystemClock(), In(Milliseconds(50)));
    }
    return false;
  }
  bool Obeyed(const Site& site) const {
    return Eventually(
        [&] { return site.Facts().value("topology_epoch", uint64_t{0}) == epoch_.stored.epoch; });
  }

  // Sends for a while, and kills both collectors in turn meanwhile.
  void Traffic(Publisher& publisher, int kills) {
    for (int i = 0; i < 2 * kills; ++i) {
      Site& victim = i % 2 == 0 ? dc2_ : dc1_;
      for (const BootTime until = In(Milliseconds(300 + i * 137 % 700));
           SystemClock().Boot() < until;) {
        ASSERT_TRUE(publisher.Publish("clicks", "m" + std::to_string(sent_), In(kPatience)).ok())
            << publisher.progress().last_error << dc1_.Log();
        ++sent_;
        StopFlag pause;
        pause.SleepUntil(SystemClock(), In(Milliseconds(2)));
      }
      victim.Kill();
      victim.Start();
    }
  }
  // How often each line stands in data/ of a cluster.
  static std::map<std::string, int> Lines(const Site& site) {
    std::map<std::string, int> lines;
    for (const auto& entry :
         fs::recursive_directory_iterator(site.directory + "/" + site.name + "/data")) {
      if (!entry.is_regular_file()) continue;
      std::ostringstream bytes;
      bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      const auto text = GunzipAll(bytes.str());
      EXPECT_TRUE(text.ok()) << entry.path() << text.status().ToString();
      std::istringstream stream(text.ok() ? *text : "");
      for (std::string line; std::getline(stream, line);) ++lines[line];
    }
    return lines;
  }
  void ExpectEachOnce() const {
    std::map<std::string, int> lines = Lines(dc1_);
    for (const auto& [line, times] : Lines(dc2_)) lines[line] += times;
    for (int i = 0; i < sent_; ++i) {
      const auto at = lines.find("m" + std::to_string(i));
      ASSERT_TRUE(at != lines.end() && at->second == 1)
          << "message " << i << ": " << (at == lines.end() ? 0 : at->second) << " times";
    }
    EXPECT_EQ(lines.size(), static_cast<size_t>(sent_));
  }
  // All that was sent is in data/.
  bool Delivered() const {
    return Eventually(
        [&] { return Lines(dc1_).size() + Lines(dc2_).size() >= static_cast<size_t>(sent_); });
  }
  std::unique_ptr<Publisher> Producer() const {
    return std::make_unique<Publisher>(
        PublisherOptions{.host = "127.0.0.1", .port = dc1_.port, .batch_age_max = Milliseconds(50)},
        PublisherSeams{TcpNetwork(), SystemClock(), SystemRandom()});
  }

  const TestDirectory directory_;
  Site dc1_{.name = "dc1", .directory = directory_.path()};
  Site dc2_{.name = "dc2", .directory = directory_.path()};
  TopologyEpoch epoch_;
  int sent_ = 0;
};

TEST_F(RedirectE2eTest, ByTheStoredTopologyEachMessageArrivesOnceWhileBothAreKilled) {
  Steer({});
  dc1_.Start();
  dc2_.Start();
  ASSERT_TRUE(Obeyed(dc1_));
  const auto producer = Producer();
  Traffic(*producer, 1);
  Steer({{"dc1", "", DeliveryMode::kRedirect, "dc2"}});
  Traffic(*producer, 5);
  Steer({{"dc1", "", DeliveryMode::kSpool}});
  Traffic(*producer, 1);
  Steer({});
  Traffic(*producer, 1);
  ASSERT_TRUE(producer->Close(In(kPatience)).ok());
  ASSERT_TRUE(Obeyed(dc1_));
  ASSERT_TRUE(Delivered()) << dc1_.Log() << dc2_.Log();
  ExpectEachOnce();
  EXPECT_FALSE(Lines(dc1_).empty());
  EXPECT_FALSE(Lines(dc2_).empty());
  EXPECT_EQ(dc1_.Facts().value("possible_duplicates", -1), 0);
}

TEST_F(RedirectE2eTest, ByHupToANetworkStoreAndBackEachMessageArrivesOnceWhileBothAreKilled) {
  dc1_.Start();
  dc2_.Start();
  const auto producer = Producer();
  Traffic(*producer, 1);
  ASSERT_TRUE(Eventually([&] { return dc1_.Log().find(" ready") != std::string::npos; }));
  dc1_.Configure(Site::ToReceiver(dc2_));
  ASSERT_EQ(::kill(dc1_.process->pid(), SIGHUP), 0);
  Traffic(*producer, 4);
  dc1_.Kill();
  dc1_.Configure(dc1_.ToCluster());
  dc1_.Start();
  Traffic(*producer, 1);
  ASSERT_TRUE(producer->Close(In(kPatience)).ok());
  ASSERT_TRUE(Delivered()) << dc1_.Log() << dc2_.Log();
  ExpectEachOnce();
  EXPECT_FALSE(Lines(dc2_).empty());
}

}  // namespace
}  // namespace databus
