// What the services count: the declarations of all areas, for docs/metrics.md.
#pragma once

#include <span>

#include "telemetry/metrics.h"

namespace databus {

std::span<const MetricList> AllMetrics();

}  // namespace databus
