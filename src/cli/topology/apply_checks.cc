#include "cli/topology/apply_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <utility>
#include <vector>

#include "cli/roles_text.h"

namespace databus {
namespace {

using Weight = Objection::Weight;

// Streams by what they have in common.
template <typename Key>
using StreamsBy = std::map<Key, std::vector<std::string>>;

void JudgePrimaries(const Topology& from, TopologyChange& change) {
  StreamsBy<std::pair<std::string, std::string>> moves;
  for (const StreamSpec& stream : change.next.topology.streams) {
    const StreamSpec* before = from.FindStream(stream.name);
    if (before == nullptr || before->Primary() == stream.Primary()) continue;
    moves[{before->Primary(), stream.Primary()}].push_back(stream.name);
  }
  for (const auto& [way, streams] : moves) {
    change.objections.push_back(
        {fmt::format("{} would move from primary {} to {}: that is a failover", Some(streams),
                     way.first, way.second),
         fmt::format("`databus failover run --from {0} --to {1}` moves them without a gap, and "
                     "with --unplanned also while {0} is lost. A file cannot say after which "
                     "minute {1} begins, so --force does not help",
                     way.first, way.second),
         Weight::kFinal});
  }
}

void TellMirrors(const Topology& from, TopologyChange& change) {
  StreamsBy<std::string> gone;
  StreamsBy<std::string> added;
  for (const StreamSpec& stream : change.next.topology.streams) {
    const StreamSpec* before = from.FindStream(stream.name);
    if (before == nullptr) continue;
    for (const std::string& mirror : before->Mirrors()) {
      if (!stream.RoleOf(mirror)) gone[mirror].push_back(stream.name);
    }
    for (const std::string& mirror : stream.Mirrors()) {
      if (!before->RoleOf(mirror)) added[mirror].push_back(stream.name);
    }
  }
  for (const auto& [mirror, streams] : added) {
    change.consequences.push_back(
        fmt::format("{} fetches all that is retained of {}; a failover to it waits until it has "
                    "caught up (`databus status`)",
                    mirror, Some(streams)));
  }
  for (const auto& [mirror, streams] : gone) {
    change.consequences.push_back(
        fmt::format("{} is no mirror of {} any more: what it holds of them is no longer brought "
                    "up to date, and goes at the longest retention of those who hold them still",
                    mirror, Some(streams)));
  }
}

void TellClusters(const Topology& from, TopologyChange& change) {
  for (const ClusterSpec& cluster : change.next.topology.clusters) {
    const ClusterSpec* before = from.FindCluster(cluster.name);
    if (before == nullptr) {
      change.consequences.push_back(
          fmt::format("cluster {} is new: start a worker for it; no other process needs a restart",
                      cluster.name));
    } else if (before->RootUrl() != cluster.RootUrl()) {
      change.consequences.push_back(
          fmt::format("cluster {} is looked for at {} from now on: its tree has to be there, with "
                      "its system/cluster-id; a tree without that is taken for a disk that is not "
                      "mounted",
                      cluster.name, cluster.RootUrl()));
    }
  }
}

// Whether anything is kept for a shorter time than before.
bool IsShorter(const Topology& from, const Topology& to) {
  if (to.trash_retention < from.trash_retention) return true;
  if (to.default_retention < from.default_retention) return true;
  for (const StreamSpec& stream : to.streams) {
    if (from.FindStream(stream.name) == nullptr) continue;
    for (const ClusterSpec& cluster : to.clusters) {
      const auto shorter = [&](auto&& retention) {
        return retention(to, cluster.name) < retention(from, cluster.name);
      };
      const bool local = shorter([&](const Topology& topology, const std::string& name) {
        return topology.LocalRetention(name, stream.name);
      });
      const bool merged = shorter([&](const Topology& topology, const std::string& name) {
        return topology.MergedRetention(name, stream.name);
      });
      if (local || merged) return true;
    }
  }
  return false;
}

}  // namespace

Removed RemovedBy(const Topology& from, const Topology& to) {
  Removed removed;
  for (const StreamSpec& stream : from.streams) {
    if (to.FindStream(stream.name) == nullptr) removed.streams.insert(stream.name);
  }
  for (const ClusterSpec& cluster : from.clusters) {
    if (to.FindCluster(cluster.name) == nullptr) removed.clusters.insert(cluster.name);
  }
  return removed;
}

void JudgeTopology(const StoredTopology& base, TopologyChange& change) {
  JudgePrimaries(base.topology, change);
  TellMirrors(base.topology, change);
  TellClusters(base.topology, change);
  if (IsShorter(base.topology, change.next.topology)) {
    change.consequences.emplace_back(
        "a retention becomes shorter: what is older is purged at once");
  }
}

}  // namespace databus
