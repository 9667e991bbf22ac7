// `databus topology apply`: an edited databus.xml becomes the next epoch.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/minute.h"
#include "cli/installation.h"
#include "cli/roles_text.h"
#include "cli/topology/apply_checks.h"
#include "cli/topology/change.h"
#include "cli/topology/commands.h"
#include "cli/topology/look.h"
#include "cli/topology/removals.h"
#include "cluster/topology_diff.h"
#include "control/adopt_file.h"

namespace databus {
namespace {

struct Options {
  ChangeOptions change;
  std::string file;
  uint64_t base = 0;
};

constexpr size_t kChangesShown = 20;

// The file was made from an older epoch: what it would undo without knowing.
Status StaleBase(const TopologyEpoch& newest, const TopologyDesk& desk, uint64_t base) {
  std::string text = fmt::format("--base {}: epoch {} ({}) is stored by now", base,
                                 newest.stored.epoch, newest.stored.author);
  const auto older = ReadAnywhere(desk, base);
  if (older.ok()) {
    std::vector<std::string> lines = DescribeChanges(older->stored, newest.stored);
    const size_t all = lines.size();
    if (all > kChangesShown) {
      lines.resize(kChangesShown);
      lines.push_back(fmt::format("and {} more", all - kChangesShown));
    }
    text += fmt::format(". Changed since:\n  {}\n", fmt::join(lines, "\n  "));
  } else {
    text += ". ";
  }
  return {Code::kRefused, text + fmt::format("Put that into the file, too (`databus topology show "
                                             "--xml` prints it), then use --base {}",
                                             newest.stored.epoch)};
}

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

Exit Apply(const Options& options, Io& io, Seams& seams) {
  const auto file = LoadTopology(seams, options.file);
  if (!file.ok()) return Report(io, file.status());
  const std::string& where =
      options.change.topology_file.empty() ? options.file : options.change.topology_file;
  auto desk = OpenDesk(seams, where);
  if (!desk.ok()) return Report(io, desk.status());
  const auto newest = desk->Look().Newest();
  if (!newest.ok()) return Report(io, newest.status());
  const TopologyEpoch& base = **newest;
  if (base.stored.epoch != options.base) return Report(io, StaleBase(base, *desk, options.base));
  TopologyChange change = ChangeOf(*desk, base, fmt::format("topology apply, on {}", seams.host));
  TakeFile(*file, change.next);
  Thaw(change);
  change.changes = DescribeChanges(base.stored, change.next);
  BeginErasOfAdded(base.stored.topology, seams.clock, change);
  JudgeTopology(base.stored, change);
  JudgeRemovals(RemovedBy(base.stored.topology, change.next.topology), *desk, seams.clock, change);
  ObjectToOpenFailover(*desk, change);
  return CarryOut(change, *desk, options.change, io);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FILE", options->file, "A databus.xml")->required();
  app.add_option("--base", options->base, "The stored epoch that the file was made from")
      ->required()
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--topology", options->change.topology_file,
                 "databus.xml: where the clusters are (default: FILE)")
      ->type_name("FILE");
  AddChangeOptions(app, options->change);
  AddForceOption(app, options->change);
  return [options](Io& io, Seams& seams) { return Apply(*options, io, seams); };
}

}  // namespace

const Command kTopologyApply{
    .name = "topology apply",
    .summary = "Make an edited databus.xml the next epoch of the stored topology.",
    .details =
        "Streams and clusters can be added, and most else changed, while everything runs. Shows\n"
        "what would change, and asks. Refused: a file made from an epoch that is not the newest\n"
        "any more; anything while a failover is under way; another primary of a stream, which is\n"
        "what `databus failover` is for; and, unless --force, the removal of streams or clusters\n"
        "that hold data on its way. `databus topology show --xml` prints the file to begin with.\n"
        "Exit 0 stored (or --dry-run could be), 1 refused or not confirmed, 2 the file is not\n"
        "valid, 3 it changes nothing.",
    .define = &Define};

}  // namespace databus
