// What this machine can do, without us: the facts that every figure has to be read with.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "storage/disk/disk.h"

namespace databus {

struct MachineFacts {
  std::string cpu;
  unsigned cores = 0;
  std::string kernel;
  std::string file_system;  // of the benchmark's directory
  double synced_4k_ms = 0;  // one synchronous write of 4 KiB, mean of 200
  double load = 0;          // mean number of runnable processes in the last minute
};

// Measures the disk below `dir`, which must exist.
Result<MachineFacts> LookAtMachine(const std::string& dir, const Clock& clock);
std::string ToText(const MachineFacts& facts);
nlohmann::ordered_json ToJson(const MachineFacts& facts);

// Bytes per second of sequential writes of `flush_bytes`, each followed by fdatasync, to files in
// `dir`, for about `duration`. Removes what it wrote.
Result<double> SequentialWriteRate(Disk& disk, const Clock& clock, const std::string& dir,
                                   uint64_t flush_bytes, Milliseconds duration);

}  // namespace databus
