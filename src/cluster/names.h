// The names of files and who may have which name. Built and parsed only here and in
// cluster/paths.h.
//
// A file is recognised by its known stream and the date pattern from the right, never by splitting
// on '-', which host and stream names may hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/minute.h"
#include "base/status.h"

namespace databus {

// Names of streams, collectors and clusters: letters, digits, '.', '_', '-'; 1 to kNameBytesMax
// bytes; no leading '.'. So they are one path component everywhere and need no escaping. kInvalid
// says which rule was broken.
inline constexpr size_t kNameBytesMax = 100;
Status ValidateStreamName(std::string_view name);
Status ValidateCollectorName(std::string_view name);
Status ValidateClusterName(std::string_view name);

// `<stream>-YYYY-MM-DD-HH-MM_NNNNN[.gz]` below data/<stream>/<collector>/.
struct DataFileName {
  std::string stream;
  Minute minute;          // when it was sealed
  uint64_t sequence = 0;  // at least five digits when written; any number of digits when read
  bool gzip = false;

  std::string ToString() const;
  // Nothing when `text` is not exactly such a name of `stream`.
  static std::optional<DataFileName> Parse(std::string_view stream, std::string_view text);
  // The same of whatever stream, by the pattern from the right.
  static std::optional<DataFileName> ParseAny(std::string_view text);
  friend bool operator==(const DataFileName&, const DataFileName&) = default;
};

// `<collector>-<stream>-YYYY-MM-DD-HH-MM_NNNNN.gz` in a minute directory of streams_local or
// streams.
struct PublishedFileName {
  std::string collector;
  DataFileName data;  // data.gzip is always true

  std::string ToString() const;
  static std::optional<PublishedFileName> Parse(std::string_view stream, std::string_view text);
  friend bool operator==(const PublishedFileName&, const PublishedFileName&) = default;
};
// What a file in data/ is called when it is published, also one that is compressed for that. What
// has no name of ours gets one that tells it apart.
std::string NameOncePublished(const std::string& collector, const std::string& data_name);

// What a collector is called in system/status/: `collector-<name>` in the tree of its own cluster,
// `collector-<name>@<cluster>` in the trees of others.
struct CollectorProcessName {
  std::string collector;
  std::string cluster{};  // empty: in the tree of its own

  std::string ToString() const;
  // The cluster that it is of, when its heartbeat lies in this one's tree.
  const std::string& Home(const std::string& tree) const {
    return cluster.empty() ? tree : cluster;
  }
  static std::optional<CollectorProcessName> Parse(std::string_view text);
  friend bool operator==(const CollectorProcessName&, const CollectorProcessName&) = default;
};

// What workers are called in system/status/ of their cluster. The one that holds the lease, or
// group 0 where the groups are spread: "worker-dc1", whichever process that is. Others have names
// of their own: "worker-dc1-standby-h2-812", and "worker-dc1-share-h2-812" for one that works on
// some groups.
enum class WorkerPart : uint8_t { kLeads, kShares, kStandsBy };
std::string WorkerProcessName(std::string_view cluster, WorkerPart part, std::string_view host,
                              int64_t pid);
// Whether a worker of any cluster is called so.
bool IsWorkerProcess(std::string_view name);
// Whether it is the name of the only process that will ever have it.
bool IsOfOneWorkerProcess(std::string_view cluster, std::string_view name);

// Names in data/ that are no data: `*_current`, `scribe_stats` (any case), and names with a leading
// '.' or '_' (a file somebody is still writing).
bool IsIgnoredDataName(std::string_view name);

// Any bytes as one printable word and back: everything but letters, digits and "._-/:+=@," becomes
// %XX (upper case). For durable text formats and for messages about hostile names.
std::string EscapeWord(std::string_view bytes);
std::optional<std::string> UnescapeWord(std::string_view word);

}  // namespace databus
