// Whether a failover that could be planned would also come to its end: what must be right before it
// begins. Pure.
#pragma once

#include "failover/observation.h"
#include "failover/plan.h"

namespace databus::failover {

// Clocks of processes and trees that are further apart than this would look like silence (P13).
inline constexpr Milliseconds kClockApartMax{120'000};

// Adds what it finds to the plan's refusals and warnings.
void Preflight(const Request& request, const Observation& seen, Plan& plan);

}  // namespace databus::failover
