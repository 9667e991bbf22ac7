// One collector: `scribe.conf`, Scribe's <store> format in the subset that Databus installations
// use, plus our own global keys `databus.*`. Pure text, no I/O.
//
// Differences from Scribe, all towards "refused, never ignored": unknown and repeated keys, unknown
// blocks, unclosed blocks, values that would lose data (must_succeed=no, replay_buffer=no) and
// stores that cannot be delivered safely (anything but a buffer store) are errors.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/settings.h"
#include "base/status.h"
#include "net/cidr.h"

namespace databus {

// Which streams a store takes.
struct CategoryPattern {
  enum class Kind : uint8_t { kExact, kPrefix, kDefault };
  Kind kind = Kind::kExact;
  std::string name;  // of kPrefix without the '*'; of kDefault empty
  friend bool operator==(const CategoryPattern&, const CategoryPattern&) = default;
};

// Delivery into a cluster: sealed files below <root_url>/data.
struct ClusterPrimary {
  std::string
      root_url;  // the cluster's tree, `file_path` without "/data": "file:///mnt/dc1/databus"
  std::chrono::milliseconds rotate_period{60'000};  // seal after this time
  int64_t seal_bytes = 1'000'000'000;  // or this size (uncompressed), whichever is first
  bool add_newlines = false;
  bool encode_base64 = false;
  friend bool operator==(const ClusterPrimary&, const ClusterPrimary&) = default;
};

// Delivery to another collector.
struct NetworkPrimary {
  std::string host;
  int port = 0;
  std::chrono::milliseconds timeout{5'000};  // of one call
  friend bool operator==(const NetworkPrimary&, const NetworkPrimary&) = default;
};

struct StoreSpec {
  int line = 0;                             // where <store> stands, for messages
  int primary_line = 0;                     // where its <primary> names the place
  std::vector<CategoryPattern> categories;  // at least one
  std::variant<ClusterPrimary, NetworkPrimary> primary;
  // Between attempts while the primary is away: retry_interval, give or take half of the range.
  std::chrono::seconds retry_interval{300};
  std::chrono::seconds retry_interval_range{60};  // at most retry_interval
  // Segments of backlog drained per check_interval at most. Live data is never bounded by it.
  int64_t buffer_send_rate = 1;
};

// Where the collector's name comes from. It is stored in the spool at first use.
enum class CollectorNameRule : uint8_t {
  kSubDirectory,    // sub_directory
  kHostname,        // use_hostname_sub_directory=yes: `name` is empty, ask the host
  kSpoolDirectory,  // neither: the last component of the spool directory
};

// Where the keys stand that only a restart changes, for messages; 0: not in the file.
struct CollectorConfigLines {
  int port = 0;
  int http_port = 0;
  int name = 0;
  int spool_directory = 0;
  int segment_bytes = 0;
};

struct CollectorConfig {
  std::string file;
  CollectorConfigLines lines;
  int port = 0;
  std::chrono::seconds check_interval{5};
  int64_t max_queue_bytes = 5'000'000;  // per stream: accepted and not yet on disk
  CollectorNameRule name_rule = CollectorNameRule::kSpoolDirectory;
  std::string name;
  std::string spool_directory;               // of all stores
  int64_t segment_bytes = 1'000'000'000;     // size of one spool segment
  bool compress = true;                      // databus.collector.compress
  int64_t disk_reserve_bytes = 268'435'456;  // databus.collector.disk_reserve_bytes
  int64_t frame_bytes_max = 67'108'864;      // databus.collector.frame_bytes_max
  int64_t message_bytes_max = 16'777'216;    // databus.collector.message_bytes_max
  int connections_max = 10'000;              // databus.collector.connections_max
  int http_port = 0;                         // databus.http_port; 0: off
  std::optional<IpBlocks> allow;             // databus.collector.allow; nothing: everyone
  std::string advertised_host;               // databus.collector.advertised_host; empty: the host's
  std::vector<StoreSpec> stores;             // at least one

  // The store that takes `stream`: by exact name, else the shortest prefix that fits, else the
  // default store. Null: none, the entry is to be rejected.
  const StoreSpec* FindStore(std::string_view stream) const;
};

// All problems at once, one line each: "FILE:LINE: KEY: found FOUND, expected EXPECTED".
Result<CollectorConfig> ParseScribeConf(std::string_view text, const std::string& file);

// Every key that scribe.conf may hold, in the order of the documentation.
std::span<const SettingSpec> CollectorSettings();

// docs/settings.md: every setting of every program.
std::string RenderSettingsPage();

}  // namespace databus
