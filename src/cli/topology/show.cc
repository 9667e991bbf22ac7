// `databus topology show`: what is stored, where, and whether the clusters agree.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "cli/installation.h"
#include "cli/roles_text.h"
#include "cli/table.h"
#include "cli/topology/commands.h"
#include "cli/topology/look.h"
#include "cluster/topology_diff.h"

namespace databus {
namespace {

struct Options {
  std::string topology_file;
  std::optional<uint64_t> epoch;
  bool xml = false;
  bool json = false;
};

// "7", "6, behind", "nothing yet"
std::string StoredText(const TopologyAt& at, const TopologyPicture& picture) {
  if (!at.away.empty()) return "?";
  if (at.id.empty()) return "never initialised";
  if (at.newest == nullptr) return "nothing yet";
  const bool head = std::ranges::count(picture.heads, at.newest->digest,
                                       [](const SharedEpoch& epoch) { return epoch->digest; }) != 0;
  return fmt::format("{}{}", at.newest->stored.epoch,
                     !head                       ? ", behind"
                     : picture.heads.size() == 1 ? ""
                                                 : ", in CONFLICT");
}

std::string RenderClusters(const TopologyPicture& picture) {
  Table table({"NAME", "URL", "STATE", "EPOCH"});
  for (const TopologyAt& at : picture.clusters) {
    table.Row({at.cluster, at.url, at.away.empty() ? "reachable" : "AWAY: " + at.away,
               StoredText(at, picture)});
  }
  return table.ToString("  ");
}

std::string RenderModes(const StoredTopology& stored) {
  Table table({"CLUSTER", "STREAMS", "COLLECTORS"});
  for (const ModeRule& rule : stored.modes) {
    table.Row({rule.cluster, rule.stream.empty() ? "all others" : rule.stream, DescribeMode(rule)});
  }
  return table.empty() ? "  all deliver as they are configured\n" : table.ToString("  ");
}

// The streams that are, or were, on their way to another primary.
std::string RenderMerged(const Topology& topology) {
  Table table({"STREAM", "PRIMARY", "MERGED STREAM", "CONTINUES AFTER"});
  for (const StreamSpec& stream : topology.streams) {
    const bool frozen = stream.publication == Publication::kFrozen;
    if (!frozen && !stream.cut) continue;
    table.Row({stream.name, stream.Primary(), frozen ? "FROZEN" : "open",
               stream.cut ? stream.cut->ToIso() : ""});
  }
  return table.empty() ? "" : "\nChanges of primary\n" + table.ToString("  ");
}

std::string RenderEpoch(const TopologyEpoch& epoch) {
  const StoredTopology& stored = epoch.stored;
  std::string text = fmt::format("Topology epoch {}, digest {}, by {}\n", stored.epoch,
                                 epoch.digest, stored.author.empty() ? "?" : stored.author);
  text += "\nRoles\n" + RenderRoles(stored.topology);
  if (!stored.alone.empty()) text += fmt::format("Confirmed to be alone: {}\n", stored.alone);
  text += "\nDelivery\n" + RenderModes(stored);
  return text + RenderMerged(stored.topology);
}

nlohmann::ordered_json EpochToJson(const TopologyEpoch& epoch) {
  const StoredTopology& stored = epoch.stored;
  nlohmann::ordered_json json = {{"epoch", stored.epoch},
                                 {"digest", epoch.digest},
                                 {"author", stored.author},
                                 {"adopted", stored.adopted == Adopted::kYes},
                                 {"alone", stored.alone}};
  json["streams"] = nlohmann::ordered_json::array();
  for (const StreamSpec& stream : stored.topology.streams) {
    nlohmann::ordered_json sources = nlohmann::ordered_json::array();
    for (const SourceSpec& source : stream.sources) sources.push_back(source.cluster);
    json["streams"].push_back(
        {{"name", stream.name},
         {"sources", sources},
         {"primary", stream.Primary()},
         {"mirrors", stream.Mirrors()},
         {"publication", stream.publication == Publication::kFrozen ? "frozen" : "open"},
         {"cut", stream.cut ? nlohmann::ordered_json(stream.cut->ToIso()) : nullptr}});
  }
  json["modes"] = nlohmann::ordered_json::array();
  for (const ModeRule& rule : stored.modes) {
    nlohmann::ordered_json receivers = nlohmann::ordered_json::array();
    for (const Endpoint& receiver : rule.receivers) receivers.push_back(receiver.ToString());
    json["modes"].push_back({{"cluster", rule.cluster},
                             {"stream", rule.stream},
                             {"mode", DeliveryModeName(rule.mode)},
                             {"to", rule.to},
                             {"receivers", receivers}});
  }
  json["before"] = nlohmann::ordered_json::array();
  for (const PastEpoch& past : stored.before) {
    json["before"].push_back({{"epoch", past.epoch}, {"digest", past.digest}});
  }
  json["replaces"] = stored.replaces;
  return json;
}

nlohmann::ordered_json PictureToJson(const TopologyPicture& picture) {
  nlohmann::ordered_json json = {{"version", 1}, {"conflict", picture.heads.size() > 1}};
  json["clusters"] = nlohmann::ordered_json::array();
  for (const TopologyAt& at : picture.clusters) {
    const auto number = at.newest == nullptr ? nlohmann::ordered_json(nullptr)
                                             : nlohmann::ordered_json(at.newest->stored.epoch);
    json["clusters"].push_back({{"name", at.cluster},
                                {"url", at.url},
                                {"id", at.id},
                                {"away", at.away},
                                {"epoch", number},
                                {"digest", at.newest == nullptr ? "" : at.newest->digest}});
  }
  json["heads"] = nlohmann::ordered_json::array();
  for (const SharedEpoch& head : picture.heads) json["heads"].push_back(EpochToJson(*head));
  return json;
}

// A databus.xml to be edited, which says what it was made from.
std::string EditableXml(const TopologyEpoch& epoch) {
  std::string xml = FormatTopology(epoch.stored.topology);
  const std::string note =
      fmt::format("<!-- Topology epoch {0}. To apply it, when it is edited, {0} is its base. -->\n",
                  epoch.stored.epoch);
  return xml.insert(xml.find('\n') + 1, note);
}

Exit ShowOne(const TopologyEpoch& epoch, const Options& options, Io& io) {
  if (options.xml) {
    io.out << EditableXml(epoch);
  } else if (options.json) {
    io.out << EpochToJson(epoch).dump(1) << "\n";
  } else {
    io.out << RenderEpoch(epoch);
  }
  return Exit::kDone;
}

Exit ShowAll(const TopologyPicture& picture, const Options& options, Io& io) {
  const auto newest = picture.Newest();
  if (options.xml || (picture.heads.empty() && !options.json)) {
    return newest.ok() ? ShowOne(**newest, options, io) : Report(io, newest.status());
  }
  if (options.json) {
    io.out << PictureToJson(picture).dump(1) << "\n";
    return Exit::kDone;
  }
  if (newest.ok()) {
    io.out << RenderEpoch(**newest) << "\nClusters\n" << RenderClusters(picture);
    return Exit::kDone;
  }
  io.out << RenderConflict(picture) << "\nClusters\n" << RenderClusters(picture);
  return Exit::kDone;
}

Exit Show(const Options& options, Io& io, Seams& seams) {
  auto desk = OpenDesk(seams, options.topology_file);
  if (!desk.ok()) return Report(io, desk.status());
  desk->Look();
  if (!options.epoch) return ShowAll(desk->picture(), options, io);
  const auto epoch = ReadAnywhere(*desk, *options.epoch);
  return epoch.ok() ? ShowOne(*epoch, options, io) : Report(io, epoch.status());
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddTopologyOption(app, options->topology_file);
  app.add_option("--epoch", options->epoch, "This epoch instead of the newest")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_flag("--xml", options->xml, "Print it as a databus.xml, to be edited and applied");
  app.add_flag("--json", options->json, "Print JSON")->excludes("--xml");
  return [options](Io& io, Seams& seams) { return Show(*options, io, seams); };
}

}  // namespace

const Command kTopologyShow{
    .name = "topology show",
    .summary = "Show the newest stored topology, which clusters have it, and conflicts.",
    .details =
        "behind: the cluster has an older epoch; its processes obey the newest that they can read\n"
        "anywhere, and a worker brings its own tree up to date. CONFLICT: two epochs of which\n"
        "neither follows the other; streams on which they differ have no merged minutes until one\n"
        "is chosen (databus topology choose).\n"
        "Exit 1 when nothing is stored, or no cluster answers.",
    .define = &Define};

}  // namespace databus
