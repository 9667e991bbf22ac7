#include "cli/topology/removals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "cli/roles_text.h"
#include "cli/table.h"
#include "failover/observer.h"

namespace databus {
namespace {

using Weight = Objection::Weight;

// "3 files in data/, 12 lines in queues"; empty: nothing is on its way.
std::string UnderwayText(const failover::Underway& underway) {
  uint64_t files = 0;
  uint64_t lines = 0;
  for (const auto& [collector, count] : underway.data_files) files += count;
  for (const auto& [cluster, count] : underway.to_merge) lines += count;
  for (const auto& [cluster, count] : underway.to_mirror) lines += count;
  std::vector<std::string> parts;
  const uint64_t commits = underway.in_commit + underway.merging;
  if (files > 0) parts.push_back(Plural(files, "file") + " in data/");
  if (commits > 0) parts.push_back(Plural(commits, "unfinished commit"));
  if (lines > 0) parts.push_back(Plural(lines, "queue line"));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string SpoolText(const failover::SpoolBacklog& backlog) {
  const uint64_t bytes = backlog.unsealed_bytes + backlog.deferred_bytes;
  if (bytes > 0) return HumanBytes(bytes) + " in its spool";
  return backlog.open_intents > 0 ? "a delivery under way" : "";
}

class RemovalJudge {
 public:
  RemovalJudge(const Removed& removed, const failover::Observation& seen, TopologyChange& change)
      : removed_(removed), seen_(seen), change_(change) {}

  void Run() {
    for (const auto& [cluster, tree] : seen_.trees) JudgeTree(cluster, tree);
    for (const failover::SeenCollector& collector : seen_.collectors) JudgeSpool(collector);
  }

 private:
  bool Concerns(const std::string& cluster, const std::string& stream) const {
    return removed_.clusters.contains(cluster) || removed_.streams.contains(stream);
  }

  void JudgeTree(const std::string& cluster, const failover::SeenTree& tree) {
    const std::string unknown = tree.Answers() ? tree.why_flow_unknown : tree.why_away;
    if (!unknown.empty()) {
      change_.objections.push_back(
          {fmt::format("cluster {}: it cannot be known whether it holds data of what is removed: "
                       "{}",
                       cluster, unknown),
           "try again when it answers. With --force what it holds stays there, unmerged",
           Weight::kUnlessForced});
    }
    for (const auto& [stream, underway] : tree.flow) {
      if (Concerns(cluster, stream)) Object(cluster, stream, UnderwayText(underway));
    }
  }

  void JudgeSpool(const failover::SeenCollector& collector) {
    for (const auto& [stream, backlog] : collector.backlog) {
      if (!Concerns(collector.cluster, stream)) continue;
      Object("collector " + collector.Label(), stream, SpoolText(backlog));
    }
  }

  void Object(const std::string& where, const std::string& stream, const std::string& what) {
    if (what.empty()) return;
    change_.objections.push_back(
        {fmt::format("{}: stream {} has data on its way: {}", where, stream, what),
         "stop its producers, wait until `databus status` shows nothing of it on its way, then "
         "apply again. With --force it stays where it is, and goes on when the stream and the "
         "cluster are configured again",
         Weight::kUnlessForced});
  }

  const Removed& removed_;
  const failover::Observation& seen_;
  TopologyChange& change_;
};

}  // namespace

void JudgeRemovals(const Removed& removed, const TopologyDesk& desk, const Clock& clock,
                   TopologyChange& change) {
  if (removed.empty()) return;
  failover::Scope scope;
  scope.flow = failover::Scope::Flow::kLook;
  scope.streams = removed.streams;
  if (!removed.clusters.empty()) {
    // Of a tree that is removed everything counts, also what no topology knows.
    scope.whole = *removed.clusters.begin();
    for (const SharedEpoch& head : desk.picture().heads) {
      for (const StreamSpec& stream : head->stored.topology.streams) {
        scope.streams.insert(stream.name);
      }
    }
  }
  failover::Observer observer(desk, clock);
  RemovalJudge(removed, observer.Look(scope), change).Run();
}

}  // namespace databus
