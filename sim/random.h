// The simulator's random numbers: fast, and split into streams that do not disturb each other, so
// that leaving out one fault leaves everything before it as it was.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace databus::sim {

// Of two seeds that follow one another a stream has the same numbers, one place apart: the seed and
// the number of the draw count alike. Seeds that are kept depend on it; a new stream is scrambled,
// as in SimRandom(SimRandom(seed, n).Next(), n).
//
// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
class SimRandom final : public Random {
 public:
  SimRandom(uint64_t seed, uint64_t stream)
      : state_(seed * 0x9e3779b97f4a7c15u + stream * 0xd1342543de82ef95u) {}

  uint64_t Next() override {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }
  // Uniform in [low, high].
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  // True with a chance of `per_million` in a million.
  bool Chance(uint64_t per_million) { return Below(1'000'000) < per_million; }

 private:
  uint64_t state_;
};

}  // namespace databus::sim
