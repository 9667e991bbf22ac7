// Ports for the processes of a demo, or of a test of processes.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/status.h"
#include "net/network.h"

namespace databus {

// They stay free until a process takes them, also while it is dead: nothing else here is given a
// port of this range by the system. One thread at a time.
class FreePorts {
 public:
  FreePorts(Network& network, Random& random)
      : network_(network), next_(static_cast<uint16_t>(kFirst + random.Below(kSpan))) {}

  // One that nobody listens at, each time another. kRefused: there is none.
  Result<uint16_t> Next() {
    for (int tried = 0; tried < kSpan; ++tried) {
      const uint16_t port = next_;
      next_ = static_cast<uint16_t>(kFirst + (next_ + 1 - kFirst) % kSpan);
      if (network_.Listen({.port = port}).ok()) return port;
    }
    return Status(Code::kRefused, "no free port");
  }

 private:
  static constexpr uint16_t kFirst = 20'000;  // the ports of outgoing connections begin at 32768
  static constexpr uint16_t kSpan = 12'000;

  Network& network_;
  uint16_t next_;
};

}  // namespace databus
