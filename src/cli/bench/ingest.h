// `bench ingest`: what a collector acknowledges as durable, over what this machine allows at most.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/bench/load.h"
#include "cli/bench/sample.h"
#include "cli/command.h"

namespace databus {

struct IngestOptions {
  std::string directory;  // everything is done below it; must exist
  int rounds = 3;
  Milliseconds duration{2000};  // of one load
  std::vector<uint32_t> batches = {100, 1000};
  std::vector<uint32_t> connections = {1, 4, 16};
  // Besides: one message a call, so many calls in flight on one connection. 0: left out.
  uint32_t single_in_flight = 1000;
};

// One size of load in one round.
struct IngestSample {
  LoadResult collector;
  LoadResult bare;
  double disk_bytes_per_s = 0;
  double flush_bytes = 0;   // mean, of the collector
  double cpu_s_per_gb = 0;  // of the collector, until all was delivered
  double resident_bytes_max = 0;
  bool drained = false;  // all was delivered in time

  double limit_bytes_per_s() const;
  double ratio() const { return collector.bytes_per_s() / limit_bytes_per_s(); }
};

// One size of load in all rounds.
struct IngestCase {
  uint32_t batch = 0;
  uint32_t connections = 0;
  uint32_t in_flight = 0;
  std::vector<IngestSample> samples;

  Spread Over(double (*value)(const IngestSample&)) const;
};

// Calls `progress` before each sample.
Result<std::vector<IngestCase>> MeasureIngest(const IngestOptions& options, Seams& seams,
                                              const std::function<void(std::string)>& progress);
std::string ToText(const std::vector<IngestCase>& cases);
nlohmann::ordered_json ToJson(const std::vector<IngestCase>& cases);

}  // namespace databus
