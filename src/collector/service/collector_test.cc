#include "collector/service/collector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <vector>

#include "collector/service/metrics.h"
#include "collector/service/test_collector.h"
#include "net/fb303_handler.h"

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

TEST_F(CollectorTest, NothingIsAnsweredBeforeItIsOnDisk) {
  Start();
  Arrive(1, {LogFrame({{"clicks", "one"}})});
  EXPECT_THAT(Answers(1), IsEmpty());
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok"));
  Run(2);
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/one", 1)));
}

TEST_F(CollectorTest, PipelinedCallsShareACommitAndAreAnsweredInOrder) {
  Start();
  EXPECT_EQ(Log({{"clicks", "begins the segment"}}), "1:ok");
  net_.answers.clear();
  Arrive(1, {LogFrame({{"clicks", "a"}}, 1), LogFrame({}, 2), LogFrame({{"clicks", "b"}}, 3)});
  Arrive(2, {LogFrame({{"orders", "c"}}, 1)});
  Arrive(1, {LogFrame({}, 4)});
  EXPECT_THAT(Answers(1), IsEmpty()) << "the probes wait for the calls before them";
  const uint64_t syncs_before = plan_->calls();
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok", "2:ok", "3:ok", "4:ok"));
  EXPECT_THAT(Answers(2), ElementsAre("1:ok"));
  int syncs = 0;
  for (const auto& call : plan_->trace()) {
    if (call.number > syncs_before && call.verb == Verb::kSync) ++syncs;
  }
  EXPECT_EQ(syncs, 1);
}

TEST_F(CollectorTest, UnusableEntriesGoToRejectedAndTheRestOfTheCallIsKept) {
  Start(OnlyStream("clicks"));
  const std::string large(2'001, 'l');
  EXPECT_EQ(Log({{"clicks", "good"},
                 {"", "no name"},
                 {"../etc", "bad name"},
                 {"orders", "no store"},
                 {"clicks", large},
                 {"clicks", "good too"}}),
            "1:ok");
  Run(2);
  EXPECT_THAT(world_.Lines(),
              UnorderedElementsAre(Pair("clicks/good", 1), Pair("clicks/good too", 1)));
  const std::string rejected = Rejected();
  EXPECT_THAT(rejected, HasSubstr("takes this stream"));
  EXPECT_THAT(rejected, HasSubstr("2001 bytes"));
  const Heartbeat beat = collector_->Describe();
  EXPECT_EQ(beat.facts["entries_rejected"], 4);
  EXPECT_EQ(beat.facts["messages_received"], 2);
}

TEST_F(CollectorTest, ACallOfUnusableEntriesOnlyIsAnsweredOk) {
  Start();
  EXPECT_EQ(Log({{std::string("nul\0", 4), "m"}}), "1:ok");
  Run(2);
  EXPECT_THAT(world_.DataFiles(), IsEmpty());
  EXPECT_THAT(Rejected(), HasSubstr("nul%00"));
}

TEST_F(CollectorTest, AnEmptyMessageIsKeptAndDeliveredAtOnce) {
  Start();
  Run(1);
  collector_->Step();
  EXPECT_EQ(Log({{"clicks", ""}}), "1:ok");
  collector_->Step();
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/", 1)));
}

TEST_F(CollectorTest, AnEmptyListDeliversAtOnce) {
  Start();
  Run(1);
  collector_->Step();
  EXPECT_EQ(Log({{"clicks", "waits"}}), "1:ok");
  collector_->Step();
  EXPECT_THAT(world_.Lines(), IsEmpty());
  EXPECT_EQ(Log({}), "1:ok");
  collector_->Step();
  EXPECT_THAT(world_.Lines(), SizeIs(1));
}

TEST_F(CollectorTest, AnEmptyMessageEndsThePauseOfADeliveryThatFailed) {
  std::string conf = kConf;
  Start(conf.replace(conf.find("retry_interval=2"), 16, "retry_interval=300"));
  plan_->SetCallback(
      [](const auto& call) { return call.store != "disk" ? Fault::RequestLost() : Fault{}; });
  EXPECT_EQ(Log({{"clicks", "waits"}}), "1:ok");
  Run(5);
  plan_->SetCallback(nullptr);
  Run(5);
  EXPECT_THAT(world_.Lines(), IsEmpty()) << "the next attempt is minutes away";
  EXPECT_EQ(Log({{"bogus", ""}}), "1:ok");
  Run(2);
  EXPECT_THAT(world_.Lines(), SizeIs(2));
}

// Scribe's network store sends a batch only after an empty list was answered OK.
TEST_F(CollectorTest, AClientThatProbesFirstFindsOutThatThereIsRoomAgain) {
  std::string conf = kConf;
  Start(conf.replace(conf.find("disk_reserve_bytes=0"), 20, "disk_reserve_bytes=1000000"));
  world_.disk.SetCapacity(1'000'000);
  EXPECT_EQ(Log({}), "1:ok");
  EXPECT_EQ(Log({{"clicks", "no room"}}), "1:later");
  EXPECT_EQ(Log({}), "1:ok") << "one is let through";
  EXPECT_EQ(Log({}), "1:later");
  EXPECT_EQ(Log({}), "1:later");
  world_.disk.SetCapacity(100'000'000);
  world_.clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Log({}), "1:ok");
  EXPECT_EQ(Log({{"clicks", "room"}}), "1:ok");
  EXPECT_EQ(Log({}), "1:ok");
  EXPECT_EQ(Log({}), "1:ok");
}

TEST_F(CollectorTest, AFullStreamIsToldToTryLaterAndOthersGoOn) {
  Start();
  Arrive(1, {LogFrame({{"clicks", std::string(1'500, 'x')}}, 1)});
  Arrive(2, {LogFrame({{"orders", "one"}, {"clicks", "over"}}, 1)});
  Arrive(3, {LogFrame({{"orders", "two"}}, 1)});
  EXPECT_THAT(Answers(2), ElementsAre("1:later"));
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok"));
  EXPECT_THAT(Answers(3), ElementsAre("1:ok"));
  EXPECT_EQ(Log({{"clicks", "room again"}}), "1:ok");
  Run(2);
  EXPECT_THAT(world_.Lines(), SizeIs(3)) << "nothing of the refused call is kept";
}

TEST_F(CollectorTest, ARepeatedBatchIsAnsweredOkAndKeptOnceAlsoAcrossARestart) {
  Start();
  const BatchId batch{.sender = 7, .number = 1, .base = 1};
  EXPECT_EQ(Log({{"clicks", "one"}}, batch), "1:ok");
  EXPECT_EQ(Log({{"clicks", "one"}}, batch), "1:ok");
  Start();
  EXPECT_EQ(Log({{"clicks", "one"}}, batch), "1:ok");
  Run(3);
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/one", 1)));
}

TEST_F(CollectorTest, ACallThatCannotBeDecodedGetsAnExceptionInItsPlace) {
  Start();
  std::string damaged = LogFrame({{"clicks", "x"}}, 2);
  damaged.resize(damaged.size() - 4);
  Arrive(1, {LogFrame({{"clicks", "a"}}, 1), damaged, LogFrame({{"clicks", "b"}}, 3)});
  Flush();
  const auto answers = Answers(1);
  ASSERT_THAT(answers, SizeIs(3));
  EXPECT_EQ(answers[0], "1:ok");
  EXPECT_NE(answers[1], "2:ok");
  EXPECT_EQ(answers[2], "3:ok");
}

TEST_F(CollectorTest, AOnewayCallIsKeptAndNotAnswered) {
  Start();
  EntryList list;
  list.Add("clicks", "one");
  const std::string oneway =
      EncodeLogCall({.header = {.kind = CallKind::kOneway}, .entries = list.bytes(), .batch = {}});
  Arrive(1, {oneway, oneway.substr(0, oneway.size() - 4), LogFrame({{"clicks", "two"}}, 3)});
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("3:ok"));
  Run(2);
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/one", 1), Pair("clicks/two", 1)));
}

TEST_F(CollectorTest, AFrameThatIsNoCallClosesTheConnectionAfterTheAnswersBefore) {
  Start();
  Arrive(1, {LogFrame({{"clicks", "a"}}, 1), "noise", LogFrame({{"clicks", "b"}}, 2)});
  EXPECT_THAT(net_.closed, IsEmpty());
  Flush();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok"));
  EXPECT_THAT(net_.closed, ElementsAre(1));
}

TEST_F(CollectorTest, AFailedSyncIsTryLaterAndNeverComesBack) {
  Start();
  EXPECT_EQ(Log({{"clicks", "first"}}), "1:ok");
  plan_->Add(
      {.verb = Verb::kSync, .path_part = "segment", .fault = Fault::Refused(Code::kUnavailable)});
  EXPECT_EQ(Log({{"clicks", "lost"}}), "1:later");
  EXPECT_EQ(Log({{"clicks", "second"}}), "1:ok");
  Start();
  Run(3);
  EXPECT_THAT(world_.Lines(),
              UnorderedElementsAre(Pair("clicks/first", 1), Pair("clicks/second", 1)));
}

std::string Fb303Call(const std::string& method) {
  const std::string head("\x80\x01\x00\x01", 4);
  return head + std::string(3, '\0') + static_cast<char>(method.size()) + method +
         std::string(4, '\0') + std::string(1, '\0');
}

TEST_F(CollectorTest, Fb303IsAnsweredInItsPlaceAndWishesAreHeard) {
  Start();
  Arrive(1, {LogFrame({{"clicks", "a"}}, 1), Fb303Call("getName")});
  EXPECT_THAT(net_.answers[1], IsEmpty());
  Flush();
  ASSERT_THAT(net_.answers[1], SizeIs(2));
  EXPECT_THAT(net_.answers[1][1], HasSubstr("Scribe"));
  Arrive(1, {Fb303Call("getCounters")});
  EXPECT_THAT(net_.answers[1][2], HasSubstr("clicks:received good"));
  EXPECT_THAT(net_.answers[1][2], HasSubstr("scribe_overall:received good"));
  Arrive(1, {Fb303Call("shutdown"), Fb303Call("reinitialize")});
  EXPECT_EQ(shutdowns_, 1);
  EXPECT_EQ(reloads_, 1);
}

TEST_F(CollectorTest, StatusWarnsWhileTheClusterIsAway) {
  Start();
  auto* handler = dynamic_cast<Fb303Handler*>(net_.handler);
  Run(1);
  EXPECT_EQ(handler->Status(), Fb303Status::kAlive);
  plan_->SetCallback(
      [](const auto& call) { return call.store != "disk" ? Fault::RequestLost() : Fault{}; });
  Run(3);
  EXPECT_EQ(handler->Status(), Fb303Status::kWarning);
  EXPECT_THAT(handler->StatusDetails(), HasSubstr("delivery"));
}

TEST_F(CollectorTest, StopAnswersFlushesAndDeliversWhatWasHandedIn) {
  Start();
  Run(1);
  Arrive(1, {LogFrame({{"clicks", "last words"}})});
  const Status stopped = collector_->Stop(world_.clock.Boot() + std::chrono::seconds(10));
  EXPECT_TRUE(stopped.ok()) << stopped.ToString();
  EXPECT_THAT(Answers(1), ElementsAre("1:ok"));
  EXPECT_THAT(world_.Lines(), SizeIs(1));
  const auto beat =
      DecodeHeartbeat(*world_.cluster.ReadFile(paths::StatusFile("collector-c1")), "heartbeat");
  EXPECT_EQ(beat->state, "stopped");
}

TEST_F(CollectorTest, StopWithTheClusterAwayKeepsTheRestInTheSpool) {
  Start();
  plan_->SetCallback(
      [](const auto& call) { return call.store != "disk" ? Fault::RequestLost() : Fault{}; });
  EXPECT_EQ(Log({{"clicks", "kept"}}), "1:ok");
  EXPECT_FALSE(collector_->Stop(world_.clock.Boot() + std::chrono::seconds(10)).ok());
  Start();
  Run(3);
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/kept", 1)));
}

TEST_F(CollectorTest, TheHeartbeatTellsOfSpoolLagAndIncarnation) {
  Start();
  Run(1);
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  world_.clock.Advance(std::chrono::milliseconds(700));
  const Heartbeat beat = collector_->Describe();
  EXPECT_EQ(beat.process, "collector-c1");
  EXPECT_EQ(beat.host, "h1");
  EXPECT_EQ(beat.pid, 42);
  EXPECT_EQ(beat.facts["port"], 1463);
  EXPECT_GE(beat.facts["lag_ms"], 700);
  EXPECT_GT(beat.facts["spool_bytes"], 0);
  EXPECT_EQ(beat.facts["incarnation"].get<std::string>().size(), 16U);
  EXPECT_EQ(beat.facts["cluster_id"], ReadClusterId(world_.cluster)->id);
  Run(2);
  EXPECT_EQ(collector_->Describe().facts["lag_ms"], 0);
}

TEST_F(CollectorTest, WhatIsFreeIsToldWhenItIsKnown) {
  Start();
  EXPECT_FALSE(collector_->Describe().facts.contains("free_bytes"));
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  EXPECT_GT(collector_->Describe().facts["free_bytes"], 0);
}

TEST_F(CollectorTest, ARetiredDiskIsInTheHeartbeatFileWithTheOneThingToDo) {
  Start();
  Run(1);
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  plan_->Add({.store_part = "disk",
              .path_part = "/spool/c1",
              .times = FaultRule::kAlways,
              .fault = Fault::RequestLost()});
  Log({{"clicks", "two"}});
  Log({{"clicks", "three"}});
  Run(7);
  const std::string path = paths::StatusFile("collector-c1");
  const auto beat = DecodeHeartbeat(*world_.cluster.ReadFile(path), path);
  ASSERT_TRUE(beat.ok()) << beat.status().ToString();
  EXPECT_NE(beat->facts["retired"], "");
  std::string next;
  for (const Problem& problem : beat->problems) next += problem.next + "\n";
  EXPECT_THAT(next, HasSubstr("opens its spool again by itself"));
  EXPECT_THAT(next, Not(HasSubstr("it goes on by itself")));
  EXPECT_FALSE(collector_->WantsReopening()) << "opening it would fail, and nobody would tell";
  plan_->Clear();
  EXPECT_TRUE(collector_->WantsReopening());
  Start();
  Run(1);
  EXPECT_FALSE(collector_->WantsReopening());
  EXPECT_EQ(Log({{"clicks", "four"}}), "1:ok");
}

TEST_F(CollectorTest, ANamesakesHeartbeatIsReportedUntilItsOwnIsThereAgain) {
  const auto problems = [&] {
    std::string text;
    for (const Problem& problem : collector_->Describe().problems) text += problem.what + "\n";
    return text;
  };
  Start();
  Run(1);
  const std::string path = paths::StatusFile("collector-c1");
  Heartbeat other = *DecodeHeartbeat(*world_.cluster.ReadFile(path), path);
  other.host = "h2";
  other.pid = 77;
  other.facts["incarnation"] = "of another spool";
  ASSERT_TRUE(world_.cluster.Replace(path, EncodeHeartbeat(other)).ok());
  Run(4);
  EXPECT_THAT(problems(), HasSubstr("collector named c1 is alive on host h2, process 77"));
  Run(4);
  EXPECT_EQ(problems(), "");
}

// By its heartbeat, of another incarnation.
void BeatAsNamesake(Storage& cluster, WallTime written) {
  Heartbeat other;
  other.process = CollectorProcess("c1");
  other.host = "h2";
  other.pid = 77;
  other.written = written;
  other.facts["incarnation"] = "of another spool";
  ASSERT_TRUE(cluster.Replace(paths::StatusFile("collector-c1"), EncodeHeartbeat(other)).ok());
}

TEST_F(CollectorTest, WhoseNameIsTakenTakesMessagesDeliversNoneAndSaysByWhom) {
  BeatAsNamesake(world_.cluster, world_.clock.Wall());
  Start();
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  Run(3);
  EXPECT_TRUE(collector_->Refused().ok()) << "nobody knows yet";
  EXPECT_THAT(collector_->Describe().problems.at(0).what,
              HasSubstr("watching whether another collector-c1 (host h2, process 77) is alive"));
  BeatAsNamesake(world_.cluster, world_.clock.Wall());
  Run(3);
  EXPECT_EQ(collector_->Refused().code(), Code::kRefused);
  EXPECT_THAT(collector_->Refused().message(), HasSubstr("host h2, process 77"));
  EXPECT_EQ(Log({{"clicks", "two"}}), "1:ok");
  EXPECT_FALSE(collector_->Stop(world_.clock.Boot()).ok());
  EXPECT_THAT(world_.Lines(), IsEmpty());
}

TEST_F(CollectorTest, WhoseNamesakeIsDeadDeliversAfterAWhile) {
  BeatAsNamesake(world_.cluster, world_.clock.Wall());
  Start();
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  Run(14);
  EXPECT_THAT(world_.Lines(), IsEmpty());
  Run(4);
  EXPECT_THAT(world_.Lines(), SizeIs(1));
  EXPECT_THAT(collector_->Describe().problems, IsEmpty());
}

// Whatever is asked of a tree is answered when the test says so.
TEST_F(CollectorTest, MessagesAreTakenWhileNoClusterAnswers) {
  thread_local bool starts = false;
  starts = true;
  StopFlag answers;
  std::atomic<bool> asked_by_start{false};
  FaultPlan plan;
  plan.SetCallback([&](const Call&) {
    return Fault::Delayed([&] {
      if (starts) asked_by_start = true;
      const Clock& clock = SystemClock();
      while (!starts && !answers.SleepUntil(clock, clock.Boot() + std::chrono::hours(1))) continue;
    });
  });
  FaultStorage cluster(world_.cluster, plan);
  CollectorConfig config = Config();
  config.port = 0;
  const auto open = [&](const ClusterSpec&) -> Result<std::unique_ptr<Storage>> {
    return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(world_.cluster, plan));
  };
  auto opened =
      Collector::Open({SystemClock(), *world_.random, world_.disk, TcpNetwork(), &cluster, open},
                      config, {.host = "h1", .pid = 42, .on_shutdown = {}, .on_reload = {}});
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  collector_ = *std::move(opened);
  ASSERT_TRUE(collector_->Start().ok());
  EXPECT_FALSE(asked_by_start);
  const BootTime patience = SystemClock().Boot() + std::chrono::minutes(2);
  auto client =
      TcpNetwork().Connect({.host = "127.0.0.1", .port = collector_->port(), .deadline = patience});
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  const std::string call = LogFrame({{"clicks", "one"}});
  const std::string_view frames[] = {call};
  ASSERT_TRUE((*client)->Send(frames, patience).ok());
  const auto answer = (*client)->Receive(patience);
  ASSERT_TRUE(answer.ok() && answer->has_value());
  EXPECT_EQ(DecodeLogReply(**answer)->code, ResultCode::kOk);
  *client = nullptr;
  answers.Stop();
  starts = false;
  const Status stopped = collector_->Stop(patience);
  EXPECT_TRUE(stopped.ok()) << stopped.ToString();
  EXPECT_THAT(world_.Lines(), SizeIs(1));
  collector_.reset();
}

// With threads of its own, over real sockets: the same promises, in no order that a test chooses.
TEST_F(CollectorTest, OverRealSocketsPipelinedCallsAreAnsweredInOrderAndDelivered) {
  CollectorConfig config = Config();
  config.port = 0;
  config.max_queue_bytes = 1 << 20;
  auto opened = Collector::Open(
      {SystemClock(), *world_.random, world_.disk, TcpNetwork(), &world_.cluster, OpenNone()},
      config, {.host = "h1", .pid = 42, .on_shutdown = {}, .on_reload = {}});
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  collector_ = *std::move(opened);
  ASSERT_TRUE(collector_->Start().ok());
  const BootTime patience = SystemClock().Boot() + std::chrono::minutes(2);
  auto client =
      TcpNetwork().Connect({.host = "127.0.0.1", .port = collector_->port(), .deadline = patience});
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  constexpr int kCalls = 500;
  std::vector<std::string> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(LogFrame({{"stream" + std::to_string(i % 7), "m" + std::to_string(i)}}, i));
  }
  const std::vector<std::string_view> frames(calls.begin(), calls.end());
  ASSERT_TRUE((*client)->Send(frames, patience).ok());
  for (int i = 0; i < kCalls; ++i) {
    const auto answer = (*client)->Receive(patience);
    ASSERT_TRUE(answer.ok() && answer->has_value()) << i;
    const auto reply = DecodeLogReply(**answer);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->seqid, i);
    EXPECT_EQ(reply->code, ResultCode::kOk);
  }
  *client = nullptr;
  const Status stopped = collector_->Stop(patience);
  EXPECT_TRUE(stopped.ok()) << stopped.ToString();
  const auto lines = world_.Lines();
  EXPECT_THAT(lines, SizeIs(kCalls));
  for (const auto& [line, times] : lines) EXPECT_EQ(times, 1) << line;
  collector_.reset();
}

TEST_F(CollectorTest, MetricsAreDeclaredRightAndExported) {
  for (const MetricSpec& spec : kCollectorMetrics) EXPECT_EQ(CheckMetricSpec(spec), "");
  Start();
  EXPECT_EQ(Log({{"clicks", "one"}}), "1:ok");
  Metrics metrics;
  collector_->Export(metrics);
  EXPECT_THAT(metrics.Expose(), HasSubstr("databus_collector_messages_total 1"));
}

TEST_F(CollectorTest, APortThatIsTakenIsNamedWithKeyAndFile) {
  const auto other = TcpNetwork().Listen({});
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  CollectorConfig config = Config();
  config.port = (*other)->port();
  auto opened = Collector::Open(
      {SystemClock(), *world_.random, world_.disk, TcpNetwork(), &world_.cluster, OpenNone()},
      config, {.host = "h1", .pid = 42, .on_shutdown = {}, .on_reload = {}});
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  EXPECT_THAT(
      (*opened)->Start().message(),
      ::testing::StartsWith(fmt::format("{}: port: found {}, expected", config.file, config.port)));
}

TEST_F(CollectorTest, ASpoolThatCannotBeUsedIsNamedWithKeyAndFile) {
  FaultPlan plan;
  plan.Add({.verb = Verb::kLockDir, .fault = Fault::Refused(Code::kRefused)});
  FaultDisk disk(world_.disk, plan);
  const CollectorConfig config = Config();
  const auto opened =
      Collector::Open({world_.clock, *world_.random, disk, net_, &world_.cluster, OpenNone()},
                      config, {.host = "h1", .pid = 1, .on_shutdown = {}, .on_reload = {}});
  EXPECT_THAT(opened.status().message(),
              ::testing::StartsWith(fmt::format("{}: <secondary> file_path: found {}, expected",
                                                config.file, config.spool_directory)));
}

TEST_F(CollectorTest, AnotherCollectorsSpoolIsRefused) {
  Start();
  collector_.reset();
  std::string other = kConf;
  other.replace(other.find("sub_directory=c1"), 16, "sub_directory=c2");
  const auto opened =
      Collector::Open({world_.clock, *world_.random, *disk_, net_, cluster_.get(), OpenNone()},
                      Config(other), {.host = "h1", .pid = 1, .on_shutdown = {}, .on_reload = {}});
  EXPECT_EQ(opened.code(), Code::kInvalid);
  EXPECT_THAT(opened.status().message(), HasSubstr("c2"));
}

}  // namespace
}  // namespace databus
