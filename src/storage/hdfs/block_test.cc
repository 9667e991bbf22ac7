// Reading and writing blocks, against data nodes that do what a test says.

#include <gmock/gmock.h>

#include <deque>

#include "base/crc32c.h"
#include "storage/contract.h"
#include "storage/hdfs/block_reader.h"
#include "storage/hdfs/block_writer.h"
#include "storage/hdfs/packets.h"
#include "storage/hdfs/test_peer.h"
#include "storage/hdfs/wire/data_node.pb.h"

namespace databus::hdfs {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

wire::DatanodeInfo NodeAt(const Endpoint& endpoint) {
  wire::DatanodeInfo node;
  wire::DatanodeId& id = *node.mutable_id();
  id.set_ip(endpoint.host);
  id.set_host_name("dn.invalid");
  id.set_uuid(endpoint.ToString());
  id.set_transfer_port(endpoint.port);
  id.set_info_port(1);
  id.set_ipc_port(2);
  return node;
}

wire::LocatedBlock BlockAt(const std::vector<Endpoint>& endpoints) {
  wire::LocatedBlock block;
  block.mutable_block()->set_pool_id("pool");
  block.mutable_block()->set_block_id(7);
  block.mutable_block()->set_generation_stamp(1001);
  block.mutable_block()->set_num_bytes(0);
  block.set_offset(0);
  block.set_corrupt(false);
  for (std::string* part :
       {block.mutable_token()->mutable_identifier(), block.mutable_token()->mutable_password(),
        block.mutable_token()->mutable_kind(), block.mutable_token()->mutable_service()}) {
    *part = "";
  }
  for (const Endpoint& endpoint : endpoints) *block.add_locations() = NodeAt(endpoint);
  return block;
}

// The request that begins a connection.
template <typename Request>
Request ReadRequest(PeerConnection& c, Operation operation) {
  EXPECT_EQ(c.Read(3), std::string("\x00\x1c", 2) + static_cast<char>(operation));
  return c.ReadMessage<Request>();
}

wire::BlockAnswer Success() {
  wire::BlockAnswer answer;
  answer.set_status(0);
  return answer;
}

class BlockTest : public testing::Test {
 protected:
  DataNodes data_nodes_{{}, SystemClock()};
};

// --- Reading

class BlockReadTest : public BlockTest {
 protected:
  static void Promise(PeerConnection& c, uint64_t chunk_offset,
                      uint32_t chunk_bytes = kChunkBytes) {
    wire::BlockAnswer answer = Success();
    answer.mutable_read_checksum()->set_chunk_offset(chunk_offset);
    answer.mutable_read_checksum()->mutable_checksum()->set_type(2);
    answer.mutable_read_checksum()->mutable_checksum()->set_bytes_per_checksum(chunk_bytes);
    c.WriteMessage(answer);
  }
  static void SendPacket(PeerConnection& c, const PacketPlace& place, std::string_view data) {
    std::string packet;
    AppendDataPacket(place, data, packet);
    c.Write(packet);
  }
  static void SendEnd(PeerConnection& c, const PacketPlace& place) {
    std::string packet;
    AppendEndPacket(place, packet);
    c.Write(packet);
  }
  // A good answer to a read of all.
  static void ServeAll(PeerConnection& c, std::string_view content) {
    Promise(c, 0);
    SendPacket(c, {0, 0}, content);
    SendEnd(c, {content.size(), 1});
    EXPECT_EQ(c.ReadMessage<wire::ReadStatus>().status(), 6u);
  }
  // The bytes, or the failure in words. What was there before must stay in any case.
  std::string Read(const TestPeer& peer, const BlockRange& range, Milliseconds patience = 60s) {
    std::string out = "before:";
    const ReadContext context{data_nodes_, SystemClock(), "reader", patience};
    const wire::LocatedBlock block = BlockAt({peer.endpoint()});
    status_ = ReadReplica(context, block, block.locations(0), range, out);
    EXPECT_EQ(out.substr(0, 7), "before:");
    if (status_.ok()) return out.substr(7);
    EXPECT_EQ(out.size(), 7u);
    return status_.ToString();
  }
  // The outcome of a read of bytes [0, 1000) that is answered so.
  Status Outcome(const TestPeer::Script& answer, Milliseconds patience = 60s) {
    TestPeer peer({[&](PeerConnection& c) {
      ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
      answer(c);
    }});
    Read(peer, {0, 1000}, patience);
    return status_;
  }

  Status status_;
};

std::string Pattern(size_t bytes) {
  std::string pattern;
  for (size_t i = 0; i < bytes; ++i) pattern += static_cast<char>('a' + i % 26);
  return pattern;
}

TEST_F(BlockReadTest, RangeIsCutOutOfTheChunksThatCome) {
  const std::string content = Pattern(2048);
  wire::ReadBlockRequest request;
  TestPeer peer({[&](PeerConnection& c) {
    request = ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
    Promise(c, 512);
    SendPacket(c, {512, 0}, std::string_view(content).substr(512, 512));
    SendPacket(c, {1024, 1}, std::string_view(content).substr(1024, 512));
    SendEnd(c, {1536, 2});
    EXPECT_EQ(c.ReadMessage<wire::ReadStatus>().status(), 6u);
  }});
  EXPECT_EQ(Read(peer, {1000, 100}), content.substr(1000, 100));
  EXPECT_EQ(request.offset(), 1000u);
  EXPECT_EQ(request.length(), 100u);
  EXPECT_EQ(request.header().base().block().block_id(), 7u);
  EXPECT_TRUE(request.send_checksums());
}

TEST_F(BlockReadTest, ConnectionIsUsedAgainAfterAGoodRead) {
  const std::string content = Pattern(1000);
  TestPeer peer({[&](PeerConnection& c) {
    for (int i = 0; i < 2; ++i) {
      ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
      ServeAll(c, content);
    }
  }});
  EXPECT_EQ(Read(peer, {0, 1000}), content);
  EXPECT_EQ(Read(peer, {0, 1000}), content);
}

TEST_F(BlockReadTest, KeptConnectionThatDiesUnderTheRequestCostsNothing) {
  const std::string content = Pattern(1000);
  TestPeer peer({[&](PeerConnection& c) {
                   ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
                   ServeAll(c, content);
                   c.Read(1);  // and ends
                 },
                 [&](PeerConnection& c) {
                   ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
                   ServeAll(c, content);
                 }});
  EXPECT_EQ(Read(peer, {0, 1000}), content);
  EXPECT_EQ(Read(peer, {0, 1000}), content);
}

TEST_F(BlockReadTest, DamagedBytesAreCorrupt) {
  const Status status = Outcome([](PeerConnection& c) {
    Promise(c, 0);
    std::string packet;
    AppendDataPacket({0, 0}, Pattern(1000), packet);
    packet.back() ^= 1;
    c.Write(packet);
    c.AwaitEnd();
  });
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("block 7 at data node 127.0.0.1"));
}

// Sums that are too few prove nothing.
TEST_F(BlockReadTest, MissingSumsAreCorrupt) {
  EXPECT_EQ(Outcome([](PeerConnection& c) {
              Promise(c, 0);
              std::string packet;
              AppendDataPacket({0, 0}, Pattern(1000), packet);
              packet[3] = static_cast<char>(packet[3] - 4);
              packet.erase(6 + 25 + 4, 4);
              c.Write(packet);
              c.AwaitEnd();
            }).code(),
            Code::kCorrupt);
}

TEST_F(BlockReadTest, WhatEndsBeforeTheEndIsUnknown) {
  const std::string content = Pattern(1000);
  EXPECT_EQ(Outcome([](PeerConnection&) {}).code(), Code::kUnavailable);
  EXPECT_EQ(Outcome([](PeerConnection& c) { Promise(c, 0); }).code(), Code::kUnavailable);
  EXPECT_EQ(Outcome([&](PeerConnection& c) {
              Promise(c, 0);
              std::string packet;
              AppendDataPacket({0, 0}, content, packet);
              c.Write(packet.substr(0, packet.size() - 1));
            }).code(),
            Code::kUnavailable);
  EXPECT_EQ(Outcome([&](PeerConnection& c) {
              Promise(c, 0);
              SendPacket(c, {0, 0}, content.substr(0, 512));
              SendEnd(c, {512, 1});
              c.AwaitEnd();
            }).code(),
            Code::kUnavailable);
}

// As one does that cannot read a block from its disk: others of its blocks are well, and it takes
// new ones.
TEST_F(BlockReadTest, WhoEndsInTheMiddleOfABlockIsNoSuspectAndWhoSaysNothingIs) {
  EXPECT_FALSE(Outcome([](PeerConnection& c) { Promise(c, 0); }).ok());
  EXPECT_EQ(data_nodes_.Suspects().size(), 0u);
  EXPECT_FALSE(Outcome(
                   [](PeerConnection& c) {
                     Promise(c, 0);
                     c.AwaitEnd();
                   },
                   50ms)
                   .ok());
  EXPECT_EQ(data_nodes_.Suspects().size(), 1u);
}

TEST_F(BlockReadTest, SilenceIsUnknownAfterAWhile) {
  EXPECT_EQ(Outcome([](PeerConnection& c) { c.AwaitEnd(); }, 50ms).code(), Code::kUnavailable);
}

TEST_F(BlockReadTest, ImpossibleAnswersAreUnknown) {
  const std::string content = Pattern(1000);
  const std::vector<TestPeer::Script> answers = {
      [](PeerConnection& c) { c.Write("\xff\xff\xff\xff\xff\xff"); },
      [](PeerConnection& c) { Promise(c, 0, 0); },
      [](PeerConnection& c) { Promise(c, 0, 1u << 30); },
      [](PeerConnection& c) { Promise(c, 512); },
      [](PeerConnection& c) {
        Promise(c, 0);
        c.Write(std::string("\x7f\xff\xff\xff\x00\x19", 6));
      },
      [](PeerConnection& c) {
        Promise(c, 0);
        c.Write(std::string("\x00\x00\x00\x03\x00\x19", 6));
      },
      [](PeerConnection& c) {
        Promise(c, 0);
        c.Write(std::string("\x00\x00\x00\x04\x00\x02\xff\xff", 8));
      },
      [&](PeerConnection& c) {
        Promise(c, 0);
        SendPacket(c, {512, 0}, content);
      }};
  for (const TestPeer::Script& answer : answers) {
    const Status status = Outcome([&](PeerConnection& c) {
      answer(c);
      c.AwaitEnd();
    });
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), testing::Not(HasSubstr("in time")));  // found out, not waited out
  }
}

TEST_F(BlockReadTest, RefusalSaysWhatTheDataNodeSaid) {
  const Status status = Outcome([](PeerConnection& c) {
    wire::BlockAnswer answer;
    answer.set_status(1);
    answer.set_message("ReplicaNotFoundException: not here\n\tat x");
    c.WriteMessage(answer);
    c.AwaitEnd();
  });
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), testing::EndsWith("ReplicaNotFoundException: not here"));
}

// --- Writing

// --- Reading small blocks together

class WholeBlocksTest : public BlockReadTest {
 protected:
  // Two blocks of 100 and 2,000 bytes at the peer.
  void ReadBoth(const TestPeer& peer) {
    for (const size_t bytes : {100, 2000}) {
      wire::LocatedBlock& block = located_.emplace_back(BlockAt({peer.endpoint()}));
      block.mutable_block()->set_num_bytes(bytes);
    }
    blocks_ = {{.block = &located_[0]}, {.block = &located_[1]}};
    ReadWholeBlocks({data_nodes_, SystemClock(), "reader", 60s}, located_[0].locations(0), blocks_);
  }
  // A data node looks at a request when it has heard how the one before ended.
  static void Serve(PeerConnection& c, std::string_view content) {
    EXPECT_EQ(ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock).length(),
              content.size());
    Promise(c, 0);
    SendPacket(c, {0, 0}, content);
    SendEnd(c, {content.size(), 1});
    EXPECT_EQ(c.ReadMessage<wire::ReadStatus>().status(), 0u);
  }

  std::deque<wire::LocatedBlock> located_;
  std::vector<WholeBlock> blocks_;
};

TEST_F(WholeBlocksTest, ComeOnOneConnectionThatIsKept) {
  TestPeer peer({[&](PeerConnection& c) {
    Serve(c, Pattern(100));
    Serve(c, Pattern(2000));
    ServeAll((ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock), c), Pattern(50));
  }});
  ReadBoth(peer);
  EXPECT_TRUE(blocks_[0].read && blocks_[1].read);
  EXPECT_EQ(blocks_[0].bytes, Pattern(100));
  EXPECT_EQ(blocks_[1].bytes, Pattern(2000));
  EXPECT_EQ(Read(peer, {0, 50}), Pattern(50));
}

TEST_F(WholeBlocksTest, WhatComesBeforeAFailureIsReadAndTheRestIsNot) {
  TestPeer peer({[&](PeerConnection& c) {
    Serve(c, Pattern(100));
    ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
    wire::BlockAnswer no;
    no.set_status(1);
    c.WriteMessage(no);
  }});
  ReadBoth(peer);
  EXPECT_TRUE(blocks_[0].read);
  EXPECT_FALSE(blocks_[1].read);
  EXPECT_EQ(blocks_[0].bytes, Pattern(100));
  EXPECT_FALSE(data_nodes_.TakeIdle(located_[0].locations(0)));
}

TEST_F(WholeBlocksTest, DamagedOneIsNotRead) {
  TestPeer peer({[&](PeerConnection& c) {
    ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
    Promise(c, 0);
    std::string packet;
    AppendDataPacket({0, 0}, Pattern(100), packet);
    packet.back() ^= 1;
    c.Write(packet);
    c.AwaitEnd();
  }});
  ReadBoth(peer);
  EXPECT_FALSE(blocks_[0].read);
  EXPECT_FALSE(blocks_[1].read);
}

TEST_F(WholeBlocksTest, ConnectionThatDiedWhileItWasKeptIsReplaced) {
  TestPeer peer({[&](PeerConnection& c) {
                   ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
                   ServeAll(c, Pattern(50));
                   // Takes the next request, and dies of it.
                   ReadRequest<wire::ReadBlockRequest>(c, Operation::kReadBlock);
                 },
                 [&](PeerConnection& c) {
                   Serve(c, Pattern(100));
                   Serve(c, Pattern(2000));
                 }});
  EXPECT_EQ(Read(peer, {0, 50}), Pattern(50));
  ReadBoth(peer);
  EXPECT_EQ(blocks_[0].bytes, Pattern(100));
  EXPECT_EQ(blocks_[1].bytes, Pattern(2000));
}

class BlockWriteTest : public BlockTest {
 protected:
  struct Packet {
    wire::PacketHeader header;
    std::string data;
  };
  static Packet ReadPacket(PeerConnection& c) {
    Packet packet;
    const std::string lengths = c.Read(6);
    if (lengths.size() < 6) return packet;
    EXPECT_TRUE(packet.header.ParseFromString(c.Read(LoadBigEndian16(lengths.data() + 4))));
    const std::string body = c.Read(LoadBigEndian32(lengths.data()) - 4);
    const auto length = static_cast<size_t>(packet.header.data_length());
    packet.data = body.substr(body.size() - length);
    EXPECT_TRUE(SumsAreRight(packet.data, body.substr(0, body.size() - length),
                             ChecksumKind::kCrc32c, kChunkBytes));
    return packet;
  }
  static void Ack(PeerConnection& c, int64_t sequence, const std::vector<uint32_t>& replies) {
    wire::PipelineAck ack;
    ack.set_sequence(sequence);
    for (const uint32_t reply : replies) ack.add_replies(reply);
    c.WriteMessage(ack);
  }
  BlockWriter WriterFor(wire::LocatedBlock block, Milliseconds patience = 60s) {
    return BlockWriter({data_nodes_, SystemClock(), "writer", patience}, std::move(block));
  }
  static Status WriteAll(BlockWriter& writer, std::string_view content) {
    DATABUS_RETURN_IF_ERROR(writer.Begin(content.size()));
    DATABUS_RETURN_IF_ERROR(writer.AwaitReady());
    DATABUS_RETURN_IF_ERROR(writer.Write(content));
    DATABUS_RETURN_IF_ERROR(writer.SendEnd());
    return writer.AwaitEnd();
  }
};

TEST_F(BlockWriteTest, BlockArrivesInPacketsAndIsSyncedAtItsEnd) {
  const std::string content = Pattern(3 * kPacketBytes + 100);
  std::string arrived;
  wire::WriteBlockRequest request;
  bool synced = false;
  TestPeer peer({[&](PeerConnection& c) {
    request = ReadRequest<wire::WriteBlockRequest>(c, Operation::kWriteBlock);
    c.WriteMessage(Success());
    for (int64_t i = 0;; ++i) {
      const Packet packet = ReadPacket(c);
      EXPECT_EQ(packet.header.sequence(), i);
      EXPECT_EQ(packet.header.offset(), static_cast<int64_t>(arrived.size()));
      arrived += packet.data;
      synced = packet.header.sync();
      Ack(c, i, {0});
      if (packet.header.last()) break;
    }
    c.AwaitEnd();
  }});
  BlockWriter writer = WriterFor(BlockAt({peer.endpoint()}));
  const Status status = WriteAll(writer, content);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(arrived == content);
  EXPECT_TRUE(synced);
  EXPECT_EQ(writer.Block().num_bytes(), content.size());
  EXPECT_EQ(request.pipeline_size(), 1u);
  EXPECT_EQ(request.stage(), 6u);
  EXPECT_EQ(request.header().client_name(), "writer");
}

TEST_F(BlockWriteTest, WholeBlockIsSentBeforeItsPipelineStands) {
  const std::string content = Pattern(kPacketBytes + 100);
  std::string arrived;
  TestPeer peer({[&](PeerConnection& c) {
    ReadRequest<wire::WriteBlockRequest>(c, Operation::kWriteBlock);
    int64_t last = -1;
    for (bool end = false; !end; ++last) {
      const Packet packet = ReadPacket(c);
      EXPECT_EQ(packet.header.offset(), static_cast<int64_t>(arrived.size()));
      arrived += packet.data;
      end = packet.header.last();
    }
    c.WriteMessage(Success());
    for (int64_t i = 0; i <= last; ++i) Ack(c, i, {0});
    c.AwaitEnd();
  }});
  BlockWriter writer = WriterFor(BlockAt({peer.endpoint()}));
  EXPECT_TRUE(writer.BeginWhole(content).ok());
  EXPECT_TRUE(writer.AwaitReady().ok());
  EXPECT_TRUE(writer.AwaitEnd().ok());
  EXPECT_TRUE(arrived == content);
  EXPECT_EQ(writer.Block().num_bytes(), content.size());
}

// The node closes with all those packets unread, which resets the connection.
TEST_F(BlockWriteTest, NodeThatTheFirstCannotReachIsTheCulpritOfAWholeBlock) {
  TestPeer peer({[&](PeerConnection& c) {
    ReadRequest<wire::WriteBlockRequest>(c, Operation::kWriteBlock);
    wire::BlockAnswer answer;
    answer.set_status(1);
    answer.set_first_bad_link("127.0.0.1:1");
    c.WriteMessage(answer);
  }});
  BlockWriter writer = WriterFor(BlockAt({peer.endpoint(), {"127.0.0.1", 1}}));
  Status status = writer.BeginWhole(Pattern(200'000));
  if (status.ok()) status = writer.AwaitReady();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(writer.culprit()->id().transfer_port(), 1u) << status.ToString();
}

TEST_F(BlockWriteTest, NodeThatFailsInThePipelineIsTheCulprit) {
  TestPeer peer({[&](PeerConnection& c) {
    ReadRequest<wire::WriteBlockRequest>(c, Operation::kWriteBlock);
    c.WriteMessage(Success());
    ReadPacket(c);
    Ack(c, -2, {0, 1});
    c.AwaitEnd();
  }});
  BlockWriter writer = WriterFor(BlockAt({peer.endpoint(), {"127.0.0.1", 1}}));
  const Status status = WriteAll(writer, "content");
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(writer.culprit()->id().transfer_port(), 1u);
}

TEST_F(BlockWriteTest, NodeThatTheFirstCannotReachIsTheCulprit) {
  TestPeer peer({[&](PeerConnection& c) {
    ReadRequest<wire::WriteBlockRequest>(c, Operation::kWriteBlock);
    wire::BlockAnswer answer;
    answer.set_status(1);
    answer.set_first_bad_link("127.0.0.1:1");
    c.WriteMessage(answer);
    c.AwaitEnd();
  }});
  BlockWriter writer = WriterFor(BlockAt({peer.endpoint(), {"127.0.0.1", 1}}));
  EXPECT_EQ(WriteAll(writer, "content").code(), Code::kUnavailable);
  EXPECT_EQ(writer.culprit()->id().transfer_port(), 1u);
}

TEST_F(BlockWriteTest, NodeThatEndsOrSaysNothingOrLiesIsTheCulprit) {
  const std::vector<TestPeer::Script> conducts = {[](PeerConnection&) {},
                                                  [](PeerConnection& c) { ReadPacket(c); },
                                                  [](PeerConnection& c) {
                                                    Ack(c, 5, {0});
                                                    c.AwaitEnd();
                                                  },
                                                  [](PeerConnection& c) { c.AwaitEnd(); }};
  for (const TestPeer::Script& conduct : conducts) {
    TestPeer peer({[&](PeerConnection& c) {
      ReadRequest<wire::WriteBlockRequest>(c, Operation::kWriteBlock);
      c.WriteMessage(Success());
      conduct(c);
    }});
    BlockWriter writer = WriterFor(BlockAt({peer.endpoint(), {"127.0.0.1", 1}}), 100ms);
    EXPECT_EQ(WriteAll(writer, "content").code(), Code::kUnavailable);
    EXPECT_EQ(writer.culprit()->id().transfer_port(), peer.endpoint().port);
  }
}

// Many blocks are under way at the same time; the first one has waited for all of them.
TEST_F(BlockWriteTest, NoBlockWaitsAgainForANodeThatHasFailedAnotherMeanwhile) {
  SilentPeer silent;
  ManualClock clock{WallTime()};
  BlockWriter writer({data_nodes_, clock, "writer", 60s}, BlockAt({silent.endpoint()}));
  ASSERT_TRUE(writer.BeginWhole("content").ok());
  clock.Advance(61s);
  data_nodes_.Suspect(NodeAt(silent.endpoint()));
  EXPECT_THAT(writer.AwaitReady().message(), HasSubstr("no answer in time"));
}

TEST_F(BlockWriteTest, NodeThatCannotBeReachedSaysHowTheNameNodeKnowsIt) {
  BlockWriter writer = WriterFor(BlockAt({{"127.0.0.1", 1}}));
  const Status status = writer.Begin(1);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the name node knows it as dn.invalid, 127.0.0.1"));
}

// --- Data nodes

TEST(DataNodesTest, NamesAndAddressesCanBeMapped) {
  TestPeer peer({[](PeerConnection& c) { c.AwaitEnd(); }});
  wire::DatanodeInfo node = NodeAt({"192.0.2.1", peer.endpoint().port});
  DataNodes data_nodes({.hosts = {{"dn.invalid", "127.0.0.1"}}}, SystemClock());
  EXPECT_TRUE(data_nodes.Connect(node).ok());
}

// Whoever waits a long time for a connection is one for all; a refusal costs none.
TEST(DataNodesTest, OneThatIsGoneIsSilentForAWhileAndOneThatRefusesIsNot) {
  SilentPeer gone(SilentPeer::Kind::kIsGone);
  DataNodes data_nodes({.connect = 20ms}, SystemClock());
  const wire::DatanodeInfo node = NodeAt(gone.endpoint());
  EXPECT_EQ(data_nodes.StandingOf(node), DataNodes::Standing::kGood);
  EXPECT_THAT(data_nodes.Connect(node).status().message(), HasSubstr("no answer in time"));
  EXPECT_EQ(data_nodes.StandingOf(node), DataNodes::Standing::kSilent);
  DataNodes patient({.connect = 60s}, SystemClock());
  EXPECT_FALSE(patient.Connect(NodeAt({"127.0.0.1", 1})).ok());
  EXPECT_EQ(patient.StandingOf(NodeAt({"127.0.0.1", 1})), DataNodes::Standing::kSuspected);
}

TEST(DataNodesTest, SilentOneIsAskedAgainAfterAWhileOrWhenItWasHeard) {
  ManualClock clock{WallTime()};
  DataNodes data_nodes({}, clock);
  const wire::DatanodeInfo node = NodeAt({"a", 1});
  const auto standing = [&] { return data_nodes.StandingOf(node); };
  data_nodes.Suspect(node, DataNodes::Failure::kSilence);
  data_nodes.Suspect(node, DataNodes::Failure::kOther);
  clock.Advance(59s);
  EXPECT_EQ(standing(), DataNodes::Standing::kSilent);
  clock.Advance(2s);
  EXPECT_EQ(standing(), DataNodes::Standing::kSuspected);
  data_nodes.Suspect(node, DataNodes::Failure::kSilence);
  data_nodes.Heard(node);
  EXPECT_EQ(standing(), DataNodes::Standing::kSuspected);
  clock.Advance(3min);
  EXPECT_EQ(standing(), DataNodes::Standing::kGood);
}

// Else all who read would wait again, and a wait may take longer than the time between.
TEST(DataNodesTest, OneThatWasSilentIsAskedByOneAtATime) {
  ManualClock clock{WallTime()};
  DataNodes data_nodes({}, clock);
  const wire::DatanodeInfo node = NodeAt({"a", 1});
  EXPECT_TRUE(data_nodes.MayAsk(node));
  data_nodes.Suspect(node);
  EXPECT_TRUE(data_nodes.MayAsk(node));
  EXPECT_TRUE(data_nodes.MayAsk(node)) << "a refusal costs no time";
  data_nodes.Suspect(node, DataNodes::Failure::kSilence);
  EXPECT_FALSE(data_nodes.MayAsk(node));
  clock.Advance(61s);
  EXPECT_TRUE(data_nodes.MayAsk(node));
  clock.Advance(75s);
  EXPECT_FALSE(data_nodes.MayAsk(node)) << "somebody waits for it";
  data_nodes.Suspect(node, DataNodes::Failure::kSilence);
  clock.Advance(59s);
  EXPECT_FALSE(data_nodes.MayAsk(node));
  clock.Advance(2s);
  EXPECT_TRUE(data_nodes.MayAsk(node));
  data_nodes.Suspect(node, DataNodes::Failure::kOther);
  EXPECT_TRUE(data_nodes.MayAsk(node)) << "it refuses now";
  data_nodes.Heard(node);
  EXPECT_TRUE(data_nodes.MayAsk(node));
  EXPECT_TRUE(data_nodes.MayAsk(node));
}

TEST(DataNodesTest, SuspectsAreForgivenAfterAWhile) {
  ManualClock clock{WallTime()};
  DataNodes data_nodes({}, clock);
  data_nodes.Suspect(NodeAt({"a", 1}));
  clock.Advance(2min);
  data_nodes.Suspect(NodeAt({"b", 1}));
  EXPECT_EQ(data_nodes.Suspects().size(), 2u);
  clock.Advance(2min);
  ASSERT_EQ(data_nodes.Suspects().size(), 1u);
  EXPECT_EQ(data_nodes.Suspects()[0].id().ip(), "b");
  data_nodes.Suspect(NodeAt({"a", 1}));
  clock.Advance(1ms);
  data_nodes.Suspect(NodeAt({"c", 1}));
  for (const char* left : {"a c", "c", ""}) {
    data_nodes.ForgetOldestSuspect();
    std::string ips;
    for (const auto& node : data_nodes.Suspects()) {
      ips += (ips.empty() ? "" : " ") + node.id().ip();
    }
    EXPECT_EQ(ips, left);
  }
}

}  // namespace
}  // namespace databus::hdfs
