#include "cli/all_metrics.h"

#include <array>

#include "collector/service/metrics.h"
#include "worker/metrics.h"

namespace databus {

std::span<const MetricList> AllMetrics() {
  static const std::array kAll = {MetricList{"Collector", kCollectorMetrics},
                                  MetricList{"Worker", kWorkerMetrics}};
  return kAll;
}

}  // namespace databus
