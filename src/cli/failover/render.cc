#include "cli/failover/render.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "cli/table.h"
#include "cluster/topology_diff.h"
#include "failover/journal_json.h"
#include "failover/steps.h"
#include "telemetry/iso_time.h"

namespace databus {

using failover::Gate;
using failover::Journal;
using failover::Kind;
using failover::Plan;
using failover::StepName;
using Json = nlohmann::ordered_json;

namespace {

constexpr size_t kWaitsShown = 10;

std::string SourcesOf(const StreamSpec& stream) {
  std::vector<std::string> names;
  for (const SourceSpec& source : stream.sources) names.push_back(source.cluster);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string Arrow(const std::string& before, const std::string& after) {
  return before == after ? before : before + " -> " + after;
}

std::string RenderWaits(const Gate& gate) {
  std::string text;
  for (size_t i = 0; i < gate.waits.size() && i < kWaitsShown; ++i) {
    text += "  waits: " + gate.waits[i] + "\n";
  }
  if (gate.waits.size() > kWaitsShown) {
    text += fmt::format("  and for {} more\n", gate.waits.size() - kWaitsShown);
  }
  for (const std::string& note : gate.notes) text += "  note: " + note + "\n";
  return text;
}

std::string RenderLoss(const failover::LossStatement& loss) {
  std::string text = "\nAt risk until the cluster returns, and missing if it never does:\n";
  for (const failover::LossLine& line : loss.lines) text += "  " + DescribeLoss(line) + "\n";
  if (loss.merged_anew > 0) {
    text += fmt::format("Not at risk: {} that others had queued for it are merged anew.\n",
                        Plural(loss.merged_anew, "file"));
  }
  return text + fmt::format("loss statement {}\n", loss.id);
}

// What becomes of the site's collectors, and who is not waited for.
std::string RenderWays(const Plan& plan) {
  std::string text;
  for (const ModeRule& rule : plan.change.modes_after) {
    if (std::ranges::count(plan.change.modes_before, rule) > 0) continue;
    text += fmt::format("from the swap on, collectors of {}, {}: {}\n", rule.cluster,
                        rule.stream.empty() ? "all streams" : rule.stream, DescribeMode(rule));
  }
  if (!plan.without.empty()) {
    text += fmt::format("not waited for: {}\n", fmt::join(plan.without, ", "));
  }
  return text.empty() ? "" : "\n" + text;
}

std::string Expected(Milliseconds expected) { return "about " + ToHuman(expected); }

// More than the sentences themselves say.
bool TellsOutstanding(const Gate& gate) { return gate.outstanding > gate.waits.size(); }

std::string DescribeStep(const Journal& journal, const Gate& gate, WallTime now) {
  std::string text = "  step ";
  if (const auto place = failover::PlaceOf(journal)) {
    text += fmt::format("{} of {}, ", place->number, place->of);
  }
  text += fmt::format("{} for {}", StepName(journal.step), ToHuman(now - journal.step_since));
  const auto expected = journal.expected.find(journal.step);
  if (expected != journal.expected.end()) {
    text += fmt::format(" (planned: {})", Expected(expected->second));
  }
  const auto left = failover::TimeLeft(journal, now);
  if (left) text += fmt::format(", in all {} left", Expected(*left));
  if (TellsOutstanding(gate)) text += fmt::format(", {} outstanding", gate.outstanding);
  return text + "\n";
}

// Of the streams that it moved to where they are not any more; empty: there is none.
std::string OtherPrimaries(const Journal& journal, const Aftermath& after) {
  std::map<std::string, std::vector<std::string>> by_primary;
  for (const auto& [stream, primary] : after.primaries) {
    if (primary != journal.change.to) by_primary[primary].push_back(stream);
  }
  std::string text;
  for (const auto& [primary, streams] : by_primary) {
    const std::string names = fmt::format("{}", fmt::join(streams, ", "));
    text += primary.empty() ? fmt::format("Now {} is not configured.\n", names)
                            : fmt::format("Now {} is the primary of {}.\n", primary, names);
  }
  return text;
}

}  // namespace

std::string RenderPlan(const Plan& plan) {
  // Of a failback that is refused nobody may know from where.
  std::string text = fmt::format("{} {}{}, from topology epoch {}\n", KindName(plan.kind),
                                 plan.change.from.empty() ? "to " : plan.change.from + " -> ",
                                 plan.change.to, plan.base_epoch);
  if (!plan.undoes.empty()) text += "undoes " + plan.undoes + "\n";
  if (!plan.change.streams.empty()) {
    Table streams({"STREAM", "PRIMARY", "SOURCES"});
    for (const failover::StreamChange& stream : plan.change.streams) {
      streams.Row({stream.name(), Arrow(stream.before.Primary(), stream.after.Primary()),
                   Arrow(SourcesOf(stream.before), SourcesOf(stream.after))});
    }
    text += "\n" + streams.ToString();
  }
  if (!plan.steps.empty()) {
    Table steps({"STEP", "EPOCH", "EXPECTED", "WHAT"});
    for (const failover::PlannedStep& step : plan.steps) {
      steps.Row({std::string(StepName(step.step)), step.epoch ? fmt::format("{}", *step.epoch) : "",
                 Expected(step.expected), step.what});
    }
    text += "\n" + steps.ToString();
    text += fmt::format("in all {}\n", Expected(plan.Expected()));
    if (!plan.assumptions.empty()) {
      text += fmt::format("assumed: {}\n", fmt::join(plan.assumptions, "; "));
    }
    text += RenderWays(plan);
  }
  if (plan.loss) text += RenderLoss(*plan.loss);
  for (const std::string& warning : plan.warnings) text += "warning: " + warning + "\n";
  for (const failover::Refusal& refusal : plan.refusals) {
    text += fmt::format("{}: {}\n  next: {}\n",
                        plan.fault == Plan::Fault::kNothingToDo ? "nothing to do" : "refused",
                        refusal.what, refusal.next);
  }
  if (plan.MayRun()) text += fmt::format("plan {}\n", plan.id);
  return text;
}

Json PlanToJson(const Plan& plan) {
  Json json = {{"version", 1},
               {"plan_id", plan.id},
               {"kind", KindName(plan.kind)},
               {"from", plan.change.from},
               {"to", plan.change.to},
               {"base_epoch", plan.base_epoch},
               {"base_digest", plan.base_digest},
               {"undoes", plan.undoes},
               {"without", plan.without},
               {"may_run", plan.MayRun()},
               {"expected_ms", plan.Expected().count()},
               {"change", failover::RoleChangeToJson(plan.change)}};
  if (plan.loss) {
    json["loss_id"] = plan.loss->id;
    json["loss"] = LossToJson(*plan.loss);
  }
  json["steps"] = Json::array();
  for (const failover::PlannedStep& step : plan.steps) {
    json["steps"].push_back({{"step", StepName(step.step)},
                             {"epoch", step.epoch ? Json(*step.epoch) : Json(nullptr)},
                             {"expected_ms", step.expected.count()},
                             {"what", step.what}});
  }
  json["assumptions"] = plan.assumptions;
  json["warnings"] = plan.warnings;
  json["refusals"] = Json::array();
  for (const failover::Refusal& refusal : plan.refusals) {
    json["refusals"].push_back({{"what", refusal.what}, {"next", refusal.next}});
  }
  return json;
}

std::string RenderProgress(const Journal& journal, const Gate& gate, WallTime now) {
  const Milliseconds spent = now - journal.step_since;
  std::string line = fmt::format("{:<8} {:>8}", StepName(journal.step), ToHuman(spent));
  if (const auto place = failover::PlaceOf(journal)) {
    line += fmt::format("  step {} of {}", place->number, place->of);
  }
  const auto left = failover::TimeLeft(journal, now);
  if (left) line += fmt::format("  {} left", Expected(*left));
  if (gate.waits.empty()) return line;
  if (TellsOutstanding(gate)) line += fmt::format("  {} outstanding", gate.outstanding);
  line += "  " + gate.waits.front();
  if (gate.waits.size() > 1) line += fmt::format(" (and {} more)", gate.waits.size() - 1);
  return line;
}

Aftermath AftermathOf(const Journal& was, const std::map<std::string, Journal>& all,
                      const Topology& now) {
  Aftermath after;
  for (const auto& [id, other] : all) {
    if (other.undoes == was.id && other.step == failover::Step::kDone) after.undone_by = id;
  }
  for (const std::string& name : was.change.Moving()) {
    const StreamSpec* const stream = now.FindStream(name);
    after.primaries[name] = stream == nullptr ? "" : stream->Primary();
  }
  return after;
}

std::string RenderOutcome(const Journal& journal, const Aftermath& after) {
  const bool tells = journal.report.is_object() && journal.report.contains("sentence") &&
                     journal.report["sentence"].is_string();
  const std::string sentence = tells ? journal.report["sentence"].get<std::string>() : "";
  if (journal.step == failover::Step::kAborted) {
    if (tells) return fmt::format("{} is aborted. {}\n", journal.id, sentence);
    return fmt::format(
        "{} is aborted: modes and publication are as they were before; collectors "
        "deliver what they have kept.\n",
        journal.id);
  }
  if (journal.step != failover::Step::kDone) return "";
  std::string text = fmt::format("{} is done", journal.id);
  if (!journal.events.empty()) {
    text += " after " + ToHuman(journal.step_since - journal.started);
  }
  const std::string others = OtherPrimaries(journal, after);
  text += fmt::format(": {} {} the primary of {}.\n", journal.change.to,
                      others.empty() ? "is" : "became", fmt::join(journal.change.Moving(), ", "));
  if (tells) text += sentence + "\n";
  if (!after.undone_by.empty()) text += fmt::format("It is undone by {}.\n", after.undone_by);
  return text + others;
}

std::string RenderJournal(const Journal& journal, const Gate& gate,
                          const std::vector<std::string>& ways_on, WallTime now,
                          const Aftermath& after) {
  std::string text = fmt::format("{}: {} {} -> {}\n  streams: {}\n  begun {}, driven by {}\n",
                                 journal.id, KindName(journal.kind), journal.change.from,
                                 journal.change.to, fmt::join(journal.change.Moving(), ", "),
                                 ToIsoMs(journal.started), journal.driver);
  for (const failover::JournalEvent& event : journal.events) {
    text += fmt::format("  {}  {:<8} {}\n", ToIsoMs(event.at), StepName(event.step), event.text);
  }
  if (journal.Ended()) return text + RenderOutcome(journal, after);
  text += DescribeStep(journal, gate, now);
  text += RenderWaits(gate);
  return text + fmt::format("  next: {}\n", fmt::join(ways_on, "; "));
}

Json StateToJson(const Journal& journal, const Gate& gate, WallTime now) {
  const auto left = failover::TimeLeft(journal, now);
  const auto place = failover::PlaceOf(journal);
  return {{"version", 1},
          {"ended", journal.Ended()},
          {"step_number", place ? Json(place->number) : Json(nullptr)},
          {"steps", place ? Json(place->of) : Json(nullptr)},
          {"left_ms", left ? Json(left->count()) : Json(nullptr)},
          {"may_abort", !journal.Ended() && !failover::MayHaveSwapped(journal)},
          {"waits", gate.waits},
          {"outstanding", gate.outstanding},
          {"notes", gate.notes},
          {"journal", failover::JournalToJson(journal)}};
}

}  // namespace databus
