// A configuration that is read again while the collector runs, and who may connect by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "base/sync.h"
#include "collector/service/metrics.h"
#include "collector/service/test_collector.h"
#include "telemetry/metrics.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using namespace testing_collector;

// kConf with other text.
std::string With(const std::string& from, const std::string& to) {
  std::string text = kConf;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}
std::string Allowing(const std::string& list) {
  return With("port=1463", "port=1463\ndatabus.collector.allow=" + list);
}

class ReloadTest : public CollectorTest {
 protected:
  std::string Problems() const {
    std::string text;
    for (const Problem& problem : collector_->Describe().problems) text += problem.what + "\n";
    return text;
  }
  std::string Exposed() const {
    Metrics metrics;
    collector_->Export(metrics);
    return metrics.Expose();
  }
};

TEST_F(ReloadTest, ABadConfigurationIsRefusedAndTheOldOneStaysUntilAGoodOneComes) {
  Start(OnlyStream("clicks"));
  Run(1);
  EXPECT_EQ(Reload(With("category=default", "catgory=default")).code(), Code::kInvalid);
  EXPECT_THAT(Problems(), HasSubstr("refused, the one before stays in force: scribe.conf:"));
  EXPECT_THAT(Problems(), HasSubstr("catgory"));
  EXPECT_EQ(Log({{"clicks", "taken"}, {"orders", "not taken"}}), "1:ok");
  collector_->Step();  // at once, not at the heartbeat's time
  const std::string path = paths::StatusFile("collector-c1");
  const auto beat = DecodeHeartbeat(*world_.cluster.ReadFile(path), path);
  ASSERT_TRUE(beat.ok());
  EXPECT_THAT(beat->problems,
              testing::Contains(testing::Field(&Problem::what, HasSubstr("scribe.conf:"))));
  EXPECT_EQ(beat->facts["reloads_refused"], 1);

  EXPECT_TRUE(Reload(kConf).ok());
  EXPECT_THAT(Problems(), Not(HasSubstr("scribe.conf")));
  EXPECT_EQ(Log({{"orders", "taken now"}}), "1:ok");
  Run(2);
  EXPECT_THAT(world_.Lines(),
              UnorderedElementsAre(Pair("clicks/taken", 1), Pair("orders/taken now", 1)));
  EXPECT_THAT(Exposed(), HasSubstr("databus_collector_reloads_total 1"));
  EXPECT_THAT(Exposed(), HasSubstr("databus_collector_refused_reloads_total 1"));
}

TEST_F(ReloadTest, WhatOnlyARestartChangesIsRefusedByNameAndNothingElseIsTaken) {
  Start();
  std::string conf = With("port=1463", "port=1464");
  conf.replace(conf.find("category=default"), 16, "category=orders");
  EXPECT_EQ(Reload(conf).code(), Code::kInvalid);
  EXPECT_THAT(Problems(), HasSubstr("scribe.conf:1: port: found 1464"));
  EXPECT_THAT(Problems(), HasSubstr("restart needed"));
  EXPECT_EQ(Log({{"clicks", "as before"}}), "1:ok");
  Run(2);
  EXPECT_THAT(world_.Lines(), SizeIs(1));
  EXPECT_EQ(collector_->Reload(Status(Code::kInvalid, "scribe.conf: no such file")).code(),
            Code::kInvalid);
  EXPECT_THAT(Problems(), HasSubstr("no such file"));
}

TEST_F(ReloadTest, AStreamThatNoStoreTakesAnyMoreIsRejectedAndWhatWasAcceptedIsDelivered) {
  Start();
  EXPECT_EQ(Log({{"clicks", "one"}, {"orders", "two"}}), "1:ok");
  ASSERT_TRUE(Reload(OnlyStream("clicks")).ok());
  EXPECT_EQ(Log({{"clicks", "three"}, {"orders", "four"}}), "1:ok");
  Run(2);
  EXPECT_THAT(world_.Lines(), UnorderedElementsAre(Pair("clicks/one", 1), Pair("orders/two", 1),
                                                   Pair("clicks/three", 1)));
  EXPECT_THAT(Rejected(), HasSubstr("four"));
}

TEST_F(ReloadTest, LimitsQuotasAndFormatsChange) {
  Start();
  const std::string large(1'500, 'x');
  EXPECT_EQ(Log({{"clicks", large}}), "1:ok");
  std::string conf = With("message_bytes_max=2000",
                          "message_bytes_max=1400\ndatabus.collector.compress=no\n"
                          "databus.collector.frame_bytes_max=5000\n"
                          "databus.collector.connections_max=7");
  conf.replace(conf.find("max_queue_size=1000"), 19, "max_queue_size=10");
  ASSERT_TRUE(Reload(conf).ok());
  EXPECT_EQ(net_.limits.frame_bytes_max, 5000U);
  EXPECT_EQ(net_.limits.connections_max, 7U);
  EXPECT_EQ(Log({{"clicks", large}}), "1:ok");
  EXPECT_THAT(Rejected(), IsEmpty()) << "written when the range is sealed";
  net_.answers.clear();
  Arrive(1, {LogFrame({{"clicks", "more than ten"}}, 1)});
  Arrive(2, {LogFrame({{"clicks", "over"}}, 1)});
  EXPECT_THAT(Answers(2), ElementsAre("1:later"));
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok"));
  Run(2);
  EXPECT_THAT(Rejected(), HasSubstr("at most 1400"));
  bool plain = false;
  for (const auto& [path, bytes] : world_.DataFiles()) plain |= !path.ends_with(".gz");
  EXPECT_TRUE(plain) << "the new format";
}

TEST_F(ReloadTest, TheDisksReserveChanges) {
  Start();
  world_.disk.SetCapacity(1'000'000);
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  ASSERT_TRUE(Reload(With("disk_reserve_bytes=0", "disk_reserve_bytes=2000000")).ok());
  EXPECT_EQ(Log({{"clicks", "two"}}), "1:later");
  ASSERT_TRUE(Reload(kConf).ok());
  EXPECT_EQ(Log({{"clicks", "three"}}), "1:ok");
}

TEST_F(ReloadTest, WithoutAnAllowListEveryoneMayConnect) {
  Start();
  EXPECT_EQ(Connect(1, "203.0.113.9"), Admission::kAdmit);
  EXPECT_EQ(Connect(2, "2001:db8::1"), Admission::kAdmit);
  EXPECT_EQ(Connect(3, "a machine of the simulation"), Admission::kAdmit);
}

TEST_F(ReloadTest, APeerThatTheListDoesNotHoldIsRefusedAndCounted) {
  Start(Allowing("10.0.0.0/8, 2001:db8::/32"));
  EXPECT_EQ(Connect(1, "10.1.2.3"), Admission::kAdmit);
  EXPECT_EQ(Connect(2, "::ffff:10.1.2.3"), Admission::kAdmit);
  EXPECT_EQ(Connect(3, "2001:db8::7"), Admission::kAdmit);
  EXPECT_EQ(Connect(4, "192.0.2.1"), Admission::kRefuse);
  EXPECT_EQ(Connect(5, "::1"), Admission::kRefuse);
  EXPECT_EQ(Connect(6, "no address"), Admission::kRefuse);
  EXPECT_EQ(collector_->Describe().facts["peers_refused"], 3);
  EXPECT_THAT(Exposed(), HasSubstr("databus_collector_refused_peers_total 3"));
}

TEST_F(ReloadTest, ARefusedPeerIsToldOfOnceAMinute) {
  Start(Allowing("10.0.0.0/8"));
  testing::internal::CaptureStderr();
  const auto refuse = [&](ConnectionId connection, const std::string& peer) {
    EXPECT_EQ(Connect(connection, peer), Admission::kRefuse);
  };
  refuse(1, "192.0.2.1");
  refuse(2, "192.0.2.1");
  refuse(3, "192.0.2.2");
  world_.clock.Advance(std::chrono::seconds(61));
  refuse(4, "192.0.2.1");
  const std::string log = testing::internal::GetCapturedStderr();
  const auto lines = [&log](const std::string& part) {
    int count = 0;
    for (size_t at = 0; (at = log.find(part, at)) != std::string::npos; ++at) ++count;
    return count;
  };
  EXPECT_EQ(lines("peer=192.0.2.1"), 2) << log;
  EXPECT_EQ(lines("peer=192.0.2.2"), 1) << log;
  EXPECT_THAT(log, HasSubstr("add its address to databus.collector.allow"));
}

TEST_F(ReloadTest, APeerThatMayConnectNoLongerIsAnsweredAndThenDisconnected) {
  Start();
  EXPECT_EQ(Connect(1, "10.0.0.1"), Admission::kAdmit);
  EXPECT_EQ(Connect(2, "192.0.2.1"), Admission::kAdmit);
  Arrive(1, {LogFrame({{"clicks", "a"}}, 1)});
  Arrive(2, {LogFrame({{"clicks", "b"}}, 1)});
  ASSERT_TRUE(Reload(Allowing("10.0.0.0/8")).ok());
  EXPECT_THAT(net_.closed, IsEmpty()) << "its call is not answered yet";
  Arrive(2, {LogFrame({{"clicks", "c"}}, 2)});
  Arrive(1, {LogFrame({{"clicks", "d"}}, 2)});
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok", "2:ok"));
  EXPECT_THAT(Answers(2), ElementsAre("1:ok"));
  EXPECT_THAT(net_.closed, ElementsAre(2));
  Run(2);
  EXPECT_THAT(world_.Lines(),
              UnorderedElementsAre(Pair("clicks/a", 1), Pair("clicks/b", 1), Pair("clicks/d", 1)))
      << "what is not answered is not kept: its sender will bring it again";
  ASSERT_TRUE(Reload(kConf).ok());
  EXPECT_EQ(Connect(3, "192.0.2.1"), Admission::kAdmit);
}

// Calls over real sockets, all the time, while the configuration changes: each is judged by one of
// the two, all are answered in order, and what is acknowledged is delivered once.
TEST_F(ReloadTest, UnderLoadNoConnectionIsDroppedAndNothingLost) {
  CollectorConfig config = Config();
  config.port = 0;
  config.max_queue_bytes = 1 << 20;
  CollectorConfig other = config;
  other.stores[0].categories = {{CategoryPattern::Kind::kExact, "clicks"}};
  other.allow = IpBlocks::Parse("127.0.0.0/8");
  other.compress = false;
  other.max_queue_bytes = 1 << 19;
  auto opened = Collector::Open(
      {SystemClock(), *world_.random, world_.disk, TcpNetwork(), &world_.cluster, OpenNone()},
      config, {.host = "h1", .pid = 42, .on_shutdown = {}, .on_reload = {}});
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  collector_ = *std::move(opened);
  ASSERT_TRUE(collector_->Start().ok());
  std::atomic<bool> done{false};
  Thread changes("changes", [&] {
    for (int i = 0; !done; ++i) EXPECT_TRUE(collector_->Reload(i % 2 == 0 ? other : config).ok());
  });
  const BootTime patience = SystemClock().Boot() + std::chrono::minutes(2);
  auto client =
      TcpNetwork().Connect({.host = "127.0.0.1", .port = collector_->port(), .deadline = patience});
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  constexpr int kRounds = 50;
  constexpr int kCalls = 20;
  int seqid = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::string> calls;
    for (int i = 0; i < kCalls; ++i) {
      const std::string message = "m" + std::to_string(seqid + i);
      calls.push_back(LogFrame({{"clicks", message}, {"orders", message}}, seqid + i));
    }
    ASSERT_TRUE(
        (*client)->Send(std::vector<std::string_view>(calls.begin(), calls.end()), patience).ok());
    for (int i = 0; i < kCalls; ++i, ++seqid) {
      const auto answer = (*client)->Receive(patience);
      ASSERT_TRUE(answer.ok() && answer->has_value()) << seqid;
      const auto reply = DecodeLogReply(**answer);
      ASSERT_TRUE(reply.ok());
      EXPECT_EQ(reply->seqid, seqid);
      EXPECT_EQ(reply->code, ResultCode::kOk);
    }
  }
  done = true;
  changes.Join();
  *client = nullptr;
  const uint64_t rejected = collector_->Describe().facts["entries_rejected"];
  ASSERT_TRUE(collector_->Stop(patience).ok());
  std::string all;
  for (const auto& [path, bytes] : world_.DataFiles()) {
    if (path.ends_with(".gz")) {
      const auto text = GunzipAll(bytes);
      ASSERT_TRUE(text.ok());
      all += *text;
    } else {
      all += bytes;
    }
  }
  EXPECT_EQ(static_cast<uint64_t>(std::ranges::count(all, '\n')) + rejected, 2U * kRounds * kCalls);
  collector_.reset();
}

}  // namespace
}  // namespace databus
