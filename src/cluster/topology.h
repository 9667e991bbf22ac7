// The installation: streams, roles, clusters. From `databus.xml` in the form of 2012, unchanged.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/minute.h"
#include "base/status.h"

namespace databus {

// A cluster's URL (file:///DIRECTORY, hdfs://HOST:PORT, ...) without trailing slashes; nothing when
// `url` is none.
std::optional<std::string> ParseClusterUrl(std::string_view url);

struct ClusterSpec {
  std::string name;
  std::string url;              // hdfsurl: file:///dir (hdfs:// and others: later)
  std::string root_dir;         // without surrounding '/'
  std::string job_tracker_url;  // jturl and jobqueuename: accepted, not used
  std::string job_queue;
  // url + "/" + root_dir: the prefix of queue lines, as the original wrote it.
  std::string RootUrl() const;
};

struct SourceSpec {
  std::string cluster;
  std::chrono::hours retention{};
};

enum class Role : uint8_t { kPrimary, kMirror };

struct DestinationSpec {
  std::string cluster;
  Role role = Role::kMirror;
  std::chrono::hours retention{};
};

// Whether the primary may publish merged minutes of a stream.
enum class Publication : uint8_t {
  kOpen,
  kFrozen,  // P30: it closes the minute it is in, says so, and begins no other
};

// P28: what a stream's primary does that is cut off from the other clusters.
enum class WhenAlone : uint8_t {
  kContinue,  // it goes on; what diverged is set aside and salvaged later
  kWait,  // it publishes merged minutes only while it has lately read a majority of the clusters
};
// How long a primary may not have read them. It is waited out, and the drift of clocks, before such
// a stream gets another primary.
inline constexpr std::chrono::seconds kAloneAfter{30};

struct StreamSpec {
  std::string name;
  std::vector<SourceSpec> sources;
  std::vector<DestinationSpec> destinations;
  // An attribute of ours: <stream name="clicks" whenalone="wait">, or "continue".
  WhenAlone when_alone = WhenAlone::kContinue;
  // What only a stored topology says (cluster/topology_epoch.h); databus.xml has none of it.
  Publication publication = Publication::kOpen;
  // P13, P30: the last minute that the primary before this one published. Nothing: there was none.
  std::optional<Minute> cut{};
  // P27: the epoch that settled a conflict of which the other side had another primary, or cut. All
  // that any cluster has is compared anew since. 0: there was none.
  uint64_t settled = 0;

  // Exactly one destination is primary (validated).
  const std::string& Primary() const;
  std::vector<std::string> Mirrors() const;
  bool HasSource(std::string_view cluster) const;
  std::optional<Role> RoleOf(std::string_view cluster) const;
};

// Where streams stand in a list, by name. A hint: the list may have changed since.
class StreamPlaces {
 public:
  StreamPlaces() = default;  // of an empty list
  explicit StreamPlaces(const std::vector<StreamSpec>& streams);
  std::optional<size_t> Find(std::string_view name) const;

 private:
  using Places = std::map<std::string, size_t, std::less<>>;
  std::shared_ptr<const Places> places_ = std::make_shared<const Places>();  // cheap to copy
};

struct Topology {
  std::string file;  // where it was read from, for messages
  std::vector<ClusterSpec> clusters;
  std::vector<StreamSpec> streams;
  std::string default_root_dir;  // without surrounding '/'
  std::chrono::hours default_retention{48};
  std::chrono::hours trash_retention{24};
  // So that FindStream need not look through them all. As the topology was read; who changes
  // `streams` need not care.
  StreamPlaces places{};

  const ClusterSpec* FindCluster(std::string_view name) const;
  const StreamSpec* FindStream(std::string_view name) const;
  StreamSpec* FindStream(std::string_view name);
  // How long `cluster` keeps the stream in streams_local (its source retention) and in streams (its
  // destination retention); the default for streams that are not configured. Of a configured stream
  // a cluster that is no destination keeps what it has as long as any destination, the default at
  // least.
  std::chrono::hours LocalRetention(std::string_view cluster, std::string_view stream) const;
  std::chrono::hours MergedRetention(std::string_view cluster, std::string_view stream) const;
};

// kInvalid: the message has one line per problem, all of them at once, each
// "FILE:LINE: KEY: found FOUND, expected EXPECTED".
Result<Topology> ParseTopology(std::string_view xml, const std::string& file);

}  // namespace databus
