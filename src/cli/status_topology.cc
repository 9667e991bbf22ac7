#include "cli/status_topology.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/roles_text.h"
#include "cli/status_parts.h"
#include "cluster/topology_diff.h"
#include "control/topology_watch.h"
#include "telemetry/facts.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

// Who has begun a failover has said something after so long.
constexpr std::chrono::seconds kFirstWord{15};

const StoredTopology* NewestOf(const TopologyPicture& picture) {
  return picture.heads.empty() ? nullptr : &picture.heads.front()->stored;
}

std::vector<std::string> FrozenStreams(const Topology& topology) {
  std::vector<std::string> frozen;
  for (const StreamSpec& stream : topology.streams) {
    if (stream.publication == Publication::kFrozen) frozen.push_back(stream.name);
  }
  return frozen;
}

// Streams that continue behind the last minute of an older primary, by that minute.
std::map<std::string, std::vector<std::string>> StreamsByCut(const Topology& topology) {
  std::map<std::string, std::vector<std::string>> cuts;
  for (const StreamSpec& stream : topology.streams) {
    if (stream.cut) cuts[stream.cut->ToIso()].push_back(stream.name);
  }
  return cuts;
}

std::string StoredText(const TopologyPicture& picture) {
  const TopologyEpoch& newest = *picture.heads.front();
  std::string text =
      fmt::format("  epoch {}, digest {}, by {}; on {}\n", newest.stored.epoch, newest.digest,
                  newest.stored.author, fmt::join(picture.HoldersOf(newest), ", "));
  for (const TopologyAt& at : picture.clusters) {
    if (at.newest == nullptr || !newest.Follows(*at.newest)) continue;
    text += fmt::format("  {} is behind: epoch {}\n", at.cluster, at.newest->stored.epoch);
  }
  return text;
}

std::string FailoverText(const failover::Journal& journal, WallTime now) {
  return fmt::format("  UNDER WAY: {} {}, at step {} for {}; driven by {}\n",
                     failover::KindName(journal.kind), journal.id, failover::StepName(journal.step),
                     Ago(now, journal.step_since),
                     journal.driver.empty() ? "nobody" : journal.driver);
}

// Empty: somebody does, or has begun just now.
std::string WhyNobodyDrives(const failover::Journal& journal, const InstallationReport& report) {
  if (journal.driver.empty()) return "nobody drives it";
  if (!report.driver) {
    return report.now - journal.step_since > kFirstWord
               ? fmt::format("its driver {} has gone, or says nothing", journal.driver)
               : "";
  }
  switch (LivenessOf(*report.driver, report)) {
    case Liveness::kDead: return fmt::format("its driver {} is gone", journal.driver);
    case Liveness::kSilent:
      return fmt::format("its driver {} has said nothing for {}", journal.driver,
                         Ago(report.now, report.driver->written));
    case Liveness::kAlive:
    case Liveness::kLate:
    case Liveness::kStopped: break;
  }
  return "";
}

std::optional<Trouble> OpenFailoverTrouble(const failover::Journal& journal,
                                           const InstallationReport& report) {
  const std::string why = WhyNobodyDrives(journal, report);
  if (why.empty()) return {};
  const std::string_view command = failover::CommandOf(journal.kind);
  return Trouble{
      "failover",
      fmt::format("{} stands at step {}: {}", journal.id, failover::StepName(journal.step), why),
      journal.step_since,
      fmt::format("'databus {0} status' shows what it waits for, 'databus {0} resume' "
                  "goes on with it",
                  command)};
}

// By `topology mode`, or left over by a failover that ended otherwise.
void AddSpooling(const StoredTopology& stored, std::vector<Trouble>& troubles) {
  std::map<std::string, std::vector<std::string>> streams;  // by cluster
  std::map<std::string, std::vector<std::string>> ends;     // the same: one command for each rule
  for (const ModeRule& rule : stored.modes) {
    if (rule.mode != DeliveryMode::kSpool) continue;
    streams[rule.cluster].push_back(rule.stream.empty() ? "all others" : rule.stream);
    const std::string whom =
        rule.stream.empty() ? rule.cluster : paths::Join(rule.cluster, rule.stream);
    ends[rule.cluster].push_back(fmt::format("'databus topology mode {} deliver'", whom));
  }
  for (const auto& [cluster, names] : streams) {
    troubles.push_back({"topology",
                        fmt::format("collectors of {} keep what they accept in their spools, by "
                                    "mode spool: {}",
                                    cluster, Some(names)),
                        {},
                        fmt::format("{} ends it", fmt::join(ends.at(cluster), " and "))});
  }
}

}  // namespace

std::string EpochText(const Heartbeat& process, const TopologyPicture& picture) {
  const auto epoch = Fact(process, facts::kTopologyEpoch);
  if (!epoch) return "";
  const auto digest = process.facts.find(facts::kTopologyDigest);
  const bool known = digest != process.facts.end() && digest->is_string();
  const bool newest = picture.heads.empty() || !known ||
                      std::ranges::count(picture.heads, digest->get<std::string>(),
                                         [](const SharedEpoch& head) { return head->digest; }) != 0;
  return fmt::format("{}{}", *epoch, newest ? "" : ", behind");
}

std::string RenderStored(const InstallationReport& report) {
  const StoredTopology* stored = NewestOf(report.picture);
  if (stored == nullptr) return "";
  std::string text = StoredText(report.picture);
  if (report.failover) text += FailoverText(*report.failover, report.now);
  std::map<std::string, std::vector<std::string>> modes;  // by cluster and what is done
  for (const ModeRule& rule : stored->modes) {
    modes[fmt::format("collectors of {}: {}", rule.cluster, DescribeMode(rule))].push_back(
        rule.stream.empty() ? "all others" : rule.stream);
  }
  for (const auto& [what, streams] : modes) {
    text += fmt::format("  {}: {}\n", what, Some(streams));
  }
  const std::vector<std::string> frozen = FrozenStreams(stored->topology);
  if (!frozen.empty()) text += fmt::format("  merged stream frozen: {}\n", Some(frozen));
  for (const auto& [cut, streams] : StreamsByCut(stored->topology)) {
    text += fmt::format("  primary changed after {}: {}\n", cut, Some(streams));
  }
  return "\nTopology\n" + text;
}

std::vector<Trouble> TopologyTroubles(const InstallationReport& report) {
  std::vector<Trouble> troubles;
  const TopologyPicture& picture = report.picture;
  for (size_t i = 1; i < picture.heads.size(); ++i) {
    const std::set<std::string> disputed =
        StreamsInDispute(picture.heads.front()->stored.topology, picture.heads[i]->stored.topology);
    troubles.push_back(
        {"topology",
         fmt::format(
             "CONFLICT of {}; no merged minutes of: {}", fmt::join(DescribeHeads(picture), " and "),
             disputed.empty() ? "none is concerned" : Some({disputed.begin(), disputed.end()})),
         {},
         "nothing is lost; `databus topology show` tells the difference, `databus topology choose` "
         "settles it"});
  }
  for (const std::string& unreadable : report.unreadable_journals) {
    troubles.push_back({"failover",
                        "a journal cannot be read: " + unreadable,
                        {},
                        "mend what it says: until then nobody can fail over"});
  }
  if (report.failover) {
    auto open = OpenFailoverTrouble(*report.failover, report);
    if (open) troubles.push_back(*std::move(open));
    return troubles;
  }
  const StoredTopology* stored = NewestOf(picture);
  if (stored == nullptr) return troubles;
  AddSpooling(*stored, troubles);
  const std::vector<std::string> frozen = FrozenStreams(stored->topology);
  if (frozen.empty()) return troubles;
  troubles.push_back(
      {"topology",
       fmt::format("merged stream frozen, and no failover is under way: {}", Some(frozen)),
       {},
       "nothing is lost; `databus failover status` tells how it came to that"});
  return troubles;
}

nlohmann::ordered_json StoredToJson(const InstallationReport& report) {
  const TopologyPicture& picture = report.picture;
  const StoredTopology* stored = NewestOf(picture);
  if (stored == nullptr) return nullptr;
  Json json = {{"epoch", stored->epoch},
               {"digest", picture.heads.front()->digest},
               {"author", stored->author},
               {"conflict", picture.heads.size() > 1}};
  json["stored"] = Json::object();
  for (const TopologyAt& at : picture.clusters) {
    json["stored"][at.cluster] =
        at.newest == nullptr ? Json(nullptr) : Json(at.newest->stored.epoch);
  }
  json["delivery"] = Json::array();
  for (const ModeRule& rule : stored->modes) {
    json["delivery"].push_back(
        {{"cluster", rule.cluster}, {"stream", rule.stream}, {"mode", DescribeMode(rule)}});
  }
  json["frozen"] = FrozenStreams(stored->topology);
  json["failover"] = nullptr;
  if (report.failover) {
    const failover::Journal& journal = *report.failover;
    json["failover"] = {{"id", journal.id},
                        {"kind", failover::KindName(journal.kind)},
                        {"step", failover::StepName(journal.step)},
                        {"step_since", ToIsoMs(journal.step_since)},
                        {"driver", journal.driver}};
  }
  return json;
}

}  // namespace databus
