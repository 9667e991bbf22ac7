// What a rehearsal leaves: a dated report, and what it says to people.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "cli/failover/figures.h"
#include "cli/failover/rehearsal_check.h"

namespace databus {

struct RehearsalReport {
  WallTime at;  // its end
  failover::Kind kind = failover::Kind::kPlanned;
  std::string from;
  std::string to;
  FailoverFigures figures;  // `ways`: over, and back
  RehearsalCounts counts;

  // All arrived once, and every line of a loss statement is recovered.
  bool IsClean() const;
};

nlohmann::ordered_json RehearsalToJson(const RehearsalReport& report);
std::string RenderRehearsal(const RehearsalReport& report);
// rehearsal-<time>-<from>-<to>.json in `directory`. Its path.
Result<std::string> LeaveReport(const RehearsalReport& report, const std::string& directory);

}  // namespace databus
