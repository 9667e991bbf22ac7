// Circles of redirects: collectors that hand a stream on to one another would hand it on for ever.
// No epoch may have one that those before it had not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster/stored_topology.h"

namespace databus {

struct ModeCircle {
  std::string stream;                 // empty: every stream that has no rule of its own
  std::vector<std::string> clusters;  // each redirects to the next, the last to the first
  friend bool operator==(const ModeCircle&, const ModeCircle&) = default;

  std::string Describe() const;  // "clicks: dc1 -> dc2 -> dc1"
};

// Only by rules that name a cluster: where receivers are that are named by address, nobody knows.
std::vector<ModeCircle> FindCircles(const std::vector<ModeRule>& modes);
// Those of `circles` that the rules `before` have not.
std::vector<ModeCircle> WithoutKnown(std::vector<ModeCircle> circles,
                                     const std::vector<ModeRule>& before);
// Those of `after` that `before` has not.
std::vector<ModeCircle> NewCircles(const std::vector<ModeRule>& before,
                                   const std::vector<ModeRule>& after);
// The same rules, but of each circle one cluster delivers: `first`, where it is one of them.
std::vector<ModeRule> WithoutCircles(std::vector<ModeRule> modes, std::string_view first);

}  // namespace databus
