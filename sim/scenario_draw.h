// Parts of a scenario, drawn by chance: what incidents are about.
#pragma once

#include <chrono>
#include <string>

#include "cluster/paths.h"
#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

inline SimTime AnyTime(SimRandom& random, const Scenario& scenario) {
  using std::chrono::milliseconds;
  const auto most = std::chrono::duration_cast<milliseconds>(scenario.duration).count();
  return milliseconds(random.Below(static_cast<uint64_t>(most)));
}

class ScenarioDraw {
 protected:
  ScenarioDraw(SimRandom& random, Scenario& scenario) : random_(random), scenario_(scenario) {}

  SimTime AnyTime() { return sim::AnyTime(random_, scenario_); }
  size_t AnyCluster() { return random_.Below(scenario_.clusters.size()); }
  const std::string& ClusterName() { return scenario_.clusters[AnyCluster()].name; }
  const std::string& AnyStream() {
    const auto& streams = scenario_.topology.streams;
    return streams[random_.Below(streams.size())].name;
  }
  View AnyView() { return random_.Chance(500'000) ? View::kLocal : View::kMerged; }

  // As Incident::who. So often in a million an operator, if there is any, and of the rest a
  // collector; else a worker.
  size_t AnyProcess(uint64_t others) {
    const size_t collectors = scenario_.collectors.size();
    const size_t workers = scenario_.workers.size();
    const size_t operators = scenario_.operators.size();
    if (operators > 0 && random_.Chance(others)) {
      return collectors + workers + random_.Below(operators);
    }
    return random_.Chance(others) ? random_.Below(collectors) : collectors + random_.Below(workers);
  }

  SimRandom& random_;
  Scenario& scenario_;
};

}  // namespace databus::sim
