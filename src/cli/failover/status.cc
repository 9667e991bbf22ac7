// `databus failover status` and `databus failback status`: where it is, and what it waits for.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/failover/commands.h"
#include "cli/failover/render.h"
#include "cli/failover/salvage_report.h"
#include "cli/failover/session.h"
#include "cli/installation.h"
#include "failover/steps.h"

namespace databus {
namespace {

// Looked up now: it does not depend on a process that drives it.
failover::Gate GateNow(const failover::Journal& journal, const failover::Observation& seen) {
  failover::Action action = failover::NextAction(journal, seen);
  if (action.what == failover::Action::What::kStop) return {{action.stop.message()}, 1};
  return std::move(action.gate);
}

Exit ShowStatus(Way way, const FailoverOptions& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.topology_file, seams);
  if (!session.ok()) return Report(io, session.status());
  const auto journal = (*session)->FindJournal(way, options.journal_id);
  if (journal.code() == Code::kNotFound) {
    io.err << "databus: " << journal.status().message() << "\n";
    return Exit::kNothingToDo;
  }
  if (!journal.ok()) return Report(io, journal.status());
  const failover::Observation seen = (*session)->Look(*journal);
  const failover::Gate gate = GateNow(*journal, seen);
  const auto salvage = AccountForLoss(*journal, (*session)->desk(), seen, seams);
  if (options.json) {
    nlohmann::ordered_json json = StateToJson(*journal, gate, seams.clock.Wall());
    json["salvage"] = SalvageToJson(salvage);
    json["salvage_sum"] = SumToJson(SumOf(salvage));
    io.out << json.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    io.out << RenderJournal(*journal, gate, seams.clock.Wall());
    if (!salvage.empty()) io.out << RenderSalvage(salvage);
  }
  return Exit::kDone;
}

template <Way kWay>
CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<FailoverOptions>();
  AddTopologyOption(app, options->topology_file);
  app.add_option("ID", options->journal_id, "Which one (default: the open one, or the last)");
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
