// The report as JSON.
#include <fmt/format.h>

#include "cli/status_hops.h"
#include "cli/status_parts.h"
#include "cli/status_topology.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(std::optional<WallTime> time) { return time ? Json(ToIsoMs(*time)) : Json(nullptr); }

Json ProcessToJson(const Heartbeat& process, const InstallationReport& report) {
  Json json = HeartbeatToJson(process);
  const Liveness life = LivenessOf(process, report);
  json["life"] = life == Liveness::kSilent ? "silent"
                 : life == Liveness::kDead ? "dead"
                                           : LivenessName(life);
  return json;
}

Json ClusterToJson(const ClusterReport& cluster, const InstallationReport& report) {
  Json json = {
      {"name", cluster.name}, {"url", cluster.url}, {"id", cluster.id}, {"away", cluster.away}};
  json["free_bytes"] = cluster.free_bytes ? Json(*cluster.free_bytes) : Json(nullptr);
  for (const char* list : {"processes", "streams", "backlog", "queues", "open", "quarantine"}) {
    json[list] = Json::array();
  }
  for (const Heartbeat& process : cluster.processes) {
    json["processes"].push_back(ProcessToJson(process, report));
  }
  for (const ViewReport& view : cluster.views) {
    json["streams"].push_back(
        {{"stream", view.stream},
         {"view", ViewName(view.view)},
         {"newest", view.newest ? Json(view.newest->ToIso()) : Json(nullptr)},
         {"behind_ms",
          view.newest ? Json(LagOf(report.now, *view.newest).count()) : Json(nullptr)}});
  }
  for (const BacklogReport& backlog : cluster.backlog) {
    json["backlog"].push_back({{"stream", backlog.stream},
                               {"files", backlog.files},
                               {"bytes", backlog.bytes},
                               {"oldest", ToJson(backlog.oldest)}});
  }
  for (const QueueReport& queue : cluster.queues) {
    json["queues"].push_back({{"to", queue.to},
                              {"for", queue.view == View::kLocal ? "merge" : "mirror"},
                              {"entries", queue.entries},
                              {"lines", queue.lines},
                              {"oldest", ToJson(queue.oldest)}});
  }
  for (const StagingReport& staging : cluster.staging) {
    json["open"].push_back({{"view", ViewName(staging.view)},
                            {"commits", staging.records},
                            {"clean_up_lists", staging.pending},
                            {"claims", staging.claims},
                            {"oldest", ToJson(staging.oldest)}});
  }
  for (const SetAsideFile& file : cluster.quarantine) {
    json["quarantine"].push_back({{"path", file.path}, {"reason", file.reason}});
  }
  json["quarantined"] = cluster.quarantined;
  json["unreadable"] = cluster.unreadable;
  return json;
}

// Every stream's roles, and how far its hops are behind.
Json StreamsToJson(const InstallationReport& report, const Topology& topology) {
  Json streams = Json::array();
  for (const StreamSpec& stream : topology.streams) {
    Json roles = Json::object();
    for (const ClusterSpec& cluster : topology.clusters) {
      const auto names = RolesOf(stream, cluster.name);
      if (!names.empty()) roles[cluster.name] = names;
    }
    const auto group = report.GroupOf(stream.name);
    streams.push_back({{"name", stream.name},
                       {"group", group ? Json(*group) : Json(nullptr)},
                       {"roles", roles},
                       {"hops", Json::array()}});
  }
  size_t at = 0;
  for (const StreamHop& hop : StreamHops(report, topology)) {
    while (topology.streams[at].name != hop.stream) ++at;  // both in the same order
    streams[at]["hops"].push_back(
        {{"hop", HopName(hop.hop)},
         {"cluster", hop.cluster},
         {"newest", hop.newest ? Json(hop.newest->ToIso()) : Json(nullptr)},
         {"lag_s", hop.lag ? Json(LagSeconds(*hop.lag)) : Json(nullptr)}});
  }
  return streams;
}

}  // namespace

nlohmann::ordered_json StatusToJson(const InstallationReport& report, const Topology& topology) {
  Json json = {{"version", 1}, {"now", ToIsoMs(report.now)}, {"clusters", Json::array()}};
  for (const ClusterReport& cluster : report.clusters) {
    json["clusters"].push_back(ClusterToJson(cluster, report));
  }
  json["topology"] = StoredToJson(report);
  json["streams"] = StreamsToJson(report, topology);
  json["problems"] = Json::array();
  for (const Trouble& trouble : FindTroubles(report, topology)) {
    json["problems"].push_back({{"where", trouble.where},
                                {"what", trouble.what},
                                {"since", ToJson(trouble.since)},
                                {"next", trouble.next}});
  }
  return json;
}

}  // namespace databus
