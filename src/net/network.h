// How a process reaches the network: the seam behind which the real one and a simulated one stand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "net/frame_client.h"
#include "net/frame_server.h"

namespace databus {

struct ConnectOptions {
  // A name, an IPv4 or an IPv6 address. The addresses of a name are tried one after the other.
  std::string host;
  uint16_t port = 0;
  // When to give up.
  BootTime deadline;
  // A longer frame from the peer is an error.
  uint32_t frame_bytes_max = 64u << 20;
};

// Thread-safe.
class Network {
 public:
  virtual ~Network() = default;

  // A bound server that has not been started.
  //   kExists   the port is taken.
  //   kInvalid  the address cannot be understood.
  //   kRefused  the system does not allow it: permission, not an address of this machine.
  virtual Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options) = 0;

  // kUnavailable: no such name, nobody listens there, or no answer in time.
  virtual Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options) = 0;
};

// The machine's own TCP, with deadlines of SystemClock(). Lives for ever.
Network& TcpNetwork();

}  // namespace databus
