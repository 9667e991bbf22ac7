// The hops of a stream, as commands show them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace databus {

enum class Hop : uint8_t {
  kLocal,   // published at a source: streams_local
  kMerged,  // merged at the primary: streams
  kMirror,  // copied to a mirror: streams
};
inline constexpr std::array kAllHops = {Hop::kLocal, Hop::kMerged, Hop::kMirror};

constexpr std::string_view HopName(Hop hop) {
  switch (hop) {
    case Hop::kLocal: return "local";
    case Hop::kMerged: return "merged";
    case Hop::kMirror: return "mirror";
  }
  __builtin_unreachable();
}

}  // namespace databus
