// How a command ends that was about to run a plan.
#pragma once

#include "cli/command.h"
#include "failover/plan.h"

namespace databus {

// kDone: the plan may be run.
Exit ExitOf(const failover::Plan& plan);

}  // namespace databus
