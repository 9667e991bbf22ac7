// A mirror after a change of its streams' primary (P32), the former primary included: compares what
// it has with what the present primary has, over the range that both retain, sets aside what it has
// too much, the newest first, and fetches what it lacks, the oldest first, without any queue. Then
// ordinary mirroring goes on.
//
// Which change a stream has been brought through is remembered in the tree (worker/era_book.h), so
// that all this costs nothing when there is none. Killed at any point it begins again, and finds
// done what was done.
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
#include "worker/clusters.h"
#include "worker/comparison.h"
#include "worker/era_book.h"
#include "worker/run_stats.h"
#include "worker/unread_streams.h"

namespace databus {

// One thread at a time.
class Divergence {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    Clusters& clusters;
    EraBook& eras;
    const Clock& clock;
    ProblemBoard& problems;
    RunStats& stats;
    int copy_threads = 1;
  };
  explicit Divergence(Options options)
      : options_(std::move(options)),
        unread_(options_.cluster, options_.clock, options_.problems) {}

  // Streams of one group that are mirrored from one primary.
  struct Streams {
    const std::string& primary;
    Group group;
    Storage& source;
    const std::vector<std::string>& names;
  };
  enum class Progress : uint8_t { kDone, kUnderWay };
  struct Outcome {
    Progress progress = Progress::kDone;
    // Streams that the primary has not begun to publish, or of which something cannot be read; they
    // are left as they are.
    std::set<std::string> waiting;
  };

  // Does the next part of what is to be done, if anything. kDone: up to the newest minute that is
  // closed here as a copy, the streams but those that wait are as at the primary; ordinary
  // mirroring of them may go on.
  //   kUnavailable  also when the primary's cluster went away in the middle: nothing is concluded
  Result<Outcome> Run(GroupWriter& writer, const Streams& of);

  // The stream is compared once more, whatever is remembered: minutes are missing here that were
  // closed without it, or are gone at the primary.
  void Doubt(const std::string& stream) { doubted_.insert(stream); }
  // Whether it is still to be compared for that.
  bool Doubts(const std::string& stream) const { return doubted_.contains(stream); }
  // After a look at what the stream has, here or at its primary (UnreadStreams::Note). False: it
  // cannot be read; the stream waits from now on, and is compared when it can be.
  Result<bool> IsRead(GroupWriter& writer, const Streams& of, const std::string& stream,
                      std::optional<Minute> minute, const Status& looked);
  // Whether one of them waits so, beside `waiting`.
  bool LeavesOut(const std::vector<std::string>& streams,
                 const std::set<std::string>& waiting) const;

 private:
  using Places = std::map<Minute, std::set<std::string>>;  // streams
  struct Left {
    size_t surplus = 0;
    size_t missing = 0;
  };
  struct Plan {
    uint64_t epoch = 0;  // of the writer
    std::map<std::string, Compared> streams;
    // All will be as at the primary up to this minute; what is later here goes. Nothing: all goes.
    std::optional<Minute> last;
    Places surplus;                    // minutes here that may hold too much
    Places leading;                    // those of them before minutes that stay
    Places missing;                    // minutes up to `last` that lack something
    Places undescribed;                // equal minutes up to `last` that no manifest here names
    std::map<std::string, Left> left;  // minutes of the first two, by stream
  };
  // What a run has read of the two clusters.
  struct Sides {
    MinuteContent here;
    MinuteContent there;
  };
  // Up to a plan.
  struct Comparing {
    uint64_t epoch = 0;  // of the writer
    // The first minute here that any manifest describes; nothing: there is none.
    std::optional<Minute> described{};
    std::optional<Minute> described_there{};  // the same at the primary
    Comparison::Cuts streams{};
    Comparison comparison{};
  };
  enum class Reason : uint8_t { kNewEra, kDoubt };
  using Due = std::map<std::string, Reason>;  // by stream
  Result<Due> FindDue(GroupWriter& writer, const Streams& of);
  // Takes out of `due` the streams whose era the primary has not begun, as it may still change
  // until then; and those that cannot be read.
  Result<std::set<std::string>> TakeWaiting(GroupWriter& writer, const Streams& of, Due& due);
  static UnreadStreams::Sides SidesOf(const std::string& cluster, GroupWriter& writer,
                                      const Streams& of);
  // P1: nothing is absent from a cluster that went away in the middle, or another in its place.
  Status CheckThere(const Streams& of);
  // Compares `due`, and what has to be compared with them, without those that wait. Nothing: one
  // cannot be read (LeavesOut); or there is more to compare than one run may, or the primary has
  // not closed all of it, and the next goes on.
  Result<std::optional<Plan>> Prepare(GroupWriter& writer, const Streams& of, const Due& due,
                                      const std::set<std::string>& waiting);
  Result<std::optional<Plan>> Compare(GroupWriter& writer, const Streams& of, const Due& due,
                                      const std::set<std::string>& waiting);
  enum class IsNew : uint8_t { kNo, kYes };  // the era
  Comparison::Bounds BoundsOf(const std::string& stream, IsNew is_new,
                              const Comparing& state) const;
  static void FillPlan(const Due& due, Plan& plan);
  void TellProgress(const Streams& of, const Due& due, const Comparison& comparison);
  // Whether the primary has closed the minute after which copies are to go on.
  Result<bool> IsClosedThere(const Streams& of, const Plan& plan);
  void Tell(const Streams& of, const Plan& plan);
  static bool IsBeforeWhatStays(const Plan& plan, const Compared& compared, Minute minute);
  // Does the next part of the plan. kWithout: a stream of it cannot be read and waits from now on,
  // and the others need another one.
  enum class Went : uint8_t { kOn, kToTheEnd, kWithout };
  Result<Went> CarryOut(GroupWriter& writer, const Streams& of, Plan& plan);
  // Up to so many minutes of the plan, which loses them. A minute is one commit, whatever the
  // number of its streams.
  Result<Went> SetAside(GroupWriter& writer, const Streams& of, Sides& sides, Plan& plan);
  Result<Went> SetAsideMinute(GroupWriter& writer, const Streams& of, Sides& sides,
                              const Plan& plan, const Places::value_type& place);
  static Status PurgeOlder(GroupWriter& writer, const Plan& plan);
  Result<Went> Fetch(GroupWriter& writer, const Streams& of, Sides& sides, Plan& plan);
  Result<Went> FetchMinute(GroupWriter& writer, const Streams& of, Sides& sides,
                           const Places::value_type& place);
  static Result<MinuteFiles> Present(GroupWriter& writer, Sides& sides, const std::string& name,
                                     Minute minute);
  // What has to be done about the stream's minute; nothing: the primary has purged it meanwhile.
  Result<std::optional<MinuteChange::OfStream>> FetchStream(GroupWriter& writer, const Streams& of,
                                                            Sides& sides, const std::string& name,
                                                            Minute minute);
  Result<Went> Finish(GroupWriter& writer, const Streams& of, Sides& sides, const Plan& plan);
  void ForgetSettled(const Streams& of, const Due& due, const std::set<std::string>& waiting);
  void Say(const std::string& stream, const std::string& what);
  void Notice(const std::string& stream, const std::string& what, const std::string& next);
  void ClearNotice(const std::string& stream);

  const Options options_;
  UnreadStreams unread_;
  std::set<std::string> doubted_;
  std::set<std::string> said_;  // streams of which it is told that they are being put right
  using Key = std::pair<std::string, Group>;  // of the primary
  std::map<Key, Comparing> comparing_;        // what is under way
  std::map<Key, Plan> plans_;
};

}  // namespace databus
