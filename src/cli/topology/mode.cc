// `databus topology mode`: how the collectors of a cluster deliver, by hand.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string_view>

#include "base/settings.h"
#include "cli/installation.h"
#include "cli/topology/change.h"
#include "cli/topology/commands.h"
#include "cluster/mode_circles.h"
#include "cluster/names.h"
#include "cluster/topology_diff.h"

namespace databus {
namespace {

struct Options {
  ChangeOptions change;
  std::string target;  // CLUSTER or CLUSTER/STREAM
  std::string mode;
  std::string to;
  std::vector<std::string> redirect_to;
};

Status Wrong(const std::string& what) { return {Code::kInvalid, "topology mode: " + what}; }

// kInvalid, with the nearest one, when there is no such cluster.
Status CheckCluster(const Topology& topology, const std::string& name) {
  if (topology.FindCluster(name) != nullptr) return Status::Ok();
  std::vector<std::string_view> names;
  for (const ClusterSpec& cluster : topology.clusters) names.push_back(cluster.name);
  const auto nearest = NearestName(name, names);
  return Wrong(fmt::format("there is no cluster {}{}", Quoted(name),
                           nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
}

// What the arguments ask for.
Result<ModeRule> ParseRule(const Options& options, const Topology& topology) {
  const size_t slash = options.target.find('/');
  ModeRule rule{.cluster = options.target.substr(0, slash), .stream = "", .mode = {}};
  if (slash != std::string::npos) {
    rule.stream = options.target.substr(slash + 1);
    DATABUS_RETURN_IF_ERROR(ValidateStreamName(rule.stream));
  }
  DATABUS_RETURN_IF_ERROR(CheckCluster(topology, rule.cluster));
  rule.mode = ParseDeliveryMode(options.mode).value_or(DeliveryMode::kDeliver);
  for (const std::string& text : options.redirect_to) {
    const auto receiver = Endpoint::Parse(text);
    if (!receiver) return Wrong(fmt::format("--redirect-to: {} is no HOST:PORT", Quoted(text)));
    rule.receivers.push_back(*receiver);
  }
  rule.to = options.to;
  if (!rule.to.empty()) DATABUS_RETURN_IF_ERROR(CheckCluster(topology, rule.to));
  const bool redirects = rule.mode == DeliveryMode::kRedirect;
  const bool somewhere = !rule.to.empty() || !rule.receivers.empty();
  if (redirects && !somewhere) return Wrong("redirect needs --to CLUSTER or --redirect-to");
  if (!redirects && somewhere) return Wrong("--to and --redirect-to are for redirect only");
  if (rule.to == rule.cluster) return Wrong("--to: a cluster cannot be redirected to itself");
  return rule;
}

// Puts the rule in the place of the one before. Where all deliver, no rule is needed for it.
void Steer(const ModeRule& rule, StoredTopology& next) {
  std::erase_if(next.modes, [&](const ModeRule& other) {
    return other.cluster == rule.cluster && other.stream == rule.stream;
  });
  const bool needless =
      rule.mode == DeliveryMode::kDeliver && next.FindMode(rule.cluster, rule.stream) == nullptr;
  if (!needless) next.modes.push_back(rule);
}

void TellConsequences(const ModeRule& rule, const std::vector<ModeRule>& before,
                      TopologyChange& change) {
  const Topology& topology = change.next.topology;
  if (!rule.stream.empty() && topology.FindStream(rule.stream) == nullptr) {
    change.consequences.push_back(fmt::format("no stream {} is configured", rule.stream));
  }
  if (rule.mode == DeliveryMode::kSpool) {
    change.consequences.push_back(fmt::format(
        "producers at {} go on getting OK until the spools' disks are full", rule.cluster));
  }
  if (rule.stream.empty()) {
    const auto special = std::ranges::count_if(change.next.modes, [&](const ModeRule& other) {
      return other.cluster == rule.cluster && !other.stream.empty();
    });
    if (special > 0) {
      change.consequences.push_back(fmt::format(
          "rules of its own remain for {} of its streams: `databus topology show`", special));
    }
  }
  for (const ModeCircle& circle : NewCircles(before, change.next.modes)) {
    change.objections.push_back(
        {fmt::format("messages would go round in a circle, of {}", circle.Describe()),
         fmt::format("let {} deliver first", rule.to), Objection::Weight::kFinal});
  }
}

Exit SetMode(const Options& options, Io& io, Seams& seams) {
  auto desk = OpenDesk(seams, options.change.topology_file);
  if (!desk.ok()) return Report(io, desk.status());
  const auto newest = desk->Look().Newest();
  if (!newest.ok()) return Report(io, newest.status());
  const auto rule = ParseRule(options, (*newest)->stored.topology);
  if (!rule.ok()) return Report(io, rule.status());
  TopologyChange change =
      ChangeOf(*desk, **newest, fmt::format("topology mode, on {}", seams.host));
  Steer(*rule, change.next);
  change.changes = DescribeChanges((*newest)->stored, change.next);
  TellConsequences(*rule, (*newest)->stored.modes, change);
  ObjectToOpenFailover(*desk, change);
  return CarryOut(change, *desk, options.change, io);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("CLUSTER[/STREAM]", options->target,
                 "The cluster whose collectors are meant, and the stream (default: all that have "
                 "no mode of their own)")
      ->required();
  app.add_option("MODE", options->mode,
                 "deliver: as they are configured; spool: acknowledge and keep; redirect: hand "
                 "over to other collectors")
      ->required()
      ->check(CLI::IsMember({"deliver", "spool", "redirect"}));
  app.add_option("--to", options->to, "redirect: to the live collectors of this cluster")
      ->type_name("CLUSTER");
  app.add_option("--redirect-to", options->redirect_to,
                 "redirect: to these collectors, the first that answers; may be repeated")
      ->type_name("HOST:PORT");
  AddTopologyOption(app, options->change.topology_file);
  AddChangeOptions(app, options->change);
  return [options](Io& io, Seams& seams) { return SetMode(*options, io, seams); };
}

}  // namespace

const Command kTopologyMode{
    .name = "topology mode",
    .summary = "Let a cluster's collectors deliver, spool or redirect.",
    .details =
        "What was done by a wrong configuration and a HUP: becomes the next epoch of the stored\n"
        "topology, which every collector obeys within seconds. Nothing is lost in any mode:\n"
        "spooled messages are delivered when the mode changes. Refused while a failover is under\n"
        "way. Exit 0 stored, 1 refused or not confirmed, 3 it is so already.",
    .define = &Define};

}  // namespace databus
