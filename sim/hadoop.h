// What servers of HDFS do and a local tree does not: calls that are made after their callers gave
// up, a name node that fails over or is in safe mode, data that nobody can read or write while
// names work.
#pragma once

#include <string_view>

#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

// The story of much of it in any case.
inline constexpr std::string_view kHadoopStory = "hadoop";

// REQUIRES: all else is drawn. `random` is used for nothing else: a seed without it stays what it
// is.
void DrawHadoop(SimRandom& random, bool wanted, Scenario& scenario);

}  // namespace databus::sim
