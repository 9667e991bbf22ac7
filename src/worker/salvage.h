// What no queue names (P34): after a change of primary the set difference between what the clusters
// have published locally, or have set aside as divergent, and what the merged view here holds. A
// queue line may be gone because the primary before this one had merged its file.
//
// A pass looks through the manifests of every cluster that answers, from where the last one ended:
// so it costs what is new, and a file is missed only until its minute is closed and looked at. The
// first pass of a process, and one after a cluster has come back, reads open minutes as well. What
// is divergent goes away when it is merged (worker/purge_divergent.cc), and is read once by then.
//
// A file that cannot be fetched is remembered in the tree, told of, and tried again in every pass;
// the others go on. A stream that may not be published now is left where it is, and gone on with
// when it may; the others of its group do not wait for it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/identity_index.h"
#include "cluster/topology.h"
#include "telemetry/problems.h"
#include "worker/clusters.h"
#include "worker/era_book.h"
#include "worker/run_stats.h"

namespace databus {

// So often everything is looked through anew.
inline constexpr std::chrono::minutes kSalvagePassInterval{10};

// For Salvaged::of: names the era in which a stream is looked for. REQUIRES: it has a cut.
uint32_t SalvageDigest(const StreamSpec& stream);

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
    RunStats& stats;
    Group groups = kGroupsDefault;
    int retention_limit_percent = 200;
  };
  // What is true still when another topology is obeyed: when the passes began, which clusters
  // answered, and what was read of divergent minutes.
  struct Learnt {
    std::optional<BootTime> begun;
    std::set<std::string> answered;
    std::map<Group, uint32_t> of;  // a checksum over the eras of the group's streams
    std::map<std::pair<std::string, Group>, std::set<std::string>> divergent_seen;  // paths
  };
  explicit Salvage(Options options, Learnt learnt = {});

  // Begins passes where they are due: at first, when a cluster has come back, every ten minutes; of
  // a source that could not be looked through to the end, half a minute later.
  void BeginRun();
  // The groups that have a pass under way.
  std::set<Group> DueGroups() const;

  // A file that the merged view here does not hold.
  struct File {
    std::string path;  // at the source
    std::string stream;
    std::string name;
  };
  struct Missed {
    File file;
    Status why;
  };
  // What was found at one source.
  struct Batch {
    std::string source;  // empty: there was none to be looked at
    std::vector<File> files;
    std::vector<Missed> missed;        // of what could not even be read
    std::vector<std::string> streams;  // those looked through
    std::optional<Minute> reached;     // their closed minutes are looked through up to this one
    std::vector<std::string> retried;  // paths of those among `files` that were missed before
    size_t divergent_dirs = 0;         // looked through
    std::vector<std::string> divergent_paths;
    std::set<std::string> ended;    // sources of which nothing is left in this pass
    std::set<std::string> put_off;  // those that are tried again soon
  };
  // The next part of the group's pass, without the streams that wait: about `files_max` files at
  // most. A source that does not answer has ended.
  Result<Batch> Next(GroupWriter& writer, const IdentityIndex& index,
                     const std::set<std::string>& waiting, size_t files_max);
  // Its files are published, or in quarantine, or gone; but those of `missed` are not. Remembers in
  // the tree how far it came, and what was missed.
  Status Settle(GroupWriter& writer, const Batch& batch, std::vector<Missed> missed);

  Learnt TakeLearnt();

 private:
  enum class OpenMinutes : uint8_t { kLeave, kRead };
  using Dir = std::pair<std::string, std::string>;  // stream, path
  struct Pass {
    std::set<std::string> left;  // sources
    OpenMinutes open = OpenMinutes::kLeave;
    std::set<std::string> retried;                     // sources
    std::map<std::string, std::deque<Dir>> divergent;  // by source: what is left of them
  };
  struct PutOff {
    BootTime until;
    std::set<std::string> sources;
    OpenMinutes open = OpenMinutes::kLeave;
  };
  // Passes through what was put off, for as long as it has to be.
  void ResumePutOff(const std::set<std::string>& answering);
  struct Look {
    Group group;
    const std::string& source;
    Storage& storage;
    const IdentityIndex& index;
    std::vector<const StreamSpec*> streams;
    size_t files_max;
    OpenMinutes open;
  };
  uint32_t DigestOf(Group group) const;
  // Those that may be published: they are not waiting, and their era has begun here.
  Result<std::vector<const StreamSpec*>> StreamsOf(GroupWriter& writer,
                                                   const std::set<std::string>& waiting);
  // The first minute to be looked at. P19: not behind what the index knows for certain.
  Result<Minute> FirstMinute(GroupWriter& writer, const Look& look) const;
  Status LookThrough(GroupWriter& writer, const Look& look, Pass& pass, Batch& batch);
  Status AddMissedBefore(GroupWriter& writer, const Look& look, Batch& batch) const;
  Status LookAtClosed(const Look& look, Minute minute, OldestMinutes& oldest, Batch& batch) const;
  Status LookAtOpen(const Look& look, Minute first, Batch& batch) const;
  Result<std::deque<Dir>> ListDivergent(const Look& look);
  Status LookAtDivergent(const Look& look, const Dir& dir, Batch& batch) const;
  Status LookAtDirectory(const Look& look, const Dir& dir, Batch& batch) const;
  // Whether the merged view here holds what the file's header says that it is; no more is read.
  static bool IsKnown(const Look& look, const File& file);
  // Of a file of which only the path is known. Nothing when it is known, gone, or missed.
  Result<std::optional<FileFacts>> ReadOrMiss(const Look& look, const File& file,
                                              Batch& batch) const;
  // kNothing, kAway: too much of the source is missed, or it went away; nothing is remembered.
  enum class Remembered : uint8_t { kAll, kNothing, kAway };
  Result<Remembered> Remember(GroupWriter& writer, const Batch& batch,
                              const std::vector<Missed>& missed);
  void Tell(Group group, const std::string& source, const std::map<std::string, MissedFile>& left,
            const std::vector<Missed>& missed);

  const Options options_;
  std::map<Group, std::vector<const StreamSpec*>> streams_;  // those that were another cluster's
  std::map<Group, Pass> passes_;
  std::map<Group, PutOff> put_off_;
  Learnt learnt_;
};

}  // namespace databus
