// `databus failover run` and `databus failback run`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/ask.h"
#include "cli/failover/commands.h"
#include "cli/failover/drive.h"
#include "cli/failover/plan_exit.h"
#include "cli/failover/render.h"
#include "cli/failover/session.h"

namespace databus {
namespace {

Exit Run(Way way, const FailoverOptions& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.topology_file, seams);
  if (!session.ok()) return Report(io, session.status());
  const auto plan = (*session)->MakePlan(options.request);
  if (!plan.ok()) return Report(io, plan.status());
  (options.json ? io.err : io.out) << RenderPlan(*plan);
  if (const Exit exit = ExitOf(*plan); exit != Exit::kDone) return exit;
  if (!options.plan_id.empty() && options.plan_id != plan->id) {
    io.err << fmt::format(
        "databus: plan {} is stale: what would be done now is plan {}, above; "
        "nothing was changed\n  next: look at it again with '{}', and if it is what you want, "
        "run it with '{} --plan {}'\n",
        options.plan_id, plan->id, CommandLineOf(way, "plan", options),
        CommandLineOf(way, "run", options), plan->id);
    return Exit::kFailed;
  }
  if (options.dry_run) return Exit::kDone;
  if (plan->loss && options.accept_loss != plan->loss->id) {
    io.err << fmt::format(
        "databus: {}; run it again with --accept-loss {} to accept the statement "
        "above; nothing was changed\n",
        options.accept_loss.empty()
            ? "an unplanned failover may lose what the statement above names"
            : "the loss statement is another one by now",
        plan->loss->id);
    return Exit::kFailed;
  }
  if (!options.yes && Ask(io, fmt::format("Run this {}?", WayName(way))) == Answer::kNo) {
    io.err << "databus: nothing was changed\n";
    return Exit::kNothingToDo;
  }
  return DriveFailover(**session, failover::Begin(*plan, seams.clock.Wall()), options, io, seams);
}

template <Way kWay>
CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<FailoverOptions>();
  AddRequestOptions(app, kWay, *options);
  app.add_option("--plan", options->plan_id, "Run the plan with this id, or nothing")
      ->type_name("ID");
  if (kWay == Way::kOver) {
    app.add_option("--accept-loss", options->accept_loss,
                   "Accept the loss statement with this id (--unplanned); --yes does not")
        ->type_name("ID")
        ->needs("--unplanned");
  }
  app.add_flag("--yes", options->yes, "Do not ask");
  app.add_flag("--dry-run", options->dry_run, "Show the plan, and change nothing");
  app.add_flag("--json", options->json, "Print the outcome as JSON; the plan goes to stderr");
  return [options](Io& io, Seams& seams) { return Run(kWay, *options, io, seams); };
}

constexpr std::string_view kDetails =
    "Shows the plan, asks, and carries it through; what it waits for is shown on the way. It may\n"
    "be stopped or killed at any point: 'status' shows where it is, 'resume' goes on, anywhere,\n"
    "and until the swap 'abort' undoes it.\n"
    "Exit 0 done, 1 refused, stopped or not equal at the end, 3 nothing to do or not wanted.";

}  // namespace

const Command kFailoverRun{.name = "failover run",
                           .summary = "Move the business of one cluster to another.",
                           .details = kDetails,
                           .define = &Define<Way::kOver>};

const Command kFailbackRun{.name = "failback run",
                           .summary = "Bring the business back to a cluster that was failed over.",
                           .details = kDetails,
                           .define = &Define<Way::kBack>};

}  // namespace databus
