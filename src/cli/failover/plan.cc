// `databus failover plan` and `databus failback plan`: what would be done, and whether it may.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/failover/commands.h"
#include "cli/failover/plan_exit.h"
#include "cli/failover/render.h"
#include "cli/failover/session.h"

namespace databus {

Exit ExitOf(const failover::Plan& plan) {
  if (plan.MayRun()) return Exit::kDone;
  switch (plan.fault) {
    case failover::Plan::Fault::kNothingToDo: return Exit::kNothingToDo;
    case failover::Plan::Fault::kRequest: return Exit::kUsage;
    case failover::Plan::Fault::kState: break;
  }
  return Exit::kFailed;
}

namespace {

Exit ShowPlan(const FailoverOptions& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.topology_file, seams);
  if (!session.ok()) return Report(io, session.status());
  const auto plan = (*session)->MakePlan(options.request);
  if (!plan.ok()) return Report(io, plan.status());
  if (options.json) {
    io.out << PlanToJson(*plan).dump(1, ' ', true, nlohmann::json::error_handler_t::replace)
           << "\n";
  } else {
    io.out << RenderPlan(*plan);
  }
  return ExitOf(*plan);
}

template <Way kWay>
CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<FailoverOptions>();
  AddRequestOptions(app, kWay, *options);
  app.add_flag("--json", options->json, "Print JSON; plan_id is in it");
  return [options](Io& io, Seams& seams) { return ShowPlan(*options, io, seams); };
}

constexpr std::string_view kDetails =
    "Changes nothing. Each refusal comes with what to do about it. The plan's id names what would\n"
    "be done from which topology: 'run --plan ID' runs that or nothing.\n"
    "Exit 0 it may be run, 1 it is refused, 3 there is nothing to do.";

}  // namespace

const Command kFailoverPlan{
    .name = "failover plan",
    .summary = "Show what moving a cluster's business to another would do, and whether it may.",
    .details = kDetails,
    .define = &Define<Way::kOver>};

const Command kFailbackPlan{
    .name = "failback plan",
    .summary = "Show what bringing a cluster's business back would do, and whether it may.",
    .details = kDetails,
    .define = &Define<Way::kBack>};

}  // namespace databus
