// What a collector tells of messages that may never come: nobody else can, as they were in no view.
#pragma once

#include <vector>

#include "telemetry/heartbeat.h"

namespace databus {

// By the facts of its heartbeat, one for each that tells of some: in the words of its problem, if
// there is one. Empty: it tells of none, or is no collector.
std::vector<Problem> LossesToldBy(const Heartbeat& heartbeat);

}  // namespace databus
