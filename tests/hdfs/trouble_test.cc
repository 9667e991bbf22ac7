// A real cluster that refuses, is full, or cannot be found: each is told clearly, what else there
// is goes on, and nothing is lost.

#include <gmock/gmock.h>
#include <sys/statvfs.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/sync.h"
#include "storage/contract.h"
#include "tests/hdfs/rig.h"
#include "tests/rig/eventually.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::HasSubstr;

class TroubleTest : public testing::Test {
 protected:
  TroubleTest() {
    static int made = 0;
    options_ = rig_.Options("/trouble/" + std::to_string(++made), rig_.rpc_port);
    const Status root = CreateHdfsRoot(options_);
    EXPECT_TRUE(root.ok()) << root.ToString();
    storage_ = OpenHdfsStorage(options_);
  }

  const RigCluster& rig_ = TheRig().cluster();
  HdfsOptions options_;
  std::unique_ptr<Storage> storage_;
};

// --- Safe mode

TEST_F(TroubleTest, SafeModeIsNamedAndWhatIsThereIsRead) {
  ASSERT_TRUE(storage_->WriteFile("before", "content").ok());
  TheRig().Obey("safemode 1 on");
  const std::vector<Status> refused = {storage_->WriteFile("f", "x"), storage_->MakeDir("d"),
                                       storage_->Rename("before", "after"),
                                       storage_->Remove("before"), storage_->Replace("r", "x")};
  EXPECT_EQ(storage_->ReadFile("before").value(), "content");
  EXPECT_EQ(storage_->List("")->size(), 1u);
  TheRig().Obey("safemode 1 off");
  for (const Status& status : refused) {
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("the name node is in safe mode"));
  }
  EXPECT_EQ(storage_->List("")->size(), 1u) << "nothing of it was done";
  EXPECT_TRUE(storage_->WriteFile("f", "x").ok());
}

// Entered and left while files are written and moved: what was answered ok is there, what was
// refused was not done.
TEST_F(TroubleTest, SafeModeInTheMiddleOfWorkLosesAndDoublesNothing) {
  std::atomic<bool> done{false};
  std::atomic<int> refused{0};
  std::vector<std::string> written;
  int moves = 0;
  ASSERT_TRUE(storage_->WriteFile("moving-0", "moves").ok());
  Thread writer("writer", [&] {
    for (int i = 0; !done; ++i) {
      const std::string name = "f" + std::to_string(i);
      const Status status = storage_->WriteFile(name, "in " + name);
      if (status.ok()) written.push_back(name);
      if (!status.ok()) ++refused;
      EXPECT_TRUE(status.ok() || status.unknown()) << status.ToString();
    }
  });
  Thread mover("mover", [&] {
    while (!done) {
      const Status moved = storage_->Rename("moving-" + std::to_string(moves),
                                            "moving-" + std::to_string(moves + 1));
      if (moved.ok()) ++moves;
      EXPECT_TRUE(moved.ok() || moved.unknown()) << moved.ToString();
    }
  });
  for (int i = 0; i < 2; ++i) {
    const int before = refused;
    TheRig().Obey("safemode 1 on");
    EXPECT_TRUE(Eventually([&] { return refused > before; }, 100ms));
    TheRig().Obey("safemode 1 off");
  }
  const Status last = storage_->WriteFile("last", "x");
  EXPECT_TRUE(last.ok()) << last.ToString();
  done = true;
  writer.Join();
  mover.Join();
  EXPECT_EQ(storage_->ReadFile("moving-" + std::to_string(moves)).value(), "moves");
  for (const std::string& name : written) EXPECT_EQ(storage_->ReadFile(name).value(), "in " + name);
}

// --- Data nodes

TEST_F(TroubleTest, DataNodesNameThatLeadsNowhereIsToldWithTheNameThatTheNameNodeHas) {
  ASSERT_TRUE(storage_->WriteFile("f", "content").ok());
  HdfsOptions options = options_;
  options.data_nodes.hosts = {{"127.0.0.1", "no-such-host.invalid"}};
  const auto lost = OpenHdfsStorage(options);
  for (const Status& status : {lost->WriteFile("g", "x"), lost->ReadFile("f").status()}) {
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("look up 'no-such-host.invalid'"));
    EXPECT_THAT(status.message(), HasSubstr("the name node knows it as 127.0.0.1"));
  }
  EXPECT_TRUE(lost->Rename("f", "h").ok()) << "what needs no data node goes on";
  EXPECT_EQ(storage_->ReadFile("h").value(), "content");
}

class FullDiskTest : public TroubleTest {
 protected:
  static constexpr uint64_t kOwnDiskMost = 1u << 30;

  void SetUp() override {
    for (const char* name : {"data1", "data2"}) {
      const auto disk = std::filesystem::path(rig_.conf).parent_path() / name;
      struct statvfs free{};
      ASSERT_EQ(::statvfs(disk.c_str(), &free), 0);
      if (free.f_blocks * free.f_frsize > kOwnDiskMost) {
        GTEST_SKIP() << "the data nodes have no disks of their own: mounting is not allowed here";
      }
      fillers_.push_back(disk / "filler");
    }
  }
  void TearDown() override { Free(); }
  void Fill() const {
    const std::string block(1u << 20, '\0');
    for (const std::string& path : fillers_) {
      std::ofstream filler(path, std::ios::binary);
      while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
      }
    }
  }
  void Free() const {
    for (const std::string& path : fillers_) std::filesystem::remove(path);
  }

  std::vector<std::string> fillers_;
};

TEST_F(FullDiskTest, AllFullIsToldAndWhatNeedsNoRoomGoesOn) {
  ASSERT_TRUE(storage_->WriteFile("before", "content").ok());
  Fill();
  const std::string large(3'000'000, 'x');
  const std::vector<SmallFile> small = {{"s1", std::string(20'000, 'y')}, {"s2", "z"}};
  std::vector<Status> refused = storage_->WriteFiles(small);
  refused.push_back(storage_->WriteFile("large", large));
  for (const Status& status : refused) {
    EXPECT_EQ(status.code(), Code::kUnavailable);
    // By a name node that knows already, or a data node that says nothing.
    EXPECT_THAT(status.message(), AnyOf(HasSubstr("no data node took the block: all are full"),
                                        HasSubstr("one does whose disk is full")));
  }
  EXPECT_THAT(refused.back().message(), HasSubstr("write " + options_.root + "/large: "));
  EXPECT_EQ(storage_->ReadFile("before").value(), "content");
  EXPECT_TRUE(storage_->Rename("before", "after").ok());
  EXPECT_TRUE(storage_->MakeDir("d").ok());
  Free();
  int tries = 0;
  EXPECT_TRUE(Eventually(
      [&] { return storage_->WriteFile("large" + std::to_string(++tries), large).ok(); }));
  EXPECT_TRUE(storage_->ReadFile("large" + std::to_string(tries)).value() == large);
  EXPECT_EQ(storage_->ReadFile("after").value(), "content");
}

// In the middle of a file, so that the data nodes' own writes fail.
TEST_F(FullDiskTest, FullInTheMiddleOfAFileIsNoFile) {
  HdfsOptions options = options_;
  options.block_bytes = 16u << 20;
  options.replication = 2;
  const auto patient = OpenHdfsStorage(options);
  const std::string part(1u << 20, 'x');
  std::unique_ptr<FileWriter> file;
  Status status;
  // To the name node the disks that another test has filled are full until they are heard of again.
  ASSERT_TRUE(Eventually([&] {
    auto created = patient->Create("open");
    if (!created.ok()) return false;
    file = *std::move(created);
    status = file->Append(part + part);
    if (!status.ok()) static_cast<void>(patient->Remove("open"));
    return status.ok();
  })) << status.ToString();
  Fill();
  for (int i = 0; i < 12 && status.ok(); ++i) status = file->Append(part);
  if (status.ok()) status = file->Finish();
  EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  Free();
  int tries = 0;
  EXPECT_TRUE(Eventually(
      [&] { return storage_->WriteFile("after" + std::to_string(++tries), part).ok(); }));
}

}  // namespace
}  // namespace databus
