// Plans, journals and gates for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "failover/gates.h"
#include "failover/journal.h"
#include "failover/plan.h"

namespace databus {

std::string RenderPlan(const failover::Plan& plan);
nlohmann::ordered_json PlanToJson(const failover::Plan& plan);

// `ways_on`: what an operator can do about one that is open (failover/steps.h).
std::string RenderJournal(const failover::Journal& journal, const failover::Gate& gate,
                          const std::vector<std::string>& ways_on, WallTime now);
nlohmann::ordered_json StateToJson(const failover::Journal& journal, const failover::Gate& gate,
                                   WallTime now);

// One line for a terminal: step, how long, what it waits for.
std::string RenderProgress(const failover::Journal& journal, const failover::Gate& gate,
                           WallTime now);
// What came of it, when it has ended.
std::string RenderOutcome(const failover::Journal& journal);

}  // namespace databus
