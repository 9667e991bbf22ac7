// While a failover is open, it alone may change the stored topology: an epoch of somebody else
// would end it half way.
#pragma once

#include "base/status.h"
#include "control/topology_desk.h"

namespace databus {

// By the desk's last look. kRefused: one is open, or nobody can tell; the message says which, and
// what to do.
Status CheckNoFailoverIsOpen(const TopologyDesk& desk);

}  // namespace databus
