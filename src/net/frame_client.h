// The client's end of the framed transport (net/frame_server.h): one connection, blocking, with
// deadlines. A seam: a simulator has its own.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

// Used by one thread at a time. The destructor closes the connection. Deadlines are times of the
// clock of the Network that made the connection.
class FrameClient {
 public:
  virtual ~FrameClient() = default;

  // Sends all frames, in order, in as few writes as the system allows. After any error the
  // connection is of no use: some of the bytes may have gone out (kUnavailable).
  virtual Status Send(std::span<const std::string_view> frames, BootTime deadline) = 0;

  // The next frame from the peer; nothing when none was complete by `deadline`, and the connection
  // goes on. A deadline that has passed takes what is already there.
  //   kUnavailable  the connection broke or the peer closed it.
  //   kInvalid      the peer announced a frame longer than ConnectOptions::frame_bytes_max.
  virtual Result<std::optional<std::string>> Receive(BootTime deadline) = 0;
};

}  // namespace databus
