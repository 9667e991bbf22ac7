// A collector whose cluster takes connections and says nothing: it takes messages all the same, at
// once, and ends when it is told to.
#include <gtest/gtest.h>

#include <atomic>

#include "storage/hdfs/test_peer.h"
#include "tests/e2e/site.h"

namespace databus {
namespace {

class SilentClusterTest : public testing::Test {
 protected:
  SilentClusterTest() : name_node_({[this](hdfs::PeerConnection& c) { ListenOnly(c); }}) {
    const auto listening = TcpNetwork().Listen({});
    port_ = std::to_string((*listening)->port());
  }
  void ListenOnly(hdfs::PeerConnection& c) {
    asked_ = true;
    c.AwaitEnd();
    given_up_ = true;
  }
  void StartCollector() {
    site_.Write("c1.conf",
                fmt::format("port={0}\n<store>\ncategory=default\ntype=buffer\nretry_interval=1\n"
                            "retry_interval_range=1\n<primary>\ntype=file\nfs_type=hdfs\n"
                            "file_path=hdfs://{1}/databus/data\nsub_directory=c1\n"
                            "rotate_period=1s\nadd_newlines=1\n</primary>\n<secondary>\ntype=file\n"
                            "file_path={2}/spool-c1\n</secondary>\n</store>\n",
                            port_, name_node_.endpoint().ToString(), site_.root()));
    site_.Start("c1", {"collector", "--config", site_.PathOf("c1.conf")});
  }
  bool Produce() {
    site_.Write("lines", "one\n");
    return site_.Run({"produce", "--to", "127.0.0.1:" + port_, "clicks", site_.PathOf("lines")})
               .exit_code == 0;
  }

  std::string port_;
  std::atomic<bool> asked_{false};
  std::atomic<bool> given_up_{false};
  const hdfs::TestPeer name_node_;
  Site site_;  // its processes end first
};

TEST_F(SilentClusterTest, MessagesAreTakenBeforeTheClusterIsGivenUp) {
  StartCollector();
  ASSERT_TRUE(Site::Eventually([&] { return Produce(); })) << site_.Read("c1.log");
  EXPECT_FALSE(given_up_) << "it was waited for";
}

TEST_F(SilentClusterTest, ACollectorThatIsToldToEndDoesSo) {
  StartCollector();
  ASSERT_TRUE(Site::Eventually([&] { return Produce() && asked_; })) << site_.Read("c1.log");
  const BootTime told = SystemClock().Boot();
  site_.StopAll();
  // A name node that says nothing is waited for 20 s.
  EXPECT_LT(SystemClock().Boot() - told, std::chrono::seconds(12)) << site_.Read("c1.log");
}

// It has begun nothing yet: it still looks for the stored topology, for a minute.
TEST_F(SilentClusterTest, AWorkerThatIsToldToEndDoesSo) {
  std::string topology = site_.Xml({Site::Stream("clicks", {"dc1"}, "dc1", {})}, {"dc1"});
  const std::string local = "file://" + site_.PathOf("dc1");
  topology.replace(topology.find(local), local.size(),
                   "hdfs://" + name_node_.endpoint().ToString());
  site_.Write("databus.xml", topology);
  site_.StartWorker("dc1");
  ASSERT_TRUE(Site::Eventually([&] { return asked_.load(); })) << site_.Read("worker-dc1.log");
  const BootTime told = SystemClock().Boot();
  site_.Process("worker-dc1").Terminate();
  const auto end = site_.Process("worker-dc1").Wait();
  ASSERT_TRUE(end.ok()) << end.status().ToString();
  EXPECT_LT(SystemClock().Boot() - told, std::chrono::seconds(40)) << site_.Read("worker-dc1.log");
}

}  // namespace
}  // namespace databus
