#include "cli/own_heartbeats.h"

#include <algorithm>
#include <string>
#include <utility>

#include "cluster/names.h"

namespace databus {
namespace {

// "collector-c1@dc1" in a tree of another cluster: its name at home, and the home's.
struct Guest {
  Heartbeat heartbeat;
  std::string home;
};

std::vector<Guest> TakeGuests(std::vector<ClusterReport>& clusters) {
  std::vector<Guest> guests;
  for (ClusterReport& cluster : clusters) {
    for (Heartbeat& heartbeat : cluster.processes) {
      const auto name = CollectorProcessName::Parse(heartbeat.process);
      if (!name || std::ranges::count(clusters, name->cluster, &ClusterReport::name) == 0) continue;
      heartbeat.process = CollectorProcessName{name->collector}.ToString();
      guests.push_back({std::exchange(heartbeat, {}), name->cluster});
    }
    std::erase_if(cluster.processes, [](const Heartbeat& beat) { return beat.process.empty(); });
  }
  return guests;
}

}  // namespace

void SortByOwnCluster(std::vector<ClusterReport>& clusters) {
  for (Guest& guest : TakeGuests(clusters)) {
    ClusterReport& home = *std::ranges::find(clusters, guest.home, &ClusterReport::name);
    const auto known =
        std::ranges::find(home.processes, guest.heartbeat.process, &Heartbeat::process);
    if (known == home.processes.end()) {
      home.processes.push_back(std::move(guest.heartbeat));
    } else if (known->written < guest.heartbeat.written) {
      *known = std::move(guest.heartbeat);
    }
  }
}

}  // namespace databus
