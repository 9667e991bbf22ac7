// Randomness as a parameter. Used for identities and jitter, never for anything secret.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace databus {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound). REQUIRES: bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  // `digits` lower-case hexadecimal digits, 1 to 32.
  std::string Hex(int digits);
};

// The operating system's randomness. Lives for ever.
Random& SystemRandom();

// The same numbers for the same seed. For tests.
std::unique_ptr<Random> SeededRandom(uint64_t seed);

}  // namespace databus
