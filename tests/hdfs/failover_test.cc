// A name service of two name nodes, of which one is active: transitions and deaths in the middle of
// calls.

#include <gmock/gmock.h>

#include <atomic>

#include "base/sync.h"
#include "storage/contract.h"
#include "storage/hdfs/hadoop_conf.h"
#include "storage/hdfs/hdfs_options.h"
#include "storage/open.h"
#include "tests/hdfs/rig.h"

namespace databus {
namespace {

using namespace std::chrono_literals;

class FailoverTest : public testing::Test {
 protected:
  FailoverTest() {
    static int made = 0;
    root_ = "/failover/" + std::to_string(++made);
    const StorageEnvironment environment{.hadoop_conf_dir = rig_.conf};
    const Status status = CreateRootIn(environment, rig_.url, root_);
    EXPECT_TRUE(status.ok()) << status.ToString();
    const auto conf = hdfs::HadoopConf::Read(rig_.conf);
    EXPECT_TRUE(conf.ok());
    auto options =
        hdfs::HdfsOptionsOf({rig_.url, root_, rig_.Options("", 1).name_nodes.user}, *conf);
    EXPECT_TRUE(options.ok()) << options.status().ToString();
    // A transition takes as long as it takes; nothing may fail meanwhile.
    options->name_nodes.patience.unsent = 120'000ms;
    options->name_nodes.patience.sent = 120'000ms;
    storage_ = OpenHdfsStorage(*options);
  }

  // Moves one file on and on, and writes others, until `change` has returned. All of it must be
  // answered ok.
  void Throughout(const std::function<void()>& change) {
    std::atomic<bool> done{false};
    std::atomic<int> moves{0};
    std::atomic<int> files{0};
    ASSERT_TRUE(storage_->WriteFile("moving-0", "moves").ok());
    Thread mover("mover", [&] {
      for (; !done; ++moves) {
        const Status moved = storage_->Rename("moving-" + std::to_string(moves),
                                              "moving-" + std::to_string(moves + 1));
        EXPECT_TRUE(moved.ok()) << moved.ToString();
        if (!moved.ok()) break;
      }
    });
    Thread writer("writer", [&] {
      for (; !done; ++files) {
        const std::string name = "f" + std::to_string(files);
        const Status written = storage_->WriteFile(name, "in " + name);
        EXPECT_TRUE(written.ok()) << written.ToString();
        if (!written.ok()) break;
      }
    });
    change();
    const int before = moves;
    // Both go on afterwards.
    for (int i = 0; i < 3000 && moves < before + 5; ++i) {
      StopFlag never;
      never.SleepUntil(SystemClock(), SystemClock().Boot() + 20ms);
    }
    done = true;
    mover.Join();
    writer.Join();
    EXPECT_GE(moves, before + 5);
    EXPECT_EQ(storage_->ReadFile("moving-" + std::to_string(moves)).value(), "moves");
    for (int i = 0; i < files; ++i) {
      const std::string name = "f" + std::to_string(i);
      EXPECT_EQ(storage_->ReadFile(name).value(), "in " + name);
    }
    EXPECT_EQ(storage_->List("")->size(), static_cast<size_t>(files) + 1);
  }

  const RigCluster& rig_ = TheRig().cluster();
  std::string root_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(FailoverTest, NameServiceIsOpenedByHadoopsConfiguration) {
  const auto storage = OpenStorageIn({.hadoop_conf_dir = rig_.conf}, rig_.url, root_);
  ASSERT_TRUE(storage.ok()) << storage.status().ToString();
  EXPECT_EQ((*storage)->Describe(), rig_.url + root_);
  ASSERT_TRUE((*storage)->WriteFile("f", "content").ok());
  EXPECT_EQ(storage_->ReadFile("f").value(), "content");
}

TEST_F(FailoverTest, StandbyOnBothIsToldAndWaitedFor) {
  auto options = hdfs::HdfsOptionsOf({rig_.url, root_, rig_.Options("", 1).name_nodes.user},
                                     *hdfs::HadoopConf::Read(rig_.conf));
  ASSERT_TRUE(options.ok());
  options->name_nodes.patience.unsent = 0ms;
  const auto impatient = OpenHdfsStorage(*options);
  ASSERT_TRUE(storage_->WriteFile("f", "content").ok());
  TheRig().Obey("standby 1 namenode1");
  const Status status = impatient->WriteFile("g", "x");
  EXPECT_EQ(status.code(), Code::kUnavailable);
  for (const auto& name_node : options->name_nodes.name_nodes) {
    EXPECT_THAT(status.message(),
                testing::HasSubstr(name_node.ToString() + ": not the active name node"));
  }
  Thread patient("patient", [&] { EXPECT_TRUE(storage_->Rename("f", "h").ok()); });
  TheRig().Obey("active 1 namenode2");
  patient.Join();
  EXPECT_EQ(storage_->ReadFile("h").value(), "content");
  TheRig().Obey("active 1 namenode1");
}

TEST_F(FailoverTest, TransitionsThereAndBackAreNotNoticed) {
  Throughout([] {
    TheRig().Obey("active 1 namenode2");
    TheRig().Obey("active 1 namenode1");
  });
}

TEST_F(FailoverTest, DeathOfTheActiveNameNodeIsNotNoticed) {
  Throughout([] {
    TheRig().Obey("kill 1 namenode1");
    TheRig().Obey("active 1 namenode2");
  });
  TheRig().Obey("start 1 namenode1");
}

}  // namespace
}  // namespace databus
