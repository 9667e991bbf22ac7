// A server that does what a test says, over real sockets of this machine. For tests only.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "storage/hdfs/socket.h"
#include "storage/hdfs/wire/rpc.pb.h"
#include "storage/hdfs/wire_format.h"

namespace databus::hdfs {

// One connection, at the server's end.
class PeerConnection {
 public:
  explicit PeerConnection(int fd) : fd_(fd) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  PeerConnection(const PeerConnection&) = delete;
  ~PeerConnection() { ::close(fd_); }

  // Exactly so many bytes, or those before the client closed.
  std::string Read(size_t bytes) {
    std::string read(bytes, '\0');
    size_t have = 0;
    while (have < bytes) {
      const ssize_t got = ::recv(fd_, read.data() + have, bytes - have, 0);
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    read.resize(have);
    return read;
  }
  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t took = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (took <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(took));
    }
  }
  // Waits until the client closes.
  void AwaitEnd() {
    while (!Read(4096).empty()) {
    }
  }

  // A message of a stream, delimited.
  template <typename Message>
  Message ReadMessage() {
    Message message;
    std::string bytes;
    while (true) {
      std::string_view view = bytes;
      if (TakeDelimited(view, message, 1u << 20) == Taken::kWhole) return message;
      const std::string more = Read(1);
      if (more.empty()) return message;
      bytes += more;
    }
  }
  void WriteMessage(const google::protobuf::MessageLite& message) {
    std::string bytes;
    AppendDelimited(message, bytes);
    Write(bytes);
  }

  // --- As a name node

  struct Call {
    wire::RpcRequestHeader header;
    std::string method;
    std::string request;
    int32_t id() const { return header.call_id(); }
  };
  void ReadGreeting() {
    Read(7);
    ReadFrame();
  }
  std::string ReadFrame() {
    const std::string length = Read(4);
    return length.size() == 4 ? Read(LoadBigEndian32(length.data())) : std::string();
  }
  Call ReadCall() {
    std::optional<Call> call = NextCall();
    EXPECT_TRUE(call.has_value()) << "the client closed";
    return std::move(call).value_or(Call());
  }
  // Nothing when the client has closed.
  std::optional<Call> NextCall() {
    const std::string frame = ReadFrame();
    if (frame.empty()) return std::nullopt;
    std::string_view bytes = frame;
    Call call;
    wire::RequestHeader header;
    EXPECT_EQ(TakeDelimited(bytes, call.header, 1u << 20), Taken::kWhole);
    EXPECT_EQ(TakeDelimited(bytes, header, 1u << 20), Taken::kWhole);
    call.method = header.method();
    call.request = bytes;
    return call;
  }
  void Answer(int32_t call_id, const google::protobuf::MessageLite& message) {
    wire::RpcResponseHeader header;
    header.set_call_id(static_cast<uint32_t>(call_id));
    header.set_status(0);
    std::string frame;
    AppendDelimited(header, frame);
    AppendDelimited(message, frame);
    WriteFrame(frame);
  }
  struct Failure {
    std::string exception;
    std::string message;
    uint32_t status = 1;  // 2: fatal
  };
  void Fail(int32_t call_id, const Failure& failure) {
    wire::RpcResponseHeader header;
    header.set_call_id(static_cast<uint32_t>(call_id));
    header.set_status(failure.status);
    header.set_exception_class(failure.exception);
    header.set_error_message(failure.message);
    std::string frame;
    AppendDelimited(header, frame);
    WriteFrame(frame);
  }
  void WriteFrame(std::string_view frame) {
    std::string bytes;
    AppendBigEndian32(static_cast<uint32_t>(frame.size()), bytes);
    bytes += frame;
    Write(bytes);
  }

 private:
  const int fd_;
};

// Serves one connection after the other, each by the next of its scripts, and none afterwards. The
// destructor waits for the scripts to end.
class TestPeer {
 public:
  using Script = std::function<void(PeerConnection&)>;

  explicit TestPeer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_ = {"127.0.0.1", ntohs(address.sin_port)};
    thread_ = Thread("peer", [this] { Run(); });
  }
  TestPeer(const TestPeer&) = delete;
  ~TestPeer() {
    ::shutdown(fd_, SHUT_RDWR);  // ends a wait for a client that does not come
    thread_.Join();
    ::close(fd_);
  }

  const Endpoint& endpoint() const { return endpoint_; }

  // Ends the connection that is being served, for scripts that go on until the client closes.
  void Cut() {
    MutexLock lock(mutex_);
    if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);
  }

 private:
  void SetCurrent(int fd) {
    MutexLock lock(mutex_);
    current_ = fd;
  }
  void Run() {
    for (const Script& script : scripts_) {
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      SetCurrent(fd);
      PeerConnection connection(fd);
      script(connection);
      SetCurrent(-1);
    }
    ::shutdown(fd_, SHUT_RDWR);  // who comes now is refused
  }

  const std::vector<Script> scripts_;
  int fd_ = -1;
  Endpoint endpoint_;
  Mutex mutex_;
  int current_ = -1;  // the connection that is being served
  Thread thread_;
};

// A server that lets connections come, and then says nothing at all; or one that is so gone that
// not even connections stand.
class SilentPeer {
 public:
  enum class Kind : uint8_t { kSaysNothing, kIsGone };
  explicit SilentPeer(Kind kind = Kind::kSaysNothing) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, kind == Kind::kIsGone ? 0 : 1024), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_ = {"127.0.0.1", ntohs(address.sin_port)};
    if (kind == Kind::kSaysNothing) return;
    // Who comes while its queue is full is not answered.
    for (int& other : others_) {
      other = NewSocket();
      const int begun = ::connect(other, reinterpret_cast<sockaddr*>(&address), size);
      EXPECT_TRUE(begun == 0 || errno == EINPROGRESS);
    }
  }
  SilentPeer(const SilentPeer&) = delete;
  ~SilentPeer() {
    for (const int fd : others_) ::close(fd);
    for (const int fd : came_) ::close(fd);
    ::close(fd_);
  }

  const Endpoint& endpoint() const { return endpoint_; }
  // How many have come so far.
  size_t connects() {
    for (int fd = 0; (fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      came_.push_back(fd);
    }
    return came_.size();
  }

 private:
  static int NewSocket() {
    return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  }

  const int fd_ = NewSocket();
  Endpoint endpoint_;
  std::vector<int> came_;
  std::array<int, 3> others_{-1, -1, -1};
};

}  // namespace databus::hdfs
