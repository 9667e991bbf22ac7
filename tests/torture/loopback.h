// Sockets of this machine only, for what stands between two processes of a test.
#pragma once

#include <cerrno>
#include <cstdint>

#include "base/status.h"
#include "net/tcp_socket.h"

namespace databus {

inline SocketAddress Loopback(uint16_t port) { return *ParseAddress("127.0.0.1", port); }

struct LoopbackListener {
  Fd fd;
  uint16_t port = 0;
};

// On a free port. `flags`: of the socket's type, as SOCK_NONBLOCK.
inline Result<LoopbackListener> ListenOnLoopback(int flags) {
  constexpr int kBacklog = 128;
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  SocketAddress address = Loopback(0);
  if (!fd.open() || ::bind(fd.get(), address.get(), address.size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address.bytes), &address.size) != 0) {
    return ErrnoStatus(Code::kRefused, "proxy", errno);
  }
  return LoopbackListener{std::move(fd), address.Port()};
}

}  // namespace databus
