#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/bench/child.h"
#include "cli/bench/load.h"
#include "cli/bench/sample.h"
#include "cli/test_world.h"
#include "net/network.h"
#include "net/scribe_codec.h"

namespace databus {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

TEST(SampleTest, SpreadIsLeastMiddleAndMost) {
  const Spread spread = SpreadOf({3, 1, 5, 2, 4});
  EXPECT_EQ(spread.min, 1);
  EXPECT_EQ(spread.median, 3);
  EXPECT_EQ(spread.max, 5);
}

TEST(SampleTest, PercentileLeavesItsShareOfValuesBelow) {
  std::vector<uint32_t> values;
  for (uint32_t i = 100; i > 0; --i) values.push_back(i);
  EXPECT_THAT(Percentile(values, 0.99), AllOf(Ge(99U), Le(100U)));
  EXPECT_THAT(Percentile(values, 0.5), AllOf(Ge(50U), Le(51U)));
  std::vector<uint32_t> none;
  EXPECT_EQ(Percentile(none, 0.5), 0U);
}

TEST(SampleTest, LinesAreOfTheLengthAskedForAndDiffer) {
  for (const size_t length : {20, 300, 5000}) {
    SampleLines lines(length);
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(lines.Next().size(), length);
      if (length >= 300) seen.insert(lines.Next());
    }
    EXPECT_THAT(seen, testing::SizeIs(length >= 300 ? 100 : 0));
  }
}

// Counts the messages of each call and answers every third one TRY_LATER.
class Server final : public FrameHandler {
 public:
  Server() : server_(std::move(TcpNetwork().Listen({.bind_address = "127.0.0.1"})).value()) {
    server_->Start(*this);
  }
  ~Server() override { server_->Shutdown(SystemClock().Boot()); }

  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override {
    for (const Frame& frame : frames) {
      const auto call = DecodeLogCall(frame.bytes(), *DecodeCallHeader(frame.bytes()));
      const bool refuse = ++calls % 3 == 0;
      if (!refuse) messages += call->count;
      server_->SendOne(connection, EncodeLogReply(call->reply_to, refuse ? ResultCode::kTryLater
                                                                         : ResultCode::kOk));
    }
  }
  uint16_t port() const { return server_->port(); }

  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> messages{0};  // of the calls that were answered OK

 private:
  std::unique_ptr<FrameServer> server_;
};

TEST(LoadTest, CountsAsAcknowledgedExactlyWhatTheServerAnsweredOk) {
  LoadResult result;
  uint64_t calls = 0;
  uint64_t messages = 0;
  {
    Server server;
    auto load = RunLoad({.port = server.port(),
                         .connections = 3,
                         .batch = 7,
                         .in_flight = 5,
                         .duration = Milliseconds(50)},
                        SystemClock());
    ASSERT_TRUE(load.ok()) << load.status().ToString();
    result = *load;
    calls = server.calls;
    messages = server.messages;
  }
  EXPECT_EQ(result.calls + result.refused_calls, calls);
  EXPECT_EQ(result.messages, messages);
  EXPECT_GT(result.refused_calls, 0U);
  EXPECT_GT(result.bytes, messages * 300);
}

TEST(LoadTest, ResultSurvivesTheWayThroughJson) {
  const LoadResult result{.calls = 3,
                          .refused_calls = 1,
                          .messages = 30,
                          .bytes = 9000,
                          .elapsed_s = 1.5,
                          .own_cpu_s = 0.25,
                          .p50_us = 10,
                          .p99_us = 20};
  const auto back = LoadResultFromJson(ToJson(result).dump());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(ToJson(*back), ToJson(result));
  EXPECT_EQ(LoadResultFromJson("databus: connect: refused").code(), Code::kInvalid);
}

TEST(HdfsTaskTest, CopiesEveryFileOfADirectoryIntoAnother) {
  TestWorld world;
  Ran ran = world.Run({"bench", "hdfs", "create", "--to", "x://dc1", "--files", "1500", "--bytes",
                       "100", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)["files"], 1500);
  ran = world.Run({"bench", "hdfs", "copy", "--from", "x://dc1", "--to", "x://dc2", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)["bytes"], 150'000);
  for (const char* name : {"file-000000", "file-001499"}) {
    EXPECT_TRUE(*world.trees["dc1"]->ReadFile(name) == *world.trees["dc2"]->ReadFile(name));
  }
  for (const DirEntry& entry : *world.trees["dc2"]->List("")) {
    EXPECT_FALSE(entry.name.starts_with("staging")) << entry.name;
  }
}

TEST(HdfsTaskTest, LargeFilesAreAsLongAsAskedFor) {
  TestWorld world;
  const Ran ran =
      world.Run({"bench", "hdfs", "fill", "--to", "x://dc1", "--files", "2", "--bytes", "5000001"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(world.trees["dc1"]->Stat("file-000001")->length, 5'000'001U);
}

TEST(HdfsTaskTest, WhatIsMissingOrUnknownIsSaid) {
  TestWorld world;
  EXPECT_EQ(world.Run({"bench", "hdfs", "mend", "--to", "x://dc1"}).code, 2);
  EXPECT_EQ(world.Run({"bench", "hdfs"}).code, 2);
  EXPECT_THAT(world.Run({"bench", "hdfs", "copy", "--to", "x://dc1"}).err,
              HasSubstr("copy needs --from URL and --to URL"));
  EXPECT_THAT(world.Run({"bench", "hdfs", "create"}).err, HasSubstr("create needs --to URL"));
  EXPECT_THAT(world.Run({"bench", "hdfs", "copy", "--from", "x://dc7", "--to", "x://dc1"}).err,
              HasSubstr("unmounted?"));
}

TEST(ChildTest, TellsItsLinesAndHowItEnded) {
  auto child = Child::Start("sh", {"-c", "echo one; echo two; exit 7"}, "/dev/null");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(*child->ReadLine(), "one");
  const auto end = child->Wait();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->output, "two\n");
  EXPECT_EQ(end->exit_code, 7);
}

TEST(ChildTest, EndedBySignalIsTheSignalsNumber) {
  auto child = Child::Start("sh", {"-c", "kill -9 $$"}, "/dev/null");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->Wait()->exit_code, 128 + 9);
}

}  // namespace
}  // namespace databus
