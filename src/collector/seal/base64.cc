#include "collector/seal/base64.h"

#include <cstdint>

namespace databus {
namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

void AppendBase64(std::string_view bytes, std::string& out) {
  const size_t at = out.size();
  out.resize(at + Base64Length(bytes.size()), '=');
  char* to = out.data() + at;
  const auto byte = [&bytes](size_t i) -> uint32_t { return static_cast<uint8_t>(bytes[i]); };
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    *to++ = kDigits[bits >> 18];
    *to++ = kDigits[bits >> 12 & 63];
    *to++ = kDigits[bits >> 6 & 63];
    *to++ = kDigits[bits & 63];
  }
  const size_t rest = bytes.size() - i;
  if (rest == 0) return;
  const uint32_t bits = byte(i) << 16 | (rest == 2 ? byte(i + 1) << 8 : 0);
  *to++ = kDigits[bits >> 18];
  *to++ = kDigits[bits >> 12 & 63];
  if (rest == 2) *to++ = kDigits[bits >> 6 & 63];
}

}  // namespace databus
