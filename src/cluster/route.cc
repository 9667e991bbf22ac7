#include "cluster/route.h"

#include <array>

#include <fmt/format.h>

#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr std::array<std::string_view, 3> kModeNames = {"deliver", "spool", "redirect"};

}  // namespace

std::string Endpoint::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::optional<Endpoint> Endpoint::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address needs its brackets
  }
  if (host.empty() || host.find_first_of(" \t\r\n[]/,;\"'") != std::string_view::npos) {
    return std::nullopt;
  }
  const Result<uint64_t> port = ParseNumber(text.substr(colon + 1));
  if (!port.ok() || *port == 0 || *port > UINT16_MAX) return std::nullopt;
  return Endpoint{std::string(host), static_cast<uint16_t>(*port)};
}

std::string_view DeliveryModeName(DeliveryMode mode) {
  return kModeNames[static_cast<size_t>(mode)];
}

std::optional<DeliveryMode> ParseDeliveryMode(std::string_view name) {
  for (size_t i = 0; i < kModeNames.size(); ++i) {
    if (name == kModeNames[i]) return static_cast<DeliveryMode>(i);
  }
  return std::nullopt;
}

}  // namespace databus
