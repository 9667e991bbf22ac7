// FrameClient over TCP.
#pragma once

#include <memory>
#include <string>

#include "net/network.h"
#include "net/tcp_socket.h"

namespace databus {

class TcpFrameClient final : public FrameClient {
 public:
  static Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options,
                                                      const Clock& clock);
  // Use Connect.
  TcpFrameClient(Fd fd, const Clock& clock, uint32_t frame_bytes_max)
      : clock_(clock), fd_(std::move(fd)), frame_bytes_max_(frame_bytes_max) {}

  Status Send(std::span<const std::string_view> frames, BootTime deadline) override;
  Result<std::optional<std::string>> Receive(BootTime deadline) override;

 private:
  // The first frame in what has been received; nothing when it is not complete.
  Result<std::optional<std::string>> TakeFrame();

  const Clock& clock_;
  const Fd fd_;
  const uint32_t frame_bytes_max_;
  std::string received_;
  // Bytes of received_ that have been taken.
  size_t taken_ = 0;
};

}  // namespace databus
