#include "cli/told_losses.h"

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "telemetry/told_loss.h"

namespace databus {
std::vector<std::string> LossesToldOf(const std::map<std::string, Storage*>& trees) {
  // What each said last, of which tree ever, by whose it is: "dc1/c1".
  std::map<std::string, Heartbeat> last;
  for (const auto& [cluster, tree] : trees) {
    const auto entries = tree->List(paths::StatusRoot());
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) {
      if (!entry.name.ends_with(".json") || entry.info.kind != NodeKind::kFile) continue;
      const std::string process = entry.name.substr(0, entry.name.rfind('.'));
      const auto name = CollectorProcessName::Parse(process);
      if (!name) continue;
      const std::string path = paths::Join(paths::StatusRoot(), entry.name);
      const auto text = tree->ReadFile(path, kHeartbeatBytesMax);
      if (!text.ok()) continue;
      auto beat = DecodeHeartbeat(*text, path);
      if (!beat.ok() || beat->kind != "collector") continue;
      Heartbeat& known = last[paths::Join(name->Home(cluster), name->collector)];
      if (known.written <= beat->written) known = *std::move(beat);
    }
  }
  std::vector<std::string> told;
  for (const auto& [name, beat] : last) {
    for (const Problem& loss : LossesToldBy(beat)) {
      told.push_back(fmt::format("{}: {}", name, loss.what));
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
