#include "net/tcp_frame_client.h"

#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include <fmt/format.h>

#include "net/thrift_binary.h"

namespace databus {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kReadBytes = 64u << 10;
// writev takes so many parts; a frame has two.
constexpr size_t kPartsMax = 512;
static_assert(kPartsMax <= IOV_MAX);

enum class Ready : uint8_t { kYes, kTooLate };

// Waits until `fd` can be read or written (`events`), or has failed.
Ready WaitFor(int fd, short events, const Clock& clock, BootTime deadline) {
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - clock.Boot()).count();
    pollfd poll{.fd = fd, .events = events, .revents = 0};
    const int timeout_ms = static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
    if (::poll(&poll, 1, timeout_ms) > 0) return Ready::kYes;
    if (left <= 0) return Ready::kTooLate;
  }
}

Result<Fd> ConnectTo(const SocketAddress& address, const Clock& clock, BootTime deadline) {
  const std::string what = fmt::format("connect to [{}]:{}", address.Ip(), address.Port());
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return ErrnoStatus(Code::kUnavailable, what, errno);
  SetConnectionOptions(fd.get());
  if (::connect(fd.get(), address.get(), address.size) == 0) return fd;
  if (errno != EINPROGRESS) return ErrnoStatus(Code::kUnavailable, what, errno);
  if (WaitFor(fd.get(), POLLOUT, clock, deadline) == Ready::kTooLate) {
    return {Code::kUnavailable, what + ": no answer in time"};
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return ErrnoStatus(Code::kUnavailable, what, error);
  return fd;
}

// Sends all parts, which are used up.
Status SendParts(int fd, std::span<iovec> parts, const Clock& clock, BootTime deadline) {
  while (!parts.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t took = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (took < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        return ErrnoStatus(Code::kUnavailable, "send", errno);
      }
      if (WaitFor(fd, POLLOUT, clock, deadline) == Ready::kTooLate) {
        return {Code::kUnavailable, "send: the peer does not take the bytes in time"};
      }
      continue;
    }
    while (!parts.empty() && static_cast<size_t>(took) >= parts.front().iov_len) {
      took -= static_cast<ssize_t>(parts.front().iov_len);
      parts = parts.subspan(1);
    }
    if (!parts.empty()) {
      parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + took;
      parts.front().iov_len -= static_cast<size_t>(took);
    }
  }
  return Status::Ok();
}

iovec Part(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace

Result<std::unique_ptr<FrameClient>> TcpFrameClient::Connect(const ConnectOptions& options,
                                                             const Clock& clock) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<SocketAddress> addresses,
                           LookUp(options.host, options.port));
  Status last(Code::kUnavailable, fmt::format("'{}' has no address", options.host));
  for (const SocketAddress& address : addresses) {
    Result<Fd> fd = ConnectTo(address, clock, options.deadline);
    if (fd.ok()) {
      return std::unique_ptr<FrameClient>(
          std::make_unique<TcpFrameClient>(std::move(*fd), clock, options.frame_bytes_max));
    }
    last = fd.status();
  }
  return last;
}

Status TcpFrameClient::Send(std::span<const std::string_view> frames, BootTime deadline) {
  constexpr size_t kFramesPerWrite = kPartsMax / 2;
  std::array<uint32_t, kFramesPerWrite> lengths;
  std::array<iovec, kPartsMax> parts;
  while (!frames.empty()) {
    const size_t count = std::min(frames.size(), kFramesPerWrite);
    for (size_t i = 0; i < count; ++i) {
      lengths[i] = __builtin_bswap32(static_cast<uint32_t>(frames[i].size()));
      parts[2 * i] = Part({reinterpret_cast<const char*>(&lengths[i]), kLengthBytes});
      parts[2 * i + 1] = Part(frames[i]);
    }
    const std::span<iovec> filled(parts.data(), 2 * count);
    DATABUS_RETURN_IF_ERROR(SendParts(fd_.get(), filled, clock_, deadline));
    frames = frames.subspan(count);
  }
  return Status::Ok();
}

Result<std::optional<std::string>> TcpFrameClient::TakeFrame() {
  const std::string_view bytes = std::string_view(received_).substr(taken_);
  if (bytes.size() < kLengthBytes) return std::optional<std::string>();
  const uint32_t length = thrift_binary::LoadBigEndian32(bytes.data());
  if (length > frame_bytes_max_) {
    return {Code::kInvalid, fmt::format("receive: a frame of {} bytes is too large", length)};
  }
  if (bytes.size() - kLengthBytes < length) return std::optional<std::string>();
  std::optional<std::string> frame(bytes.substr(kLengthBytes, length));
  taken_ += kLengthBytes + length;
  return frame;
}

Result<std::optional<std::string>> TcpFrameClient::Receive(BootTime deadline) {
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(std::optional<std::string> frame, TakeFrame());
    if (frame) return frame;
    received_.erase(0, std::exchange(taken_, 0));
    if (WaitFor(fd_.get(), POLLIN, clock_, deadline) == Ready::kTooLate) {
      return std::optional<std::string>();
    }
    const size_t before = received_.size();
    received_.resize(before + kReadBytes);
    const ssize_t got = ::recv(fd_.get(), received_.data() + before, kReadBytes, 0);
    const int error = errno;
    received_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return {Code::kUnavailable, "receive: the peer closed the connection"};
    if (got < 0 && error != EAGAIN && error != EWOULDBLOCK && error != EINTR) {
      return ErrnoStatus(Code::kUnavailable, "receive", error);
    }
  }
}

}  // namespace databus
