// What a process says of itself in its heartbeat, so that whoever would steer it by the stored
// topology knows whether it can be: "program", its version, for people, and "steering", a number.
#pragma once

#include <cstdint>
#include <string_view>

namespace databus {

// 1: obeys stored epochs with modes, frozen streams and cuts, and says what it has done of them
//    (modes, open intents and lag; frozen, divergent). Without a number: older than that.
inline constexpr uint64_t kSteeringVersion = 1;

// "0.1.0"
std::string_view ProgramVersion();

}  // namespace databus
