// The first bytes of a file in data/ or in a view. The field's checksum is made right, too.
#include "cluster/sealed_header.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

void Check(std::string_view bytes) {
  const auto decoded = DecodeSealedHeader(bytes);
  if (!decoded.ok()) {
    FUZZ_REQUIRE(!decoded.unknown());
    return;
  }
  FUZZ_REQUIRE(decoded->header_bytes <= bytes.size());
  const std::string written = EncodeSealedHeader(decoded->header);
  FUZZ_REQUIRE(written.size() <= kSealedHeaderBytesMax);
  const auto again = DecodeSealedHeader(written);
  FUZZ_REQUIRE(again.ok() && again->header == decoded->header);
  FUZZ_REQUIRE(again->header_bytes == written.size());
}

std::string LittleEndian(uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  Check(input);
  if (size > kSealedHeaderBytesMax) return 0;
  // The input as the content of our field, in an undamaged header.
  const std::string field = std::string(input) + LittleEndian(Crc32c(input), 4);
  const auto length = static_cast<uint32_t>(field.size());
  Check(std::string("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10) + LittleEndian(length + 4, 2) + "DB" +
        LittleEndian(length, 2) + field);
  return 0;
}
