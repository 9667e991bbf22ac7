#include "storage/hdfs/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace databus::hdfs {
namespace {

constexpr size_t kReadBytesMin = 16u << 10;
constexpr size_t kBufferBytes = 64u << 10;

Status Broken(std::string_view what, int error) {
  return {Code::kUnavailable, fmt::format("{}: {}", what, std::generic_category().message(error))};
}

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

enum class Waited : uint8_t { kReady, kTooLate, kHurried };

struct Patience {
  const Clock& clock;
  BootTime deadline;
  const Hurry* hurry;
};

// Waits until `fd` can be read or written (`events`), or has failed.
Waited WaitFor(int fd, short events, const Patience& patience) {
  BootTime deadline = patience.deadline;
  Waited in_vain = Waited::kTooLate;
  bool hurried = false;
  while (true) {
    const BootTime now = patience.clock.Boot();
    if (!hurried && patience.hurry != nullptr && patience.hurry->begun()) {
      hurried = true;
      if (now + Hurry::kSilenceMost < deadline) {
        deadline = now + Hurry::kSilenceMost;
        in_vain = Waited::kHurried;
      }
    }
    const auto left = std::chrono::ceil<Milliseconds>(deadline - now).count();
    // Once there is hurry its descriptor says nothing new.
    pollfd polls[] = {{.fd = fd, .events = events, .revents = 0},
                      {.fd = hurried || patience.hurry == nullptr ? -1 : patience.hurry->fd(),
                       .events = POLLIN,
                       .revents = 0}};
    ::poll(polls, std::size(polls), static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX)));
    if (polls[0].revents != 0) return Waited::kReady;
    if (left <= 0) return in_vain;
  }
}

Status GivenUp() {
  return {Code::kUnavailable, fmt::format("nothing was heard for {} ms, and this process ends",
                                          Hurry::kSilenceMost.count())};
}

class FdGuard {
 public:
  explicit FdGuard(int fd) : fd_(fd) {}
  FdGuard(const FdGuard&) = delete;
  ~FdGuard() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A connected descriptor.
Result<int> ConnectTo(const addrinfo& address, const Patience& patience) {
  FdGuard fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Broken("connect", errno);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd.Release();
  if (errno != EINPROGRESS) return Broken("connect", errno);
  if (WaitFor(fd.get(), POLLOUT, patience) != Waited::kReady) {
    return {Code::kUnavailable, "connect: no answer in time"};
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Broken("connect", error);
  return fd.Release();
}

}  // namespace

std::string Endpoint::ToString() const { return fmt::format("{}:{}", host, port); }

Result<Socket> Socket::Connect(const Endpoint& endpoint, const Clock& clock, BootTime deadline,
                               std::shared_ptr<Hurry> hurry) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    return {Code::kUnavailable, fmt::format("{}: look up '{}': {}", endpoint.ToString(),
                                            endpoint.host, ::gai_strerror(error))};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Status last(Code::kUnavailable, "no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const Result<int> fd = ConnectTo(*address, {clock, deadline, hurry.get()});
    if (fd.ok()) return Socket(*fd, clock, std::move(hurry));
    last = fd.status();
  }
  return last.WithContext(endpoint.ToString());
}

Socket::Socket(Socket&& other) noexcept
    : clock_(other.clock_),
      hurry_(std::move(other.hurry_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(clock_, other.clock_);
  std::swap(hurry_, other.hurry_);
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  return *this;
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Status Socket::Send(std::string_view bytes, BootTime deadline, Follows follows) {
  const int flags = MSG_NOSIGNAL | (follows == Follows::kMore ? MSG_MORE : 0);
  while (!bytes.empty()) {
    const ssize_t took = ::send(fd_, bytes.data(), bytes.size(), flags);
    if (took >= 0) {
      bytes.remove_prefix(static_cast<size_t>(took));
    } else if (WouldBlock(errno)) {
      if (WaitFor(fd_, POLLOUT, {*clock_, deadline, hurry_.get()}) != Waited::kReady) {
        return {Code::kUnavailable, "send: the peer does not take the bytes in time"};
      }
    } else if (errno != EINTR) {
      return Broken("send", errno);
    }
  }
  return Status::Ok();
}

void Socket::MakeRoom() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ >= kReadBytesMin) return;
  std::copy(buffer_.begin() + static_cast<ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<ptrdiff_t>(end_), buffer_.begin());
  end_ -= std::exchange(begin_, 0);
  if (buffer_.size() - end_ < kReadBytesMin) {
    buffer_.resize(std::max(kBufferBytes, 2 * (end_ + kReadBytesMin)));
  }
}

Result<Arrival> Socket::Fill(BootTime deadline) {
  MakeRoom();
  while (true) {
    const ssize_t got = ::recv(fd_, buffer_.data() + end_, buffer_.size() - end_, 0);
    if (got > 0) {
      end_ += static_cast<size_t>(got);
      return Arrival::kBytes;
    }
    if (got == 0) return {Code::kUnavailable, "the peer closed the connection"};
    if (errno == EINTR) continue;
    if (!WouldBlock(errno)) return Broken("receive", errno);
    switch (WaitFor(fd_, POLLIN, {*clock_, deadline, hurry_.get()})) {
      case Waited::kReady: break;
      case Waited::kTooLate: return Arrival::kTooLate;
      case Waited::kHurried: return GivenUp();
    }
  }
}

bool Socket::Quiet() const {
  pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
  return Received().empty() && ::poll(&poll, 1, 0) == 0;
}

void Socket::Shutdown() { ::shutdown(fd_, SHUT_RDWR); }

}  // namespace databus::hdfs
