#include "cli/told_losses.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "telemetry/facts.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

constexpr size_t kHeartbeatBytesMax = size_t{16} << 20;

constexpr std::array<std::string_view, 2> kTellOfLoss = {facts::kGoneFromSpool,
                                                         facts::kDamagedPieces};

bool TellsOfLoss(const Problem& problem) {
  return std::ranges::any_of(kTellOfLoss, [&](std::string_view text) {
    return problem.what.find(text) != std::string::npos;
  });
}

// "dc1/c1"
std::string NameOf(const Heartbeat& beat, const std::string& tree) {
  const auto name = CollectorProcessName::Parse(beat.process);
  if (!name) return paths::Join(tree, beat.process);
  return paths::Join(name->cluster.empty() ? tree : name->cluster, name->collector);
}

}  // namespace

std::vector<std::string> LossesToldOf(const std::map<std::string, Storage*>& trees) {
  // What each said last, of which tree ever, by whose it is.
  std::map<std::string, Heartbeat> last;
  for (const auto& [cluster, tree] : trees) {
    const auto entries = tree->List(paths::StatusRoot());
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) {
      if (!entry.name.ends_with(".json") || entry.info.kind != NodeKind::kFile) continue;
      const std::string path = paths::Join(paths::StatusRoot(), entry.name);
      const auto text = tree->ReadFile(path, kHeartbeatBytesMax);
      if (!text.ok()) continue;
      auto beat = DecodeHeartbeat(*text, path);
      if (!beat.ok() || beat->kind != "collector") continue;
      Heartbeat& known = last[NameOf(*beat, cluster)];
      if (known.written <= beat->written) known = *std::move(beat);
    }
  }
  std::vector<std::string> told;
  for (const auto& [name, beat] : last) {
    for (const Problem& problem : beat.problems) {
      if (TellsOfLoss(problem)) told.push_back(fmt::format("{}: {}", name, problem.what));
    }
  }
  return told;
}

std::string SentenceOfLossesTold(const std::vector<std::string>& told) {
  if (told.empty()) return "";
  const std::string more =
      told.size() > 1 ? fmt::format(" (and {} more, see 'databus status')", told.size() - 1) : "";
  return fmt::format(" But a collector tells of messages that may be: {}{}.", told.front(), more);
}

}  // namespace databus
