// What the heartbeats of a collector's name have told of its spools: by incarnation, the number of
// the last intent. Each heartbeat carries on what the one before told, so that an older copy of a
// spool is known for one when it comes back, also after another spool has had the name.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/heartbeat.h"

namespace databus {

// The last one told comes last.
using ToldSpools = std::vector<std::pair<std::string, uint64_t>>;

// As many are carried on.
inline constexpr size_t kToldSpoolsMax = 16;

// What is not as it is written is not told.
ToldSpools ReadToldSpools(const Heartbeat& heartbeat);
// `told`, and now this one: the highest number of it that was ever told.
ToldSpools TellSpool(ToldSpools told, const std::string& incarnation, uint64_t last_intent);
nlohmann::ordered_json ToJson(const ToldSpools& told);
// 0: nothing was told of it.
uint64_t LastToldOf(const ToldSpools& told, const std::string& incarnation);

}  // namespace databus
