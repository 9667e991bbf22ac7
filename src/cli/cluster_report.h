// What `databus status` finds on one cluster: facts read from its tree, nothing judged. Read only;
// a part that cannot be read is named in `unreadable` and hides nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/minute.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "storage/storage.h"
#include "telemetry/heartbeat.h"

namespace databus {

struct QueueReport {
  std::string from;          // the cluster that holds the queue
  std::string to;            // who is to take it
  View view = View::kLocal;  // of the queued paths: kLocal, to be merged; kMerged, to be mirrored
  uint64_t entries = 0;
  uint64_t lines = 0;
  std::optional<WallTime> oldest = {};  // of the entries, by the cluster's own clock
};

// Delivered by collectors and not yet published.
struct BacklogReport {
  std::string stream;
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::optional<WallTime> oldest = {};
};

struct SetAsideFile {
  std::string path;
  std::string reason;  // what stands beside it
};

struct ViewReport {
  std::string stream;
  View view = View::kLocal;
  std::optional<Minute> newest = {};
};

struct StagingReport {
  View view = View::kLocal;
  uint64_t records = 0;                         // commits that are not finished
  uint64_t pending = 0;                         // lists of clean-ups that could not be done yet
  std::map<std::string, uint64_t> claims = {};  // data files taken and not published, by stream
  std::optional<WallTime> oldest = {};
};

struct ClusterReport {
  std::string name;
  std::string url;
  std::string id;
  Group groups = 0;                         // of streams; 0: not known
  std::string away;                         // why the cluster cannot be read; empty: it can
  bool absent = false;                      // away, and for all we see there is no tree
  std::optional<uint64_t> free_bytes = {};  // of its disk; nothing: not known
  std::vector<Heartbeat> processes;
  std::vector<QueueReport> queues;
  std::vector<BacklogReport> backlog;
  std::vector<SetAsideFile> quarantine;  // the first kQuarantineMax
  uint64_t quarantined = 0;
  std::vector<ViewReport> views;
  std::vector<StagingReport> staging;
  std::vector<std::string> unreadable;
};

inline constexpr size_t kQuarantineMax = 20;

// What of its streams is looked at.
struct ObserveScope {
  std::optional<std::string> stream = {};  // this one; nothing: all
};

// `storage` is the cluster's tree, or why it could not be opened.
ClusterReport ObserveCluster(const ClusterSpec& cluster, const Topology& topology,
                             const Result<Storage*>& storage, const ObserveScope& scope);

}  // namespace databus
