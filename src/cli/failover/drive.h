// Driving a failover from a command: progress on the terminal, TERM stops between two looks, and
// what came of it is said at the end.
#pragma once

#include "cli/command.h"
#include "cli/failover/session.h"
#include "failover/journal.h"

namespace databus {

Exit DriveFailover(FailoverSession& session, const failover::Journal& journal,
                   const FailoverOptions& options, Io& io, Seams& seams);

}  // namespace databus
