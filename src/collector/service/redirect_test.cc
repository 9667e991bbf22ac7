// Messages handed over from one collector to another (P22), through every fault at every call: each
// is in the receiver's cluster exactly once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "collector/service/test_redirect.h"
#include "net/fb303_client.h"

namespace databus {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using testing_redirect::Entries;
using testing_redirect::Installation;
using testing_redirect::Machine;

// What was sent so far, also when the run ends by a crash.
struct Ledger {
  Entries acknowledged;
  Entries unsure;

  void Log(Machine& machine, const Entries& entries) {
    const size_t before = unsure.size();
    unsure.insert(unsure.end(), entries.begin(), entries.end());
    if (machine.Log(entries) != "ok") return;
    unsure.resize(before);
    acknowledged.insert(acknowledged.end(), entries.begin(), entries.end());
  }
};

void ExpectExactlyOnce(Installation& world, const Ledger& ledger, const std::string& cluster) {
  const auto lines = world.Lines(cluster);
  for (const auto& [stream, message] : ledger.acknowledged) {
    const auto at = lines.find(stream + "/" + message);
    EXPECT_EQ(at == lines.end() ? 0 : at->second, 1) << stream << "/" << message;
  }
  for (const auto& [line, times] : lines) EXPECT_EQ(times, 1) << line;
}

void ExpectDrained(Machine& machine) {
  EXPECT_EQ(machine.Beat().facts["spool_bytes"], 0);
  EXPECT_EQ(machine.Beat().facts["open_intents"], 0);
  EXPECT_THAT(machine.Beat().facts["backlog"], IsEmpty());
}

// Two hand-overs of several streams, with messages that come in between.
void TwoHandOvers(Installation& world, Ledger& ledger) {
  world.a.Start(world.a.ToReceiver("b"));
  if (testing::Test::HasFatalFailure()) return;
  ledger.Log(world.a, {{"clicks", "c1"}, {"orders", "o1"}, {"clicks", "c2"}});
  ledger.Log(world.a, {{"views", "v1"}});
  world.Run(3);
  ledger.Log(world.a, {{"orders", "o2"}, {"clicks", "c3"}});
  world.Run(3);
}

TEST(RedirectTest, ANetworkStoreHandsOverAndTheReceiverDelivers) {
  Installation world;
  world.b.Start(world.b.ToCluster());
  Ledger ledger;
  TwoHandOvers(world, ledger);
  ExpectExactlyOnce(world, ledger, "dc2");
  EXPECT_THAT(world.Lines("dc1"), IsEmpty());
  EXPECT_THAT(ledger.acknowledged, SizeIs(6));
  EXPECT_EQ(world.a.Beat().facts["handed_over"], 6);
  EXPECT_EQ(world.a.Beat().facts["possible_duplicates"], 0);
  EXPECT_FALSE(world.b.Beat().facts["marks"].empty());
  ExpectDrained(world.a);
}

// With `fault` at call `number` of the sender, a restart if it died of it, and the check. False:
// there is no such call.
bool TryAtSender(uint64_t number, const Fault& fault) {
  Installation world;
  Ledger ledger;
  world.b.Start(world.b.ToCluster());
  world.a.on_start = [&](FaultPlan& plan) { plan.Add({.number = number, .fault = fault}); };
  try {
    TwoHandOvers(world, ledger);
  } catch (const Crash&) {
  }
  const uint64_t calls = world.a.plan->calls();
  world.a.on_start = nullptr;
  world.a.Start(world.a.ToReceiver("b"));
  world.Run(10);
  ExpectExactlyOnce(world, ledger, "dc2");
  ExpectDrained(world.a);
  EXPECT_EQ(world.a.Beat().facts["possible_duplicates"], 0);
  return calls >= number;
}

uint64_t TryEverywhere(const std::function<bool(uint64_t)>& attempt) {
  uint64_t number = 1;
  for (; attempt(number); ++number) {
    if (!testing::Test::HasFailure()) continue;
    ADD_FAILURE() << "at call " << number;
    break;
  }
  return number - 1;
}

TEST(RedirectCrash, OfTheSenderBeforeAnyCallLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere([](uint64_t n) { return TryAtSender(n, Fault::CrashBefore()); }), 50U);
}

TEST(RedirectCrash, OfTheSenderAfterAnyCallLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere([](uint64_t n) { return TryAtSender(n, Fault::CrashAfter()); }), 50U);
}

TEST(RedirectCrash, OfTheSenderInAnyWriteLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere([](uint64_t n) { return TryAtSender(n, Fault::CrashTorn(5)); }), 50U);
}

// The receiver dies at its call `number` and starts again a while later.
bool TryAtReceiver(uint64_t number, const Fault& fault) {
  Installation world;
  Ledger ledger;
  world.b.Start(world.b.ToCluster());
  const uint64_t before = world.b.plan->calls();
  world.b.plan->Add({.number = before + number, .fault = fault});
  world.a.Start(world.a.ToReceiver("b"));
  const auto go = [&](const std::function<void()>& step) {
    try {
      step();
    } catch (const Crash&) {
      world.b.Kill();
    }
  };
  go([&] { ledger.Log(world.a, {{"clicks", "c1"}, {"orders", "o1"}, {"clicks", "c2"}}); });
  go([&] { world.Run(2); });
  go([&] { ledger.Log(world.a, {{"orders", "o2"}, {"clicks", "c3"}}); });
  go([&] { world.Run(2); });
  const uint64_t calls = world.b.plan->calls();
  world.b.Start(world.b.ToCluster());
  world.Run(12);
  ExpectExactlyOnce(world, ledger, "dc2");
  ExpectDrained(world.a);
  EXPECT_EQ(world.a.Beat().facts["possible_duplicates"], 0);
  return calls >= before + number;
}

TEST(RedirectCrash, OfTheReceiverBeforeAnyCallLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere([](uint64_t n) { return TryAtReceiver(n, Fault::CrashBefore()); }), 50U);
}

TEST(RedirectCrash, OfTheReceiverAfterAnyCallLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere([](uint64_t n) { return TryAtReceiver(n, Fault::CrashAfter()); }), 50U);
}

// A fault of the network that both live through.
uint64_t LiveThroughEverywhere(const Fault& fault) {
  for (uint64_t nth = 1;; ++nth) {
    Installation world;
    Ledger ledger;
    uint64_t seen = 0;
    world.b.Start(world.b.ToCluster());
    world.a.on_call = [&](const Call& call) {
      if (call.store != "net") return Fault{};
      return ++seen == nth ? fault : Fault{};
    };
    TwoHandOvers(world, ledger);
    world.Run(10);
    ExpectExactlyOnce(world, ledger, "dc2");
    ExpectDrained(world.a);
    EXPECT_EQ(ledger.acknowledged.size(), 6U);
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "at the network's call " << nth;
      return nth;
    }
    if (seen < nth) return nth - 1;
  }
}

TEST(RedirectFault, AnyLostAnswerIsSettledByTheReceiversMemory) {
  EXPECT_GT(LiveThroughEverywhere(Fault::AnswerLost()), 5U);
}

TEST(RedirectFault, AnyLostRequestIsMadeGood) {
  EXPECT_GT(LiveThroughEverywhere(Fault::RequestLost()), 5U);
}

// A hand-over whose answer was lost, and the receiver is gone for the moment.
class InDoubtTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.b.Start(world_.b.ToCluster());
    world_.a.Start(world_.a.ToReceiver("b"));
    ASSERT_EQ(world_.a.Log({{"clicks", "zero"}}), "ok");
    world_.Run(3);
    // What is sent arrives; what is answered does not.
    Verb last = Verb::kStat;
    world_.a.on_call = [&last](const Call& call) {
      if (call.store != "net") return Fault{};
      const bool lost = last == Verb::kAppend && call.verb == Verb::kRead;
      last = call.verb;
      return lost ? Fault::AnswerLost() : Fault{};
    };
    ASSERT_EQ(world_.a.Log({{"clicks", "one"}}), "ok");
    world_.Run(2);
    world_.a.on_call = nullptr;
    world_.wire.cut_off = {"b:1463"};
    ASSERT_EQ(world_.a.Beat().facts["open_intents"], 1);
  }
  void BackAgain() { world_.wire.cut_off.clear(); }

  Installation world_;
};

TEST_F(InDoubtTest, TheReceiversAnswerToARepeatSettlesIt) {
  world_.Run(10);
  EXPECT_EQ(world_.a.Beat().facts["open_intents"], 1) << "pinned while nobody answers";
  BackAgain();
  world_.Run(6);
  ExpectDrained(world_.a);
  EXPECT_EQ(world_.Lines("dc2").at("clicks/one"), 1);
  EXPECT_EQ(world_.b.Beat().facts["repeats"], 1);
}

TEST_F(InDoubtTest, AReceiverThatRestartsWithItsSpoolKnowsTheBatchAgain) {
  world_.b.Start(world_.b.ToCluster());
  BackAgain();
  world_.Run(6);
  ExpectDrained(world_.a);
  EXPECT_EQ(world_.Lines("dc2").at("clicks/one"), 1);
}

TEST_F(InDoubtTest, WhatOnlyALostSpoolKnowsStaysPinnedAndWhatComesLaterGoesOn) {
  world_.Run(3);  // the old one delivers
  world_.b.LoseSpool();
  world_.b.Start(world_.b.ToCluster());
  BackAgain();
  ASSERT_EQ(world_.a.Log({{"clicks", "two"}}), "ok");
  world_.Run(24);
  EXPECT_THAT(
      world_.Lines("dc2"),
      UnorderedElementsAre(Pair("clicks/zero", 1), Pair("clicks/one", 1), Pair("clicks/two", 1)));
  EXPECT_EQ(world_.a.Beat().facts["open_intents"], 1);
  EXPECT_THAT(world_.a.Problems(), HasSubstr("another collector answers there"));
}

TEST_F(InDoubtTest, AnOperatorsReleaseSendsItToTheNewOneAndCountsIt) {
  const auto release = [this] {
    FaultPlan harmless(FaultPlan::Trace::kNone);
    testing_redirect::WireClient client(world_.wire, harmless, "a:1463",
                                        world_.wire.listening.at("a:1463"));
    const std::string call = EncodeSetOption(kReleaseOption, kReleaseNow);
    const std::string_view frames[] = {call};
    EXPECT_TRUE(client.Send(frames, {}).ok());
    EXPECT_TRUE(DecodeSetOption((*client.Receive({})).value()).ok());
  };
  world_.Run(3);  // the old one delivers
  world_.b.LoseSpool();
  world_.b.Start(world_.b.ToCluster());
  BackAgain();
  world_.Run(18);
  release();
  world_.Run(4);
  ExpectDrained(world_.a);
  EXPECT_EQ(world_.Lines("dc2").at("clicks/one"), 2) << "it had arrived";
  EXPECT_EQ(world_.a.Beat().facts["possible_duplicates"], 1);
}

TEST_F(InDoubtTest, ASenderThatRestartsSendsTheSameBatchesUnderTheSameNumbers) {
  world_.a.Start(world_.a.ToReceiver("b"));
  BackAgain();
  ASSERT_EQ(world_.a.Log({{"clicks", "two"}}), "ok");
  world_.Run(8);
  ExpectDrained(world_.a);
  EXPECT_THAT(world_.Lines("dc2"), Each(Pair(testing::_, 1)));
}

TEST(RedirectTest, ACollectorDoesNotHandOverToItself) {
  Installation world;
  world.a.Start(world.a.ToReceiver("a"));
  ASSERT_EQ(world.a.Log({{"clicks", "one"}}), "ok");
  world.Run(4);
  EXPECT_THAT(world.a.Problems(), HasSubstr("that is this collector itself"));
  EXPECT_EQ(world.a.Beat().facts["messages_received"], 1);
}

TEST(RedirectTest, ByHupMessagesGoToAnotherCollectorForAWhileAndBack) {
  Installation world;
  world.b.Start(world.b.ToCluster());
  world.a.Start(world.a.ToCluster());
  for (int round = 0; round < 3; ++round) {
    const std::string number = std::to_string(round);
    ASSERT_EQ(world.a.Log({{"clicks", "home" + number}}), "ok");
    world.Run(2);
    world.a.Reload(world.a.ToReceiver("b"));
    ASSERT_EQ(world.a.Log({{"clicks", "away" + number}}), "ok");
    world.Run(3);
    world.a.Reload(world.a.ToCluster());
  }
  world.Run(6);
  ExpectDrained(world.a);
  EXPECT_THAT(world.Lines("dc1"),
              UnorderedElementsAre(Pair("clicks/home0", 1), Pair("clicks/home1", 1),
                                   Pair("clicks/home2", 1)));
  EXPECT_THAT(world.Lines("dc2"),
              UnorderedElementsAre(Pair("clicks/away0", 1), Pair("clicks/away1", 1),
                                   Pair("clicks/away2", 1)));
}

// Takes every call, remembers no batches, and loses the answers that it is told to.
class OldCollector final : public FrameHandler {
 public:
  explicit OldCollector(Installation& world) : server_(world.wire, "old:1463", 1463) {
    server_.Start(*this);
  }
  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override {
    for (const Frame& frame : frames) {
      const auto header = DecodeCallHeader(frame.bytes());
      ASSERT_TRUE(header.ok());
      if (header->method != kLogMethod) {
        server_.Send({{connection, EncodeException({.to = header->reply_to,
                                                    .method = std::string(header->method),
                                                    .kind = ExceptionKind::kUnknownMethod,
                                                    .message = "what?"})}});
        continue;
      }
      const auto call = DecodeLogCall(frame.bytes(), *header);
      ASSERT_TRUE(call.ok());
      EXPECT_FALSE(call->batch) << "it would not know what that is";
      EXPECT_TRUE(ForEachEntry(call->entries, [&](std::string_view, std::string_view message) {
                    messages.emplace_back(message);
                  }).ok());
      const ResultCode code = refuse ? ResultCode::kTryLater : ResultCode::kOk;
      if (refuse) messages.clear();
      if (!silent) server_.Send({{connection, EncodeLogReply(call->reply_to, code)}});
    }
  }
  std::vector<std::string> messages;
  bool silent = false;
  bool refuse = false;

 private:
  testing_redirect::WireServer server_;
};

TEST(RedirectToAnotherMakeTest, GetsPlainCalls) {
  Installation world;
  OldCollector old(world);
  world.a.Start(world.a.ToReceiver("old"));
  ASSERT_EQ(world.a.Log({{"clicks", "one"}, {"orders", "two"}}), "ok");
  world.Run(3);
  ExpectDrained(world.a);
  EXPECT_THAT(old.messages, testing::ElementsAre("one", "two"));
  EXPECT_EQ(world.a.Beat().facts["possible_duplicates"], 0);
}

TEST(RedirectToAnotherMakeTest, ARefusedBatchIsSentAgainAndIsNoDuplicate) {
  Installation world;
  OldCollector old(world);
  old.refuse = true;
  world.a.Start(world.a.ToReceiver("old"));
  ASSERT_EQ(world.a.Log({{"clicks", "one"}}), "ok");
  world.Run(3);
  old.refuse = false;
  world.Run(6);
  ExpectDrained(world.a);
  EXPECT_THAT(old.messages, testing::ElementsAre("one"));
  EXPECT_EQ(world.a.Beat().facts["possible_duplicates"], 0);
}

TEST(RedirectToAnotherMakeTest, AfterALostAnswerItIsSentAgainAndCounted) {
  Installation world;
  OldCollector old(world);
  old.silent = true;
  world.a.Start(world.a.ToReceiver("old"));
  ASSERT_EQ(world.a.Log({{"clicks", "one"}}), "ok");
  world.Run(2);
  old.silent = false;
  world.Run(6);
  ExpectDrained(world.a);
  EXPECT_THAT(old.messages, Each("one"));
  EXPECT_GE(old.messages.size(), 2U);
  EXPECT_EQ(world.a.Beat().facts["possible_duplicates"], old.messages.size() - 1);
}

}  // namespace
}  // namespace databus
