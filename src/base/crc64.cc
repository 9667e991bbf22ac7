#include "base/crc64.h"

#include <isa-l/crc64.h>

namespace databus {

uint64_t Crc64(std::string_view bytes) {
  return crc64_ecma_refl(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

}  // namespace databus
