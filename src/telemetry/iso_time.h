// Moments as text: "2031-05-06T10:04:05.678Z". UTC always; sorts as time does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace databus {

std::string ToIsoMs(WallTime time);
// Exactly the form above; nothing for anything else.
std::optional<WallTime> ParseIsoMs(std::string_view text);

// A span of time for people: "850 ms", "4.2 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
std::string ToHuman(Milliseconds span);

}  // namespace databus
