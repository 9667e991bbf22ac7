// `bench freshness`: how long a message takes from its acceptance to being visible on each hop of
// an installation of two data centres, under a steady load.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/demo/hop_watch.h"
#include "cli/demo/site.h"
#include "cli/seams.h"

namespace databus {

struct FreshnessOptions {
  std::string directory;    // everything is done below it; must exist
  DemoClusters clusters{};  // new ones, if not below it
  uint32_t events_per_s = 20'000;
  int seconds = 120;
  Milliseconds arrive_within{60'000};  // after the load
};

// Of one hop, all its streams and clusters together. A file's messages all count with the age of
// the oldest one.
struct HopAges {
  Hop hop = Hop::kLocal;
  uint64_t messages = 0;
  uint64_t files = 0;
  int64_t p50_ms = 0;
  int64_t p99_ms = 0;
  int64_t max_ms = 0;
};

struct Freshness {
  uint64_t acknowledged = 0;
  double messages_per_s = 0;  // acknowledged
  std::vector<HopAges> hops;
};

// kUnavailable: a process ended, or not everything was visible in time.
Result<Freshness> MeasureFreshness(const FreshnessOptions& options, Seams& seams);
std::string ToText(const Freshness& freshness);
nlohmann::ordered_json ToJson(const Freshness& freshness);

}  // namespace databus
