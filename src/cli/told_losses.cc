#include "cli/told_losses.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

constexpr size_t kHeartbeatBytesMax = size_t{16} << 20;

// As collector/service/collector_report.cc says it.
constexpr std::array<std::string_view, 2> kTellOfLoss = {"gone from the spool",
                                                         "damaged pieces of the spool"};

bool TellsOfLoss(const Problem& problem) {
  return std::ranges::any_of(kTellOfLoss, [&](std::string_view text) {
    return problem.what.find(text) != std::string::npos;
  });
}

}  // namespace

std::vector<std::string> LossesToldOf(const std::map<std::string, Storage*>& trees) {
  std::set<std::string> told;  // a collector may write into several trees
  for (const auto& [cluster, tree] : trees) {
    const auto entries = tree->List(paths::StatusRoot());
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) {
      if (!entry.name.ends_with(".json") || entry.info.kind != NodeKind::kFile) continue;
      const std::string path = paths::Join(paths::StatusRoot(), entry.name);
      const auto text = tree->ReadFile(path, kHeartbeatBytesMax);
      if (!text.ok()) continue;
      const auto beat = DecodeHeartbeat(*text, path);
      if (!beat.ok() || beat->kind != "collector") continue;
      const std::string& home = beat->cluster.empty() ? cluster : beat->cluster;
      for (const Problem& problem : beat->problems) {
        if (!TellsOfLoss(problem)) continue;
        told.insert(fmt::format("{} of {}: {}", beat->process, home, problem.what));
      }
    }
  }
  return {told.begin(), told.end()};
}

std::string SentenceOfLossesTold(const std::vector<std::string>& told) {
  if (told.empty()) return "";
  const std::string more =
      told.size() > 1 ? fmt::format(" (and {} more, see 'databus status')", told.size() - 1) : "";
  return fmt::format(" But a collector tells of messages that may be: {}{}.", told.front(), more);
}

}  // namespace databus
