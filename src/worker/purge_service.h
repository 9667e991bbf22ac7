// Retention (P26): removes old hours, but only when no configured downstream still needs them (G9),
// old trash, divergent minutes that are merged, and manifests that nobody can need any more.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "audit/identity_index.h"
#include "base/random.h"
#include "cluster/topology.h"
#include "commit/eras.h"
#include "worker/clusters.h"
#include "worker/era_book.h"
#include "worker/refusals.h"
#include "worker/writers.h"

namespace databus {

// What to do past the hard limit with what a downstream still needs.
enum class LimitAction : uint8_t { kKeep, kDrop };

// Manifests from this minute on are there: they outlive every view that they speak of (P19).
Minute OldestKeptManifest(const Topology& topology, int limit_percent, WallTime now);

// One thread at a time: run it with the loop that owns the writers.
class PurgeService {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    Clusters& clusters;
    const Clock& clock;
    Random& random;
    Writers& writers;
    ProblemBoard& problems;
    EraBook& eras;  // of the merged view; nothing is asked of it about the local one
    LimitAction limit_action = LimitAction::kKeep;
    int limit_percent = 200;             // of the retention
    std::chrono::milliseconds interval;  // from one RunOnce to the next
  };
  explicit PurgeService(Options options) : options_(std::move(options)) {}

  // Removes what is due in the view of the writers; for the local view also trash, for the merged
  // one what is divergent.
  void RunOnce();
  // A minute after something failed, that once more: at each run, so that a problem goes soon after
  // it was mended.
  void RetryFailed();
  // What failovers ended as while this cluster was away; RunOnce of the merged view does it too.
  void CopyJournals();

 private:
  struct Due {
    std::string stream;
    Minute hour;
    bool past_limit;
  };
  // Raises or clears the topic; `again` is what RetryFailed does about a failure.
  void Tell(const std::string& topic, const Status& status, std::function<void()> again);
  void Again(const std::string& topic, std::function<void()> again);
  std::chrono::hours RetentionOf(const std::string& stream) const;
  Result<std::vector<Due>> FindDue(const std::string& stream);
  // Whether it has a next minute here, some time.
  bool GoesOn(const std::string& stream) const;
  void PurgeStream(const std::string& stream);
  // True when the writer was asked to remove something, whatever came of it.
  bool PurgeDue(const std::string& topic, const std::string& stream, const std::vector<Due>& due);
  // What ends the writer is told by the writers, everything else is for the caller to tell.
  Status RemoveHour(const Due& due);
  // Out of what is past the limit and needed still.
  std::string WayOut(const std::string& stream) const;
  std::string WhenAgain() const;
  // Who still needs an hour, and why; empty: nobody. An error, whatever its code: unknown.
  using Need = std::string;
  Result<Need> WhoNeeds(const Due& due);
  Result<Need> WhoNeedsLocal(const Due& due, const StreamSpec& stream);
  Result<Need> WhoNeedsMerged(const Due& due, const StreamSpec& stream);
  Result<Need> WhoNeedsCopy(const StreamSpec& stream);
  // What this view holds of a stream's minute; empty when there is no such directory.
  Result<MinuteFiles> FilesOfMinute(const std::string& stream, Minute minute);
  // Whether a cluster's merged view holds all of `files`, published in the due hour or later.
  Result<Need> MissingAnywhere(const StreamSpec& stream, const Due& due, const MinuteFiles& files);
  Result<Need> MissingAt(const std::string& cluster, const StreamSpec& stream, const Due& due,
                         const MinuteFiles& files);
  // Whether a mirror's minute is byte for byte as here.
  Result<bool> IsMirrored(Storage& mirror, const std::string& stream, Minute minute,
                          const MinuteFiles& files);
  // All of it: what failed is tried again together, however much it was.
  void PurgeDivergent();
  enum class Ended : uint8_t { kWell, kToBeTriedAgain };
  Ended PurgeDivergent(const std::string& era, const StreamSpec& stream, const std::string& topic);
  // What is past the limit and stays; empty: nothing.
  Result<Need> PurgeDivergentStream(GroupWriter& writer, const std::string& era,
                                    const StreamSpec& stream);
  Result<Need> PurgeDivergentMinute(Storage& own, const std::string& era, const StreamSpec& stream,
                                    Minute minute);
  void PurgeTrash();
  // True when nothing is left of it.
  bool PurgeTrashHour(Storage& own, const std::string& path);
  void PurgeManifests();
  void PurgeOfNoGroup(Storage& own);
  void PurgeOldBeats(Storage& own);
  // Epochs and journals of failovers.
  void PurgeOldHistory();
  // Of the clusters that answer, the own one first; none: that one does not.
  std::vector<Storage*> Trees() const;

  const Options options_;
  // What a cluster's manifests of a group hold, from the minute `from`; of one run.
  struct Holdings {
    Minute from;
    IdentityIndex index;
  };
  using HoldingsKey = std::pair<std::string, Group>;  // cluster, group
  Result<const Holdings*> HoldingsOf(Storage& storage, const HoldingsKey& key, Minute hour);
  std::map<HoldingsKey, Holdings> holdings_;
  // What clusters say of their eras; of one run.
  std::map<HoldingsKey, Eras> eras_;
  Result<const Eras*> ErasOf(Storage& storage, const std::string& cluster, Group group);
  std::map<std::string, std::function<void()>> again_;  // by topic
  RefusedPause failed_;                                 // of the last of them
  std::set<std::string> told_divergent_;                // topics of the last look
};

}  // namespace databus
