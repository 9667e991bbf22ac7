// `databus topology choose`: settles a conflict of stored topologies (P27).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/installation.h"
#include "cli/topology/change.h"
#include "cli/topology/commands.h"
#include "cli/topology/look.h"
#include "cluster/topology_diff.h"
#include "control/settle_conflict.h"

namespace databus {
namespace {

struct Options {
  ChangeOptions change;
  std::string chosen;
};

// By "EPOCH/DIGEST"; the digest may be left out, or cut short, where it is clear.
Result<SharedEpoch> FindChosen(const TopologyPicture& picture, const std::string& text) {
  std::vector<SharedEpoch> found;
  std::vector<std::string> names;
  for (const SharedEpoch& head : picture.heads) {
    names.push_back(NameOf(*head));
    const bool number_alone = text == fmt::format("{}", head->stored.epoch);
    const bool begins = text.find('/') != std::string::npos && names.back().starts_with(text);
    if (number_alone || begins) found.push_back(head);
  }
  if (found.size() == 1) return found.front();
  return Status(Code::kInvalid,
                fmt::format("topology choose: {} names {} of {}", text,
                            found.empty() ? "none" : "more than one", fmt::join(names, ", ")));
}

Exit Choose(const Options& options, Io& io, Seams& seams) {
  auto desk = OpenDesk(seams, options.change.topology_file);
  if (!desk.ok()) return Report(io, desk.status());
  const TopologyPicture& picture = desk->Look();
  if (picture.heads.size() < 2) {
    const auto newest = picture.Newest();
    if (!newest.ok()) return Report(io, newest.status());
    io.err << fmt::format("databus: there is no conflict; epoch {} is the newest\n",
                          (*newest)->stored.epoch);
    return Exit::kNothingToDo;
  }
  const auto chosen = FindChosen(picture, options.chosen);
  if (!chosen.ok()) return Report(io, chosen.status());
  TopologyChange change =
      ChangeOf(*desk, **chosen, fmt::format("topology choose, on {}", seams.host));
  SettleConflict(picture.heads, **chosen, change.next);
  for (const SharedEpoch& head : picture.heads) {
    if (head->digest == (*chosen)->digest) continue;
    const std::string loser = NameOf(*head);
    change.changes.push_back(fmt::format("{}, by {}, is replaced", loser, head->stored.author));
    for (const std::string& line : DescribeChanges(head->stored, change.next)) {
      change.changes.push_back(fmt::format("where {} was obeyed: {}", loser, line));
    }
  }
  for (const StreamSpec& stream : (*chosen)->stored.topology.streams) {
    if (stream.publication != Publication::kFrozen) continue;
    change.consequences.push_back(fmt::format(
        "{} is published again: the failover that froze it cannot go on, only be aborted",
        stream.name));
  }
  change.consequences.emplace_back(
      "merged minutes that the other side alone has published are set aside there, and what is in "
      "them is merged again; nothing is lost");
  for (const TopologyAt& at : picture.clusters) {
    if (at.away.empty()) continue;
    change.consequences.push_back(fmt::format(
        "cluster {} is away: if it holds yet another epoch, that is a new conflict", at.cluster));
  }
  return CarryOut(change, *desk, options.change, io);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("EPOCH/DIGEST", options->chosen,
                 "The side to go on with, as `databus topology show` names it")
      ->required();
  AddTopologyOption(app, options->change.topology_file);
  AddChangeOptions(app, options->change);
  return [options](Io& io, Seams& seams) { return Choose(*options, io, seams); };
}

}  // namespace

const Command kTopologyChoose{
    .name = "topology choose",
    .summary = "Settle a conflict: go on with one of the stored topologies.",
    .details =
        "Two operators changed the topology on two sides of a cut network: neither epoch follows\n"
        "the other, and streams on which they differ have no merged minutes. The chosen side\n"
        "becomes the next epoch, which replaces the others; every process obeys it, and those\n"
        "streams publish again. Nothing is lost, whichever is chosen.\n"
        "Exit 0 stored, 1 not confirmed, 2 no such side, 3 there is no conflict.",
    .define = &Define};

}  // namespace databus
