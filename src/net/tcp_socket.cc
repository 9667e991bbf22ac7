#include "net/tcp_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>
#include <memory>
#include <system_error>

#include <fmt/format.h>

namespace databus {
namespace {

enum class Names : uint8_t { kNumericOnly, kLookUp };

// The addresses, or getaddrinfo's error.
std::variant<std::vector<SocketAddress>, int> GetAddresses(const std::string& host, uint16_t port,
                                                           Names names) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  if (names == Names::kNumericOnly) hints.ai_flags |= AI_NUMERICHOST | AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return error;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.bytes, info->ai_addr, info->ai_addrlen);
    address.size = info->ai_addrlen;
  }
  return addresses;
}

}  // namespace

std::string SocketAddress::Ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&bytes)->sin_addr, text,
                sizeof text);
  } else if (family() == AF_INET6) {
    const in6_addr& ip = reinterpret_cast<const sockaddr_in6*>(&bytes)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&ip)) {
      ::inet_ntop(AF_INET, ip.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &ip, text, sizeof text);
    }
  }
  return text;
}

uint16_t SocketAddress::Port() const {
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&bytes)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bytes)->sin_port);
}

Status ErrnoStatus(Code code, std::string_view what, int error) {
  return {code, fmt::format("{}: {}", what, std::generic_category().message(error))};
}

Result<SocketAddress> ParseAddress(const std::string& ip, uint16_t port) {
  const auto found = GetAddresses(ip, port, Names::kNumericOnly);
  if (const auto* addresses = std::get_if<0>(&found); addresses != nullptr && !addresses->empty()) {
    return addresses->front();
  }
  return {Code::kInvalid, fmt::format("'{}' is no IPv4 or IPv6 address", ip)};
}

Result<std::vector<SocketAddress>> LookUp(const std::string& host, uint16_t port) {
  auto found = GetAddresses(host, port, Names::kLookUp);
  if (auto* addresses = std::get_if<0>(&found)) return std::move(*addresses);
  return {Code::kUnavailable,
          fmt::format("look up '{}': {}", host, ::gai_strerror(std::get<1>(found)))};
}

void SetConnectionOptions(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

}  // namespace databus
