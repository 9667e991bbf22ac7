// One worker: `databus.cfg`, the original's keys and ours (which start with "databus.").
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/settings.h"
#include "base/status.h"

namespace databus {

struct WorkerConfig {
  std::string file;
  bool all_clusters = false;          // com.inmobi.databus.clusters=ALL
  std::vector<std::string> clusters;  // com.inmobi.databus.clusters
  std::string topology_file;          // com.inmobi.databus.cfg
  bool enable_zk = true;              // com.inmobi.databus.enablezk
  std::string zk_connect;             // com.inmobi.databus.zkconnect; each server with its port
  bool spread_groups = false;         // databus.worker.spread_groups
  int http_port = 0;                  // databus.http_port, 0 = off
  std::chrono::milliseconds run_interval{60'000};   // databus.worker.run_interval_ms, 1 s to 60 s
  std::chrono::milliseconds lease_timeout{10'000};  // databus.worker.lease_timeout_ms
  std::chrono::seconds full_scan_interval{600};     // databus.worker.full_scan_interval_s
  std::chrono::seconds foreign_idle_timeout{300};   // databus.worker.foreign_idle_timeout_s (P25)
  std::chrono::seconds purge_interval{3600};        // databus.worker.purge_interval_s
  int copy_threads = 4;                             // databus.worker.copy_threads
  std::string retention_limit_action = "keep";      // databus.worker.retention_limit: keep | drop
  int retention_limit_percent = 200;  // databus.worker.retention_limit_percent of the retention
};

// As ParseTopology: all problems at once, file, line, key, found, expected; unknown keys are
// refused with the nearest known name. Unless enablezk is false there must be a zkconnect.
Result<WorkerConfig> ParseWorkerConfig(std::string_view text, const std::string& file);

// Every key that databus.cfg may hold. The prefix com.inmobi.conduit. is read as
// com.inmobi.databus.
std::span<const SettingSpec> WorkerSettings();

}  // namespace databus
