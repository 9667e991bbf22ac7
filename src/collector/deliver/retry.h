// The pause between two attempts at something that is away.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/random.h"

namespace databus {

// `interval`, give or take half of the range, so that many who wait do not come back at once.
struct Retry {
  std::chrono::milliseconds interval{300'000};
  std::chrono::milliseconds range{60'000};

  std::chrono::milliseconds Draw(Random& random) const {
    const auto more = static_cast<int64_t>(random.Below(static_cast<uint64_t>(range.count()) + 1));
    const std::chrono::milliseconds pause = interval - range / 2 + std::chrono::milliseconds(more);
    return std::max(pause, std::chrono::milliseconds(1));
  }
};

}  // namespace databus
