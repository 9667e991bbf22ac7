#include "failover/journal_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

// What is wrong with the JSON; caught in JournalFromJson.
struct Malformed {
  std::string what;
};

const Json& Member(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) throw Malformed{fmt::format("no '{}'", key)};
  return object.at(key);
}

std::string Text(const Json& object, const char* key) {
  const Json& member = Member(object, key);
  if (!member.is_string()) throw Malformed{fmt::format("'{}' is no text", key)};
  return member.get<std::string>();
}

uint64_t Number(const Json& object, const char* key) {
  const Json& member = Member(object, key);
  if (!member.is_number_unsigned()) throw Malformed{fmt::format("'{}' is no number", key)};
  return member.get<uint64_t>();
}

const Json& Array(const Json& object, const char* key) {
  const Json& member = Member(object, key);
  if (!member.is_array()) throw Malformed{fmt::format("'{}' is no list", key)};
  return member;
}

template <typename Value>
Value Known(const std::optional<Value>& value, const char* key) {
  if (!value) throw Malformed{fmt::format("'{}' is not understood", key)};
  return *value;
}

WallTime Time(const Json& object, const char* key) {
  return Known(ParseIsoMs(Text(object, key)), key);
}

std::vector<std::string> Texts(const Json& object, const char* key) {
  std::vector<std::string> texts;
  for (const Json& element : Array(object, key)) {
    if (!element.is_string()) throw Malformed{fmt::format("'{}' holds what is no text", key)};
    texts.push_back(element.get<std::string>());
  }
  return texts;
}

constexpr uint64_t kHoursMax = 10'000'000;

std::chrono::hours Hours(const Json& object) {
  const uint64_t hours = Number(object, "hours");
  if (hours > kHoursMax) throw Malformed{"'hours' is too large"};
  return std::chrono::hours(hours);
}

Milliseconds Span(const Json& object, const char* key) {
  const uint64_t ms = Number(object, key);
  if (ms > static_cast<uint64_t>(Milliseconds(std::chrono::hours(kHoursMax)).count())) {
    throw Malformed{fmt::format("'{}' is too large", key)};
  }
  return Milliseconds(ms);
}

Json RolesToJson(const StreamSpec& stream) {
  Json json = {{"name", stream.name}, {"sources", Json::array()}, {"destinations", Json::array()}};
  for (const SourceSpec& source : stream.sources) {
    json["sources"].push_back({{"cluster", source.cluster}, {"hours", source.retention.count()}});
  }
  for (const DestinationSpec& destination : stream.destinations) {
    json["destinations"].push_back(
        {{"cluster", destination.cluster},
         {"role", destination.role == Role::kPrimary ? "primary" : "mirror"},
         {"hours", destination.retention.count()}});
  }
  return json;
}

StreamSpec RolesFromJson(const Json& json) {
  StreamSpec stream{.name = Text(json, "name"), .sources = {}, .destinations = {}};
  for (const Json& source : Array(json, "sources")) {
    stream.sources.push_back({Text(source, "cluster"), Hours(source)});
  }
  size_t primaries = 0;
  for (const Json& destination : Array(json, "destinations")) {
    const std::string role = Text(destination, "role");
    if (role != "primary" && role != "mirror") throw Malformed{"'role' is not understood"};
    primaries += role == "primary" ? 1 : 0;
    stream.destinations.push_back({Text(destination, "cluster"),
                                   role == "primary" ? Role::kPrimary : Role::kMirror,
                                   Hours(destination)});
  }
  if (primaries != 1) throw Malformed{"a stream has not exactly one primary"};
  return stream;
}

Json ModesToJson(const std::vector<ModeRule>& modes) {
  Json json = Json::array();
  for (const ModeRule& rule : modes) {
    Json receivers = Json::array();
    for (const Endpoint& receiver : rule.receivers) receivers.push_back(receiver.ToString());
    json.push_back({{"cluster", rule.cluster},
                    {"stream", rule.stream},
                    {"mode", DeliveryModeName(rule.mode)},
                    {"to", rule.to},
                    {"receivers", std::move(receivers)}});
  }
  return json;
}

std::vector<ModeRule> ModesFromJson(const Json& object, const char* key) {
  std::vector<ModeRule> modes;
  for (const Json& json : Array(object, key)) {
    ModeRule rule{Text(json, "cluster"), Text(json, "stream"),
                  Known(ParseDeliveryMode(Text(json, "mode")), "mode"), Text(json, "to")};
    for (const std::string& receiver : Texts(json, "receivers")) {
      rule.receivers.push_back(Known(Endpoint::Parse(receiver), "receivers"));
    }
    modes.push_back(std::move(rule));
  }
  return modes;
}

RoleChange RoleChangeFromJson(const Json& json) {
  RoleChange change{
      Text(json, "from"), Text(json, "to"), Text(json, "site"), Text(json, "alone"), {}, {}, {}};
  for (const Json& stream : Array(json, "streams")) {
    change.streams.push_back(
        {RolesFromJson(Member(stream, "before")), RolesFromJson(Member(stream, "after"))});
  }
  change.modes_before = ModesFromJson(json, "modes_before");
  change.modes_after = ModesFromJson(json, "modes_after");
  return change;
}

Journal FromJson(const Json& json) {
  Journal journal;
  journal.id = Text(json, "id");
  journal.revision = Number(json, "revision");
  journal.kind = Known(ParseKind(Text(json, "kind")), "kind");
  journal.step = Known(ParseStep(Text(json, "step")), "step");
  journal.started = Time(json, "started");
  journal.step_since = Time(json, "step_since");
  journal.driver = Text(json, "driver");
  journal.token = Text(json, "token");
  journal.change = RoleChangeFromJson(Member(json, "change"));
  journal.base_epoch = Number(json, "base_epoch");
  journal.base_digest = Text(json, "base_digest");
  journal.without = Texts(json, "without");
  if (json.contains("expected")) {  // journals of earlier versions have none
    for (const Json& step : Array(json, "expected")) {
      journal.expected[Known(ParseStep(Text(step, "step")), "step")] = Span(step, "ms");
    }
  }
  for (const Json& epoch : Array(json, "epochs")) {
    journal.epochs.push_back({Known(ParseStep(Text(epoch, "step")), "step"), Number(epoch, "epoch"),
                              Text(epoch, "digest")});
  }
  for (const Json& cut : Array(json, "cuts")) {
    const std::string minute = Text(cut, "minute");
    auto& at = journal.cuts[Text(cut, "stream")];
    if (!minute.empty()) at = Known(Minute::ParseIso(minute), "minute");
  }
  if (const uint64_t ms = Number(json, "fenced_boot_ms"); ms > 0) {
    journal.fenced = BootTime(Milliseconds(ms));
  }
  if (!Text(json, "swapped").empty()) journal.swapped = Time(json, "swapped");
  journal.undoes = Text(json, "undoes");
  journal.loss = Member(json, "loss");
  journal.report = Member(json, "report");
  for (const Json& event : Array(json, "events")) {
    journal.events.push_back(
        {Time(event, "at"), Known(ParseStep(Text(event, "step")), "step"), Text(event, "text")});
  }
  return journal;
}

}  // namespace

Json RoleChangeToJson(const RoleChange& change) {
  Json streams = Json::array();
  for (const StreamChange& stream : change.streams) {
    streams.push_back(
        {{"before", RolesToJson(stream.before)}, {"after", RolesToJson(stream.after)}});
  }
  return {{"from", change.from},
          {"to", change.to},
          {"site", change.site},
          {"alone", change.alone},
          {"streams", std::move(streams)},
          {"modes_before", ModesToJson(change.modes_before)},
          {"modes_after", ModesToJson(change.modes_after)}};
}

namespace {

// 0: it is not.
uint64_t FencedMs(const Journal& journal) {
  if (!journal.fenced) return 0;
  const auto since = std::chrono::ceil<Milliseconds>(journal.fenced->time_since_epoch());
  return static_cast<uint64_t>(std::max<int64_t>(since.count(), 1));
}

}  // namespace

Json JournalToJson(const Journal& journal) {
  Json epochs = Json::array();
  for (const StepEpoch& stored : journal.epochs) {
    epochs.push_back(
        {{"step", StepName(stored.step)}, {"epoch", stored.epoch}, {"digest", stored.digest}});
  }
  Json expected = Json::array();
  for (const auto& [step, time] : journal.expected) {
    expected.push_back({{"step", StepName(step)}, {"ms", static_cast<uint64_t>(time.count())}});
  }
  Json cuts = Json::array();
  for (const auto& [stream, minute] : journal.cuts) {
    cuts.push_back({{"stream", stream}, {"minute", minute ? minute->ToIso() : ""}});
  }
  Json events = Json::array();
  for (const JournalEvent& event : journal.events) {
    events.push_back(
        {{"at", ToIsoMs(event.at)}, {"step", StepName(event.step)}, {"text", event.text}});
  }
  return {{"id", journal.id},
          {"revision", journal.revision},
          {"kind", KindName(journal.kind)},
          {"step", StepName(journal.step)},
          {"started", ToIsoMs(journal.started)},
          {"step_since", ToIsoMs(journal.step_since)},
          {"driver", journal.driver},
          {"token", journal.token},
          {"change", RoleChangeToJson(journal.change)},
          {"base_epoch", journal.base_epoch},
          {"base_digest", journal.base_digest},
          {"without", journal.without},
          {"expected", std::move(expected)},
          {"epochs", std::move(epochs)},
          {"cuts", std::move(cuts)},
          {"fenced_boot_ms", FencedMs(journal)},
          {"swapped", journal.swapped ? ToIsoMs(*journal.swapped) : ""},
          {"undoes", journal.undoes},
          {"loss", journal.loss},
          {"report", journal.report},
          {"events", std::move(events)}};
}

Result<Journal> JournalFromJson(const Json& json) {
  try {
    return FromJson(json);
  } catch (const Malformed& malformed) {
    return Status(Code::kCorrupt, malformed.what);
  }
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace databus::failover
