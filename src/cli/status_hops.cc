#include "cli/status_hops.h"
#include "telemetry/facts.h"

#include <algorithm>
#include <unordered_map>

namespace databus {
namespace {

// The newest minutes of one cluster, found by stream.
class Newest {
 public:
  explicit Newest(const ClusterReport& cluster) : cluster_(cluster) {
    for (const ViewReport& view : cluster.views) views_[view.view][view.stream] = view.newest;
  }
  StreamHop Of(const std::string& stream, Hop hop, WallTime now) const {
    StreamHop found{
        .stream = stream, .hop = hop, .cluster = cluster_.name, .away = !cluster_.away.empty()};
    const auto view = views_.find(hop == Hop::kLocal ? View::kLocal : View::kMerged);
    if (view == views_.end()) return found;
    const auto newest = view->second.find(stream);
    if (newest == view->second.end() || !newest->second) return found;
    found.newest = newest->second;
    found.lag = LagOf(now, *found.newest);
    return found;
  }

 private:
  const ClusterReport& cluster_;
  std::map<View, std::unordered_map<std::string, std::optional<Minute>>> views_;
};

}  // namespace

Milliseconds LagOf(WallTime now, Minute newest) {
  return std::max(now - newest.Next().End(), Milliseconds{0});
}

int64_t LagSeconds(Milliseconds lag) {
  return std::chrono::ceil<std::chrono::seconds>(lag).count();
}

std::vector<StreamHop> StreamHops(const InstallationReport& report, const Topology& topology) {
  const std::vector<Newest> clusters(report.clusters.begin(), report.clusters.end());
  std::vector<StreamHop> hops;
  const auto add = [&](const StreamSpec& stream, Hop hop, auto&& takes_part) {
    for (size_t i = 0; i < clusters.size(); ++i) {
      if (!takes_part(report.clusters[i].name)) continue;
      hops.push_back(clusters[i].Of(stream.name, hop, report.now));
    }
  };
  for (const StreamSpec& stream : topology.streams) {
    add(stream, Hop::kLocal, [&](const auto& name) { return stream.HasSource(name); });
    add(stream, Hop::kMerged,
        [&](const auto& name) { return stream.RoleOf(name) == Role::kPrimary; });
    add(stream, Hop::kMirror,
        [&](const auto& name) { return stream.RoleOf(name) == Role::kMirror; });
  }
  return hops;
}

std::vector<std::string> RolesOf(const StreamSpec& stream, std::string_view cluster) {
  std::vector<std::string> roles;
  if (stream.HasSource(cluster)) roles.emplace_back("source");
  if (const auto role = stream.RoleOf(cluster)) {
    roles.emplace_back(*role == Role::kPrimary ? "primary" : "mirror");
  }
  return roles;
}

std::map<std::string, std::vector<std::string>> ModesOf(const Heartbeat& process) {
  std::map<std::string, std::vector<std::string>> modes;
  const auto mode = process.facts.find(facts::kMode);
  if (mode == process.facts.end()) return modes;
  if (mode->is_string()) modes[mode->get<std::string>()] = {"all"};
  if (!mode->is_object()) return modes;
  for (const auto& [stream, name] : mode->items()) {
    if (name.is_string()) modes[name.get<std::string>()].push_back(stream);
  }
  return modes;
}

}  // namespace databus
