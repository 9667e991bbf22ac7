#include "collector/deliver/told_spools.h"

#include <algorithm>

#include "telemetry/facts.h"

namespace databus {

ToldSpools ReadToldSpools(const Heartbeat& heartbeat) {
  ToldSpools told;
  const auto spools = heartbeat.facts.find(facts::kSpools);
  if (spools == heartbeat.facts.end() || !spools->is_object()) return told;
  for (const auto& [incarnation, last] : spools->items()) {
    if (last.is_number_unsigned()) told.emplace_back(incarnation, last.get<uint64_t>());
  }
  return told;
}

ToldSpools TellSpool(ToldSpools told, const std::string& incarnation, uint64_t last_intent) {
  const uint64_t last = std::max(last_intent, LastToldOf(told, incarnation));
  std::erase_if(told, [&](const auto& one) { return one.first == incarnation; });
  told.emplace_back(incarnation, last);
  if (told.size() > kToldSpoolsMax) {
    told.erase(told.begin(), told.end() - static_cast<ptrdiff_t>(kToldSpoolsMax));
  }
  return told;
}

nlohmann::ordered_json ToJson(const ToldSpools& told) {
  auto all = nlohmann::ordered_json::object();
  for (const auto& [incarnation, last] : told) all[incarnation] = last;
  return all;
}

uint64_t LastToldOf(const ToldSpools& told, const std::string& incarnation) {
  const auto found =
      std::ranges::find(told, incarnation, [](const auto& one) { return one.first; });
  return found == told.end() ? 0 : found->second;
}

}  // namespace databus
