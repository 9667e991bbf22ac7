// A mirror after a change of its streams' primary (P32), the former primary included: compares what
// it has with what the present primary has, over the range that both retain, sets aside what it has
// too much, the newest first, and fetches what it lacks, the oldest first, without any queue. Then
// ordinary mirroring goes on.
//
// Which change a stream has been brought through is remembered in the tree (worker/eras.h), so that
// all this costs nothing when there is none. Killed at any point it begins again, and finds done
// what was done.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/topology.h"
#include "commit/group_writer.h"
#include "telemetry/problems.h"
#include "worker/comparison.h"
#include "worker/eras.h"
#include "worker/run_stats.h"

namespace databus {

// One thread at a time.
class Divergence {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    EraBook& eras;
    const Clock& clock;
    ProblemBoard& problems;
    RunStats& stats;
    int copy_threads = 1;
  };
  explicit Divergence(Options options) : options_(std::move(options)) {}

  // Streams of one group that are mirrored from one primary.
  struct Streams {
    const std::string& primary;
    Group group;
    Storage& source;
    const std::vector<std::string>& names;
  };
  enum class Progress : uint8_t { kDone, kUnderWay };

  // Does the next part of what is to be done, if anything. kDone: up to the newest minute that is
  // closed here as a copy, the streams are as at the primary; ordinary mirroring may go on.
  Result<Progress> Run(GroupWriter& writer, const Streams& of);

  // The stream is compared once more, whatever is remembered: minutes are missing here that were
  // closed without it, or are gone at the primary.
  void Doubt(const std::string& stream) { doubted_.insert(stream); }

 private:
  using Place = std::pair<Minute, std::string>;  // of a stream
  struct Plan {
    uint64_t epoch = 0;  // of the writer
    std::map<std::string, Compared> streams;
    // All will be as at the primary up to this minute; what is later here goes. Nothing: all goes.
    std::optional<Minute> last;
    std::set<Place> surplus;  // minutes here that may hold too much
    std::set<Place> missing;  // minutes up to `last` that lack something
  };
  enum class Reason : uint8_t { kNewEra, kDoubt };
  using Due = std::map<std::string, Reason>;  // by stream
  Result<Due> FindDue(GroupWriter& writer, const Streams& of);
  // Whether the primary has begun the eras of these streams; until then it may still change.
  Result<bool> HasBegun(const Streams& of, const Due& due);
  Result<Plan> MakePlan(GroupWriter& writer, const Streams& of, const Due& due);
  // Whether the primary has closed the minute after which copies are to go on.
  Result<bool> IsClosedThere(const Streams& of, const Plan& plan);
  void Tell(const Streams& of, const Plan& plan);
  // Up to so many minutes of the plan, which lose them.
  Status SetAside(GroupWriter& writer, const Streams& of, Plan& plan);
  Status SetAsideMinute(GroupWriter& writer, const Streams& of, const Plan& plan,
                        const Place& place);
  static Status PurgeOlder(GroupWriter& writer, const Plan& plan);
  Status Fetch(GroupWriter& writer, const Streams& of, Plan& plan);
  Status FetchMinute(GroupWriter& writer, const Streams& of, const Place& place);
  Status Finish(GroupWriter& writer, const Streams& of, const Plan& plan);
  void Notice(const std::string& stream, const std::string& what, const std::string& next);
  void ClearNotice(const std::string& stream);

  const Options options_;
  std::set<std::string> doubted_;
  std::map<std::pair<std::string, Group>, Plan> plans_;  // by primary and group
};

}  // namespace databus
