// `databus failover` and `databus failback`: a data centre goes, and comes back, by one command
// each.
#include "cli/all_commands.h"
#include "cli/failover/commands.h"

namespace databus {
namespace {

constexpr const Command* kFailoverCommands[] = {&kFailoverPlan, &kFailoverRun, &kFailoverStatus,
                                                &kFailoverResume, &kFailoverAbort};
constexpr const Command* kFailbackCommands[] = {&kFailbackPlan, &kFailbackRun, &kFailbackStatus,
                                                &kFailbackResume, &kFailbackAbort};

}  // namespace

const Command kFailover{
    .name = "failover",
    .summary = "Move the business of one cluster to another, planned or not.",
    .details =
        "Producers are answered OK all the time; nothing is lost or doubled; no process is "
        "stopped\n"
        "or started. Killed at any point, it is carried on by 'resume', from anywhere\n"
        "(docs/failover.md, docs/runbook.md).",
    .subcommands = kFailoverCommands};

const Command kFailback{
    .name = "failback",
    .summary = "Bring the business back to a cluster that was failed over.",
    .details = "Undoes the last failover of that cluster, as carefully (docs/failover.md).",
    .subcommands = kFailbackCommands};

}  // namespace databus
