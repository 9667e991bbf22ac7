// Addresses and blocks of addresses (CIDR) as text, and lists of them: who may connect.
//
// IPv4 and IPv6 are two worlds: a block holds addresses of its own kind only. An IPv4 address in
// IPv6's clothes ("::ffff:192.0.2.7") is the IPv4 address, in blocks too ("::ffff:192.0.2.0/120").
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace databus {

struct IpAddress {
  enum class Family : uint8_t { kV4, kV6 };
  Family family = Family::kV4;
  std::array<uint8_t, 16> bytes{};  // in network order; of kV4 the first four, the rest 0

  int bits() const { return family == Family::kV4 ? 32 : 128; }
  // "192.0.2.7", "2001:db8::7". Nothing when `text` is no address; no zones, no host names.
  static std::optional<IpAddress> Parse(std::string_view text);
  std::string ToString() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

struct IpBlock {
  IpAddress first;
  int prefix_bits = 0;

  // An address, or an address, '/' and the length of the prefix. Nothing when a bit behind the
  // prefix is set: such a block is mostly meant to be another one.
  static std::optional<IpBlock> Parse(std::string_view text);
  std::string ToString() const;  // "192.0.2.0/24"; a single address without "/32" or "/128"
  bool Contains(const IpAddress& address) const;
  friend bool operator==(const IpBlock&, const IpBlock&) = default;
};

struct IpBlocks {
  std::vector<IpBlock> blocks;

  // Separated by commas, with blanks around them as one likes; at least one.
  static std::optional<IpBlocks> Parse(std::string_view text);
  std::string ToString() const;
  bool Contains(const IpAddress& address) const;
  friend bool operator==(const IpBlocks&, const IpBlocks&) = default;
};

}  // namespace databus
