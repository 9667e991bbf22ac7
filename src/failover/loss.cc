#include "failover/loss.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/crc64.h"
#include "commit/minute_tree.h"
#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

using Json = nlohmann::ordered_json;
using What = LossLine::What;

constexpr std::array<std::pair<What, std::string_view>, 3> kWhats{
    {{What::kMinutes, "minutes"}, {What::kLocal, "local"}, {What::kSpool, "spool"}}};

std::string_view NameOf(What what) {
  return std::ranges::find(kWhats, what, &std::pair<What, std::string_view>::first)->second;
}

struct Newest {
  std::optional<Minute> minute;
  std::string holder;
};

// Of a stream's mirrors that can be read; the one that is to be the primary wins a tie.
Newest NewestOf(const std::string& stream, const RoleChange& change, const Observation& seen) {
  Newest best;
  for (const auto& [key, mirror] : seen.mirrors) {
    if (key.stream != stream || !mirror.newest) continue;
    const bool better = !best.minute || *mirror.newest > *best.minute ||
                        (*mirror.newest == *best.minute && key.mirror == change.to);
    if (better) best = {mirror.newest, key.mirror};
  }
  return best;
}

std::string IsoOf(const std::optional<Minute>& minute) { return minute ? minute->ToIso() : ""; }

// A minute that is not over is no sign that nothing is missing.
std::string AgeOfMinute(const LossLine& line) {
  if (!line.age) return "";
  if (line.age->count() == 0) return ", which is not over yet";
  return fmt::format(", {} old", ToHuman(*line.age));
}

}  // namespace

std::string AllOthersOf(const std::string& cluster) {
  return LabelOf(cluster, std::string(kAllOthers));
}

Cuts CutsOf(const RoleChange& change, const Observation& seen) {
  Cuts cuts;
  for (const std::string& stream : change.Moving()) {
    // Where no minute is left, all that the old primary has was never seen anywhere else: it comes
    // after the cut all the same (P32, P34).
    cuts[stream] = NewestOf(stream, change, seen).minute.value_or(kFirstMinute.Next());
  }
  return cuts;
}

LossStatement StateLoss(const RoleChange& change, const std::string& digest,
                        const Observation& seen) {
  LossStatement statement;
  std::string named = fmt::format("{} {} {}\n", digest, change.from, change.to);
  for (const std::string& stream : change.Moving()) {
    const Newest newest = NewestOf(stream, change, seen);
    LossLine line{.what = What::kMinutes, .stream = stream, .after = newest.minute};
    line.holder = newest.holder;
    if (newest.minute) line.age = std::max(seen.now - newest.minute->End(), Milliseconds(0));
    statement.lines.push_back(line);
    named += fmt::format("{} {}\n", stream, IsoOf(newest.minute));
    line.what = What::kLocal;
    line.age.reset();
    if (change.Find(stream)->before.HasSource(change.from)) {
      statement.lines.push_back(line);
    }
    for (const auto& [cluster, tree] : seen.trees) {
      const auto flow = tree.flow.find(stream);
      if (cluster == change.from || flow == tree.flow.end()) continue;
      const auto queued = flow->second.to_merge.find(change.from);
      if (queued != flow->second.to_merge.end()) statement.merged_anew += queued->second;
    }
  }
  // Of streams whose primary stays, the lost cluster was a source.
  for (const StreamChange& stream : change.streams) {
    if (stream.Moves() || !stream.before.HasSource(change.from)) continue;
    statement.lines.push_back(
        {.what = What::kLocal, .stream = stream.name(), .holder = stream.before.Primary()});
    named += stream.name() + "\n";
  }
  for (const SeenCollector& collector : seen.collectors) {
    if (collector.cluster != change.from) continue;
    LossLine line{.what = What::kSpool, .collector = collector.Label()};
    line.spool_bytes = collector.spool_bytes;
    if (collector.why_unreadable.empty()) line.last_heard = collector.written;
    if (collector.lag.count() > 0) line.age = seen.now - (collector.written - collector.lag);
    statement.lines.push_back(line);
    named += collector.Label() + "\n";
  }
  statement.lines.push_back({.what = What::kSpool, .collector = AllOthersOf(change.from)});
  statement.id = fmt::format("{:016x}", Crc64(named));
  return statement;
}

std::string DescribeLoss(const LossLine& line) {
  const std::string after = line.after ? fmt::format("after minute {} (the newest, at {})",
                                                     line.after->ToIso(), line.holder)
                                       : "all minutes: no cluster in reach has one";
  switch (line.what) {
    case What::kMinutes:
      return fmt::format("{}: merged minutes {}{}{}", line.stream, after, AgeOfMinute(line),
                         line.after ? "; and what of that minute was not copied" : "");
    case What::kLocal:
      if (!line.after && !line.holder.empty()) {
        return fmt::format("{}: what was delivered there and not merged at {} in time", line.stream,
                           line.holder);
      }
      return fmt::format("{}: what was delivered there and not merged in time, {}", line.stream,
                         after);
    case What::kSpool:
      if (line.collector.ends_with(kAllOthers)) {
        return fmt::format(
            "collectors {}: what any that is not named here keeps in its spool is not known; it "
            "delivers that when it runs again",
            line.collector);
      }
      return fmt::format("collector {}: {} bytes in its spool{}, last heard of {}", line.collector,
                         line.spool_bytes,
                         line.age ? fmt::format(", the oldest {} old", ToHuman(*line.age)) : "",
                         line.last_heard ? ToIsoMs(*line.last_heard) : "never");
  }
  return "";
}

Json LossKeyToJson(const LossLine& line) {
  return {{"what", NameOf(line.what)},
          {"stream", line.stream},
          {"collector", line.collector},
          {"after", IsoOf(line.after)}};
}

Json LossToJson(const LossStatement& statement) {
  Json lines = Json::array();
  for (const LossLine& line : statement.lines) {
    Json one = LossKeyToJson(line);
    one["holder"] = line.holder;
    one["age_ms"] = line.age ? Json(line.age->count()) : Json(nullptr);
    one["spool_bytes"] = line.spool_bytes;
    one["last_heard"] = line.last_heard ? ToIsoMs(*line.last_heard) : "";
    one["text"] = DescribeLoss(line);
    lines.push_back(std::move(one));
  }
  return {{"loss_id", statement.id},
          {"merged_anew", statement.merged_anew},
          {"lines", std::move(lines)}};
}

Result<LossStatement> LossFromJson(const Json& json) {
  const Status none(Code::kCorrupt, "is no loss statement");
  if (!json.is_object() || !json.contains("lines") || !json["lines"].is_array()) return none;
  const auto text = [](const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  };
  LossStatement statement{text(json, "loss_id"), {}, json.value("merged_anew", uint64_t{0})};
  for (const Json& each : json["lines"]) {
    if (!each.is_object()) return none;
    const std::string name = text(each, "what");
    const auto what = std::ranges::find(kWhats, name, &std::pair<What, std::string_view>::second);
    if (what == kWhats.end()) return none;
    LossLine line{.what = what->first, .stream = text(each, "stream")};
    line.collector = text(each, "collector");
    line.after = Minute::ParseIso(text(each, "after"));
    line.holder = text(each, "holder");
    line.last_heard = ParseIsoMs(text(each, "last_heard"));
    if (each.contains("age_ms") && each["age_ms"].is_number_integer()) {
      line.age = Milliseconds(each["age_ms"].get<int64_t>());
    }
    line.spool_bytes = each.value("spool_bytes", uint64_t{0});
    statement.lines.push_back(std::move(line));
  }
  return statement;
}

}  // namespace databus::failover
