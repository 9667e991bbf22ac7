// The applications: fibers that hand messages to a collector and tell the checker what they were
// answered.
#pragma once

#include "sim/checker.h"
#include "sim/clock.h"
#include "sim/network.h"
#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

struct ProducerSeams {
  const fibers::Scheduler& scheduler;
  Network& network;
  Clock& clock;
  SimRandom& random;
  Checker& checker;
};

struct ProducerTask {
  const ProducerPlan& plan;
  uint32_t number = 0;
  std::string host;     // of the collector
  std::string cluster;  // of the collector
  SimTime until{};      // when to send no more
};

// Returns when all that was sent has an answer (a publisher), or when it is time (a plain client).
void Produce(const ProducerTask& task, const ProducerSeams& seams);

}  // namespace databus::sim
