// `databus topology mirror`: a cluster becomes a mirror of streams, without an editor.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/settings.h"
#include "cli/installation.h"
#include "cli/topology/change.h"
#include "cli/topology/commands.h"
#include "cli/topology/file_change.h"
#include "cluster/stored_topology.h"

namespace databus {
namespace {

struct Options {
  ChangeOptions change;
  std::string cluster;
  std::vector<std::string> streams;  // none: all
  std::string of;                    // only of those with this primary
};

Status Wrong(const std::string& what) { return {Code::kInvalid, "topology mirror: " + what}; }

// kInvalid, with the nearest one, when `name` is not among them.
template <typename Spec>
Status CheckName(std::string_view kind, const std::string& name, const std::vector<Spec>& specs) {
  std::vector<std::string_view> names;
  for (const Spec& spec : specs) names.push_back(spec.name);
  if (std::ranges::count(names, name) > 0) return Status::Ok();
  const auto nearest = NearestName(name, names);
  return Wrong(fmt::format("there is no {} {}{}", kind, Quoted(name),
                           nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
}

Status CheckNames(const Options& options, const Topology& topology) {
  DATABUS_RETURN_IF_ERROR(CheckName("cluster", options.cluster, topology.clusters));
  if (!options.of.empty()) {
    DATABUS_RETURN_IF_ERROR(CheckName("cluster", options.of, topology.clusters));
  }
  for (const std::string& stream : options.streams) {
    DATABUS_RETURN_IF_ERROR(CheckName("stream", stream, topology.streams));
  }
  return Status::Ok();
}

bool IsMeant(const StreamSpec& stream, const Options& options) {
  if (!options.of.empty() && stream.Primary() != options.of) return false;
  return options.streams.empty() || std::ranges::count(options.streams, stream.name) > 0;
}

// The file that an operator would write, read as any other is.
Result<Topology> Edited(const Options& options, Topology topology) {
  for (StreamSpec& stream : topology.streams) {
    if (!IsMeant(stream, options) || stream.RoleOf(options.cluster)) continue;
    stream.destinations.push_back({options.cluster, Role::kMirror, topology.default_retention});
  }
  return ParseTopology(FormatTopology(topology), "the edited topology");
}

Exit AddMirror(const Options& options, Io& io, Seams& seams) {
  auto desk = OpenDesk(seams, options.change.topology_file);
  if (!desk.ok()) return Report(io, desk.status());
  const auto newest = desk->Look().Newest();
  if (!newest.ok()) return Report(io, newest.status());
  const TopologyEpoch& base = **newest;
  if (const Status names = CheckNames(options, base.stored.topology); !names.ok()) {
    return Report(io, names);
  }
  const auto file = Edited(options, base.stored.topology);
  if (!file.ok()) return Report(io, file.status());
  const std::string author = fmt::format("topology mirror, on {}", seams.host);
  const TopologyChange change = ChangeToFile(*file, base, author, *desk, seams.clock);
  return CarryOut(change, *desk, options.change, io);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("CLUSTER", options->cluster, "The cluster that becomes a mirror")->required();
  app.add_option("--stream", options->streams,
                 "Of this stream only (default: of all that it has not); may be repeated")
      ->type_name("STREAM");
  app.add_option("--of", options->of, "Only of streams whose primary is this cluster")
      ->type_name("CLUSTER");
  AddTopologyOption(app, options->change.topology_file);
  AddChangeOptions(app, options->change);
  return [options](Io& io, Seams& seams) { return AddMirror(*options, io, seams); };
}

}  // namespace

const Command kTopologyMirror{
    .name = "topology mirror",
    .summary = "Make a cluster a mirror of streams that it does not hold.",
    .details =
        "What `topology show --xml`, an editor and `topology apply` do, in one command, with the\n"
        "same checks: before a failover to the cluster, for one. It is kept there for the default\n"
        "retention, and fetches all that the primary still holds. Refused while a failover is\n"
        "under way. Exit 0 stored, 1 refused or not confirmed, 2 there is no such cluster or\n"
        "stream, 3 it is so already.",
    .define = &Define};

}  // namespace databus
