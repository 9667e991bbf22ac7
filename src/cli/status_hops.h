// How far each stream is behind, hop by hop, and who does what for it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/hop.h"
#include "cli/status_report.h"

namespace databus {

struct StreamHop {
  std::string stream;
  Hop hop = Hop::kLocal;
  std::string cluster;
  bool away = false;  // the cluster cannot be read
  std::optional<Minute> newest = {};
  std::optional<Milliseconds> lag = {};  // nothing: there is no minute, or it is not known
};

// In the order of the topology's streams; of each its sources, its primary, its mirrors.
std::vector<StreamHop> StreamHops(const InstallationReport& report, const Topology& topology);

// Nothing while the next minute is not over: before, nobody need have begun it, and an idle stream
// gets it, empty, only then (P14).
Milliseconds LagOf(WallTime now, Minute newest);
int64_t LagSeconds(Milliseconds lag);  // rounded up: 0 is none

// "source", "primary" or "mirror": what `cluster` is to the stream.
std::vector<std::string> RolesOf(const StreamSpec& stream, std::string_view cluster);

// The streams of a collector by what it does with them (deliver, spool, redirect), from its
// heartbeat; nothing when that says nothing.
std::map<std::string, std::vector<std::string>> ModesOf(const Heartbeat& process);

}  // namespace databus
