#include "failover/observer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "commit/minute_tree.h"
#include "failover/flow_reader.h"
#include "failover/mirror_reader.h"
#include "failover/process_reader.h"

namespace databus::failover {

struct Observer::Memory {
  FlowReader flow;
  std::map<MirrorKey, MirrorReader> mirrors;  // of streams whose primary it is
};

Observer::Observer(const TopologyDesk& desk, const Clock& clock) : desk_(desk), clock_(clock) {}
Observer::~Observer() = default;

Observer::Memory& Observer::Of(const std::string& cluster) {
  auto& memory = memories_[cluster];
  if (memory == nullptr) memory = std::make_unique<Memory>();
  return *memory;
}

Storage* Observer::Find(const std::string& cluster, std::string& why_away) const {
  for (const TopologyAt& at : desk_.picture().clusters) {
    if (at.cluster != cluster) continue;
    why_away = at.id.empty() && at.away.empty() ? "was never initialised" : at.away;
    return why_away.empty() ? desk_.Tree(cluster) : nullptr;
  }
  why_away = "there is no such cluster";
  return nullptr;
}

void Observer::Topologies(Observation& seen) const {
  const TopologyPicture& picture = desk_.picture();
  if (!picture.heads.empty()) seen.newest = *picture.heads.front();
  if (picture.heads.size() > 1) seen.conflicts = DescribeHeads(picture);
  for (const TopologyAt& at : picture.clusters) {
    SeenTree& tree = seen.trees[at.cluster];
    if (Find(at.cluster, tree.why_away) == nullptr) continue;
    seen.tips[at.cluster] = at.newest == nullptr ? "" : at.newest->digest;
  }
}

Observation Observer::Look(const Scope& scope) {
  Observation seen;
  seen.now = clock_.Wall();
  Topologies(seen);
  ProcessReader processes(seen.now);
  for (auto& [cluster, tree] : seen.trees) {
    Storage* const storage = Find(cluster, tree.why_away);
    if (storage == nullptr) continue;
    const Status read = processes.Read(cluster, *storage);
    if (!read.ok()) tree.why_away = read.message();
    tree.clock_ahead = processes.ClockAhead();
  }
  seen.collectors = std::move(processes).Collectors();
  seen.workers = processes.Workers();
  Flow(scope, seen);
  Mirrors(scope, seen);
  return seen;
}

void Observer::Flow(const Scope& scope, Observation& seen) {
  if (scope.flow == Scope::Flow::kSkip) return;
  // Local views of all clusters before merged ones: the order in which files move.
  for (const View view : {View::kLocal, View::kMerged}) {
    for (auto& [cluster, tree] : seen.trees) {
      if (!tree.Answers()) continue;
      if (view == View::kLocal) tree.why_flow_unknown.clear();
      const StreamFilter wanted(scope, cluster);
      const Status read = Of(cluster).flow.Read(*desk_.Tree(cluster), view, wanted, tree);
      if (!read.ok() && tree.why_flow_unknown.empty()) tree.why_flow_unknown = read.message();
    }
  }
}

// How far the mirror is does not depend on a primary that is away: it decides the cut.
void Observer::ReadNewest(const Scope::Mirrored& wanted, SeenMirror& mirror) const {
  const auto newest =
      NewestMinute(*desk_.Tree(wanted.mirror), paths::Stream(View::kMerged, wanted.stream));
  if (newest.ok()) mirror.newest = *newest;
  if (!newest.ok()) mirror.why_unknown = mirror.why_newest_unknown = newest.status().message();
}

void Observer::Mirrors(const Scope& scope, Observation& seen) {
  for (const Scope::Mirrored& wanted : scope.mirrored) {
    SeenMirror& mirror = seen.mirrors[{wanted.stream, wanted.mirror}];
    for (const std::string& cluster : {wanted.primary, wanted.mirror}) {
      const SeenTree& tree = seen.TreeOf(cluster);
      if (tree.Answers()) continue;
      mirror.why_unknown = fmt::format("cluster {} does not answer: {}", cluster, tree.why_away);
    }
    if (seen.TreeOf(wanted.mirror).Answers()) ReadNewest(wanted, mirror);
    if (!mirror.Known()) continue;
    MirrorReader& reader = Of(wanted.primary).mirrors[{wanted.stream, wanted.mirror}];
    const Status read =
        reader.Read(*desk_.Tree(wanted.primary), *desk_.Tree(wanted.mirror), wanted, mirror);
    mirror.why_unknown = read.message();
  }
}

std::string LabelOf(const std::string& cluster, const std::string& collector) {
  return paths::Join(cluster, collector);
}

const SeenTree& Observation::TreeOf(const std::string& cluster) const {
  static const SeenTree kNone{.why_away = "not looked at", .clock_ahead = {}, .flow = {}};
  const auto tree = trees.find(cluster);
  return tree == trees.end() ? kNone : tree->second;
}

const SeenWorker& Observation::WorkerOf(const std::string& cluster) const {
  static const SeenWorker kNone;
  const auto worker = workers.find(cluster);
  return worker == workers.end() ? kNone : worker->second;
}

}  // namespace databus::failover
