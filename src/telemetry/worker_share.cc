#include "telemetry/worker_share.h"

#include "telemetry/facts.h"

namespace databus {
namespace {

constexpr const char* kGroups = "groups";
constexpr const char* kOf = "of";

}  // namespace

void TellShare(Heartbeat& beat, const WorkerShare& share) {
  beat.facts[facts::kShare] = {{kGroups, share.groups}, {kOf, share.of}};
}

std::optional<WorkerShare> ShareOf(const Heartbeat& beat) {
  const auto said = beat.facts.find(facts::kShare);
  if (said == beat.facts.end() || !said->is_object()) return std::nullopt;
  WorkerShare share;
  if (const auto of = said->find(kOf); of != said->end() && of->is_number_unsigned()) {
    share.of = of->get<uint32_t>();
  }
  const auto groups = said->find(kGroups);
  if (groups == said->end() || !groups->is_array()) return share;
  for (const auto& group : *groups) {
    if (group.is_number_unsigned()) share.groups.insert(group.get<uint32_t>());
  }
  return share;
}

}  // namespace databus
