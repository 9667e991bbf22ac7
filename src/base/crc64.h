// CRC-64 (ECMA-182, reflected): the digest by which one text of ours names another.
#pragma once

#include <cstdint>
#include <string_view>

namespace databus {

uint64_t Crc64(std::string_view bytes);

}  // namespace databus
