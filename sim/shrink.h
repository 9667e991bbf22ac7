// Makes a failing run smaller: leaves out incidents, faults, producers and time, as long as the
// same promise is broken.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "sim/world.h"

namespace databus::sim {

// What is left out of the scenario of a seed. Can be said on a command line.
struct Cuts {
  std::set<size_t> incidents;
  std::set<size_t> producers;
  std::set<std::string> rates;  // names of fields of Rates
  SimTime until{};              // faults stop earlier; 0: as drawn

  // The options of databus-sim that say the same.
  std::string ToString() const;
};
inline constexpr std::string_view kRateNames[] = {
    "answer_lost", "request_lost", "no_space", "slow", "stale_list", "connection_breaks", "late"};

Scenario Apply(const Scenario& scenario, const Cuts& cuts);

// The smallest found within `runs_max` runs. `told` is called for each success.
Cuts Shrink(const Scenario& scenario, const Outcome& failed, int runs_max,
            const std::function<void(const Cuts&)>& told);

}  // namespace databus::sim
