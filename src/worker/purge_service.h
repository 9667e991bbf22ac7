// Retention (P26): removes old hours, but only when no configured downstream still needs them (G9),
// old trash, and manifests that nobody can need any more.
#pragma once

#include <map>
#include <string>

#include "audit/identity_index.h"
#include "cluster/topology.h"
#include "worker/clusters.h"
#include "worker/writers.h"

namespace databus {

// What to do past the hard limit with what a downstream still needs.
enum class LimitAction : uint8_t { kKeep, kDrop };

// One thread at a time: run it with the loop that owns the writers.
class PurgeService {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    Clusters& clusters;
    const Clock& clock;
    Writers& writers;
    ProblemBoard& problems;
    LimitAction limit_action = LimitAction::kKeep;
    int limit_percent = 200;  // of the retention
  };
  explicit PurgeService(Options options) : options_(std::move(options)) {}

  // Removes what is due in the view of the writers; for the local view also trash.
  void RunOnce();

 private:
  struct Due {
    std::string stream;
    Minute hour;
    bool past_limit;
  };
  std::chrono::hours RetentionOf(const std::string& stream) const;
  Result<std::vector<Due>> FindDue(const std::string& stream);
  void PurgeStream(const std::string& stream);
  // Ok: nobody needs it any more. kRefused: somebody does, the message says who. Others: unknown.
  Status MayGo(const Due& due);
  Status LocalMayGo(const Due& due, const StreamSpec& stream);
  Status MergedMayGo(const Due& due, const StreamSpec& stream);
  Result<MinuteFiles> FilesOfHour(const Due& due);
  // Whether a cluster's merged view holds all of `files`, published in `from` or later.
  Status HeldAt(const std::string& cluster, const Due& due, const MinuteFiles& files,
                const StreamSpec& stream);
  void PurgeTrash();
  void PurgeManifests();

  const Options options_;
  // What a cluster's manifests of a group hold, from the minute `from`; of one run.
  struct Holdings {
    Minute from;
    IdentityIndex index;
  };
  std::map<std::tuple<std::string, Group, std::string>, Holdings> holdings_;
};

}  // namespace databus
