#include "failover/observer.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "failover/flow_reader.h"
#include "failover/mirror_reader.h"
#include "failover/newest_reader.h"
#include "failover/process_reader.h"
#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

// So many files are read at most by one look, to compare what is older than the newest minutes: it
// is to take no longer than a second or two, and to say how far it is.
constexpr uint64_t kReadsMax = 2'000;

}  // namespace

struct Observer::Memory {
  FlowReader flow;
  NewestReader newest;
  std::map<std::pair<std::string, Group>, MirrorReader> mirrors;  // of streams whose primary it is
  std::string id;  // that has so many groups; empty: not read yet
  Group groups = 0;
};

Observer::Observer(const TopologyDesk& desk, const Clock& clock)
    : desk_(desk), clock_(clock), watch_(std::make_unique<LifeWatch>()) {}
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
  seen.boot = clock_.Boot();
  Topologies(seen);
  ProcessReader processes({seen.now, seen.boot}, *watch_);
  for (auto& [cluster, tree] : seen.trees) {
    Storage* const storage = Find(cluster, tree.why_away);
    if (storage == nullptr) continue;
    const Status read = processes.Read(cluster, *storage);
    if (!read.ok()) tree.why_away = read.message();
    tree.clock_ahead = processes.ClockAhead();
  }
  seen.workers = processes.Workers();
  seen.collectors = std::move(processes).Collectors();
  Flow(scope, seen);
  Mirrors(scope, seen);
  CheckTrees(scope, seen);
  return seen;
}

void Observer::CheckTrees(const Scope& scope, Observation& seen) const {
  for (const TopologyAt& at : desk_.picture().clusters) {
    SeenTree& tree = seen.trees[at.cluster];
    if (!tree.Answers()) continue;
    const auto still = CheckClusterId(*desk_.Tree(at.cluster), at.id);
    if (still.ok()) continue;
    tree.why_away = tree.why_flow_unknown = still.status().message();
    for (const Scope::Mirrored& of : scope.mirrored) {
      if (of.mirror != at.cluster && of.primary != at.cluster) continue;
      SeenMirror& mirror = seen.mirrors[{of.stream, of.mirror}];
      mirror.why_unknown = fmt::format("cluster {} does not answer: {}", at.cluster, tree.why_away);
      if (of.mirror == at.cluster) mirror.why_newest_unknown = mirror.why_unknown;
    }
  }
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

std::string Observer::WhyNotCompared(const StreamSpec& stream, const std::string& mirror,
                                     ErasOfMirrors& eras) {
  if (EraOf(stream).IsFirst()) return "";
  const auto groups = Groups(mirror);
  if (!groups.ok()) return groups.status().message();
  const Group group = GroupOf(stream.name, *groups);
  auto found = eras.find({mirror, group});
  if (found == eras.end()) {
    found = eras.emplace(std::pair(mirror, group), ReadEras(*desk_.Tree(mirror), group)).first;
  }
  if (!found->second.ok()) return found->second.status().message();
  if (found->second->IsIn(stream)) return "";
  return fmt::format("is not compared yet with {}, since that is the primary", stream.Primary());
}

// How far the mirror is does not depend on a primary that is away: it decides the cut.
void Observer::ReadNewest(const Scope::Mirrored& wanted, SeenMirror& mirror) {
  const auto newest =
      Of(wanted.mirror).newest.Read(*desk_.Tree(wanted.mirror), wanted.stream, clock_.Wall());
  if (newest.ok()) mirror.newest = *newest;
  if (!newest.ok()) mirror.why_unknown = mirror.why_newest_unknown = newest.status().message();
}

// How many groups the streams have, which never changes at a cluster (P1).
Result<Group> Observer::Groups(const std::string& cluster) {
  Memory& memory = Of(cluster);
  const auto at = std::ranges::find(desk_.picture().clusters, cluster, &TopologyAt::cluster);
  if (memory.id.empty() || memory.id != at->id) {
    DATABUS_ASSIGN_OR_RETURN(const ClusterIdentity identity, ReadClusterId(*desk_.Tree(cluster)));
    memory.id = identity.id;
    memory.groups = identity.groups;
  }
  return memory.groups;
}

// After the mirror: what that has by now the primary has had before.
Result<Group> Observer::ReadPrimary(const Scope::Mirrored& wanted, SeenMirror& mirror) {
  Storage& tree = *desk_.Tree(wanted.primary);
  DATABUS_ASSIGN_OR_RETURN(mirror.primary_newest,
                           Of(wanted.primary).newest.Read(tree, wanted.stream, clock_.Wall()));
  DATABUS_ASSIGN_OR_RETURN(const Group groups, Groups(wanted.primary));
  return GroupOf(wanted.stream, groups);
}

void Observer::Mirrors(const Scope& scope, Observation& seen) {
  using Key = std::tuple<std::string, std::string, Group>;  // primary, mirror
  std::map<Key, std::vector<MirrorReader::Wanted>> compared;
  ErasOfMirrors eras;
  for (const Scope::Mirrored& wanted : scope.mirrored) {
    SeenMirror& mirror = seen.mirrors[{wanted.stream, wanted.mirror}];
    for (const std::string& cluster : {wanted.primary, wanted.mirror}) {
      const SeenTree& tree = seen.TreeOf(cluster);
      if (tree.Answers()) continue;
      mirror.why_unknown = fmt::format("cluster {} does not answer: {}", cluster, tree.why_away);
    }
    if (seen.TreeOf(wanted.mirror).Answers()) {
      // First: what it holds is what is left, if it was compared by then.
      const StreamSpec* const stream =
          seen.newest ? seen.newest->stored.topology.FindStream(wanted.stream) : nullptr;
      if (stream != nullptr) mirror.why_not_compared = WhyNotCompared(*stream, wanted.mirror, eras);
      ReadNewest(wanted, mirror);
    }
    if (!mirror.Known()) continue;
    const auto group = ReadPrimary(wanted, mirror);
    if (group.ok()) {
      compared[{wanted.primary, wanted.mirror, *group}].push_back(
          {wanted.stream, wanted.depth, &mirror});
    } else {
      mirror.why_unknown = group.status().message();
    }
  }
  uint64_t budget = kReadsMax;
  for (const auto& [key, streams] : compared) {
    const auto& [primary, mirror, group] = key;
    const MinuteComparison::Trees trees{*desk_.Tree(mirror), *desk_.Tree(primary)};
    Of(primary).mirrors[{mirror, group}].Read(trees, group, streams, budget);
  }
}

std::string SeenCollector::Silence() const {
  if (!why_unreadable.empty()) return "says what cannot be read: " + why_unreadable;
  return "has said nothing since " + ToIsoMs(written);
}

const Problem* SeenWorker::WhyWaits(std::string_view stream) const {
  if (life != Life::kAlive) return nullptr;
  const auto found = std::ranges::find_if(
      problems, [&](const Problem& one) { return std::ranges::count(one.streams, stream) > 0; });
  return found == problems.end() ? nullptr : &*found;
}

// A standby needs to be told nothing: it works as soon as it holds the lease.
std::string SeenWorker::WhyNone(const std::string& cluster) const {
  std::string why;
  if (!unheld.empty()) {
    why =
        fmt::format("no worker of {} that is alive has group {}", cluster, fmt::join(unheld, ", "));
  } else if (standby.empty()) {
    why = fmt::format("no worker of {} is alive", cluster);
  } else {
    why = fmt::format("no worker of {} holds its lease: {}", cluster, standby);
  }
  if (!why_unreadable.empty()) why += "; one says what cannot be read: " + why_unreadable;
  return why;
}

std::string LabelOf(const std::string& cluster, const std::string& collector) {
  return std::string(cluster).append(1, '/').append(collector);  // no path
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
