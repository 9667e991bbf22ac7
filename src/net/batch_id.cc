#include "net/batch_id.h"

#include <charconv>

#include <fmt/format.h>

namespace databus {

std::string FormatSender(uint64_t sender) { return fmt::format("{:016x}", sender); }

std::optional<uint64_t> ParseSender(std::string_view text) {
  uint64_t sender = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, sender, 16);
  if (text.size() != 16 || error != std::errc() || stopped != end) return std::nullopt;
  return sender;
}

}  // namespace databus
