// Plans, journals and gates for people and as JSON.
#pragma once

#include <map>
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

// What has become of one that has ended.
struct Aftermath {
  std::string undone_by{};                       // the failback that has undone it
  std::map<std::string, std::string> primaries;  // as they are now, by stream that it moved
};
// `was` is one of `all`.
Aftermath AftermathOf(const failover::Journal& was,
                      const std::map<std::string, failover::Journal>& all, const Topology& now);

// `ways_on`: what an operator can do about one that is open (failover/steps.h).
std::string RenderJournal(const failover::Journal& journal, const failover::Gate& gate,
                          const std::vector<std::string>& ways_on, WallTime now,
                          const Aftermath& after = {});
nlohmann::ordered_json StateToJson(const failover::Journal& journal, const failover::Gate& gate,
                                   WallTime now);

// One line for a terminal: step, how long, what it waits for.
std::string RenderProgress(const failover::Journal& journal, const failover::Gate& gate,
                           WallTime now);
// What came of it, when it has ended.
std::string RenderOutcome(const failover::Journal& journal, const Aftermath& after = {});

}  // namespace databus
