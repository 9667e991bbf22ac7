#include "failover/journal.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "failover/journal_json.h"
#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

constexpr std::array<std::pair<Kind, std::string_view>, 3> kKinds{{
    {Kind::kPlanned, "planned"},
    {Kind::kUnplanned, "unplanned"},
    {Kind::kFailback, "failback"},
}};

constexpr std::array<std::pair<Step, std::string_view>, 13> kSteps{{
    {Step::kBegin, "begin"},
    {Step::kCatchUp, "catch-up"},
    {Step::kSpool, "spool"},
    {Step::kDrain, "drain"},
    {Step::kFreeze, "freeze"},
    {Step::kMirror, "mirror"},
    {Step::kFence, "fence"},
    {Step::kSwap, "swap"},
    {Step::kDespool, "despool"},
    {Step::kVerify, "verify"},
    {Step::kUndo, "undo"},
    {Step::kDone, "done"},
    {Step::kAborted, "aborted"},
}};

template <typename Names, typename Value>
std::string_view NameIn(const Names& names, Value value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return "?";
}

template <typename Value, typename Names>
std::optional<Value> ValueIn(const Names& names, std::string_view name) {
  for (const auto& [value, known] : names) {
    if (known == name) return value;
  }
  return {};
}

// No journal nests deeper; what does would cost whoever prints it again its stack.
constexpr int kDepthMax = 32;

bool NestsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size() && depth <= kDepthMax; ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      in_text = c != '"';
    } else {
      in_text = c == '"';
      depth += c == '{' || c == '[' ? 1 : 0;
      depth -= c == '}' || c == ']' ? 1 : 0;
    }
  }
  return depth > kDepthMax;
}

}  // namespace

std::string_view KindName(Kind kind) { return NameIn(kKinds, kind); }
std::string_view CommandOf(Kind kind) { return kind == Kind::kFailback ? "failback" : "failover"; }
std::string_view StepName(Step step) { return NameIn(kSteps, step); }
std::optional<Kind> ParseKind(std::string_view name) { return ValueIn<Kind>(kKinds, name); }
std::optional<Step> ParseStep(std::string_view name) { return ValueIn<Step>(kSteps, name); }

const StepEpoch* Journal::EpochOf(Step of) const {
  const auto found = std::ranges::find(epochs, of, &StepEpoch::step);
  return found == epochs.end() ? nullptr : &*found;
}

const std::string& Journal::ParentOf(Step of) const {
  const std::string* parent = &base_digest;
  for (const StepEpoch& stored : epochs) {
    if (stored.step == of) break;
    parent = &stored.digest;
  }
  return *parent;
}

void Journal::Note(WallTime at, std::string text) {
  events.push_back({at, step, std::move(text)});
  if (events.size() > kJournalEventsMax) events.erase(events.begin());
}

std::string JournalId(WallTime started, Kind kind, const RoleChange& change) {
  std::string time;
  for (const char c : ToIsoMs(started)) {
    if (c == '.') break;
    if (c != '-' && c != ':') time += c;
  }
  return fmt::format("{}Z-{}-{}-{}", time, KindName(kind), change.from, change.to);
}

std::string Journal::Encode() const {
  const Json body = JournalToJson(*this);
  const std::string crc = fmt::format("{:08x}", Crc32c(DumpJson(body)));
  return Json{{"version", kJournalVersion}, {"crc32c", crc}, {"journal", body}}.dump(
             1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

Result<Journal> Journal::Decode(std::string_view text, const std::string& where) {
  const auto damaged = [&](std::string_view why) {
    return Status(Code::kCorrupt, fmt::format("{}: is no journal of a failover: {}", where, why));
  };
  if (NestsTooDeep(text)) return damaged("nested too deep");
  const Json file = Json::parse(text, nullptr, false);
  if (!file.is_object() || !file.contains("version") || !file["version"].is_number_unsigned()) {
    return damaged("not an object with a version");
  }
  if (const auto version = file["version"].get<uint64_t>(); version > kJournalVersion) {
    return Status(Code::kInvalid,
                  fmt::format("{}: version {}; this program knows versions up to {}: use a newer "
                              "one",
                              where, version, kJournalVersion));
  }
  if (!file.contains("journal") || !file.contains("crc32c") || !file["crc32c"].is_string()) {
    return damaged("no checksum, or nothing that it is of");
  }
  const Json& body = file["journal"];
  if (file["crc32c"].get<std::string>() != fmt::format("{:08x}", Crc32c(DumpJson(body)))) {
    return damaged("wrong checksum");
  }
  auto journal = JournalFromJson(body);
  if (!journal.ok()) return damaged(journal.status().message());
  return journal;
}

}  // namespace databus::failover
