// `bench hdfs`: what a worker or a collector does with the storage of clusters, by itself and
// timed. tools/hdfs-bench runs it beside others, and looks at the servers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "cli/seams.h"

namespace databus {

struct HdfsTaskOptions {
  std::string from;  // URLs of directories
  std::string to;    // made when it is not there
  int threads = 4;   // as databus.worker.copy_threads
  uint32_t files = 10'000;
  uint64_t bytes = 20'000;  // of each file
};

struct HdfsTaskResult {
  uint64_t files = 0;
  uint64_t bytes = 0;
  double seconds = 0;
  double own_cpu_s = 0;
  uint64_t resident_bytes_max = 0;
};

// Copies all files of a directory as a worker does: with its copier into a staging directory, and
// from there by rename, at most 1,000 files at a time. Looks whether all is there.
Result<HdfsTaskResult> CopyDirectory(const HdfsTaskOptions& options, Seams& seams);
// Makes small files as a collector does: written together in a staging directory, and renamed.
Result<HdfsTaskResult> CreateFiles(const HdfsTaskOptions& options, Seams& seams);
// Makes files of any size, as input for others.
Result<HdfsTaskResult> FillDirectory(const HdfsTaskOptions& options, Seams& seams);

std::string ToText(const HdfsTaskResult& result);
nlohmann::ordered_json ToJson(const HdfsTaskResult& result);

}  // namespace databus
