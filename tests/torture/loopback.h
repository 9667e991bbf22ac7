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

// At an address of this machine; port 0 is a free one. `flags`: of the socket's type, as
// SOCK_NONBLOCK.
inline Result<LoopbackListener> ListenAt(SocketAddress address, int flags) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  const int yes = 1;
  if (!fd.open() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address.bytes), &address.size) != 0) {
    return ErrnoStatus(Code::kRefused, "proxy", errno);
  }
  return LoopbackListener{std::move(fd), address.Port()};
}
inline Result<LoopbackListener> ListenOnLoopback(int flags) { return ListenAt(Loopback(0), flags); }

}  // namespace databus
