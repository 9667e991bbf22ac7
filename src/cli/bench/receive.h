// The bare receiver: takes frames as a collector does and answers every one OK, and that is all.
// How fast it is says what network and load generator allow on this machine.
#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "net/network.h"

namespace databus {

// Listens on a port of its own choice and tells it; then serves until `until_end` returns.
Status RunBareReceiver(Network& network, const Clock& clock,
                       const std::function<void(uint16_t port)>& ready,
                       const std::function<void()>& until_end);

}  // namespace databus
