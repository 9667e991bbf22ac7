// What proxies of these tests do with sockets: blocking, a thread for each direction.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "net/tcp_socket.h"

namespace databus {

// On an address of this machine ("127.0.0.1"); port 0: any.
Result<Fd> ListenAt(const char* address, uint16_t port);
uint16_t PortOf(const Fd& listener);
// The next client; not open: none came.
Fd AcceptFrom(const Fd& listener);
// To 127.0.0.1; not open: nobody there.
Fd ConnectTo(uint16_t port);
bool SendAll(const Fd& to, std::string_view bytes);
// Whoever waits for it goes on.
void End(const Fd& fd);

}  // namespace databus
