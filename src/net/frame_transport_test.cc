// Server and client of the framed transport over real sockets of this machine.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "base/sync.h"
#include "net/network.h"
#include "net/tcp_socket.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// Long enough never to be reached; a test that reaches it fails.
BootTime Never() { return SystemClock().Boot() + 60s; }

// What the handler of a test does with frames.
enum class Conduct : uint8_t { kEcho, kHold, kAnswerLong };
constexpr size_t kLongAnswerBytes = 64u << 10;

class TestHandler final : public FrameHandler {
 public:
  explicit TestHandler(Conduct conduct) : conduct_(conduct) {}
  void Serve(FrameServer& server) { server_ = &server; }

  Admission OnOpen(ConnectionId connection, std::string_view peer_ip) override {
    MutexLock lock(mutex_);
    opened_.push_back(connection);
    peers_.emplace_back(peer_ip);
    changed_.NotifyAll();
    return admission;
  }
  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override {
    std::vector<Reply> replies;
    for (Frame& frame : frames) {
      if (conduct_ == Conduct::kEcho) {
        replies.push_back({connection, std::string(frame.bytes())});
      } else if (conduct_ == Conduct::kAnswerLong) {
        replies.push_back({connection, std::string(kLongAnswerBytes, 'x')});
      }
    }
    if (!replies.empty()) server_->Send(std::move(replies));
    MutexLock lock(mutex_);
    for (Frame& frame : frames) {
      ++frames_of_[connection];
      bytes_ += frame.bytes().size();
      if (conduct_ == Conduct::kHold) held_.emplace_back(connection, std::move(frame));
    }
    changed_.NotifyAll();
  }
  std::string OnOversized(ConnectionId, std::string_view head, uint32_t length) override {
    return "too long: " + std::to_string(length) + " " + std::string(head.substr(0, 4));
  }
  void OnClose(ConnectionId) override {
    MutexLock lock(mutex_);
    ++closed_;
    changed_.NotifyAll();
  }

  // Waits for a condition on what has happened; false when it never came.
  template <typename Condition>
  bool Await(Condition&& condition) {
    const BootTime deadline = Never();
    MutexLock lock(mutex_);
    while (!condition(*this)) {
      if (SystemClock().Boot() >= deadline) return false;
      changed_.WaitUntil(lock, SystemClock(), deadline);
    }
    return true;
  }
  bool AwaitClosed(size_t count) {
    return Await([&](TestHandler& self) { return self.closed_ >= count; });
  }
  bool AwaitHeld(size_t count) {
    return Await([&](TestHandler& self) { return self.held_.size() >= count; });
  }
  std::vector<std::pair<ConnectionId, Frame>> TakeHeld() {
    MutexLock lock(mutex_);
    return std::exchange(held_, {});
  }
  size_t FramesOf(ConnectionId connection) {
    MutexLock lock(mutex_);
    return frames_of_[connection];
  }
  std::vector<ConnectionId> Opened() {
    MutexLock lock(mutex_);
    return opened_;
  }
  std::vector<std::string> Peers() {
    MutexLock lock(mutex_);
    return peers_;
  }
  uint64_t bytes_locked() const { return bytes_; }

  Admission admission = Admission::kAdmit;

 private:
  const Conduct conduct_;
  FrameServer* server_ = nullptr;
  Mutex mutex_;
  CondVar changed_;
  std::vector<ConnectionId> opened_;
  std::vector<std::string> peers_;
  std::map<ConnectionId, size_t> frames_of_;
  uint64_t bytes_ = 0;
  std::vector<std::pair<ConnectionId, Frame>> held_;
  size_t closed_ = 0;
};

struct TestServer {
  explicit TestServer(Conduct conduct, ListenOptions options = {}) : handler(conduct) {
    if (options.bind_address == "::") options.bind_address = "127.0.0.1";
    Result<std::unique_ptr<FrameServer>> listening = TcpNetwork().Listen(options);
    EXPECT_TRUE(listening.ok()) << listening.status().ToString();
    server = std::move(*listening);
    handler.Serve(*server);
    server->Start(handler);
  }
  std::unique_ptr<FrameClient> Connect(const std::string& host = "127.0.0.1") const {
    Result<std::unique_ptr<FrameClient>> client =
        TcpNetwork().Connect({.host = host, .port = server->port(), .deadline = Never()});
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return client.ok() ? std::move(*client) : nullptr;
  }
  // A socket whose bytes the test writes itself.
  Fd ConnectRaw() const {
    Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    const SocketAddress address = ParseAddress("127.0.0.1", server->port()).value();
    EXPECT_EQ(::connect(fd.get(), address.get(), address.size), 0);
    SetConnectionOptions(fd.get());
    return fd;
  }

  TestHandler handler;
  std::unique_ptr<FrameServer> server;
};

Status SendFrames(FrameClient& client, const std::vector<std::string>& frames) {
  const std::vector<std::string_view> views(frames.begin(), frames.end());
  return client.Send(views, Never());
}

// The next frame, or a text that says why there is none.
std::string ReceiveFrame(FrameClient& client) {
  Result<std::optional<std::string>> frame = client.Receive(Never());
  if (!frame.ok()) return std::string(CodeName(frame.code()));
  return frame->value_or("nothing in time");
}

std::string Framed(std::string_view payload) {
  const uint32_t length = htonl(static_cast<uint32_t>(payload.size()));
  return std::string(reinterpret_cast<const char*>(&length), 4) + std::string(payload);
}

void SendRaw(const Fd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t took = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (took <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(took));
  }
}

// Everything until the peer's end.
std::string ReceiveAll(const Fd& fd) {
  std::string all;
  char buffer[4096];
  ssize_t got;
  while ((got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0) {
    all.append(buffer, static_cast<size_t>(got));
  }
  return all;
}

TEST(FrameTransportTest, PipelinedFramesAreAnsweredInOrder) {
  TestServer test(Conduct::kEcho);
  const auto client = test.Connect();
  std::vector<std::string> frames;
  for (int i = 0; i < 5000; ++i) frames.push_back("frame " + std::to_string(i));
  ASSERT_TRUE(SendFrames(*client, frames).ok());
  for (const std::string& frame : frames) ASSERT_EQ(ReceiveFrame(*client), frame);
}

TEST(FrameTransportTest, FramesMayComeByteByByte) {
  TestServer test(Conduct::kEcho);
  const Fd fd = test.ConnectRaw();
  const std::string bytes = Framed("first") + Framed("") + Framed(std::string(300, 'z'));
  for (const char byte : bytes) SendRaw(fd, {&byte, 1});
  ::shutdown(fd.get(), SHUT_WR);
  // The empty frame's echo is empty, which is no answer.
  EXPECT_EQ(ReceiveAll(fd), Framed("first") + Framed(std::string(300, 'z')));
}

TEST(FrameTransportTest, FramesOfAllSizesArriveWholeHoweverTheyAreCut) {
  TestServer test(Conduct::kEcho);
  const auto random = SeededRandom(3);
  const Fd fd = test.ConnectRaw();
  std::string bytes;
  for (const size_t around : {1u, 1u << 14, 1u << 17, 1u << 18, 1u << 20}) {
    for (size_t size = around - 1; size <= around + 1; ++size) {
      std::string payload(std::max<size_t>(size, 1), '\0');
      for (char& byte : payload) byte = static_cast<char>(random->Next());
      bytes += Framed(payload);
    }
  }
  Thread sender("sender", [&] {
    for (size_t at = 0; at < bytes.size();) {
      const size_t piece = std::min<size_t>(bytes.size() - at, 1 + random->Below(100'000));
      SendRaw(fd, std::string_view(bytes).substr(at, piece));
      at += piece;
    }
    ::shutdown(fd.get(), SHUT_WR);
  });
  EXPECT_TRUE(ReceiveAll(fd) == bytes);  // too much to print
  EXPECT_EQ(test.server->Stats().bytes_in, bytes.size());
  EXPECT_EQ(test.server->Stats().frames_in, 15u);
}

TEST(FrameTransportTest, AnOversizedFrameIsAnsweredAfterTheOthersAndEndsTheConnection) {
  TestServer test(Conduct::kHold, {.frame_bytes_max = 1000});
  const auto client = test.Connect();
  ASSERT_TRUE(SendFrames(*client, {"good", std::string(1001, 'x'), "never read"}).ok());
  ASSERT_TRUE(test.handler.AwaitHeld(1));
  test.server->SendOne(test.handler.TakeHeld().front().first, "answer");
  EXPECT_EQ(ReceiveFrame(*client), "answer");
  EXPECT_EQ(ReceiveFrame(*client), "too long: 1001 xxxx");
  EXPECT_EQ(ReceiveFrame(*client), "unavailable");
  EXPECT_EQ(test.server->Stats().frames_oversized, 1u);
  EXPECT_EQ(test.server->Stats().frames_in, 1u);
}

TEST(FrameTransportTest, PeersThatLeaveInTheMiddleOfAFrameAreCounted) {
  TestServer test(Conduct::kEcho);
  for (const std::string& part : {std::string("\0\0", 2), Framed("small").substr(0, 7),
                                  Framed(std::string(100'000, 'l')).substr(0, 50'000)}) {
    SendRaw(test.ConnectRaw(), part);
  }
  SendRaw(test.ConnectRaw(), Framed("whole"));
  ASSERT_TRUE(test.handler.AwaitClosed(4));
  EXPECT_EQ(test.server->Stats().frames_truncated, 3u);
  EXPECT_EQ(test.server->Stats().connections_now, 0u);
}

TEST(FrameTransportTest, AThousandConnectionsAreServedAtOnce) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ASSERT_GE(limit.rlim_cur, 2100u);
  TestServer test(Conduct::kEcho);
  std::vector<std::unique_ptr<FrameClient>> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(test.Connect());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(SendFrames(*clients[i], {std::to_string(i), "second"}).ok());
  }
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(ReceiveFrame(*clients[i]), std::to_string(i));
    ASSERT_EQ(ReceiveFrame(*clients[i]), "second");
  }
  EXPECT_EQ(test.server->Stats().connections_now, 1000u);
  clients.clear();
  EXPECT_TRUE(test.handler.AwaitClosed(1000));
}

TEST(FrameTransportTest, ASlowReaderIsNoLongerReadAndOthersAreServed) {
  constexpr size_t kFrames = 4000;
  TestServer test(Conduct::kAnswerLong, {.connection_pending_bytes_max = 64u << 10});
  const auto slow = test.Connect();
  ASSERT_TRUE(test.handler.Await([](TestHandler& self) { return self.bytes_locked() == 0; }));
  Thread sender("sender", [&] {
    EXPECT_TRUE(SendFrames(*slow, std::vector<std::string>(kFrames, std::string(8192, 'q'))).ok());
  });
  const auto other = test.Connect();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(SendFrames(*other, {"ping"}).ok());
    ASSERT_EQ(ReceiveFrame(*other).size(), kLongAnswerBytes);
  }
  // One read brings 32 frames, the system's buffers take some megabytes of answers.
  EXPECT_LT(test.handler.FramesOf(test.handler.Opened().front()), kFrames / 4);
  for (size_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(ReceiveFrame(*slow).size(), kLongAnswerBytes) << i;
  }
}

TEST(FrameTransportTest, MemoryStaysBoundedWhileTheHandlerHoldsFrames) {
  constexpr uint64_t kMost = 1u << 20;
  constexpr size_t kFrames = 200;
  TestServer test(Conduct::kHold, {.total_pending_bytes_max = kMost});
  const auto one = test.Connect();
  const auto two = test.Connect();
  // Small frames share buffers, large ones have their own.
  Thread small("small", [&] {
    EXPECT_TRUE(SendFrames(*one, std::vector<std::string>(kFrames, std::string(9000, 's'))).ok());
  });
  Thread large("large", [&] {
    EXPECT_TRUE(SendFrames(*two, std::vector<std::string>(kFrames, std::string(90000, 'l'))).ok());
  });
  // Nothing is given back until the server had to stop.
  const BootTime deadline = Never();
  while (test.server->Stats().reads_paused == 0) ASSERT_LT(SystemClock().Boot(), deadline);
  size_t answered = 0;
  while (answered < 2 * kFrames) {
    ASSERT_TRUE(test.handler.AwaitHeld(1));
    const std::vector<std::pair<ConnectionId, Frame>> held = test.handler.TakeHeld();
    EXPECT_LE(test.server->Stats().pending_bytes_now, kMost + (256u << 10));
    for (const auto& [connection, frame] : held) test.server->SendOne(connection, "ok");
    answered += held.size();
  }
  for (size_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(ReceiveFrame(*one), "ok");
    ASSERT_EQ(ReceiveFrame(*two), "ok");
  }
  EXPECT_TRUE(test.handler.TakeHeld().empty());
}

TEST(FrameTransportTest, LargeFramesWaitForRoomAndAllArrive) {
  TestServer test(Conduct::kEcho, {.total_pending_bytes_max = 1u << 20});
  const std::string frame = Framed(std::string(700'000, 'f'));
  std::vector<Fd> peers;
  for (int i = 0; i < 4; ++i) {
    peers.push_back(test.ConnectRaw());
    SendRaw(peers.back(), frame.substr(0, 20'000));
  }
  // The last may be the one that waits; the first has to be able to end all the same.
  std::vector<Thread> senders;
  for (const Fd& peer : peers) {
    senders.emplace_back("sender", [&] {
      SendRaw(peer, frame.substr(20'000));
      ::shutdown(peer.get(), SHUT_WR);
    });
  }
  for (const Fd& peer : peers) EXPECT_EQ(ReceiveAll(peer).size(), frame.size());
  EXPECT_EQ(test.server->Stats().frames_stalled, 0u);
}

TEST(FrameTransportTest, AFrameOutlivesItsConnectionAndItsServer) {
  std::vector<std::pair<ConnectionId, Frame>> held;
  {
    TestServer test(Conduct::kHold);
    ASSERT_TRUE(SendFrames(*test.Connect(), {"kept", std::string(100'000, 'k')}).ok());
    ASSERT_TRUE(test.handler.AwaitHeld(2));
    held = test.handler.TakeHeld();
  }
  EXPECT_EQ(held[0].second.bytes(), "kept");
  EXPECT_EQ(held[1].second.bytes(), std::string(100'000, 'k'));
}

TEST(FrameTransportTest, APeerThatHasClosedItsDirectionGetsItsAnswers) {
  TestServer test(Conduct::kHold);
  const Fd fd = test.ConnectRaw();
  SendRaw(fd, Framed("question"));
  ::shutdown(fd.get(), SHUT_WR);
  ASSERT_TRUE(test.handler.AwaitHeld(1));
  test.server->SendOne(test.handler.TakeHeld().front().first, "answer");
  EXPECT_EQ(ReceiveAll(fd), Framed("answer"));
}

TEST(FrameTransportTest, CloseConnectionSendsWhatWasGivenBefore) {
  TestServer test(Conduct::kHold);
  const auto client = test.Connect();
  ASSERT_TRUE(SendFrames(*client, {"one", "two"}).ok());
  ASSERT_TRUE(test.handler.AwaitHeld(2));
  const ConnectionId id = test.handler.TakeHeld().front().first;
  test.server->SendOne(id, "answer");
  test.server->CloseConnection(id);
  EXPECT_EQ(ReceiveFrame(*client), "answer");
  EXPECT_EQ(ReceiveFrame(*client), "unavailable");
}

TEST(FrameTransportTest, ShutdownWaitsForAnswersAndThenCloses) {
  TestServer test(Conduct::kHold);
  const auto client = test.Connect();
  const auto idle = test.Connect();
  ASSERT_TRUE(SendFrames(*client, {"question"}).ok());
  ASSERT_TRUE(test.handler.AwaitHeld(1));
  Thread stopper("stopper", [&] { test.server->Shutdown(Never()); });
  EXPECT_EQ(ReceiveFrame(*idle), "unavailable");
  test.server->SendOne(test.handler.TakeHeld().front().first, "answer");
  EXPECT_EQ(ReceiveFrame(*client), "answer");
  EXPECT_EQ(ReceiveFrame(*client), "unavailable");
  stopper.Join();
  EXPECT_TRUE(test.handler.AwaitClosed(2));
}

TEST(FrameTransportTest, ShutdownEndsAtItsDeadline) {
  TestServer test(Conduct::kHold);
  const auto client = test.Connect();
  ASSERT_TRUE(SendFrames(*client, {"question"}).ok());
  ASSERT_TRUE(test.handler.AwaitHeld(1));
  test.server->Shutdown(SystemClock().Boot());
  EXPECT_TRUE(test.handler.AwaitClosed(1));
  EXPECT_EQ(ReceiveFrame(*client), "unavailable");
}

TEST(FrameTransportTest, StopAcceptingRefusesNewConnectionsAndServesOldOnes) {
  TestServer test(Conduct::kEcho);
  const auto client = test.Connect();
  ASSERT_TRUE(SendFrames(*client, {"before"}).ok());
  EXPECT_EQ(ReceiveFrame(*client), "before");
  test.server->StopAccepting();
  ASSERT_TRUE(SendFrames(*client, {"after"}).ok());
  EXPECT_EQ(ReceiveFrame(*client), "after");
  const auto refused =
      TcpNetwork().Connect({.host = "127.0.0.1", .port = test.server->port(), .deadline = Never()});
  EXPECT_EQ(refused.code(), Code::kUnavailable);
}

TEST(FrameTransportTest, ConnectionsBeyondTheLimitAreClosedAndCounted) {
  TestServer test(Conduct::kEcho, {.connections_max = 1});
  const auto first = test.Connect();
  ASSERT_TRUE(SendFrames(*first, {"in"}).ok());
  EXPECT_EQ(ReceiveFrame(*first), "in");
  EXPECT_EQ(ReceiveFrame(*test.Connect()), "unavailable");
  EXPECT_EQ(test.server->Stats().connections_refused, 1u);
}

TEST(FrameTransportTest, LimitsChangeWhileConnectionsStay) {
  TestServer test(Conduct::kEcho, {.frame_bytes_max = 1000, .connections_max = 1});
  const auto first = test.Connect();
  const auto echo = [](FrameClient& client, const std::string& frame) {
    EXPECT_TRUE(SendFrames(client, {frame}).ok());
    return ReceiveFrame(client);
  };
  EXPECT_EQ(echo(*first, "in"), "in");
  const std::string longer(1500, 'x');
  test.server->SetLimits({.frame_bytes_max = 2000, .connections_max = 2});
  EXPECT_EQ(echo(*first, "told"), "told");  // an answer goes out after what was told before it
  EXPECT_EQ(echo(*first, longer), longer);
  const auto second = test.Connect();
  EXPECT_EQ(echo(*second, longer), longer);
  test.server->SetLimits({.frame_bytes_max = 1000, .connections_max = 1});
  EXPECT_EQ(echo(*first, "told"), "told");
  EXPECT_EQ(ReceiveFrame(*test.Connect()), "unavailable");
  EXPECT_EQ(echo(*second, "still there"), "still there");
  EXPECT_THAT(echo(*second, longer), testing::StartsWith("too long: 1500"));
}

TEST(FrameTransportTest, TheHandlerMayRefuseAPeer) {
  TestServer test(Conduct::kEcho);
  test.handler.admission = Admission::kRefuse;
  EXPECT_EQ(ReceiveFrame(*test.Connect()), "unavailable");
  EXPECT_THAT(test.handler.Peers(), ElementsAre("127.0.0.1"));
}

TEST(FrameTransportTest, OneSocketTakesBothKindsOfAddresses) {
  if (!Fd(::socket(AF_INET6, SOCK_STREAM, 0)).open()) GTEST_SKIP() << "no IPv6 here";
  TestServer test(Conduct::kEcho, {.bind_address = "::0"});
  for (const char* host : {"127.0.0.1", "::1"}) {
    const auto client = test.Connect(host);
    ASSERT_NE(client, nullptr);
    ASSERT_TRUE(SendFrames(*client, {"hello"}).ok());
    EXPECT_EQ(ReceiveFrame(*client), "hello");
  }
  EXPECT_THAT(test.handler.Peers(), ElementsAre("127.0.0.1", "::1"));
}

TEST(FrameTransportTest, ListenSaysWhyItCannot) {
  TestServer test(Conduct::kEcho);
  EXPECT_EQ(TcpNetwork().Listen({.bind_address = "127.0.0.1", .port = test.server->port()}).code(),
            Code::kExists);
  EXPECT_EQ(TcpNetwork().Listen({.bind_address = "no address"}).code(), Code::kInvalid);
  EXPECT_EQ(TcpNetwork().Listen({.bind_address = "192.0.2.1"}).code(), Code::kRefused);
}

TEST(FrameTransportTest, ReceiveReturnsNothingAtItsDeadlineAndTheConnectionGoesOn) {
  TestServer test(Conduct::kHold);
  const auto client = test.Connect();
  Result<std::optional<std::string>> none = client->Receive(SystemClock().Boot());
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, std::nullopt);
  ASSERT_TRUE(SendFrames(*client, {"question"}).ok());
  ASSERT_TRUE(test.handler.AwaitHeld(1));
  test.server->SendOne(test.handler.TakeHeld().front().first, "answer");
  EXPECT_EQ(ReceiveFrame(*client), "answer");
}

}  // namespace
}  // namespace databus
