// `databus status` as a value: what was found on all clusters, and what follows from it. Pure.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster_report.h"
#include "control/topology_desk.h"
#include "failover/journal.h"

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
  TopologyPicture picture{};                    // of the stored topology
  std::optional<failover::Journal> failover{};  // one that is under way
  std::optional<Heartbeat> driver{};            // the last word of who drives it
  std::vector<std::string> unreadable_journals{};
  // Processes of this host are looked up; empty: of no host.
  std::string host{};
  std::function<bool(int64_t pid)> process_is_gone{};

  // Which group of its clusters' streams that is, which workers may share; nothing: no cluster can
  // be read.
  std::optional<Group> GroupOf(const std::string& stream) const;
};

enum class Liveness : uint8_t {
  kAlive,
  kLate,    // a heartbeat is missing
  kSilent,  // nothing for three intervals and some seconds
  kDead,    // a heartbeat is due, and this host has no such process any more
  kStopped,
};
Liveness LivenessOf(const Heartbeat& heartbeat, const InstallationReport& report);

// Everything that is not as it should be, most urgent first.
std::vector<Trouble> FindTroubles(const InstallationReport& report, const Topology& topology);

std::string RenderStatus(const InstallationReport& report, const Topology& topology);
nlohmann::ordered_json StatusToJson(const InstallationReport& report, const Topology& topology);

}  // namespace databus
