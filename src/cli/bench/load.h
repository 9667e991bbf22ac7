// The load generator: `Log` calls, encoded beforehand, over several connections to one server on
// this machine. One thread and no work per message, so that it is the server that is measured.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

struct LoadOptions {
  std::string host = "127.0.0.1";  // a numeric address
  uint16_t port = 0;
  std::string stream = "clicks";
  uint32_t connections = 1;
  uint32_t batch = 100;  // messages a call
  uint32_t message_bytes = 300;
  uint32_t in_flight = 1;  // calls of one connection that wait for their answer
  Milliseconds duration{2000};
};

struct LoadResult {
  uint64_t calls = 0;  // acknowledged
  uint64_t refused_calls = 0;
  uint64_t messages = 0;  // acknowledged
  uint64_t bytes = 0;     // of the acknowledged calls, as they travel
  double elapsed_s = 0;   // until the last answer
  double own_cpu_s = 0;   // of the generator
  uint32_t p50_us = 0;    // of a call, from its first byte to its answer
  uint32_t p99_us = 0;

  double bytes_per_s() const { return static_cast<double>(bytes) / elapsed_s; }
  double messages_per_s() const { return static_cast<double>(messages) / elapsed_s; }
};
nlohmann::ordered_json ToJson(const LoadResult& result);
Result<LoadResult> LoadResultFromJson(const std::string& text);

// Sends for `duration`, then waits for the answers that are owed. kUnavailable: no connection, one
// broke, or what came was no answer to `Log`.
Result<LoadResult> RunLoad(const LoadOptions& options, const Clock& clock);

}  // namespace databus
