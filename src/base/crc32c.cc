#include "base/crc32c.h"

#include <isa-l/crc.h>

namespace databus {

uint32_t Crc32c(std::string_view bytes, uint32_t before) {
  // ISA-L's function neither inverts before nor after, and takes a non-const pointer and an int.
  constexpr size_t kMost = size_t{1} << 30;
  uint32_t crc = ~before;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kMost);
    crc = crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<char*>(part.data())),
                      static_cast<int>(part.size()), crc);
    bytes.remove_prefix(part.size());
  }
  return ~crc;
}

}  // namespace databus
