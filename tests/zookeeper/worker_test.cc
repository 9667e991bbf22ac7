// Two worker processes for one cluster, elected by a real ZooKeeper that is killed, too: every
// event is published once.
#include <algorithm>
#include <csignal>
#include <sstream>

#include "tests/e2e/site.h"
#include "tests/zookeeper/rig.h"

namespace databus {
namespace {

using ::testing::Test;

class ZooKeeperWorkerTest : public Test {
 protected:
  void SetUp() override {
    site_.Write("databus.xml", site_.Xml({Site::Stream("clicks", {"dc1"}, "dc1", {})}, {"dc1"}));
    for (const std::string name : {"one", "two"}) StartWorker(name);
    ASSERT_TRUE(Site::Eventually([&] { return Says("ZooKeeper " + TheZooKeeper().servers()); }));
    port_ = site_.StartCollector("dc1", "c1");
  }
  // More for databus.cfg.
  virtual std::string Settings() const { return ""; }
  void StartWorker(const std::string& name) {
    site_.Write(name + ".cfg",
                fmt::format("com.inmobi.databus.clusters=dc1\ncom.inmobi.databus.cfg={}\n"
                            "com.inmobi.databus.zkconnect={}\n"
                            "databus.worker.run_interval_ms=1000\n"
                            "databus.worker.lease_timeout_ms=3000\n{}",
                            site_.PathOf("databus.xml"), TheZooKeeper().servers(), Settings()));
    site_.Start(name, {"worker", "--config", site_.PathOf(name + ".cfg")});
  }
  bool Says(const std::string& text) {
    const std::string said =
        site_.Run({"status", "--json", "--topology", site_.PathOf("databus.xml")}).output;
    return said.find(text) != std::string::npos;
  }
  // The last that its log says about the lease.
  enum class Lease : uint8_t { kUnknown, kHolds, kStandsBy, kUnsure };
  Lease LeaseOf(const std::string& name) const {
    Lease last = Lease::kUnknown;
    std::istringstream log(site_.Read(name + ".log"));
    const auto says = [](const std::string& line, const char* text) {
      return line.find(text) != std::string::npos;
    };
    for (std::string line; std::getline(log, line);) {
      if (says(line, "holds the lease")) last = Lease::kHolds;
      if (says(line, "stands by")) last = Lease::kStandsBy;
      if (says(line, "no longer sure of the lease")) last = Lease::kUnsure;
    }
    return last;
  }
  bool ObeysAgain(const std::string& name) const {
    return site_.Read(name + ".log").find("a newer topology") != std::string::npos;
  }
  std::string Holder() const {
    for (const std::string name : {"one", "two"}) {
      if (LeaseOf(name) == Lease::kHolds) return name;
    }
    return "";
  }

  // Acknowledged.
  void Produce(int lines) {
    std::string text;
    for (int i = 0; i < lines; ++i) text += fmt::format("event {}\n", produced_++);
    site_.Write("lines", text);
    ASSERT_TRUE(Site::Eventually([&] {
      return site_.Run({"produce", "--to", "127.0.0.1:" + port_, "clicks", site_.PathOf("lines")})
                 .exit_code == 0;
    })) << site_.Read("command.log");
  }
  std::string Cat() {
    return site_
        .Run({"cat", "clicks", "--cluster", "dc1", "--view", "streams", "--topology",
              site_.PathOf("databus.xml")})
        .output;
  }
  bool Published() { return std::ranges::count(Cat(), '\n') >= produced_; }
  void ExpectEachOnce() {
    ASSERT_TRUE(Site::Eventually([&] { return Published(); })) << Cat().size();
    std::multiset<std::string> lines;
    std::istringstream text(Cat());
    for (std::string line; std::getline(text, line);) lines.insert(line);
    EXPECT_EQ(lines.size(), static_cast<size_t>(produced_));
    for (int i = 0; i < produced_; ++i) EXPECT_EQ(lines.count(fmt::format("event {}", i)), 1u) << i;
    const ChildEnd verified =
        site_.Run({"verify", "--topology", site_.PathOf("databus.xml"), "--wait", "60s", "--deep"});
    EXPECT_EQ(verified.exit_code, 0) << verified.output;
  }

  Site site_;
  std::string port_;
  int produced_ = 0;
};

TEST_F(ZooKeeperWorkerTest, TheStandbyGoesOnWhenTheHolderIsKilled) {
  ASSERT_TRUE(Site::Eventually([&] { return !Holder().empty(); }));
  const std::string first = Holder();
  const std::string second = first == "one" ? "two" : "one";
  ASSERT_TRUE(Site::Eventually([&] { return LeaseOf(second) == Lease::kStandsBy; }));
  Produce(500);
  ASSERT_TRUE(Site::Eventually([&] { return Published(); }));
  ::kill(site_.Process(first).pid(), SIGKILL);
  Produce(500);
  ExpectEachOnce();
  EXPECT_EQ(LeaseOf(second), Lease::kHolds);
  StartWorker(first);
  ASSERT_TRUE(Site::Eventually([&] { return LeaseOf(first) == Lease::kStandsBy; }));
  // One that stops leaves it to the other at once.
  site_.Process(second).Terminate();
  ASSERT_TRUE(Site::Eventually([&] { return LeaseOf(first) == Lease::kHolds; }));
  Produce(500);
  ExpectEachOnce();
  site_.StopAll();
}

TEST_F(ZooKeeperWorkerTest, ANewerTopologyIsObeyedByWhoeverHoldsTheLeaseAndItStaysThere) {
  ASSERT_TRUE(Site::Eventually([&] { return !Holder().empty(); }));
  const std::string holder = Holder();
  Produce(500);
  for (const std::string mode : {"spool", "deliver"}) {  // the first epoch has to be stored first
    ASSERT_TRUE(Site::Eventually([&] {
      return site_
                 .Run({"topology", "mode", "dc1", mode, "--yes", "--topology",
                       site_.PathOf("databus.xml")})
                 .exit_code == 0;
    })) << site_.Read("command.log");
  }
  Produce(500);
  ExpectEachOnce();
  for (const std::string name : {"one", "two"}) {
    ASSERT_TRUE(Site::Eventually([&] { return ObeysAgain(name); })) << name;
  }
  EXPECT_EQ(Holder(), holder);
  EXPECT_EQ(site_.Read(holder + ".log").find("no longer sure"), std::string::npos);
  site_.StopAll();
}

TEST_F(ZooKeeperWorkerTest, WithoutZooKeeperNobodyWorksAndThenAllGoesOn) {
  ASSERT_TRUE(Site::Eventually([&] { return !Holder().empty(); }));
  const std::string holder = Holder();
  Produce(500);
  ASSERT_TRUE(Site::Eventually([&] { return Published(); }));
  const BootTime killed = SystemClock().Boot();
  TheZooKeeper().Obey("kill");
  StartWorker("three");  // which finds no server at its start
  Produce(500);
  ASSERT_TRUE(Site::Eventually([&] { return LeaseOf(holder) == Lease::kUnsure; }));
  ASSERT_TRUE(Site::Eventually([&] { return Says("holds the lease no longer"); }));
  const int before = produced_;
  Produce(500);
  ASSERT_TRUE(Site::Eventually([&] { return Says("no server answers"); }));
  StopFlag never;
  never.SleepUntil(SystemClock(), killed + std::chrono::seconds(30));
  EXPECT_LE(std::ranges::count(Cat(), '\n'), before) << "published by nobody who holds the lease";
  TheZooKeeper().Obey("start");
  ExpectEachOnce();
  EXPECT_TRUE(site_.AllRun());
  site_.StopAll();
}

// They share the groups, of which the one stream has one.
class SharingWorkersTest : public ZooKeeperWorkerTest {
 protected:
  std::string Settings() const override { return "databus.worker.spread_groups=true\n"; }
  // How many groups the last line of its log about them names.
  size_t GroupsOf(const std::string& name) const {
    size_t groups = 0;
    std::istringstream log(site_.Read(name + ".log"));
    for (std::string line; std::getline(log, line);) {
      const size_t at = line.find("groups=");
      if (line.find("works on groups") == std::string::npos) continue;
      groups = static_cast<size_t>(std::ranges::count(line.substr(at), ' ')) + 1;
    }
    return groups;
  }
  bool Shared() const { return GroupsOf("one") == 8 && GroupsOf("two") == 8; }
};

TEST_F(SharingWorkersTest, EachHasItsShareAndTakesTheOthersWhenThatIsKilled) {
  ASSERT_TRUE(Site::Eventually([&] { return Shared(); }));
  Produce(500);
  ASSERT_TRUE(Site::Eventually([&] { return Published(); }));
  for (const auto& [victim, other] : {std::pair("one", "two"), {"two", "one"}}) {
    ::kill(site_.Process(victim).pid(), SIGKILL);
    Produce(500);
    ASSERT_TRUE(Site::Eventually([&] { return GroupsOf(other) == 16; })) << other;
    ExpectEachOnce();
    StartWorker(victim);
    ASSERT_TRUE(Site::Eventually([&] { return Shared(); })) << victim;
    Produce(500);
    ExpectEachOnce();
  }
  ASSERT_TRUE(Site::Eventually([&] { return Says("worker-dc1-share-"); }));
  site_.Process("one").Terminate();
  ASSERT_TRUE(Site::Eventually([&] { return GroupsOf("two") == 16; }));
  Produce(500);
  ExpectEachOnce();
  site_.StopAll();
}

}  // namespace

const HolderMain kHolderMain = nullptr;

}  // namespace databus
