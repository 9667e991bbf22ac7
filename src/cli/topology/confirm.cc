// `databus topology confirm`: an operator's word that a cluster is alone (P28).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/settings.h"
#include "cli/installation.h"
#include "cli/roles_text.h"
#include "cli/topology/change.h"
#include "cli/topology/commands.h"
#include "cluster/topology_diff.h"

namespace databus {
namespace {

struct Options {
  ChangeOptions change;
  std::string alone;
  bool not_alone = false;
};

// The streams that wait while their primary, `cluster`, reads no majority.
std::vector<std::string> WaitingStreams(const Topology& topology, const std::string& cluster) {
  std::vector<std::string> waiting;
  for (const StreamSpec& stream : topology.streams) {
    if (stream.when_alone == WhenAlone::kWait && stream.Primary() == cluster) {
      waiting.push_back(stream.name);
    }
  }
  return waiting;
}

void TellConsequences(const std::string& cluster, const TopologyPicture& picture,
                      TopologyChange& change) {
  const std::vector<std::string> waiting = WaitingStreams(change.next.topology, cluster);
  if (waiting.empty()) {
    change.consequences.push_back(fmt::format("no stream of {} waits when it is alone", cluster));
  } else {
    change.consequences.push_back(fmt::format(
        "{} publishes merged minutes of {} whatever it can read, until `topology confirm "
        "--not-alone` or a change of roles. Be certain that nobody has taken its place: what two "
        "primaries publish has to be set aside and merged again",
        cluster, Some(waiting)));
  }
  for (const TopologyAt& at : picture.clusters) {
    if (at.cluster == cluster || !at.away.empty() || at.id.empty()) continue;
    change.consequences.push_back(
        fmt::format("cluster {} answers here: {} may not be alone", at.cluster, cluster));
  }
}

Exit ConfirmAlone(const Options& options, Io& io, Seams& seams) {
  if (options.alone.empty() != options.not_alone) {
    return Report(io, {Code::kInvalid,
                       "topology confirm: expected --alone CLUSTER or --not-alone, one of them"});
  }
  auto desk = OpenDesk(seams, options.change.topology_file);
  if (!desk.ok()) return Report(io, desk.status());
  const auto newest = desk->Look().Newest();
  if (!newest.ok()) return Report(io, newest.status());
  const StoredTopology& base = (*newest)->stored;
  if (!options.not_alone && base.topology.FindCluster(options.alone) == nullptr) {
    return Report(io, {Code::kInvalid, fmt::format("topology confirm: there is no cluster {}",
                                                   Quoted(options.alone))});
  }
  TopologyChange change =
      ChangeOf(*desk, **newest, fmt::format("topology confirm, on {}", seams.host));
  change.next.alone = options.alone;
  change.changes = DescribeChanges(base, change.next);
  if (!options.not_alone) TellConsequences(options.alone, desk->picture(), change);
  ObjectToOpenFailover(*desk, change);
  return CarryOut(change, *desk, options.change, io);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--alone", options->alone, "This cluster may publish without reading the others")
      ->type_name("CLUSTER");
  app.add_flag("--not-alone", options->not_alone, "Take that back");
  AddTopologyOption(app, options->change.topology_file);
  AddChangeOptions(app, options->change);
  return [options](Io& io, Seams& seams) { return ConfirmAlone(*options, io, seams); };
}

}  // namespace

const Command kTopologyConfirm{
    .name = "topology confirm",
    .summary = "Let a cluster that is cut off from the others go on publishing.",
    .details =
        "For streams with whenalone=\"wait\": their primary publishes merged minutes only while "
        "it\n"
        "reads a majority of the clusters. When the others are gone for long, and it is certain\n"
        "that none of them has taken its place, this lets it go on. To be run where the cluster\n"
        "can be reached. Exit 0 stored, 1 refused or not confirmed, 3 it is so already.",
    .define = &Define};

}  // namespace databus
