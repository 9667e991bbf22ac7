// What no queue names (P34): after a change of primary the set difference between what the clusters
// have published locally, or have set aside as divergent, and what the merged view here holds. A
// queue line may be gone because the primary before this one had merged its file.
//
// A pass looks through the manifests of every cluster that answers, from where the last one ended:
// so it costs what is new, and a file is missed only until its minute is closed and looked at. The
// first pass of a process, and one after a cluster has come back, reads open minutes as well.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/identity_index.h"
#include "cluster/topology.h"
#include "telemetry/problems.h"
#include "worker/clusters.h"
#include "worker/eras.h"

namespace databus {

// One thread at a time.
class Salvage {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    Clusters& clusters;
    const Clock& clock;
    EraBook& eras;
    ProblemBoard& problems;
    Group groups = kGroupsDefault;
    int retention_limit_percent = 200;
  };
  explicit Salvage(Options options);

  // Begins passes where they are due: at first, when a cluster has come back, every ten minutes.
  void BeginRun();
  // The groups that have a pass under way.
  std::set<Group> DueGroups() const;

  // A file that the merged view here does not hold.
  struct File {
    std::string source;
    std::string path;  // at the source
    std::string stream;
    std::string name;
  };
  struct Batch {
    std::vector<File> files;
    std::map<std::string, Minute> reached;  // by source: its closed minutes are looked through
    std::set<std::string> ended;            // sources of which nothing is left in this pass
    std::map<std::string, std::set<std::string>> divergent;  // paths looked at, by source
  };
  // The next part of the group's pass: about `files_max` files at most. A source that does not
  // answer has ended.
  Result<Batch> Next(GroupWriter& writer, const IdentityIndex& index, size_t files_max);
  // Its files are published, or in quarantine; but those of `failed` sources are not, which are
  // looked through again in the next pass. Remembers in the tree how far it came.
  Status Settle(GroupWriter& writer, const Batch& batch, std::set<std::string> failed);

 private:
  enum class OpenMinutes : uint8_t { kLeave, kRead };
  struct Pass {
    std::set<std::string> left;  // sources
    OpenMinutes open = OpenMinutes::kLeave;
  };
  struct Look {
    Group group;
    const std::string& source;
    Storage& storage;
    const IdentityIndex& index;
    size_t files_max;
    OpenMinutes open;
  };
  uint32_t DigestOf(Group group) const;
  // The first minute to be looked at. P19: not behind what the index knows for certain.
  Result<Minute> FirstMinute(GroupWriter& writer, const std::string& source) const;
  Status LookThrough(const Look& look, Minute first, Batch& batch);
  Status LookAtClosed(const Look& look, Minute minute, Batch& batch) const;
  Status LookAtOpen(const Look& look, Minute first, Batch& batch) const;
  Status LookAtDivergent(const Look& look, Batch& batch) const;
  Status LookAtDivergentMinute(const Look& look, const std::string& stream, const std::string& dir,
                               Batch& batch) const;
  Status LookAtDirectory(const Look& look, const std::string& stream, const std::string& dir,
                         Batch& batch) const;

  const Options options_;
  std::map<Group, std::vector<const StreamSpec*>> streams_;  // those that were another cluster's
  std::map<Group, Pass> passes_;
  std::set<std::string> answered_;                               // at the last run
  std::optional<BootTime> begun_;                                // the last passes
  std::map<std::string, std::set<std::string>> divergent_seen_;  // paths, by source
};

}  // namespace databus
