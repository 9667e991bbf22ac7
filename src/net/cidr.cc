#include "net/cidr.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/settings.h"

namespace databus {
namespace {

using Family = IpAddress::Family;

// What an IPv6 address begins with that is an IPv4 address.
constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

// As it is written, mapped addresses not yet turned into what they are.
std::optional<IpAddress> ParseAsWritten(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string terminated(text);
  const bool v6 = text.find(':') != std::string_view::npos;
  IpAddress address{.family = v6 ? Family::kV6 : Family::kV4};
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes.data()) != 1) {
    return std::nullopt;
  }
  return address;
}

bool IsMapped(const IpAddress& address) {
  return address.family == Family::kV6 &&
         std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
}

IpAddress Unmapped(const IpAddress& address) {
  IpAddress v4{.family = Family::kV4};
  std::copy(address.bytes.begin() + kMapped.size(), address.bytes.end(), v4.bytes.begin());
  return v4;
}

// Whether the first `bits` bits of both are the same.
bool SamePrefix(const IpAddress& a, const IpAddress& b, int bits) {
  const int whole = bits / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + whole, b.bytes.begin())) return false;
  const int rest = bits % 8;
  return rest == 0 || (a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest) == 0;
}

bool AnyBitBehind(const IpAddress& address, int bits) {
  for (int bit = bits; bit < address.bits(); ++bit) {
    if ((address.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
  }
  return false;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const auto address = ParseAsWritten(text);
  return address && IsMapped(*address) ? Unmapped(*address) : address;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family == Family::kV4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

std::optional<IpBlock> IpBlock::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = ParseAsWritten(text.substr(0, slash));
  if (!address) return std::nullopt;
  IpBlock block{.first = *address, .prefix_bits = address->bits()};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const char* const end = digits.data() + digits.size();
    const auto [stopped_at, error] = std::from_chars(digits.data(), end, block.prefix_bits);
    if (error != std::errc() || stopped_at != end || digits[0] == '-' ||
        (digits[0] == '0' && digits.size() > 1) || block.prefix_bits > address->bits()) {
      return std::nullopt;
    }
  }
  if (IsMapped(*address) && block.prefix_bits >= kMappedBits) {
    block = {Unmapped(*address), block.prefix_bits - kMappedBits};
  }
  if (AnyBitBehind(block.first, block.prefix_bits)) return std::nullopt;
  return block;
}

std::string IpBlock::ToString() const {
  if (prefix_bits == first.bits()) return first.ToString();
  return fmt::format("{}/{}", first.ToString(), prefix_bits);
}

bool IpBlock::Contains(const IpAddress& address) const {
  return address.family == first.family && SamePrefix(address, first, prefix_bits);
}

std::optional<IpBlocks> IpBlocks::Parse(std::string_view text) {
  IpBlocks list;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const auto block = IpBlock::Parse(Trimmed(text.substr(begin, comma - begin)));
    if (!block) return std::nullopt;
    list.blocks.push_back(*block);
    begin = comma + 1;
  }
  return list;
}

std::string IpBlocks::ToString() const {
  std::vector<std::string> texts;
  for (const IpBlock& block : blocks) texts.push_back(block.ToString());
  return fmt::format("{}", fmt::join(texts, ","));
}

bool IpBlocks::Contains(const IpAddress& address) const {
  return std::ranges::any_of(blocks, [&](const IpBlock& block) { return block.Contains(address); });
}

}  // namespace databus
