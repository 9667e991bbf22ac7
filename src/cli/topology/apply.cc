// `databus topology apply`: an edited databus.xml becomes the next epoch.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/installation.h"
#include "cli/topology/change.h"
#include "cli/topology/commands.h"
#include "cli/topology/file_change.h"
#include "cli/topology/look.h"
#include "cluster/topology_diff.h"

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
  const std::string author = fmt::format("topology apply, on {}", seams.host);
  const TopologyChange change = ChangeToFile(*file, base, author, *desk, seams.clock);
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
