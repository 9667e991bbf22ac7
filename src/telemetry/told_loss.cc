#include "telemetry/told_loss.h"

#include <algorithm>

#include <fmt/format.h>

#include "telemetry/facts.h"

namespace databus {
namespace {

struct Loss {
  const char* fact;
  const char* words;  // in the problem that says more
};

constexpr Loss kLosses[] = {{facts::kMissingSegments, facts::kGoneFromSpool},
                            {facts::kDamagedFiles, facts::kDamagedPieces},
                            {facts::kRenewed, facts::kOlderCopy}};

}  // namespace

std::vector<Problem> LossesToldBy(const Heartbeat& heartbeat) {
  std::vector<Problem> told;
  if (heartbeat.kind != "collector") return told;
  for (const auto& [fact, words] : kLosses) {
    const auto count = heartbeat.facts.find(fact);
    if (count == heartbeat.facts.end() || !count->is_number_unsigned()) continue;
    if (count->get<uint64_t>() == 0) continue;
    const auto said = std::ranges::find_if(heartbeat.problems, [&](const Problem& problem) {
      return problem.what.find(words) != std::string::npos;
    });
    if (said != heartbeat.problems.end()) {
      told.push_back(*said);
      continue;
    }
    told.push_back({.what = fmt::format("{}: {}", words, count->get<uint64_t>()),
                    .since = heartbeat.written,
                    .next = "look at it with databus spool ls"});
  }
  return told;
}

}  // namespace databus
