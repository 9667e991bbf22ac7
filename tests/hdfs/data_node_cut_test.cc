// Each connection to a data node ends at each place of its answers in turn: files are written by
// way of another data node, and read from it, or it is told clearly that they were not; what is
// said to be there has the right bytes.

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "base/random.h"
#include "tests/hdfs/data_node_proxy.h"
#include "tests/hdfs/rig.h"

namespace databus {
namespace {

using Plan = DataNodeProxy::Plan;

constexpr size_t kBlockBytes = 256u << 10;

std::string Content(size_t bytes, uint64_t seed) {
  const auto random = SeededRandom(seed);
  std::string content;
  while (content.size() < bytes) content += random->Hex(32);
  content.resize(bytes);
  return content;
}

class DataNodeCutTest : public testing::Test {
 protected:
  DataNodeCutTest() {
    static int made = 0;
    auto proxy = DataNodeProxy::Start(rig_.transfer_ports);
    EXPECT_TRUE(proxy.ok()) << proxy.status().ToString();
    proxy_ = *std::move(proxy);
    options_ = rig_.Options("/cut/" + std::to_string(++made), rig_.rpc_port);
    options_.replication = 2;
    options_.block_bytes = kBlockBytes;
    const Status root = CreateHdfsRoot(options_);
    EXPECT_TRUE(root.ok()) << root.ToString();
    direct_ = OpenHdfsStorage(options_);
    options_.data_nodes.hosts = {{"127.0.0.1", DataNodeProxy::kAddress}};
  }
  // One that has met no data node yet, and so suspects none.
  std::unique_ptr<Storage> Through() const { return OpenHdfsStorage(options_); }
  std::string NewName() { return "f" + std::to_string(++files_); }

  // `work` with one cut: of each connection that it makes, before the data node hears of it, and
  // when its answers have come to each number of bytes that is a multiple of `step`, or about the
  // first or the last. Which connection is which may differ from one time to the next, and so may
  // what it carries: not each plan is carried out.
  void ForEachCut(uint64_t step, const std::function<void()>& work) {
    proxy_->Begin({});
    work();
    const std::vector<uint64_t> answered = proxy_->answered();
    ASSERT_FALSE(answered.empty());
    for (uint64_t connection = 1; connection <= answered.size(); ++connection) {
      const uint64_t bytes = answered[connection - 1];
      std::set<uint64_t> places = {0, 1, bytes - 1};
      for (uint64_t at = step; at < bytes; at += step) places.insert(at);
      Cut({.connection = connection}, work);
      for (const uint64_t at : places) Cut({.connection = connection, .answer_bytes = at}, work);
    }
    EXPECT_GT(ended_ * 4, planned_ * 3) << ended_ << " of " << planned_ << " plans";
    RecordProperty("cuts", std::to_string(ended_));
  }
  void ExpectThere(const std::string& name, const std::string& content) {
    const auto read = direct_->ReadFile(name);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(*read == content) << name;
  }

  const RigCluster& rig_ = TheRig().cluster();
  std::unique_ptr<DataNodeProxy> proxy_;
  HdfsOptions options_;
  std::unique_ptr<Storage> direct_;

 private:
  void Cut(const Plan& plan, const std::function<void()>& work) {
    if (HasFailure()) return;
    SCOPED_TRACE(fmt::format("connection {} ends after {} bytes of answers", plan.connection,
                             plan.answer_bytes ? std::to_string(*plan.answer_bytes) : "no"));
    proxy_->Begin(plan);
    work();
    ++planned_;
    if (proxy_->ended()) ++ended_;
  }

  int files_ = 0;
  int planned_ = 0;
  int ended_ = 0;
};

TEST_F(DataNodeCutTest, AFileOfSeveralBlocksIsWrittenByWayOfTheOther) {
  const std::string content = Content(5 * kBlockBytes / 2, 1);
  ForEachCut(1, [&] {
    const std::string name = NewName();
    const Status written = Through()->WriteFile(name, content);
    ASSERT_TRUE(written.ok()) << written.ToString();
    ExpectThere(name, content);
  });
}

// More of a block than is kept for another try: the file fails, and the next one does not.
TEST_F(DataNodeCutTest, AFileOfLargeBlocksIsWrittenOrTheNextOneIs) {
  options_.block_bytes = 4u << 20;
  const std::string content = Content(5u << 20, 2);
  int failed = 0;
  ForEachCut(40, [&] {
    const auto storage = Through();
    for (const bool again : {false, true}) {
      const std::string name = NewName();
      const Status written = storage->WriteFile(name, content);
      if (written.ok()) return ExpectThere(name, content);
      ++failed;
      EXPECT_EQ(written.code(), Code::kUnavailable);
      EXPECT_THAT(written.message(), testing::HasSubstr("at data node 127.0.0.1:"));
      ASSERT_FALSE(again) << written.ToString();
    }
  });
  EXPECT_GT(failed, 0) << "no cut came late enough";
}

TEST_F(DataNodeCutTest, ABatchOfSmallFilesIsWrittenByWayOfTheOther) {
  std::vector<std::string> contents;
  for (const size_t bytes : {1, 700, 0, 70'000, 200'000, 3}) {
    contents.push_back(Content(bytes, bytes));
  }
  ForEachCut(1, [&] {
    std::vector<SmallFile> batch;
    for (const std::string& content : contents) batch.push_back({NewName(), content});
    const std::vector<Status> written = Through()->WriteFiles(batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      ASSERT_TRUE(written[i].ok()) << written[i].ToString();
      ExpectThere(batch[i].path, batch[i].content);
    }
  });
}

TEST_F(DataNodeCutTest, AFileOfSeveralBlocksIsReadFromTheOther) {
  const std::string content = Content(5 * kBlockBytes / 2, 3);
  ASSERT_TRUE(direct_->WriteFile("f", content).ok());
  ForEachCut(4'999, [&] {
    const auto storage = Through();
    for (int i = 0; i < 2; ++i) {  // the second time on a connection that was kept
      const auto read = storage->ReadFile("f");
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      EXPECT_TRUE(*read == content);
    }
  });
}

TEST_F(DataNodeCutTest, ABatchOfSmallFilesIsReadFromTheOther) {
  std::vector<SmallFile> batch;
  std::vector<std::string> names;
  for (const size_t bytes : {1, 700, 0, 70'000, 200'000, 3}) {
    batch.push_back({"f" + std::to_string(bytes), Content(bytes, bytes)});
    names.push_back(batch.back().path);
  }
  for (const Status& written : direct_->WriteFiles(batch)) ASSERT_TRUE(written.ok());
  ForEachCut(997, [&] {
    const auto storage = Through();
    for (int i = 0; i < 2; ++i) {  // the second time on connections that were kept
      const auto readers = storage->Opens(names);
      for (size_t file = 0; file < batch.size(); ++file) {
        ASSERT_TRUE(readers[file].ok()) << readers[file].status().ToString();
        const auto read = (*readers[file])->Read(0, 1u << 20);
        ASSERT_TRUE(read.ok()) << read.status().ToString();
        EXPECT_TRUE(*read == batch[file].content) << batch[file].path;
      }
    }
  });
}

// --- One data node says nothing at all

class SilentDataNodeTest : public DataNodeCutTest {
 protected:
  static constexpr size_t kFiles = 200;

  SilentDataNodeTest() {
    options_.name_nodes.patience.transfer = std::chrono::milliseconds(1500);
    for (size_t i = 0; i < kFiles; ++i) {
      files_.push_back({"f" + std::to_string(i), "in " + std::to_string(i)});
    }
  }
  void ExpectAllThere(Storage& storage) {
    for (size_t first = 0; first < kFiles; first += storage.SmallFilesAtOnce()) {
      std::vector<std::string> names;
      for (size_t i = first; i < std::min(kFiles, first + storage.SmallFilesAtOnce()); ++i) {
        names.push_back(files_[i].path);
      }
      const auto readers = storage.Opens(names);
      for (size_t i = 0; i < names.size(); ++i) {
        ASSERT_TRUE(readers[i].ok()) << readers[i].status().ToString();
        EXPECT_EQ((*readers[i])->Read(0, 1u << 20).value(), files_[first + i].content);
      }
    }
  }

  std::vector<SmallFile> files_;
};

TEST_F(SilentDataNodeTest, ManySmallFilesAreReadFromTheOtherAfterOneWait) {
  for (const Status& written : direct_->WriteFiles(files_)) ASSERT_TRUE(written.ok());
  size_t waits = 0;
  for (const uint16_t port : rig_.transfer_ports) {
    proxy_->Begin({.silent_port = port});
    ExpectAllThere(*Through());
    EXPECT_LE(proxy_->in_vain(), 1u);
    waits += proxy_->in_vain();
  }
  EXPECT_GT(waits, 0u);
}

TEST_F(SilentDataNodeTest, ManySmallFilesAreWrittenToTheOtherAfterOneWait) {
  options_.replication = 1;
  proxy_->Begin({.silent_port = rig_.transfer_ports[0]});
  for (const Status& written : Through()->WriteFiles(files_)) {
    EXPECT_TRUE(written.ok()) << written.ToString();
  }
  EXPECT_GT(proxy_->in_vain(), 0u);
  EXPECT_LE(proxy_->in_vain(), 16u);  // those that are under way at the same time
  ExpectAllThere(*direct_);
}

}  // namespace
}  // namespace databus
