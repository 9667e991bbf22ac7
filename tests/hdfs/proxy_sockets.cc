#include "tests/hdfs/proxy_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace databus {
namespace {

sockaddr_in AddressOf(const char* address, uint16_t port) {
  sockaddr_in numbers{};
  numbers.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &numbers.sin_addr);
  numbers.sin_port = htons(port);
  return numbers;
}

}  // namespace

Result<Fd> ListenAt(const char* address, uint16_t port) {
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  const sockaddr_in at = AddressOf(address, port);
  if (!listener.open() ||
      ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      ::listen(listener.get(), 64) != 0) {
    return ErrnoStatus(Code::kRefused, "proxy", errno);
  }
  return listener;
}

uint16_t PortOf(const Fd& listener) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}

Fd AcceptFrom(const Fd& listener) {
  Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (client.open()) SetConnectionOptions(client.get());
  return client;
}

Fd ConnectTo(uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in at = AddressOf("127.0.0.1", port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return {};
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
