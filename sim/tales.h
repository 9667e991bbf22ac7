// Stories of operators: failovers and failbacks, planned and not, sites that are lost and return,
// two who act at once, changes of mind, edits at the worst time. Drawn from random numbers of their
// own; a seed without one is as it was.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

enum class Tale : uint8_t {
  kFailover,
  kFailback,   // and back
  kUnplanned,  // a site dies, another takes over, it returns
  kReturn,     // a site is cut off and goes on, another takes over; it returns, and gets all back
  kAbort,      // a failover is undone in the middle, and begun again
  kEdit,       // somebody edits the topology at the same time
  kOpposite,   // each of two sites that are cut off from each other takes over from the other
};
std::vector<std::string> TaleNames();

// Which one a seed tells, about whom.
struct TalePlan {
  Tale tale = Tale::kFailover;
  size_t from = 0;  // clusters
  size_t to = 0;
  bool waits = false;  // its streams wait when they are alone (P28)

  // Whether something is lost, or brought back: this takes longer.
  bool IsLong() const { return tale != Tale::kFailover && tale != Tale::kAbort; }
  bool IsForced() const {
    return tale == Tale::kUnplanned || tale == Tale::kReturn || tale == Tale::kOpposite;
  }
};

// `wanted`: a name, or empty.
std::optional<TalePlan> DrawTale(SimRandom& random, Size size, size_t clusters,
                                 std::string_view wanted);
// Adds the operators, and what happens to them and to the sites.
void TellTale(SimRandom& random, const TalePlan& tale, Scenario& scenario);

}  // namespace databus::sim
