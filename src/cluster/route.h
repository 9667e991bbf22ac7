// Where a collector sends a stream's messages from its spool: by its scribe.conf, or by the stored
// topology, which goes before (docs/design.md, "Topology, failover, failback").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace databus {

// A collector's address: a name, an IPv4 or an IPv6 address, and a port.
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  std::string ToString() const;  // "h1:1463", "[::1]:1463"
  // Nothing when `text` is not exactly such an address with a port from 1 to 65535.
  static std::optional<Endpoint> Parse(std::string_view text);
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class DeliveryMode : uint8_t {
  kDeliver,   // into data/ of the collector's cluster
  kSpool,     // nowhere: messages are acknowledged and stay in the spool
  kRedirect,  // to another collector, over the Scribe protocol
};
std::string_view DeliveryModeName(DeliveryMode mode);  // deliver, spool, redirect
std::optional<DeliveryMode> ParseDeliveryMode(std::string_view name);

struct Route {
  DeliveryMode mode = DeliveryMode::kDeliver;
  // kRedirect: any of them will do; the first that answers is kept to.
  std::vector<Endpoint> receivers{};
  friend bool operator==(const Route&, const Route&) = default;
};

}  // namespace databus
