// Incidents that hang together: each alone is survived in a hundred ways, two of them at the wrong
// moment are where protocols break. Drawn from random numbers of their own, so that the rest of a
// seed is as it was.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

// What the stories need to know of the rest of the drawing.
struct CorrelatedFacts {
  int64_t lease_timeout_ms = 0;
  bool hours = false;            // the seed lasts for hours
  std::string_view wanted = "";  // a story that is told in any case
};

std::vector<std::string> StoryNames();

// Adds none, or a few stories, and what they need: a worker that stands by.
void DrawCorrelated(SimRandom& random, const CorrelatedFacts& facts, Scenario& scenario);

}  // namespace databus::sim
