#include "cli/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/test_world.h"
#include "control/adopt_file.h"
#include "failover/journal.h"
#include "net/network.h"
#include "storage/fault/fault_storage.h"
#include "telemetry/http.h"
#include "worker/given_lease.h"

namespace databus {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kConfig =
    "com.inmobi.databus.clusters=dc1\n"
    "com.inmobi.databus.cfg=databus.xml\n"
    "com.inmobi.databus.enablezk=false\n";

TEST(ComposeTest, AWorkerThatIsToldToStopEndsCleanly) {
  TestWorld world;
  StopFlag stop;
  stop.Stop();
  Seams seams = world.MakeSeams();
  const Status run = RunWorker(seams, {"databus.cfg", kConfig}, {}, stop);
  EXPECT_TRUE(run.ok()) << run.ToString();
}

constexpr const char* kZooKeeperConfig =
    "com.inmobi.databus.clusters=dc1\n"
    "com.inmobi.databus.cfg=databus.xml\n"
    "com.inmobi.databus.zkconnect=zk1, zk2:2182/site\n";

TEST(ComposeTest, AWorkerIsElectedByZooKeeperUnlessThatIsSwitchedOff) {
  TestWorld world;
  StopFlag stop;
  const auto lease = std::make_shared<GivenLease>();
  lease->held = true;
  std::vector<std::string> asked;
  Seams seams = world.MakeSeams();
  seams.zookeeper_lease = [&](const std::string& servers, const LeaseRequest& request) {
    asked.push_back(servers + " " + request.cluster);
    lease->holder = request.holder;
    stop.Stop();
    return lease;
  };
  const Status run = RunWorker(seams, {"databus.cfg", kZooKeeperConfig}, {}, stop);
  EXPECT_TRUE(run.ok()) << run.ToString();
  EXPECT_THAT(asked, testing::ElementsAre("zk1:2181,zk2:2182/site dc1"));
  EXPECT_FALSE(lease->held) << "who stops leaves it to others";
  EXPECT_TRUE(world.trees["dc1"]->List(paths::Leases())->empty());
}

TEST(ComposeTest, WithoutZooKeeperInTheProgramAWorkerThatNeedsItDoesNotStart) {
  TestWorld world;
  StopFlag stop;
  Seams seams = world.MakeSeams();
  const Status run = RunWorker(seams, {"databus.cfg", kZooKeeperConfig}, {}, stop);
  EXPECT_EQ(run.code(), Code::kInvalid);
  EXPECT_THAT(run.message(), HasSubstr("databus.cfg: com.inmobi.databus.enablezk"));
}

TEST(ComposeTest, APortInUseIsSaidBeforeAnythingStarts) {
  TestWorld world;
  const auto taken = HttpEndpoint::Start(
      0, {.metrics = [] { return std::string(); }, .why_not_ready = [] { return std::nullopt; }});
  ASSERT_TRUE(taken.ok());
  StopFlag stop;
  stop.Stop();
  Seams seams = world.MakeSeams();
  const std::string config =
      kConfig + std::string("databus.http_port=") + std::to_string((*taken)->port()) + "\n";
  const Status run = RunWorker(seams, {"databus.cfg", config}, {}, stop);
  EXPECT_EQ(run.code(), Code::kRefused);
  EXPECT_THAT(run.message(), HasSubstr("databus.http_port"));
}

TEST(ComposeTest, AnEditedFileIsNotAdoptedWhileAFailoverIsUnderWay) {
  TestWorld world;
  const auto first = JudgeFile(*ParseTopology(kTestTopology, "databus.xml"), nullptr, {});
  for (const auto& [cluster, tree] : world.trees) {
    ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), first->epoch).ok());
  }
  std::string& file = world.files["databus.xml"];
  file.replace(file.find(">48<"), 4, ">47<");
  failover::Journal journal;
  journal.id = "20310506T100405Z-planned-dc1-dc2";
  journal.revision = 3;
  journal.step = failover::Step::kDrain;
  const std::string path = paths::FailoverJournal({journal.id, 3});
  ASSERT_TRUE(world.Put("dc2", path, journal.Encode()).ok());
  StopFlag stop;
  stop.Stop();
  Seams seams = world.MakeSeams();
  const WorkerStart start{AdoptTree::kNo, 1};
  const Status refused = RunWorker(seams, {"databus.cfg", kConfig}, start, stop);
  EXPECT_EQ(refused.code(), Code::kRefused);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("--adopt-config=1"), HasSubstr(journal.id),
                                       HasSubstr("drain"), HasSubstr("databus failover abort")));
  EXPECT_EQ(**NewestEpoch(*world.trees["dc1"]), 1U);
  ASSERT_TRUE(world.trees["dc2"]->Remove(path).ok());
  EXPECT_TRUE(RunWorker(seams, {"databus.cfg", kConfig}, start, stop).ok());
  EXPECT_EQ(**NewestEpoch(*world.trees["dc1"]), 2U);
}

// Found out while it takes messages already.
TEST(ComposeTest, ACollectorWhoseNameIsTakenEndsAndSaysByWhom) {
  TestWorld world;
  MemoryStorage& tree = *world.trees["dc1"];
  const std::string path = paths::StatusFile("collector-c1");
  int beats = 0;
  const auto beat = [&] {
    Heartbeat other;
    other.process = "collector-c1";
    other.host = "h2";
    other.pid = 77;
    other.facts["incarnation"] = "of another spool";
    other.facts["beats"] = ++beats;
    EXPECT_TRUE(tree.Replace(path, EncodeHeartbeat(other)).ok());
  };
  beat();
  FaultPlan plan;
  plan.SetCallback([&](const Call& call) {
    const bool looks = call.verb == Verb::kOpen && call.path == path;
    return looks ? Fault::Delayed(beat) : Fault{};
  });
  const auto listening = TcpNetwork().Listen({});
  ASSERT_TRUE(listening.ok());
  const int port = (*listening)->port();
  (*listening)->Shutdown(BootTime{});
  const std::string conf = fmt::format(
      "port={}\ndatabus.collector.disk_reserve_bytes=0\n<store>\ncategory=default\ntype=buffer\n"
      "<primary>\ntype=file\nfs_type=hdfs\nfile_path=file:///dc1/databus/data\nsub_directory=c1\n</"
      "primary>\n"
      "<secondary>\ntype=file\nfile_path=/spool/c1\n</secondary>\n</store>\n",
      port);
  ASSERT_TRUE(world.disk.MakeDirs("/spool").ok());
  Seams seams{.clock = SystemClock(),
              .random = SystemRandom(),
              .disk = world.disk,
              .network = TcpNetwork(),
              .open_storage = [&](const std::string&,
                                  const std::string&) -> Result<std::unique_ptr<Storage>> {
                return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(tree, plan));
              },
              .create_root = {},
              .read_file = {},
              .host = "h1",
              .pid = 1};
  StopFlag stop;
  ReloadFlag reload;
  const Status run = RunCollector(seams, {"scribe.conf", conf}, stop, reload);
  EXPECT_EQ(run.code(), Code::kRefused);
  EXPECT_THAT(run.message(), HasSubstr("runs already on host h2, process 77"));
}

TEST(ComposeTest, ARefusedConfigurationTouchesNothing) {
  TestWorld world;
  StopFlag stop;
  Seams seams = world.MakeSeams();
  EXPECT_EQ(RunWorker(seams, {"databus.cfg", "x=1\n"}, {}, stop).code(), Code::kInvalid);
  ReloadFlag reload;
  EXPECT_EQ(RunCollector(seams, {"scribe.conf", "port=x\n"}, stop, reload).code(), Code::kInvalid);
}

}  // namespace
}  // namespace databus
