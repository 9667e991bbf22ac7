// HDFS under the contract suite of Storage, on a real name node and data nodes.

#include "storage/contract.h"

#include <atomic>

#include "storage/probe.h"
#include "tests/hdfs/rig.h"

namespace databus {
namespace {

// A tree of its own for each test.
std::string NewRoot() {
  static std::atomic<int> made{0};
  return "/contract/" + std::to_string(++made);
}

class Hdfs final : public StorageUnderTest {
 public:
  Hdfs() {
    const HdfsOptions options = TheRig().cluster().Options(NewRoot(), TheRig().cluster().rpc_port);
    const Status made = CreateHdfsRoot(options);
    EXPECT_TRUE(made.ok()) << made.ToString();
    storage_ = OpenHdfsStorage(options);
  }
  Storage& storage() override { return *storage_; }

 private:
  std::unique_ptr<Storage> storage_;
};

StorageFactory Factory() {
  return {.name = "Hdfs",
          .make = [] { return std::make_unique<Hdfs>(); },
          .odd_names = {" ", "...", ".a", "-rf", "a b", "*", "\\", "\n", "\x01", "%2F", "\xc3\xa9",
                        "\xf0\x9f\x98\x80", "~", "'\"", std::string(255, 'x')}};
}

INSTANTIATE_TEST_SUITE_P(Hdfs, StorageContract, testing::Values(Factory()), FactoryName);

TEST(HdfsProbeTest, StartUpProbeIsPassed) {
  Hdfs hdfs;
  ASSERT_TRUE(hdfs.storage().MakeDir("system").ok());
  ASSERT_TRUE(hdfs.storage().MakeDir("system/tmp").ok());
  const Status status = ProbeStorage(hdfs.storage(), SystemRandom());
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(hdfs.storage().List("system/tmp")->empty());
}

}  // namespace
}  // namespace databus
