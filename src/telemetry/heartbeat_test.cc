#include "telemetry/heartbeat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using testing::HasSubstr;

Heartbeat Sample() {
  Heartbeat heartbeat;
  heartbeat.process = "worker-dc1";
  heartbeat.kind = "worker";
  heartbeat.host = "h1";
  heartbeat.pid = 812;
  heartbeat.cluster = "dc1";
  heartbeat.written = WallTime(Milliseconds(1'935'828'245'678));
  heartbeat.interval = Milliseconds(5000);
  heartbeat.state = "standby";
  heartbeat.waiting_on = "lease held by worker-b";
  heartbeat.problems.push_back(
      {"stream clicks is parked", WallTime{}, "tried again at 10:05", {"clicks", "views"}});
  heartbeat.facts["spool_bytes"] = 12;
  heartbeat.facts["address"] = "h1:1463";
  return heartbeat;
}

TEST(HeartbeatTest, WhatWasWrittenIsReadBack) {
  const auto read = DecodeHeartbeat(EncodeHeartbeat(Sample()), "x.json");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->process, "worker-dc1");
  EXPECT_EQ(read->pid, 812);
  EXPECT_EQ(read->written, Sample().written);
  EXPECT_EQ(read->interval, Milliseconds(5000));
  EXPECT_EQ(read->waiting_on, "lease held by worker-b");
  ASSERT_EQ(read->problems.size(), 1u);
  EXPECT_EQ(read->problems[0].next, "tried again at 10:05");
  EXPECT_EQ(read->problems[0].streams, (std::vector<std::string>{"clicks", "views"}));
  EXPECT_EQ(read->facts, Sample().facts);
}

TEST(HeartbeatTest, TheVersionComesFirstAndTheFactsLastInTheirOrder) {
  const std::string text = EncodeHeartbeat(Sample());
  EXPECT_THAT(text, testing::StartsWith("{\n \"version\": 1,\n \"process\""));
  EXPECT_LT(text.find("\"problems\""), text.find("\"spool_bytes\""));
  EXPECT_LT(text.find("\"spool_bytes\""), text.find("\"address\""));
}

TEST(HeartbeatTest, ANewerVersionIsRefusedByName) {
  const auto read = DecodeHeartbeat(R"({"version":2})", "system/status/x.json");
  EXPECT_EQ(read.code(), Code::kInvalid);
  EXPECT_EQ(read.status().message(),
            "system/status/x.json: heartbeat of version 2; this program reads up to version 1");
}

TEST(HeartbeatTest, WhatIsNoHeartbeatIsRefusedWithoutHarm) {
  for (const char* text : {"", "{", "[]", "null", "{}", R"({"version":"1"})", "\xff\xfe"}) {
    EXPECT_EQ(DecodeHeartbeat(text, "x.json").code(), Code::kCorrupt) << text;
  }
  EXPECT_TRUE(DecodeHeartbeat(R"({"version":1,"pid":"x","problems":[3,{"what":4}]})", "x").ok());
  EXPECT_TRUE(DecodeHeartbeat(R"({"version":1,"problems":3})", "x").ok());
}

// Linear: a test of minutes would be the sign of a search among all keys for each.
TEST(HeartbeatTest, AWorkerOfTenThousandStreamsIsReadBack) {
  Heartbeat heartbeat = Sample();
  for (const char* hop : {"local", "merge", "mirror"}) {
    nlohmann::json streams;
    for (int i = 0; i < 10'000; ++i) {
      streams["a_stream_of_some_length_" + std::to_string(i)] = {{"files", 123'456 + i},
                                                                 {"messages", 12'345'678'901},
                                                                 {"bytes", 12'345'678'901'234},
                                                                 {"duplicates", 0},
                                                                 {"newest_ms", 1'935'828'245'678}};
    }
    heartbeat.facts["hops"][hop] = std::move(streams);
  }
  const auto read = DecodeHeartbeat(EncodeHeartbeat(heartbeat), "x.json");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->facts, heartbeat.facts);
}

TEST(HeartbeatTest, TooDeepOrTooManyValuesCostNeitherStackNorTime) {
  const auto keys = [](int count) {
    std::string text = "{\"version\":1";
    for (int i = 0; i < count; ++i) text += ",\"" + std::to_string(i) + "\":1";
    return text + "}";
  };
  EXPECT_EQ(DecodeHeartbeat(keys(300'000), "here").code(), Code::kCorrupt);
  const auto many = DecodeHeartbeat(keys(200'000), "here");
  ASSERT_TRUE(many.ok());
  EXPECT_TRUE(DecodeHeartbeat(EncodeHeartbeat(*many), "here").ok());

  const auto nested = [](size_t depth) {
    return "{\"version\":1,\"deep\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(DecodeHeartbeat(nested(15), "here").ok());
  EXPECT_EQ(DecodeHeartbeat(nested(16), "here").code(), Code::kCorrupt);
  EXPECT_EQ(DecodeHeartbeat(nested(500'000), "here").code(), Code::kCorrupt);
}

TEST(HeartbeatTest, OfAKeyThatIsThereTwiceTheFirstCounts) {
  const auto read = DecodeHeartbeat(R"({"version":1,"pid":7,"x":1,"pid":8,"x":2})", "here");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->pid, 7);
  EXPECT_EQ((*read).facts["x"], 1);
}

TEST(HeartbeatTest, HostileBytesDoNotStopAHeartbeat) {
  Heartbeat heartbeat = Sample();
  heartbeat.problems[0].what = "stream \xff\xfe\n";
  EXPECT_TRUE(DecodeHeartbeat(EncodeHeartbeat(heartbeat), "x.json").ok());
}

// Of values of every kind, plain and hostile, empty and nested.
TEST(HeartbeatTest, ItIsWrittenAsTheJsonLibraryWritesIt) {
  Heartbeat heartbeat = Sample();
  heartbeat.problems.push_back({"a \"quoted\" back\\slash", WallTime{}, ""});
  heartbeat.problems.push_back({"tab\t, del\x7f, \xc3\xbc, \xff and nothing:", WallTime{}, "\x01"});
  heartbeat.facts["pid"] = 1;
  heartbeat.facts["a \"key\"\n"] = nlohmann::ordered_json::parse(
      R"({"":{}, "b":[], "c":[1,-2,3.5,true,null,"x",[[]],{"d":{"e":"{"}}], "f":"["})");
  heartbeat.facts["last"] = 18'446'744'073'709'551'615u;
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  EXPECT_EQ(EncodeHeartbeat(heartbeat),
            HeartbeatToJson(heartbeat).dump(1, ' ', false, kReplace) + "\n");
}

TEST(HeartbeatTest, AFactCannotReplaceAFieldOfItsOwn) {
  Heartbeat heartbeat = Sample();
  heartbeat.facts["pid"] = 1;
  EXPECT_EQ(DecodeHeartbeat(EncodeHeartbeat(heartbeat), "x")->pid, 812);
}

}  // namespace
}  // namespace databus
