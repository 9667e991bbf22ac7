// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of every durable format of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace databus {

// The checksum of `bytes`, continuing from `before` (the checksum of what precedes; 0 at the
// start).
uint32_t Crc32c(std::string_view bytes, uint32_t before = 0);

}  // namespace databus
