// What proxies of these tests do with sockets: blocking, a thread for each direction.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/tcp_socket.h"

namespace databus {

// The next client; not open: none came.
Fd AcceptFrom(const Fd& listener);
// To this machine; not open: nobody there.
Fd ConnectTo(uint16_t port);
bool SendAll(const Fd& to, std::string_view bytes);
// Whoever waits for it goes on.
void End(const Fd& fd);

}  // namespace databus
