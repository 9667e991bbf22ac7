#include "telemetry/heartbeat.h"

#include <fmt/format.h>

#include <array>

#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 11> kOwnFields = {
    "version", "process",     "kind",  "host",       "pid",     "cluster",
    "written", "interval_ms", "state", "waiting_on", "problems"};

bool IsOwn(std::string_view key) {
  return std::find(kOwnFields.begin(), kOwnFields.end(), key) != kOwnFields.end();
}

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// A heartbeat is small. What is deeper or larger would cost a reader its stack or its time (objects
// keep their order, so that each key is looked for among all others); none of it is kept.
constexpr int kDepthMax = 16;
constexpr size_t kValuesMax = 20'000;
constexpr size_t kBytesMax = size_t{4} << 20;

Json ParseSmall(std::string_view text) {
  if (text.size() > kBytesMax) return Json();
  size_t values = 0;
  const auto keep = [&](int depth, Json::parse_event_t, Json&) {
    return depth <= kDepthMax && ++values <= kValuesMax;
  };
  Json json = Json::parse(text, keep, /*allow_exceptions=*/false);
  return values <= kValuesMax ? std::move(json) : Json();
}

int64_t Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

WallTime Time(const Json& object, const char* key) {
  return ParseIsoMs(Text(object, key)).value_or(WallTime{});
}

}  // namespace

std::string EncodeHeartbeat(const Heartbeat& heartbeat) {
  Json json;
  json["version"] = kHeartbeatVersion;
  json["process"] = heartbeat.process;
  json["kind"] = heartbeat.kind;
  json["host"] = heartbeat.host;
  json["pid"] = heartbeat.pid;
  json["cluster"] = heartbeat.cluster;
  json["written"] = ToIsoMs(heartbeat.written);
  json["interval_ms"] = heartbeat.interval.count();
  json["state"] = heartbeat.state;
  json["waiting_on"] = heartbeat.waiting_on;
  json["problems"] = Json::array();
  for (const Problem& problem : heartbeat.problems) {
    Json entry;
    entry["what"] = problem.what;
    entry["since"] = ToIsoMs(problem.since);
    entry["next"] = problem.next;
    json["problems"].push_back(std::move(entry));
  }
  for (const auto& [key, value] : heartbeat.facts.items()) {
    if (!IsOwn(key)) json[key] = value;
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Heartbeat> DecodeHeartbeat(std::string_view text, std::string_view where) {
  const Json json = ParseSmall(text);
  if (!json.is_object() || Number(json, "version") < 1) {
    return Status(Code::kCorrupt, fmt::format("{}: not a heartbeat", where));
  }
  if (Number(json, "version") > kHeartbeatVersion) {
    return Status(Code::kInvalid,
                  fmt::format("{}: heartbeat of version {}; this program reads up to version {}",
                              where, Number(json, "version"), kHeartbeatVersion));
  }
  Heartbeat heartbeat;
  heartbeat.process = Text(json, "process");
  heartbeat.kind = Text(json, "kind");
  heartbeat.host = Text(json, "host");
  heartbeat.pid = Number(json, "pid");
  heartbeat.cluster = Text(json, "cluster");
  heartbeat.written = Time(json, "written");
  heartbeat.interval = Milliseconds(Number(json, "interval_ms"));
  heartbeat.state = Text(json, "state");
  heartbeat.waiting_on = Text(json, "waiting_on");
  if (const auto problems = json.find("problems"); problems != json.end()) {
    for (const Json& entry : *problems) {
      heartbeat.problems.push_back(
          {Text(entry, "what"), Time(entry, "since"), Text(entry, "next")});
    }
  }
  for (const auto& [key, value] : json.items()) {
    if (!IsOwn(key)) heartbeat.facts[key] = value;
  }
  return heartbeat;
}

}  // namespace databus
