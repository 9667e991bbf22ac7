// `databus topology diff`: what a file, or what has happened since an epoch, changes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>

#include "cli/installation.h"
#include "cli/topology/commands.h"
#include "cli/topology/look.h"
#include "cluster/topology_diff.h"
#include "control/adopt_file.h"

namespace databus {
namespace {

struct Options {
  std::string file;
  std::string topology_file;
  std::optional<uint64_t> epoch;
};

Exit Print(const std::vector<std::string>& changes, Io& io) {
  for (const std::string& change : changes) io.out << change << "\n";
  return changes.empty() ? Exit::kNothingToDo : Exit::kDone;
}

// From what is stored to the file.
Exit DiffFile(const TopologyEpoch& newest, const Options& options, Io& io, Seams& seams) {
  const auto file = LoadTopology(seams, options.file);
  if (!file.ok()) return Report(io, file.status());
  StoredTopology next = newest.stored;
  TakeFile(*file, next);
  return Print(DescribeChanges(newest.stored, next), io);
}

// From an older epoch to what is stored now.
Exit DiffEpoch(const TopologyEpoch& newest, const TopologyDesk& desk, uint64_t epoch, Io& io) {
  const auto older = ReadAnywhere(desk, epoch);
  if (!older.ok()) return Report(io, older.status());
  return Print(DescribeChanges(older->stored, newest.stored), io);
}

Exit Diff(const Options& options, Io& io, Seams& seams) {
  if (options.file.empty() == !options.epoch) {
    return Report(io, {Code::kInvalid, "topology diff: expected a FILE or --epoch N, one of them"});
  }
  const std::string& where = options.topology_file.empty() ? options.file : options.topology_file;
  if (where.empty()) {
    return Report(io, {Code::kInvalid, "topology diff: --epoch needs --topology FILE, too"});
  }
  auto desk = OpenDesk(seams, where);
  if (!desk.ok()) return Report(io, desk.status());
  const auto newest = desk->Look().Newest();
  if (!newest.ok()) return Report(io, newest.status());
  return options.epoch ? DiffEpoch(**newest, *desk, *options.epoch, io)
                       : DiffFile(**newest, options, io, seams);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FILE", options->file, "A databus.xml: what would it change?");
  app.add_option("--epoch", options->epoch, "What has changed since this epoch?")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--topology", options->topology_file,
                 "databus.xml: where the clusters are (default: FILE)")
      ->type_name("FILE");
  return [options](Io& io, Seams& seams) { return Diff(*options, io, seams); };
}

}  // namespace

const Command kTopologyDiff{
    .name = "topology diff",
    .summary = "Show what a databus.xml would change, or what has changed since an epoch.",
    .details =
        "One line for each difference, from what is stored to the file, or from the epoch to what\n"
        "is stored. Exit 0 when there are any, 3 when there are none.",
    .define = &Define};

}  // namespace databus
