// What every fuzz target needs. A target is one file X_fuzz.cc with LLVMFuzzerTestOneInput; the
// preset `fuzz` links it with libFuzzer, every other build with replay.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/crc32c.h"
#include "base/status.h"
#include "cluster/text_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// What must hold for every input.
#define FUZZ_REQUIRE(condition)                                                           \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace databus::fuzz {

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// `body` as a text of cluster/text_format.h whose checksum is right, since no fuzzer guesses it.
// Nothing is put before it: its first line is part of what is tried.
inline std::string WithEndLine(std::string_view body) {
  return std::string(body) + "end " + Hex32(Crc32c(body)) + "\n";
}

// Calls decode(text) for `input` as it is, and as the body of an undamaged text. What can be
// decoded is encoded and decoded again: encode(value) must be a text that means the same, which
// shows in its second encoding.
template <typename Decode, typename Encode>
void RoundTrip(std::string_view input, Decode&& decode, Encode&& encode) {
  for (const std::string& text : {std::string(input), WithEndLine(input)}) {
    const auto first = decode(text);
    if (!first.ok()) {
      FUZZ_REQUIRE(!first.unknown());
      continue;
    }
    const std::string written = encode(*first);
    const auto second = decode(written);
    FUZZ_REQUIRE(second.ok());
    FUZZ_REQUIRE(encode(*second) == written);
  }
}

// Takes an input apart, for targets that need more than one value of it. After the end everything
// is zero or empty.
class Parts {
 public:
  explicit Parts(std::string_view left) : left_(left) {}
  bool empty() const { return left_.empty(); }
  uint8_t Byte() {
    if (left_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    return byte;
  }
  uint16_t Short() {
    const unsigned high = Byte();
    return static_cast<uint16_t>(high << 8 | Byte());
  }
  // Up to `most` bytes.
  std::string_view Bytes(size_t most) {
    const std::string_view taken = left_.substr(0, most);
    left_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view Rest() { return Bytes(left_.size()); }

 private:
  std::string_view left_;
};

// Damages bytes as the input says: what is done, where, and with which bytes.
inline void Damage(Parts& parts, std::string& content) {
  const uint8_t what = parts.Byte();
  const size_t at = content.empty() ? 0 : parts.Short() % (content.size() + 1);
  const std::string_view bytes = parts.Bytes(parts.Byte());
  switch (what % 5) {
    case 0: content.replace(at, bytes.size(), bytes); break;
    case 1: content.insert(at, bytes); break;
    case 2: content.erase(at, bytes.size()); break;
    case 3: content.resize(at); break;
    case 4: content.insert(at, content.substr(at / 2, bytes.size() * 16)); break;
  }
}

}  // namespace databus::fuzz
