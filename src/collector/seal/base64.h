// Base64 (RFC 4648, section 4), for `encodeBase64Flag`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace databus {

constexpr size_t Base64Length(size_t bytes) { return (bytes + 2) / 3 * 4; }

// Appends `bytes`, encoded and padded, to `out`.
void AppendBase64(std::string_view bytes, std::string& out);

// The bytes that AppendBase64 makes exactly this text of; nothing when there are none.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace databus
