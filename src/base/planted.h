// Planted bugs: each removes one rule of the protocol (docs/protocol.md) or brings back a known
// mistake, so that the simulator's checkers can be seen to catch it (tests/negative). Only the
// `sim` preset has them; anywhere else Planted is constant false and costs nothing.
//
//   if (!Planted(Bug::kNoFence)) DATABUS_RETURN_IF_ERROR(FenceOlder(...));
#pragma once

#include <cstdint>

namespace databus {

enum class Bug : uint8_t {
  kNone,
  kNoFence,  // P4: a new holder does not rename the older staging directories away
};

#ifdef DATABUS_SIM
// Whether this one is in the program at present.
bool Planted(Bug bug);
// Puts it in, instead of the one before. Not thread-safe.
void Plant(Bug bug);
#else
constexpr bool Planted(Bug /*bug*/) { return false; }
#endif

}  // namespace databus
