// A TCP connection to a server of Hadoop: bytes with deadlines. The area `net` comes after this one
// and speaks in frames of its own kind, so this is not its connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "storage/hurry.h"

namespace databus::hdfs {

struct Endpoint {
  std::string host;  // a name or an address
  uint16_t port = 0;

  // "host:port".
  std::string ToString() const;
  auto operator<=>(const Endpoint&) const = default;
};

enum class Arrival : uint8_t { kBytes, kTooLate };
enum class Follows : uint8_t { kNothing, kMore };

// One thread may send while another receives; otherwise one thread at a time.
class Socket {
 public:
  // kUnavailable: no such name, nobody listens there, no answer in time. With `hurry` no wait goes
  // on longer than that allows, here and in what follows.
  static Result<Socket> Connect(const Endpoint& endpoint, const Clock& clock, BootTime deadline,
                                std::shared_ptr<Hurry> hurry = nullptr);

  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  // Sends all bytes; kMore: another call will send more at once, so that they may wait for it.
  // After a failure (kUnavailable) some prefix may have been sent.
  Status Send(std::string_view bytes, BootTime deadline, Follows follows = Follows::kNothing);

  // What has arrived and was not taken yet. Valid until the next Fill.
  std::string_view Received() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void Take(size_t bytes) { begin_ += bytes; }
  // Waits for more bytes to arrive. kUnavailable: the peer has closed, or the connection is broken.
  Result<Arrival> Fill(BootTime deadline);

  // False when the peer has closed, or has said something unasked.
  bool Quiet() const;
  // Makes Send and Fill fail from now on, also in other threads.
  void Shutdown();

 private:
  Socket(int fd, const Clock& clock, std::shared_ptr<Hurry> hurry)
      : clock_(&clock), hurry_(std::move(hurry)), fd_(fd) {}
  // Room for a read after end_.
  void MakeRoom();

  const Clock* clock_;
  std::shared_ptr<Hurry> hurry_;
  int fd_;
  std::string buffer_;  // [begin_, end_) has arrived and was not taken
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace databus::hdfs
