// Files being written and read, against name and data nodes that do what a test says. Real ones are
// in tests/hdfs.

#include <gmock/gmock.h>

#include <atomic>
#include <map>

#include "base/crc32c.h"
#include "storage/contract.h"
#include "storage/hdfs/file_reader.h"
#include "storage/hdfs/file_writer.h"
#include "storage/hdfs/packets.h"
#include "storage/hdfs/small_files.h"
#include "storage/hdfs/test_peer.h"
#include "storage/hdfs/wire/data_node.pb.h"

namespace databus::hdfs {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

wire::LocatedBlock BlockAt(const Endpoint& endpoint, uint64_t length) {
  wire::LocatedBlock block;
  block.mutable_block()->set_pool_id("pool");
  block.mutable_block()->set_block_id(7);
  block.mutable_block()->set_generation_stamp(1001);
  block.mutable_block()->set_num_bytes(length);
  block.set_offset(0);
  block.set_corrupt(false);
  block.mutable_token()->set_identifier("");
  block.mutable_token()->set_password("");
  block.mutable_token()->set_kind("");
  block.mutable_token()->set_service("");
  wire::DatanodeId& id = *block.add_locations()->mutable_id();
  id.set_ip(endpoint.host);
  id.set_host_name(endpoint.host);
  id.set_uuid(endpoint.ToString());
  id.set_transfer_port(endpoint.port);
  id.set_info_port(1);
  id.set_ipc_port(2);
  return block;
}

wire::BooleanAnswer Boolean(bool result) {
  wire::BooleanAnswer answer;
  answer.set_result(result);
  return answer;
}

// A name node that hands out the blocks it was given, one after the other, and counts its calls.
class ScriptedNameNode {
 public:
  ScriptedNameNode() : peer_({[this](PeerConnection& c) { Serve(c); }}) {}
  ScriptedNameNode(const ScriptedNameNode&) = delete;
  ~ScriptedNameNode() { peer_.Cut(); }

  void Give(const wire::LocatedBlock& block) { blocks_.push_back(block); }
  // How many `addBlock` that exclude somebody are refused, as not enough data nodes are left.
  int too_few = 0;
  // What the next `complete` calls are answered, before it is true.
  int incomplete = 0;
  wire::LocatedBlocks locations;

  const Endpoint& endpoint() const { return peer_.endpoint(); }
  int calls(const std::string& method) {
    MutexLock lock(mutex_);
    return calls_[method];
  }
  bool AwaitCall(const std::string& method, Milliseconds most) {
    MutexLock lock(mutex_);
    const BootTime deadline = SystemClock().Boot() + most;
    while (calls_[method] == 0) {
      if (!changed_.WaitUntil(lock, SystemClock(), deadline)) return false;
    }
    return true;
  }
  // The request of the last call of a kind.
  template <typename Request>
  Request Last(const std::string& method) {
    MutexLock lock(mutex_);
    std::string_view bytes = requests_[method];
    Request request;
    EXPECT_EQ(TakeDelimited(bytes, request, 1u << 20), Taken::kWhole);
    return request;
  }

 private:
  void Serve(PeerConnection& c) {
    c.ReadGreeting();
    while (const auto call = c.NextCall()) {
      {
        MutexLock lock(mutex_);
        ++calls_[call->method];
        requests_[call->method] = call->request;
        changed_.NotifyAll();
      }
      Answer(c, call->id(), call->method);
    }
  }
  void Answer(PeerConnection& c, int32_t id, const std::string& method) {
    if (method == "addBlock" && TooFew()) {
      c.Fail(id, {.exception = "java.io.IOException",
                  .message = "File /f could only be written to 1 of the 2 required nodes"});
    } else if (method == "addBlock") {
      wire::AddBlockAnswer answer;
      *answer.mutable_block() = blocks_.at(given_++);
      c.Answer(id, answer);
    } else if (method == "complete") {
      c.Answer(id, Boolean(incomplete-- <= 0));
    } else if (method == "getBlockLocations") {
      wire::GetBlockLocationsAnswer answer;
      *answer.mutable_locations() = locations;
      c.Answer(id, answer);
    } else {
      c.Answer(id, wire::Empty());
    }
  }

  bool TooFew() {
    return Last<wire::AddBlockRequest>("addBlock").excluded_size() > 0 && too_few-- > 0;
  }

  std::vector<wire::LocatedBlock> blocks_;
  size_t given_ = 0;
  Mutex mutex_;  // guards what follows
  CondVar changed_;
  std::map<std::string, int> calls_;
  std::map<std::string, std::string> requests_;
  TestPeer peer_;  // ends before the rest
};

class FileTest : public testing::Test {
 protected:
  explicit FileTest(const Clock& clock = SystemClock()) : clock_(clock) {}
  // With a name node that one client talks to.
  Cluster ClusterOf(ScriptedNameNode& name_node) {
    rpc_ = std::make_unique<RpcClient>(RpcClient::Options{{name_node.endpoint()}, "root", {}},
                                       clock_, *random_);
    return {*rpc_, data_nodes_, clock_, {}, upkeep_};
  }
  // Takes a whole block; true once it has had its end.
  static void TakeBlock(PeerConnection& c, std::string& content) {
    c.Read(3);
    c.ReadMessage<wire::WriteBlockRequest>();
    wire::BlockAnswer ready;
    ready.set_status(0);
    c.WriteMessage(ready);
    while (TakePacket(c, content)) {
    }
    c.AwaitEnd();
  }
  // False at the end of the block, or of the connection.
  static bool TakePacket(PeerConnection& c, std::string& content) {
    const std::string lengths = c.Read(6);
    if (lengths.size() < 6) return false;
    wire::PacketHeader header;
    EXPECT_TRUE(header.ParseFromString(c.Read(LoadBigEndian16(lengths.data() + 4))));
    const std::string body = c.Read(LoadBigEndian32(lengths.data()) - 4);
    content += body.substr(body.size() - static_cast<size_t>(header.data_length()));
    if (header.sequence() == -1) content += "<heartbeat>";
    wire::PipelineAck ack;
    ack.set_sequence(header.sequence());
    ack.add_replies(0);
    c.WriteMessage(ack);
    return !header.last();
  }
  // A good answer to a read of all of `content`.
  static void ServeBlock(PeerConnection& c, const std::string& content) {
    c.Read(3);
    c.ReadMessage<wire::ReadBlockRequest>();
    wire::BlockAnswer answer;
    answer.set_status(0);
    answer.mutable_read_checksum()->set_chunk_offset(0);
    answer.mutable_read_checksum()->mutable_checksum()->set_type(2);
    answer.mutable_read_checksum()->mutable_checksum()->set_bytes_per_checksum(kChunkBytes);
    c.WriteMessage(answer);
    std::string packets;
    AppendDataPacket({0, 0}, content, packets);
    AppendEndPacket({content.size(), 1}, packets);
    c.Write(packets);
    c.ReadMessage<wire::ReadStatus>();
  }

  const std::unique_ptr<Random> random_ = SeededRandom(1);
  const Clock& clock_;
  DataNodes data_nodes_{{}, clock_};
  Upkeep upkeep_{clock_, 1ms};
  std::unique_ptr<RpcClient> rpc_;
};

const OpenFile::Identity kFile{"/f", "writer", 42};
const Endpoint kNobody{"127.0.0.1", 1};

TEST_F(FileTest, IsCompleteOnlyWhenTheNameNodeSaysSo) {
  std::string content;
  TestPeer data_node({[&](PeerConnection& c) { TakeBlock(c, content); }});
  ScriptedNameNode name_node;
  name_node.Give(BlockAt(data_node.endpoint(), 0));
  name_node.incomplete = 3;
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 1u << 20);
  ASSERT_TRUE(writer->Append("content").ok());
  const Status finished = writer->Finish();
  EXPECT_TRUE(finished.ok()) << finished.ToString();
  EXPECT_EQ(name_node.calls("complete"), 4);
  const auto last = name_node.Last<wire::CompleteRequest>("complete");
  EXPECT_EQ(last.last().num_bytes(), 7u);
  EXPECT_EQ(last.file_id(), 42u);
  EXPECT_EQ(content, "content");
}

TEST_F(FileTest, FullBlocksAreFollowedByOthersThatNameThem) {
  std::string first;
  std::string second;
  TestPeer data_node({[&](PeerConnection& c) { TakeBlock(c, first); },
                      [&](PeerConnection& c) { TakeBlock(c, second); }});
  ScriptedNameNode name_node;
  name_node.Give(BlockAt(data_node.endpoint(), 0));
  name_node.Give(BlockAt(data_node.endpoint(), 0));
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 10);
  ASSERT_TRUE(writer->Append("0123456").ok());
  ASSERT_TRUE(writer->Append("789abcdef").ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(first, "0123456789");
  EXPECT_EQ(second, "abcdef");
  EXPECT_EQ(name_node.Last<wire::AddBlockRequest>("addBlock").previous().num_bytes(), 10u);
}

TEST_F(FileTest, NothingWrittenIsNoBlock) {
  ScriptedNameNode name_node;
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 10);
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(name_node.calls("addBlock"), 0);
  EXPECT_FALSE(name_node.Last<wire::CompleteRequest>("complete").has_last());
}

struct StandingTime {
  ManualClock manual_{WallTime()};
};
class IdleWriterTest : protected StandingTime, public FileTest {
 protected:
  IdleWriterTest() : FileTest(manual_) {}
};

TEST_F(IdleWriterTest, WriterThatIsLeftAloneKeepsItsPipelineAndItsLease) {
  std::string content;
  TestPeer data_node({[&](PeerConnection& c) { TakeBlock(c, content); }});
  ScriptedNameNode name_node;
  name_node.Give(BlockAt(data_node.endpoint(), 0));
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 1u << 20);
  ASSERT_TRUE(writer->Append("before, ").ok());
  manual_.Advance(30s);
  // The upkeep may have begun to wait only now, and then waits for another moment to pass.
  while (!name_node.AwaitCall("renewLease", 10ms)) manual_.Advance(1ms);
  ASSERT_TRUE(writer->Append("after").ok());  // waits for the upkeep
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(content, "<heartbeat>before, after");
  EXPECT_EQ(name_node.Last<wire::RenewLeaseRequest>("renewLease").client_name(), "writer");
}

TEST_F(FileTest, SmallBlockThatFailsIsWrittenAgainWithoutThatDataNode) {
  std::string content;
  TestPeer bad({[](PeerConnection& c) { c.Read(3); }});
  TestPeer good({[&](PeerConnection& c) { TakeBlock(c, content); }});
  ScriptedNameNode name_node;
  name_node.Give(BlockAt(bad.endpoint(), 0));
  name_node.Give(BlockAt(good.endpoint(), 0));
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 1u << 20);
  ASSERT_TRUE(writer->Append("content").ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(content, "content");
  EXPECT_EQ(name_node.calls("abandonBlock"), 1);
  const auto request = name_node.Last<wire::AddBlockRequest>("addBlock");
  ASSERT_EQ(request.excluded_size(), 1);
  EXPECT_EQ(request.excluded(0).id().transfer_port(), bad.endpoint().port);
  EXPECT_FALSE(request.has_previous());
}

// With dfs.namenode.replication.min of 2 one is too few.
TEST_F(FileTest, SuspectsAreTakenWhenThereAreTooFewOthers) {
  std::string content;
  TestPeer data_node({[&](PeerConnection& c) { TakeBlock(c, content); }});
  ScriptedNameNode name_node;
  name_node.too_few = 1;
  const wire::LocatedBlock block = BlockAt(data_node.endpoint(), 0);
  name_node.Give(block);
  data_nodes_.Suspect(block.locations(0));
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 1u << 20);
  EXPECT_TRUE(writer->Append("content").ok());
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(name_node.calls("addBlock"), 2);
  EXPECT_EQ(content, "content");
}

// Too much to be kept: the file fails, and the next one goes elsewhere.
TEST_F(FileTest, LargeBlockThatFailsFailsTheFileAndItsDataNodeIsAvoided) {
  std::string content;
  TestPeer bad({[&](PeerConnection& c) {
    c.Read(3);
    c.ReadMessage<wire::WriteBlockRequest>();
    wire::BlockAnswer ready;
    ready.set_status(0);
    c.WriteMessage(ready);
    while (content.size() < (3u << 20)) TakePacket(c, content);
  }});
  ScriptedNameNode name_node;
  name_node.Give(BlockAt(bad.endpoint(), 0));
  const auto writer = WriterOf(ClusterOf(name_node), kFile, 64u << 20);
  const std::string part(1u << 20, 'x');
  Status status;
  for (int i = 0; i < 60 && status.ok(); ++i) status = writer->Append(part);
  if (status.ok()) status = writer->Finish();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(writer->Finish().code(), Code::kUnavailable);
  EXPECT_EQ(name_node.calls("complete"), 0);
  ASSERT_EQ(data_nodes_.Suspects().size(), 1u);
  EXPECT_EQ(data_nodes_.Suspects()[0].id().transfer_port(), bad.endpoint().port);
}

class FileReadTest : public FileTest {
 protected:
  explicit FileReadTest(const Clock& clock = SystemClock()) : FileTest(clock) {}
  static wire::FileStatus StatusOfFile(const wire::LocatedBlock& block) {
    wire::FileStatus status;
    status.set_file_id(42);
    status.mutable_locations()->set_file_length(block.block().num_bytes());
    status.mutable_locations()->set_under_construction(false);
    *status.mutable_locations()->add_blocks() = block;
    return status;
  }
  // The content, or the failure in words.
  static std::string Read(const Cluster& cluster, const wire::FileStatus& status) {
    const auto reader = ReaderOf(cluster, "f", status, "reader");
    return reader.ok() ? (*reader)->Read(0, 1u << 20).value() : reader.status().ToString();
  }
};

TEST_F(FileReadTest, ReplicaThatCannotBeHadIsPassedOver) {
  TestPeer data_node({[](PeerConnection& c) { ServeBlock(c, "content"); }});
  ScriptedNameNode name_node;
  wire::LocatedBlock block = BlockAt(kNobody, 7);
  *block.add_locations() = BlockAt(data_node.endpoint(), 7).locations(0);
  EXPECT_EQ(Read(ClusterOf(name_node), StatusOfFile(block)), "content");
}

TEST_F(FileReadTest, PlacesAreAskedForAgainByTheFilesIdentityWhenNoneIsLeft) {
  TestPeer data_node({[](PeerConnection& c) { ServeBlock(c, "content"); }});
  ScriptedNameNode name_node;
  *name_node.locations.add_blocks() = BlockAt(data_node.endpoint(), 7);
  name_node.locations.set_file_length(7);
  name_node.locations.set_under_construction(false);
  EXPECT_EQ(Read(ClusterOf(name_node), StatusOfFile(BlockAt(kNobody, 7))), "content");
  EXPECT_EQ(name_node.Last<wire::GetBlockLocationsRequest>("getBlockLocations").path(),
            "/.reserved/.inodes/42");
}

TEST_F(FileReadTest, BlockThatNobodyHasIsUnknown) {
  ScriptedNameNode name_node;
  wire::LocatedBlock block = BlockAt(kNobody, 7);
  *name_node.locations.add_blocks() = block;
  name_node.locations.set_file_length(7);
  name_node.locations.set_under_construction(false);
  EXPECT_THAT(Read(ClusterOf(name_node), StatusOfFile(block)),
              testing::AllOf(HasSubstr("127.0.0.1:1: connect"), HasSubstr("(unavailable)")));
}

// No data node has told the name node of it yet, as after a restart.
TEST_F(FileReadTest, PlacesThatAreNotKnownYetAreAwaitedForAMoment) {
  ScriptedNameNode name_node;
  wire::LocatedBlock block = BlockAt(kNobody, 7);
  block.clear_locations();
  *name_node.locations.add_blocks() = block;
  name_node.locations.set_file_length(7);
  name_node.locations.set_under_construction(false);
  const BootTime begin = SystemClock().Boot();
  EXPECT_THAT(Read(ClusterOf(name_node), StatusOfFile(block)), HasSubstr("(unavailable)"));
  EXPECT_EQ(name_node.calls("getBlockLocations"), 3);
  EXPECT_GE(SystemClock().Boot() - begin, 350ms);
}

TEST_F(FileReadTest, LookingAtTheBeginningOfALargeFileReadsNoMoreThanThat) {
  const std::string content(300u << 10, 'x');
  std::atomic<uint64_t> asked = 0;
  TestPeer data_node({[&](PeerConnection& c) {
    c.Read(3);
    asked = c.ReadMessage<wire::ReadBlockRequest>().length();
  }});
  ScriptedNameNode name_node;
  const wire::FileStatus status = StatusOfFile(BlockAt(data_node.endpoint(), content.size()));
  const auto reader = ReaderOf(ClusterOf(name_node), "f", status, "reader");
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->Read(0, 1000).ok());
  EXPECT_EQ(asked, 1000u);
}

// --- A data node that says nothing

// Goes so slowly that a test takes no notice of it where others wait on the machine's account.
class SlowClock final : public Clock {
 public:
  WallTime Wall() const override { return SystemClock().Wall(); }
  BootTime Boot() const override { return BootTime(SystemClock().Boot().time_since_epoch() / 50); }
};
struct SlowTime {
  SlowClock slow_;
};
class SilentNodeTest : protected SlowTime, public FileReadTest {
 protected:
  SilentNodeTest() : FileReadTest(slow_) {}

  static constexpr size_t kFiles = 200;
  static constexpr size_t kAtOnce = 32;

  Cluster Impatient(ScriptedNameNode& name_node) {
    Cluster cluster = ClusterOf(name_node);
    cluster.patience.transfer = 4ms;  // by the slow clock
    return cluster;
  }
  // Reads small files as the copier does; how many had the content.
  static size_t ReadAll(const Cluster& cluster, const wire::FileStatus& status) {
    size_t read = 0;
    for (size_t first = 0; first < kFiles; first += kAtOnce) {
      const std::vector<FileToRead> files(std::min(kAtOnce, kFiles - first),
                                          {"f", &status, "reader"});
      for (const auto& reader : ReadersOf(cluster, files)) {
        if (reader.ok() && (*reader)->Read(0, 1u << 20).value() == "content") ++read;
      }
    }
    return read;
  }

  SilentPeer silent_;
};

TEST_F(SilentNodeTest, ManyReadsWaitForItOnceWhenOthersHaveTheFiles) {
  TestPeer data_node({[](PeerConnection& c) {
    for (size_t i = 0; i < kFiles; ++i) ServeBlock(c, "content");
  }});
  ScriptedNameNode name_node;
  wire::LocatedBlock block = BlockAt(silent_.endpoint(), 7);
  *block.add_locations() = BlockAt(data_node.endpoint(), 7).locations(0);
  EXPECT_EQ(ReadAll(Impatient(name_node), StatusOfFile(block)), kFiles);
  EXPECT_EQ(silent_.connects(), 1u);
  EXPECT_EQ(name_node.calls("getBlockLocations"), 0);
}

TEST_F(SilentNodeTest, ManyReadsWaitForItOnceWhenNobodyElseHasTheFiles) {
  ScriptedNameNode name_node;
  const wire::LocatedBlock block = BlockAt(silent_.endpoint(), 7);
  *name_node.locations.add_blocks() = block;
  name_node.locations.set_file_length(7);
  name_node.locations.set_under_construction(false);
  const Cluster cluster = Impatient(name_node);
  EXPECT_EQ(ReadAll(cluster, StatusOfFile(block)), 0u);
  EXPECT_EQ(silent_.connects(), 1u);
  EXPECT_THAT(Read(cluster, StatusOfFile(block)),
              testing::AllOf(HasSubstr("waited for it in vain"), HasSubstr("(unavailable)")));
}

TEST_F(SilentNodeTest, ManyWritesWaitForItAsOneDoes) {
  std::vector<std::string> contents(kFiles);
  std::vector<TestPeer::Script> scripts;
  scripts.reserve(kFiles);
  for (std::string& content : contents) {
    scripts.emplace_back([&content](PeerConnection& c) { TakeBlock(c, content); });
  }
  TestPeer data_node(std::move(scripts));
  ScriptedNameNode name_node;
  for (size_t i = 0; i < kFiles; ++i) name_node.Give(BlockAt(silent_.endpoint(), 0));
  for (size_t i = 0; i < kFiles; ++i) name_node.Give(BlockAt(data_node.endpoint(), 0));
  const std::vector<FilledFile> files(kFiles, {kFile, "content"});
  for (const Status& status : FillFiles(Impatient(name_node), files)) {
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_EQ(contents, std::vector<std::string>(kFiles, "content"));
  EXPECT_LE(silent_.connects(), 16u);  // those that are under way at the same time
  ASSERT_EQ(data_nodes_.Suspects().size(), 1u);
  EXPECT_EQ(data_nodes_.Suspects()[0].id().transfer_port(), silent_.endpoint().port);
}

}  // namespace
}  // namespace databus::hdfs
