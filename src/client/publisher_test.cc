// The publisher against a collector that keeps rule P22 and otherwise behaves badly.
#include "client/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "net/scribe_codec.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Long enough never to be reached.
BootTime Never() { return SystemClock().Boot() + 60s; }

// What the collector does with one call.
enum class Conduct : uint8_t {
  kKeep,
  kTryLater,
  kKeepAndLoseAnswer,
  kKeepAndHangUp,
  kHangUp,
  kException,
};

// Remembers what it has kept; outlives the servers that it is run by.
class BadCollector final : public FrameHandler {
 public:
  using Chooser = std::function<Conduct()>;
  enum class Memory : uint8_t { kByIdentity, kNone };
  explicit BadCollector(Chooser choose, Memory memory = Memory::kByIdentity)
      : choose_(std::move(choose)), memory_(memory) {}

  void ServeBy(FrameServer& server) { server_ = &server; }

  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override {
    for (const Frame& frame : frames) Handle(connection, frame.bytes());
  }

  std::vector<std::string> Kept() {
    MutexLock lock(mutex_);
    return kept_;
  }
  void ForgetIdentities() {
    MutexLock lock(mutex_);
    highest_.clear();
  }
  bool AwaitKept(size_t count) {
    const BootTime deadline = Never();
    MutexLock lock(mutex_);
    while (kept_.size() < count) {
      if (SystemClock().Boot() >= deadline) return false;
      changed_.WaitUntil(lock, SystemClock(), deadline);
    }
    return true;
  }

 private:
  void Handle(ConnectionId connection, std::string_view frame) {
    const Result<CallHeader> header = DecodeCallHeader(frame);
    ASSERT_TRUE(header.ok());
    const Result<LogCall> call = DecodeLogCall(frame, *header);
    ASSERT_TRUE(call.ok());
    const Conduct conduct = choose_();
    if (conduct == Conduct::kHangUp) return server_->CloseConnection(connection);
    if (conduct == Conduct::kException) {
      return server_->SendOne(connection, EncodeException({.to = call->reply_to,
                                                           .method = kLogMethod,
                                                           .kind = ExceptionKind::kInternalError,
                                                           .message = "not today"}));
    }
    const ResultCode code = conduct == Conduct::kTryLater ? ResultCode::kTryLater : Take(*call);
    if (conduct == Conduct::kKeepAndHangUp) return server_->CloseConnection(connection);
    if (conduct == Conduct::kKeepAndLoseAnswer) return server_->Release(connection);
    server_->SendOne(connection, EncodeLogReply(call->reply_to, code));
  }

  // P22.
  ResultCode Take(const LogCall& call) {
    MutexLock lock(mutex_);
    if (memory_ == Memory::kByIdentity && call.batch) {
      uint64_t& highest = highest_[call.batch->sender];
      if (call.batch->base > highest + 1) highest = call.batch->base - 1;
      if (call.batch->number <= highest) return ResultCode::kOk;
      if (call.batch->number > highest + 1) return ResultCode::kTryLater;
      highest = call.batch->number;
    }
    const Status read =
        ForEachEntry(call.entries, [&](std::string_view category, std::string_view message) {
          EXPECT_EQ(category, "clicks");
          kept_.emplace_back(message);
        });
    EXPECT_TRUE(read.ok());
    changed_.NotifyAll();
    return ResultCode::kOk;
  }

  const Chooser choose_;
  const Memory memory_;
  FrameServer* server_ = nullptr;
  Mutex mutex_;
  CondVar changed_;
  std::map<uint64_t, uint64_t> highest_;
  std::vector<std::string> kept_;
};

// Says `script` one after the other, then kKeep for ever.
BadCollector::Chooser Script(std::vector<Conduct> script) {
  return [script = std::move(script), next = size_t{0}]() mutable {
    return next < script.size() ? script[next++] : Conduct::kKeep;
  };
}

std::unique_ptr<FrameServer> Serve(BadCollector& collector, uint16_t port = 0) {
  auto server = TcpNetwork().Listen({.bind_address = "127.0.0.1", .port = port});
  EXPECT_TRUE(server.ok()) << server.status().ToString();
  collector.ServeBy(**server);
  (*server)->Start(collector);
  return std::move(*server);
}

// Small batches, short pauses.
PublisherOptions OptionsFor(uint16_t port) {
  return {.host = "127.0.0.1",
          .port = port,
          .batch_messages_max = 3,
          .in_flight_max = 4,
          .pause_min = 1ms,
          .pause_max = 4ms};
}

PublisherSeams Seams() { return {TcpNetwork(), SystemClock(), SystemRandom()}; }

std::vector<std::string> Messages(int count) {
  std::vector<std::string> messages;
  for (int i = 0; i < count; ++i) messages.push_back("message " + std::to_string(i));
  return messages;
}

void PublishAll(Publisher& publisher, const std::vector<std::string>& messages) {
  for (const std::string& message : messages) {
    const Status status = publisher.Publish("clicks", message, Never());
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
}

class BadCollectorTest : public testing::TestWithParam<uint64_t> {};

TEST_P(BadCollectorTest, EveryMessageIsKeptOnceAndInOrderWhateverTheCollectorDoes) {
  const auto random = SeededRandom(GetParam());
  BadCollector collector([&random] {
    const uint64_t die = random->Below(100);
    if (die < 6) return Conduct::kTryLater;
    if (die < 10) return Conduct::kKeepAndLoseAnswer;
    if (die < 14) return Conduct::kKeepAndHangUp;
    if (die < 18) return Conduct::kHangUp;
    if (die < 20) return Conduct::kException;
    return Conduct::kKeep;
  });
  const auto server = Serve(collector);
  PublisherOptions options = OptionsFor(server->port());
  options.answer_timeout = 20ms;  // nothing else notices that the very last answer is lost
  uint64_t acknowledged = 0;
  uint64_t failures = 0;
  Publisher publisher(options, Seams(), [&](const PublisherProgress& progress) {
    EXPECT_TRUE(progress.acknowledged > acknowledged || progress.failures > failures);
    acknowledged = progress.acknowledged;
    failures = progress.failures;
  });
  const std::vector<std::string> messages = Messages(500);
  PublishAll(publisher, messages);
  const Status closed = publisher.Close(Never());
  ASSERT_TRUE(closed.ok()) << closed.ToString();
  EXPECT_EQ(collector.Kept(), messages);
  EXPECT_EQ(publisher.progress().unconfirmed(), 0u);
  EXPECT_EQ(publisher.progress().unanswered, 0u);
  EXPECT_GT(publisher.progress().resent, 0u);
  EXPECT_EQ(acknowledged, messages.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, BadCollectorTest, testing::Range<uint64_t>(1, 21));

TEST(PublisherTest, BatchesUnderWayDoNotOvertakeARefusedOne) {
  // The batches behind the refused one are gaps to the collector, whatever it would like to do.
  BadCollector collector(Script({Conduct::kKeep, Conduct::kTryLater}));
  const auto server = Serve(collector);
  Publisher publisher(OptionsFor(server->port()), Seams());
  const std::vector<std::string> messages = Messages(40);
  PublishAll(publisher, messages);
  ASSERT_TRUE(publisher.Close(Never()).ok());
  EXPECT_EQ(collector.Kept(), messages);
  EXPECT_THAT(publisher.progress().last_error, HasSubstr("TRY_LATER"));
}

TEST(PublisherTest, ACollectorWithoutMemoryGetsNothingTwiceForATryLater) {
  BadCollector collector(Script({Conduct::kKeep, Conduct::kTryLater}), BadCollector::Memory::kNone);
  const auto server = Serve(collector);
  Publisher publisher(OptionsFor(server->port()), Seams());
  const std::vector<std::string> messages = Messages(40);
  PublishAll(publisher, messages);
  ASSERT_TRUE(publisher.Close(Never()).ok());
  // It keeps what comes behind the refused batch: another order, but nothing twice.
  EXPECT_THAT(collector.Kept(), testing::UnorderedElementsAreArray(messages));
}

TEST(PublisherTest, ACollectorThatRestartsLosesAndDoublesNothing) {
  BadCollector collector(Script({}));
  auto server = Serve(collector);
  const uint16_t port = server->port();
  Publisher publisher(OptionsFor(port), Seams());
  const std::vector<std::string> messages = Messages(300);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i % 100 == 50) {
      server.reset();
      server = Serve(collector, port);
    }
    ASSERT_TRUE(publisher.Publish("clicks", messages[i], Never()).ok());
  }
  ASSERT_TRUE(publisher.Close(Never()).ok());
  EXPECT_EQ(collector.Kept(), messages);
}

TEST(PublisherTest, ACollectorThatHasLostItsMemoryGoesOnWhereThePublisherIs) {
  BadCollector collector(Script({}));
  const auto server = Serve(collector);
  Publisher publisher(OptionsFor(server->port()), Seams());
  const std::vector<std::string> messages = Messages(20);
  PublishAll(publisher, {messages.begin(), messages.begin() + 10});
  ASSERT_TRUE(publisher.Flush(Never()).ok());
  collector.ForgetIdentities();
  PublishAll(publisher, {messages.begin() + 10, messages.end()});
  ASSERT_TRUE(publisher.Close(Never()).ok());
  EXPECT_EQ(collector.Kept(), messages);
}

TEST(PublisherTest, WithoutACollectorItTakesWhatHasRoomAndSaysWhatIsUnconfirmed) {
  BadCollector collector(Script({}));
  const uint16_t port = Serve(collector)->port();  // and nobody listens there any more
  PublisherOptions options = OptionsFor(port);
  Publisher publisher(options, Seams());
  // Refused on the spot: there is room for the batches under way and one more.
  Status status;
  const BootTime soon = SystemClock().Boot() + 50ms;
  uint64_t taken = 0;
  while ((status = publisher.Publish("clicks", "m", soon)).ok()) ++taken;
  EXPECT_EQ(status.code(), Code::kNoSpace);
  EXPECT_EQ(taken, options.batch_messages_max * (options.in_flight_max + 1));
  EXPECT_EQ(publisher.progress().accepted, taken);
  const Status closed = publisher.Close(SystemClock().Boot() + 10ms);
  EXPECT_EQ(closed.code(), Code::kUnavailable);
  EXPECT_THAT(closed.message(), HasSubstr("15 messages unconfirmed"));
  EXPECT_EQ(publisher.progress().unconfirmed(), taken);
  EXPECT_EQ(publisher.progress().not_kept(), taken) << "nothing was ever sent";
  EXPECT_EQ(publisher.Publish("clicks", "m", Never()).code(), Code::kStopped);
}

TEST(PublisherTest, ATryLaterIsFollowedByAPause) {
  std::atomic<int> calls = 0;
  BadCollector collector([&calls] {
    ++calls;
    return Conduct::kTryLater;
  });
  const auto server = Serve(collector);
  PublisherOptions options = OptionsFor(server->port());
  options.pause_min = options.pause_max = 1h;
  Publisher publisher(options, Seams());
  PublishAll(publisher, {"one"});
  while (publisher.progress().last_error.empty()) {
    EXPECT_EQ(publisher.Flush(SystemClock().Boot() + 20ms).code(), Code::kUnavailable);
  }
  EXPECT_EQ(publisher.Flush(SystemClock().Boot() + 20ms).code(), Code::kUnavailable);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(publisher.progress().not_kept(), 1u) << "what is refused is not there";
}

TEST(PublisherTest, WhatWasSentAndNeverAnsweredMayBeThereEvenWhenTheRepeatIsRefused) {
  BadCollector collector([calls = 0]() mutable {
    return calls++ == 0 ? Conduct::kKeepAndHangUp : Conduct::kTryLater;
  });
  const auto server = Serve(collector);
  Publisher publisher(OptionsFor(server->port()), Seams());
  PublishAll(publisher, {"one"});
  while (publisher.progress().failures < 2) {
    EXPECT_EQ(publisher.Flush(SystemClock().Boot() + 20ms).code(), Code::kUnavailable);
  }
  EXPECT_EQ(publisher.progress().unanswered, 1u);
  EXPECT_EQ(publisher.progress().not_kept(), 0u);
}

TEST(PublisherTest, ASilentCollectorIsGivenUpAndTheBatchSentAgain) {
  BadCollector collector(Script({Conduct::kKeepAndLoseAnswer}));
  const auto server = Serve(collector);
  PublisherOptions options = OptionsFor(server->port());
  options.answer_timeout = 20ms;
  Publisher publisher(options, Seams());
  PublishAll(publisher, {"once"});
  ASSERT_TRUE(publisher.Close(Never()).ok());
  EXPECT_THAT(collector.Kept(), ElementsAre("once"));
  EXPECT_EQ(publisher.progress().resent, 1u);
  EXPECT_THAT(publisher.progress().last_error, HasSubstr("does not answer"));
}

TEST(PublisherTest, PollSendsABatchWhoseTimeHasCome) {
  BadCollector collector(Script({}));
  const auto server = Serve(collector);
  PublisherOptions options = OptionsFor(server->port());
  options.batch_age_max = 0ms;
  Publisher publisher(options, Seams());
  PublishAll(publisher, {"one"});
  publisher.Poll(Never());
  EXPECT_TRUE(collector.AwaitKept(1));
}

TEST(PublisherTest, InterruptEndsAWaitingFlush) {
  BadCollector collector(Script(std::vector<Conduct>(1000, Conduct::kKeepAndLoseAnswer)));
  const auto server = Serve(collector);
  Publisher publisher(OptionsFor(server->port()), Seams());
  PublishAll(publisher, {"one"});
  Thread interrupter("interrupter", [&] {
    collector.AwaitKept(1);
    publisher.Interrupt();
  });
  EXPECT_EQ(publisher.Flush(Never()).code(), Code::kStopped);
  EXPECT_EQ(publisher.Publish("clicks", "two", Never()).code(), Code::kStopped);
  EXPECT_EQ(publisher.progress().unconfirmed(), 1u);
}

TEST(PublisherTest, AMessageThatIsTooLargeIsRefused) {
  PublisherOptions options = OptionsFor(1);
  options.message_bytes_max = 10;
  Publisher publisher(options, Seams());
  EXPECT_EQ(publisher.Publish("clicks", "12345", Never()).code(), Code::kInvalid);
  EXPECT_TRUE(publisher.Publish("clicks", "1234", Never()).ok());
  EXPECT_EQ(publisher.progress().accepted, 1u);
}

}  // namespace
}  // namespace databus
