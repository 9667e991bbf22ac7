// `databus topology`: the installation's stored topology, shown and changed.
#include "cli/all_commands.h"
#include "cli/topology/commands.h"

namespace databus {
namespace {

constexpr const Command* kSubcommands[] = {&kTopologyShow,   &kTopologyValidate, &kTopologyDiff,
                                           &kTopologyApply,  &kTopologyMirror,   &kTopologyMode,
                                           &kTopologyChoose, &kTopologyConfirm};

}  // namespace

const Command kTopology{
    .name = "topology",
    .summary = "Show and change which clusters and streams there are, and who does what.",
    .details =
        "Every cluster's tree stores the topology as numbered epochs; every process obeys the\n"
        "newest that it can read, without a restart (docs/operations.md, \"Topology\").",
    .subcommands = kSubcommands};

}  // namespace databus
