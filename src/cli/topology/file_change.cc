#include "cli/topology/file_change.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/minute.h"
#include "cli/roles_text.h"
#include "cli/topology/apply_checks.h"
#include "cli/topology/removals.h"
#include "cluster/topology_diff.h"
#include "control/adopt_file.h"

namespace databus {
namespace {

// A failover that ended over an epoch of somebody else undid nothing; with none under way there is
// no other reason for a stream to be frozen.
void Thaw(TopologyChange& change) {
  std::vector<std::string> frozen;
  for (StreamSpec& stream : change.next.topology.streams) {
    if (stream.publication != Publication::kFrozen) continue;
    stream.publication = Publication::kOpen;
    frozen.push_back(stream.name);
  }
  if (frozen.empty()) return;
  change.consequences.push_back(fmt::format(
      "a failover that has ended left the merged stream of {} frozen: it is published again",
      fmt::join(frozen, ", ")));
}

// What was published of a stream before it had a primary is in nobody's queue: an era that begins
// now lets the primary look for it, as after a swap (P34).
void BeginErasOfAdded(const Topology& before, const Clock& clock, TopologyChange& change) {
  std::vector<std::string> added;
  for (StreamSpec& stream : change.next.topology.streams) {
    if (before.FindStream(stream.name) != nullptr) continue;
    stream.cut = Minute::Of(clock.Wall()) + -1;
    added.push_back(stream.name);
  }
  if (added.empty()) return;
  change.consequences.push_back(fmt::format(
      "{}: what local streams already hold of this is merged as late files", Some(added)));
}

}  // namespace

TopologyChange ChangeToFile(const Topology& file, const TopologyEpoch& base,
                            const std::string& author, const TopologyDesk& desk,
                            const Clock& clock) {
  TopologyChange change = ChangeOf(desk, base, author);
  TakeFile(file, change.next);
  Thaw(change);
  change.changes = DescribeChanges(base.stored, change.next);
  BeginErasOfAdded(base.stored.topology, clock, change);
  JudgeTopology(base.stored, change);
  JudgeRemovals(RemovedBy(base.stored.topology, change.next.topology), desk, clock, change);
  ObjectToOpenFailover(desk, change);
  return change;
}

}  // namespace databus
