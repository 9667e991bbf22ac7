// The few system calls about sockets that server and client share.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace databus {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  int family() const { return bytes.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
  // "192.0.2.7" or "2001:db8::7"; an IPv4 address in IPv6's clothes as IPv4.
  std::string Ip() const;
  uint16_t Port() const;
};

// "what: strerror", with `code`.
Status ErrnoStatus(Code code, std::string_view what, int error);

// A numeric address. kInvalid: it is none.
Result<SocketAddress> ParseAddress(const std::string& ip, uint16_t port);
// All addresses of a name, for connecting. kUnavailable: no answer, or no such name.
Result<std::vector<SocketAddress>> LookUp(const std::string& host, uint16_t port);

// The socket's options that both ends want: answers at once, dead peers noticed.
void SetConnectionOptions(int fd);

}  // namespace databus
