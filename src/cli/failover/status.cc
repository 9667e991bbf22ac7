// `databus failover status` and `databus failback status`: where it is, and what it waits for.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <ranges>
#include <utility>

#include "cli/failover/commands.h"
#include "cli/failover/render.h"
#include "cli/failover/salvage_report.h"
#include "cli/failover/scratch_stream.h"
#include "cli/failover/session.h"
#include "cli/failover/verification.h"
#include "cli/installation.h"
#include "failover/driver_beat.h"
#include "failover/steps.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using failover::Action;
using failover::Gate;

constexpr size_t kOthersShown = 10;

// What the comparison at the end waits for; it is made here as it is by who drives.
Gate WaitsOfVerification(const failover::Journal& journal, FailoverSession& session, Seams& seams) {
  const auto found = FailoverVerification(session.desk(), seams).Check(journal);
  if (!found.ok()) return {{found.status().message()}, 1};
  return {found->pending, found->pending.size()};
}

// Looked up now: it does not depend on a process that drives it.
Gate GateNow(const failover::Journal& journal, const failover::Observation& seen,
             FailoverSession& session, Seams& seams) {
  Action action = failover::NextAction(journal, seen);
  switch (action.what) {
    case Action::What::kStop: return {{action.stop.message()}, 1};
    case Action::What::kStore:
      return {{fmt::format("topology epoch {} is to be stored", action.epoch->stored.epoch)}, 1};
    case Action::What::kVerify: {
      Gate gate = WaitsOfVerification(journal, session, seams);
      std::string back = failover::ReturnOfTheLost(journal, seen);
      if (!back.empty()) gate.notes.push_back(std::move(back));
      return gate;
    }
    case Action::What::kWait:
    case Action::What::kAdvance:
    case Action::What::kNothing: break;
  }
  return std::move(action.gate);
}

// Whether somebody is at it, who would notice that another one takes over.
struct Driver {
  std::optional<Heartbeat> beat;  // its last word
  bool lives = false;
};

Driver DriverOf(const failover::Journal& journal, const TopologyDesk& desk, WallTime now) {
  Driver driver{.beat = failover::LastBeat(desk, journal)};
  driver.lives = driver.beat && failover::MayLive(*driver.beat, now);
  return driver;
}

std::string RenderDriver(const failover::Journal& journal, const Driver& driver, WallTime now) {
  if (!driver.beat) return fmt::format("  nobody drives it: {} has left\n", journal.driver);
  const std::string ago = ToHuman(now - driver.beat->written);
  if (driver.lives) return fmt::format("  {} drives it, and spoke {} ago\n", journal.driver, ago);
  return fmt::format("  nobody drives it: {} has said nothing for {}\n", journal.driver, ago);
}

nlohmann::ordered_json DriverToJson(const Driver& driver) {
  nlohmann::ordered_json json = {{"lives", driver.lives}};
  json["spoke"] = driver.beat ? nlohmann::ordered_json(ToIsoMs(driver.beat->written)) : nullptr;
  return json;
}

Aftermath AftermathNow(const failover::Journal& journal, FailoverSession& session) {
  const auto all = session.Journals();
  const auto newest = session.desk().picture().Newest();
  if (!all.ok() || !newest.ok()) return {};
  return AftermathOf(journal, *all, (*newest)->stored.topology);
}

// The ids by which the others are shown, the newest first.
std::string RenderOthers(FailoverSession& session, const std::string& shown) {
  const auto all = session.Journals();
  if (!all.ok()) return "";
  std::vector<const failover::Journal*> others;
  for (const auto& [id, journal] : *all) {
    if (id != shown) others.push_back(&journal);
  }
  if (others.empty()) return "";
  std::ranges::sort(others, std::greater(), &failover::Journal::started);
  std::string text = "others ('databus failover status ID' shows one):\n";
  for (const failover::Journal* const other : others | std::views::take(kOthersShown)) {
    text += fmt::format("  {}  {}{}\n", other->id, StepName(other->step),
                        IsRehearsal(*other) ? ", a rehearsal" : "");
  }
  if (others.size() > kOthersShown) {
    text += fmt::format("  and {} more\n", others.size() - kOthersShown);
  }
  return text;
}

Exit ShowStatus(Way way, const FailoverOptions& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.topology_file, seams);
  if (!session.ok()) return Report(io, session.status());
  const auto journal = (*session)->FindJournal(way, options.journal_id, Rehearsals::kNamed);
  if (journal.code() == Code::kNotFound) {
    io.err << "databus: " << journal.status().message() << "\n" << RenderOthers(**session, "");
    return Exit::kNothingToDo;
  }
  if (!journal.ok()) return Report(io, journal.status());
  const Aftermath after = AftermathNow(*journal, **session);
  const failover::Observation seen = (*session)->Look(*journal);
  const Gate gate = GateNow(*journal, seen, **session, seams);
  const std::vector<std::string> ways_on = failover::WaysOn(*journal, seen);
  const auto salvage = AccountForLoss(*journal, (*session)->desk(), seen, seams);
  const WallTime now = seams.clock.Wall();
  const Driver driver = DriverOf(*journal, (*session)->desk(), now);
  if (options.json) {
    nlohmann::ordered_json json = StateToJson(*journal, gate, now);
    json["next"] = ways_on;
    json["driver"] = DriverToJson(driver);
    json["undone_by"] = after.undone_by;
    json["primaries"] = after.primaries;
    json["salvage"] = SalvageToJson(salvage);
    json["salvage_sum"] = SumToJson(SumOf(salvage));
    io.out << json.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    io.out << RenderJournal(*journal, gate, ways_on, now, after);
    if (!journal->Ended()) io.out << RenderDriver(*journal, driver, now);
    if (!salvage.empty()) io.out << RenderSalvage(salvage);
    io.out << RenderOthers(**session, journal->id);
  }
  return Exit::kDone;
}

template <Way kWay>
CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<FailoverOptions>();
  AddTopologyOption(app, options->topology_file);
  app.add_option("ID", options->journal_id,
                 "Which one (default: the open one, or the last that was no rehearsal)");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](Io& io, Seams& seams) { return ShowStatus(kWay, *options, io, seams); };
}

constexpr std::string_view kDetails =
    "Read only, from the clusters' trees: it needs no process that drives it.\n"
    "Exit 0 when there was one, open or ended, 3 when there was none.";

}  // namespace

const Command kFailoverStatus{
    .name = "failover status",
    .summary = "Show the open failover, or the last: its step, and what it waits for.",
    .details = kDetails,
    .define = &Define<Way::kOver>};

const Command kFailbackStatus{
    .name = "failback status",
    .summary = "Show the open failback, or the last: its step, and what it waits for.",
    .details = kDetails,
    .define = &Define<Way::kBack>};

}  // namespace databus
