#include "tests/hdfs/proxy_sockets.h"

#include <sys/socket.h>

#include "tests/torture/loopback.h"

namespace databus {

Fd AcceptFrom(const Fd& listener) {
  Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (client.open()) SetConnectionOptions(client.get());
  return client;
}

Fd ConnectTo(uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address = Loopback(port);
  if (::connect(fd.get(), address.get(), address.size) != 0) return {};
  SetConnectionOptions(fd.get());
  return fd;
}

bool SendAll(const Fd& to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t took = ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (took <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(took));
  }
  return true;
}

void End(const Fd& fd) {
  if (fd.open()) ::shutdown(fd.get(), SHUT_RDWR);
}

}  // namespace databus
