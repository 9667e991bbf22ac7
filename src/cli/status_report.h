// `databus status` as a value: what was found on all clusters, and what follows from it. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster_report.h"

namespace databus {

// One line of "what is wrong, and what happens next".
struct Trouble {
  std::string where;
  std::string what;
  std::optional<WallTime> since;
  std::string next;
};

struct InstallationReport {
  WallTime now;
  std::vector<ClusterReport> clusters;
};

// A process is silent when its heartbeat is older than three of its intervals and some seconds.
enum class Liveness : uint8_t { kAlive, kSilent, kStopped };
Liveness LivenessOf(const Heartbeat& heartbeat, WallTime now);

// Everything that is not as it should be, most urgent first.
std::vector<Trouble> FindTroubles(const InstallationReport& report, const Topology& topology);

std::string RenderStatus(const InstallationReport& report, const Topology& topology);
nlohmann::ordered_json StatusToJson(const InstallationReport& report, const Topology& topology);

}  // namespace databus
