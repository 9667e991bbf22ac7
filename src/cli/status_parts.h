// What the parts of `databus status` share: how its facts are put into words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/status_report.h"

namespace databus {

std::string Ago(WallTime now, WallTime then);
std::string QueueText(const QueueReport& queue);
std::string_view LivenessName(Liveness life);
// A number among a heartbeat's facts.
std::optional<uint64_t> Fact(const Heartbeat& heartbeat, const char* key);
// A text among them; "" when there is none.
std::string TextFact(const Heartbeat& heartbeat, const char* key);
inline bool IsHeard(Liveness life) { return life == Liveness::kAlive || life == Liveness::kLate; }

// What a process has asked of name nodes, by its heartbeat.
struct CallsReport {
  uint64_t sum = 0;
  std::vector<std::pair<std::string, uint64_t>> by_kind;  // the most frequent first
  std::optional<double> per_file;
  std::optional<double> per_idle_run;
};
CallsReport CallsOf(const Heartbeat& heartbeat);

}  // namespace databus
