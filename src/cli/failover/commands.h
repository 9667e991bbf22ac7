// The subcommands of `databus failover` and `databus failback`. Both words share their code: which
// of them was typed says what may be planned, and whose journals are meant.
#pragma once

#include "cli/command.h"

namespace databus {

extern const Command kFailoverPlan;
extern const Command kFailoverRun;
extern const Command kFailoverStatus;
extern const Command kFailoverResume;
extern const Command kFailoverAbort;

extern const Command kFailbackPlan;
extern const Command kFailbackRun;
extern const Command kFailbackStatus;
extern const Command kFailbackResume;
extern const Command kFailbackAbort;

}  // namespace databus
