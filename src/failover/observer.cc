#include "failover/observer.h"

#include <algorithm>
#include <utility>

#include "failover/flow_reader.h"
#include "failover/mirror_reader.h"
#include "failover/process_reader.h"

namespace databus::failover {

struct Observer::Memory {
  FlowReader flow;
  std::map<MirrorKey, MirrorReader> mirrors;  // of streams whose primary it is
};

Observer::~Observer() = default;

Observer::Memory& Observer::Of(const std::string& cluster) {
  auto& memory = memories_[cluster];
  if (memory == nullptr) memory = std::make_unique<Memory>();
  return *memory;
}

Observation Observer::Look(const Topology& topology, const Scope& scope) {
  Observation seen;
  seen.now = clock_.Wall();
  ProcessReader processes(seen.now);
  for (const ClusterSpec& cluster : topology.clusters) {
    SeenTree& tree = seen.trees[cluster.name];
    Storage* const storage = trees_.Find(cluster.name);
    if (storage == nullptr) {
      tree.why_away = trees_.WhyAway(cluster.name);
      continue;
    }
    const Status read = processes.Read(cluster.name, *storage);
    if (!read.ok()) tree.why_away = read.message();
    tree.clock_ahead = processes.ClockAhead();
  }
  seen.collectors = std::move(processes).Collectors();
  seen.workers = processes.Workers();
  Flow(topology, scope, seen);
  Mirrors(scope, seen);
  return seen;
}

void Observer::Flow(const Topology& topology, const Scope& scope, Observation& seen) {
  if (scope.flow == Scope::Flow::kSkip) return;
  // Local views of all clusters before merged ones: the order in which files move.
  for (const View view : {View::kLocal, View::kMerged}) {
    for (const ClusterSpec& cluster : topology.clusters) {
      SeenTree& tree = seen.trees[cluster.name];
      Storage* const storage = trees_.Find(cluster.name);
      if (!tree.Answers() || storage == nullptr) continue;
      if (view == View::kLocal) tree.why_flow_unknown.clear();
      const StreamFilter wanted(scope, cluster.name);
      const Status read = Of(cluster.name).flow.Read(*storage, view, wanted, tree);
      if (!read.ok() && tree.why_flow_unknown.empty()) tree.why_flow_unknown = read.message();
    }
  }
}

void Observer::Mirrors(const Scope& scope, Observation& seen) {
  for (const Scope::Mirrored& wanted : scope.mirrored) {
    SeenMirror& mirror = seen.mirrors[{wanted.stream, wanted.mirror}];
    Storage* const primary = trees_.Find(wanted.primary);
    Storage* const copy = trees_.Find(wanted.mirror);
    if (primary == nullptr || copy == nullptr) {
      const std::string& away = primary == nullptr ? wanted.primary : wanted.mirror;
      mirror.why_unknown = "cluster " + away + " does not answer: " + trees_.WhyAway(away);
      continue;
    }
    MirrorReader& reader = Of(wanted.primary).mirrors[{wanted.stream, wanted.mirror}];
    const Status read = reader.Read(*primary, *copy, wanted, mirror);
    mirror.why_unknown = read.message();
  }
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
