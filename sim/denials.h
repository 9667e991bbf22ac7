// Directories that may not be read or changed for a while (storage/fault/denial.h).
#pragma once

#include <string_view>

#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

// The story of many of them in any case.
inline constexpr std::string_view kDenialStory = "denied";

// REQUIRES: all else is drawn. `random` is used for nothing else: a seed without them stays what
// it is.
void DrawDenials(SimRandom& random, bool wanted, Scenario& scenario);

}  // namespace databus::sim
