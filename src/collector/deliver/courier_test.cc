// A courier on its own thread, over real sockets, to receivers that behave and misbehave.
#include "collector/deliver/courier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sync.h"
#include "net/fb303_client.h"
#include "net/fb303_handler.h"
#include "net/scribe_codec.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kIncarnation[] = "00000000000000ab";

// Long enough never to be reached; a test that reaches it fails.
BootTime Never() { return SystemClock().Boot() + std::chrono::seconds(60); }

enum class Conduct : uint8_t { kTake, kRefuse, kBreak, kSilent };

// Behaves as told by the number of the batch.
class Receiver final : public FrameHandler, public Fb303Handler {
 public:
  explicit Receiver(std::string incarnation = kIncarnation) : incarnation_(std::move(incarnation)) {
    server_ = *TcpNetwork().Listen({.bind_address = "127.0.0.1"});
    server_->Start(*this);
  }
  ~Receiver() override { server_->Shutdown({}); }
  Endpoint address() const { return {"127.0.0.1", server_->port()}; }

  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override {
    for (const Frame& frame : frames) {
      const auto header = DecodeCallHeader(frame.bytes());
      ASSERT_TRUE(header.ok());
      if (header->method != kLogMethod) {
        server_->Send({{connection, AnswerFb303(frame.bytes(), *this)}});
        continue;
      }
      const auto call = DecodeLogCall(frame.bytes(), *header);
      ASSERT_TRUE(call.ok());
      const uint64_t number = call->batch ? call->batch->number : 0;
      MutexLock lock(mutex_);
      const auto told = conduct_.find(number);
      const Conduct conduct = told == conduct_.end() ? Conduct::kTake : told->second;
      if (conduct == Conduct::kSilent) continue;
      if (conduct == Conduct::kBreak) return server_->CloseConnection(connection);
      if (conduct == Conduct::kTake) taken_.push_back(number);
      const ResultCode code = conduct == Conduct::kTake ? ResultCode::kOk : ResultCode::kTryLater;
      server_->Send({{connection, EncodeLogReply(call->reply_to, code)}});
    }
  }
  void Behave(uint64_t number, Conduct conduct) {
    MutexLock lock(mutex_);
    conduct_[number] = conduct;
  }
  std::vector<uint64_t> taken() {
    MutexLock lock(mutex_);
    return taken_;
  }

  std::string Name() const override { return "test"; }
  std::string Version() const override { return "1"; }
  Fb303Status Status() const override { return Fb303Status::kAlive; }
  std::string StatusDetails() const override { return ""; }
  std::map<std::string, int64_t> Counters() const override { return {}; }
  std::string Option(std::string_view key) const override {
    return key == kIncarnationOption ? incarnation_ : "";
  }
  int64_t AliveSince() const override { return 0; }
  void Reinitialize() override {}
  void Shutdown() override {}

 private:
  const std::string incarnation_;
  std::unique_ptr<FrameServer> server_;
  Mutex mutex_;  // guards what follows
  std::map<uint64_t, Conduct> conduct_;
  std::vector<uint64_t> taken_;
};

class CourierTest : public testing::Test {
 protected:
  std::unique_ptr<Courier> Send(const Endpoint& to, std::chrono::milliseconds timeout = {}) {
    CourierSettings settings;
    if (timeout.count() > 0) settings.timeout = timeout;
    settings.retry = {std::chrono::milliseconds(20), std::chrono::milliseconds(10)};
    auto courier = std::make_unique<Courier>(
        Courier::Seams{TcpNetwork(), SystemClock(), SystemRandom(), "00000000000000ff",
                       [this] {
                         MutexLock lock(mutex_);
                         ++wakes_;
                         changed_.NotifyAll();
                       }},
        to, settings);
    courier->Start();
    courier->Want();
    return courier;
  }
  template <typename Condition>
  bool Await(const Condition& condition) {
    MutexLock lock(mutex_);
    while (true) {
      const uint64_t seen = wakes_;
      lock.Unlock();
      const bool holds = condition();
      lock.Lock();
      if (holds) return true;
      while (wakes_ == seen) {
        // Not everything wakes us: a failure to connect does not.
        const BootTime look = SystemClock().Boot() + Milliseconds(20);
        changed_.WaitUntil(lock, SystemClock(), look);
        if (SystemClock().Boot() >= look) break;
      }
      if (SystemClock().Boot() >= give_up_) return false;
    }
  }
  std::optional<CourierReport> Carry(Courier& courier, uint64_t batches, uint64_t first = 1) {
    if (!Await([&] { return courier.Peer().has_value(); })) return std::nullopt;
    CourierLoad load{.intent = 9, .peer = *courier.Peer(), .sender = 5, .first = first};
    for (uint64_t i = 0; i < batches; ++i) {
      load.batches.emplace_back();
      load.batches.back().Add("clicks", std::to_string(i));
    }
    courier.Give(std::move(load));
    std::optional<CourierReport> report;
    Await([&] {
      report = courier.TakeReport();
      return report.has_value();
    });
    return report;
  }

  const BootTime give_up_ = Never();
  Mutex mutex_;
  CondVar changed_;
  uint64_t wakes_ = 0;
};

TEST_F(CourierTest, FindsOutWhoTheReceiverIsAndCarriesManyBatchesInOrder) {
  Receiver receiver;
  const auto courier = Send(receiver.address());
  const auto report = Carry(*courier, 30);
  ASSERT_TRUE(report);
  EXPECT_EQ(courier->Peer(), kIncarnation);
  EXPECT_EQ(report->outcome, CourierOutcome::kKept);
  EXPECT_EQ(report->acknowledged, 30U);
  EXPECT_EQ(report->intent, 9U);
  std::vector<uint64_t> numbers(30);
  for (uint64_t i = 0; i < 30; ++i) numbers[i] = i + 1;
  EXPECT_EQ(receiver.taken(), numbers);
}

TEST_F(CourierTest, OneOfAnotherMakeHasNoNameAndGetsNoNumbers) {
  Receiver receiver("");
  const auto courier = Send(receiver.address());
  const auto report = Carry(*courier, 3, /*first=*/0);
  ASSERT_TRUE(report);
  EXPECT_EQ(courier->Peer(), "");
  EXPECT_EQ(report->outcome, CourierOutcome::kKept);
  EXPECT_THAT(receiver.taken(), ElementsAre(0, 0, 0));
}

TEST_F(CourierTest, WhatIsRefusedIsCertainlyNotThere) {
  Receiver receiver;
  for (uint64_t number = 3; number < 12; ++number) receiver.Behave(number, Conduct::kRefuse);
  const auto courier = Send(receiver.address());
  const auto report = Carry(*courier, 5);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, CourierOutcome::kNotKept);
  EXPECT_EQ(report->acknowledged, 2U);
  EXPECT_THAT(courier->trouble(), HasSubstr("TRY_LATER"));
}

TEST_F(CourierTest, AConnectionThatBreaksLeavesTheRestUnknown) {
  Receiver receiver;
  receiver.Behave(3, Conduct::kBreak);
  const auto courier = Send(receiver.address());
  const auto report = Carry(*courier, 5);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, CourierOutcome::kUnknown);
  EXPECT_LE(report->acknowledged, 2U);
  receiver.Behave(3, Conduct::kTake);
  const auto again = Carry(*courier, 5);
  ASSERT_TRUE(again) << "it connects again by itself";
  EXPECT_EQ(again->outcome, CourierOutcome::kKept);
}

TEST_F(CourierTest, AReceiverThatDoesNotAnswerInTimeLeavesTheRestUnknown) {
  Receiver receiver;
  for (const uint64_t number : {2, 3, 4}) receiver.Behave(number, Conduct::kSilent);
  const auto courier = Send(receiver.address(), std::chrono::milliseconds(200));
  const auto report = Carry(*courier, 4);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, CourierOutcome::kUnknown);
  EXPECT_EQ(report->acknowledged, 1U);
  EXPECT_THAT(courier->trouble(), HasSubstr("no answer in time"));
}

TEST_F(CourierTest, NobodyElseGetsWhatIsForOne) {
  Receiver receiver;
  const auto courier = Send(receiver.address());
  ASSERT_TRUE(Await([&] { return courier->Peer().has_value(); }));
  CourierLoad load{.intent = 1, .peer = "00000000000000cd", .sender = 5, .first = 1};
  load.batches.emplace_back();
  courier->Give(std::move(load));
  std::optional<CourierReport> report;
  ASSERT_TRUE(Await([&] { return (report = courier->TakeReport()).has_value(); }));
  EXPECT_EQ(report->outcome, CourierOutcome::kNotKept);
  EXPECT_TRUE(receiver.taken().empty());
}

TEST_F(CourierTest, ItselfIsNoReceiver) {
  Receiver receiver("00000000000000ff");
  const auto courier = Send(receiver.address());
  EXPECT_TRUE(Await([&] { return !courier->trouble().empty(); }));
  EXPECT_THAT(courier->trouble(), HasSubstr("itself"));
  EXPECT_FALSE(courier->Peer());
}

TEST_F(CourierTest, AReceiverThatNobodyWantsAnyMoreIsNoTrouble) {
  Receiver receiver("00000000000000ff");  // itself: never taken
  ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 60))};
  class OwnTime final : public Network {  // the network's deadlines are of real time
   public:
    Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options) override {
      ConnectOptions patient = options;
      patient.deadline = Never();
      return TcpNetwork().Connect(patient);
    }
    Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options) override {
      return TcpNetwork().Listen(options);
    }
  } network;
  Courier courier({network, clock, SystemRandom(), "00000000000000ff", [] {}}, receiver.address(),
                  {});
  courier.Want();
  courier.Step();
  ASSERT_NE(courier.trouble(), "");
  clock.Advance(std::chrono::hours(1));
  courier.Step();
  EXPECT_EQ(courier.trouble(), "");
}

TEST_F(CourierTest, ItEndsAtOnceAlsoWhileItWaitsForAnAnswer) {
  Receiver receiver;
  receiver.Behave(1, Conduct::kSilent);
  auto courier = Send(receiver.address(), std::chrono::hours(1));
  ASSERT_TRUE(Await([&] { return courier->Peer().has_value(); }));
  CourierLoad load{.intent = 1, .peer = kIncarnation, .sender = 5, .first = 1};
  load.batches.emplace_back();
  courier->Give(std::move(load));
  courier.reset();  // returns
  EXPECT_LT(SystemClock().Boot(), give_up_);
}

}  // namespace
}  // namespace databus
