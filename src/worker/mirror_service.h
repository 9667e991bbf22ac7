// A mirror: copies the merged streams of other clusters' primaries into `streams`, path for path
// (G6), minute after minute: the next one begins only when the primary's is closed and this one
// equals it (P16). The queue is a hint that says where to look first; the manifests are the truth.
// After a change of primary the minutes are compared first (worker/divergence.h).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/topology.h"
#include "commit/minute_content.h"
#include "worker/clusters.h"
#include "worker/copier.h"
#include "worker/divergence.h"
#include "worker/make_way.h"
#include "worker/queue.h"
#include "worker/run_stats.h"
#include "worker/writers.h"

namespace databus {

// One thread at a time.
class MirrorService {
 public:
  struct Options {
    const Topology& topology;
    std::string cluster;
    Clusters& clusters;
    const Clock& clock;
    Writers& writers;  // of View::kMerged
    EraBook& eras;
    ProblemBoard& problems;
    RunStats& stats;
    uint64_t topology_epoch = 0;  // the one that the services obey
    int copy_threads = 4;
  };
  explicit MirrorService(Options options);

  // Copies what every primary that answers has more. A primary that is away delays only its own
  // streams.
  void RunOnce();

 private:
  // One primary and one group of its streams.
  struct Flow {
    const std::string& primary;
    Group group;
    Storage& source;
    QueueReader& queue;
    std::vector<std::string> streams;  // of this group and primary, mirrored here
  };
  Status MirrorGroup(GroupWriter& writer, const Flow& flow);
  // One minute, which may be open still. False: there is nothing more to be done in this run.
  Result<bool> MirrorMinute(GroupWriter& writer, const Flow& flow);
  // The next one; nothing: there is none. `manifest`: as it was closed at the primary.
  struct Next {
    std::optional<Minute> minute{};
    std::optional<Manifest> manifest{};
  };
  Result<Next> FindNext(GroupWriter& writer, const Flow& flow);
  static Divergence::Streams StreamsOf(const Flow& flow) {
    return {flow.primary, flow.group, flow.source, flow.streams};
  }
  // Has those streams of `manifest` compared that have a hole here before its minute: they were
  // frozen, or are mirrored only since; or whose minute before was closed here without them. True:
  // there is nothing to be done about any.
  Result<bool> IsWithoutHoles(GroupWriter& writer, const Flow& flow, const Manifest& manifest);
  // Whether the stream was left out when its newest minute here was closed, as it waited at its
  // primary: then the primary has described that minute since, and may hold more.
  Result<bool> WasLeftOut(MinuteContent& here, const std::string& stream, Minute newest);
  void ForgetOtherEpochs(GroupWriter& writer, const Flow& flow);
  void NoteLeftOut(GroupWriter& writer, const Flow& flow, const Manifest& manifest);
  Status DoubtFrozen(GroupWriter& writer, const Flow& flow);
  // What the manifests of a group say, here and at the primary.
  struct Described {
    const Ledger& ledger;
    MinuteContent& here;
    MinuteContent& there;
  };
  Result<bool> IsFrozenHere(const Flow& flow, const Described& described,
                            const std::string& stream);
  // Takes what the copy of a closed minute has too much into quarantine, as P32 has it.
  static Status SetAsideSurplus(GroupWriter& writer, const Manifest& manifest);
  // Whether the stream may lack something before this minute: there is a gap, it was left out of
  // its newest minute, or it has none here though others have.
  struct Beginning {
    const std::string& stream;
    Minute minute;
  };
  Result<bool> HasHoleBefore(GroupWriter& writer, MinuteContent& here, const Flow& flow,
                             const Beginning& begins);
  // Has the stream compared. False: for this minute it was already.
  bool DoubtOnce(const std::string& stream, Minute minute);
  // The minute to work on: the open one, or the primary's oldest. Nothing: it has none.
  Result<std::optional<Minute>> OpenMinute(GroupWriter& writer, const Flow& flow);
  // What the primary's minute holds, once it is closed there. Nothing: it is open.
  Result<std::optional<Manifest>> ClosedMinute(GroupWriter& writer, const Flow& flow,
                                               Minute minute);
  Result<std::optional<Manifest>> ClosedByListing(GroupWriter& writer, const Flow& flow,
                                                  Minute minute);
  // What `manifest` names of `minute`, or the queue if it is open, and is not here: not at all, or
  // not with the bytes that the manifest says. By stream.
  using MissingFiles = std::map<std::string, WantedFiles>;
  Result<MissingFiles> Missing(GroupWriter& writer, const Flow& flow, Minute minute,
                               const Manifest* manifest);
  // Leaves of `missing` what there is room for (worker/make_way.h).
  Status MakeWayForAll(GroupWriter& writer, const Flow& flow, Minute minute, MissingFiles& missing);
  // The stream is left alone for a while; the others go on.
  std::string BlockedTopic(const std::string& stream) const;
  void Block(const std::string& stream, const std::string& why);
  // Copies and publishes them.
  Status CopyMinute(GroupWriter& writer, const Flow& flow, Minute minute, const Manifest* manifest);
  // Whether the stream waits from now on, as its minute cannot be read at the primary (0014).
  bool LeavesOut(GroupWriter& writer, const Flow& flow, const std::string& stream, Minute minute,
                 const Status& copied);
  Status PublishMinute(GroupWriter& writer, const Flow& flow, Minute minute, CommitRequest request);
  // A line of the queue: its file is still to be copied, is here, or is gone at the primary.
  enum class Line : uint8_t { kDue, kDone, kGone };
  Result<Line> Judge(GroupWriter& writer, const Flow& flow, const paths::MinutePath& line,
                     MinuteContent& here);
  // A line of a stream that is published here. It is from before that, or by a later topology that
  // its primary obeys already: then it is wanted still.
  Line JudgeOwn(const Flow& flow, std::optional<bool>& newest_is_obeyed) const;
  bool IsOwn(const std::string& stream) const;
  Status CleanQueue(GroupWriter& writer, const Flow& flow, const std::set<std::string>& waiting);
  void Tell(const Flow& flow, const std::vector<std::string>& gone,
            const std::map<std::string, std::string>& strangers);

  const Options options_;
  // Minutes that were found open at the primary; whether they are ones of the original system is
  // looked up again only from time to time.
  struct SeenOpen {
    Minute minute;
    BootTime until;
  };
  std::map<std::pair<std::string, Group>, SeenOpen> seen_open_;
  std::map<std::string, BootTime> blocked_;   // by stream: until when
  std::map<std::string, Minute> doubted_at_;  // by stream: the minute before which it had a hole
  std::set<std::string> left_out_;            // streams whose newest minute was closed without them
  std::set<std::string> not_left_out_;        // those of which that is known in this epoch
  std::map<std::string, BootTime> ask_frozen_;  // frozen streams: not before
  std::map<std::pair<std::string, Group>, uint64_t>
      epochs_;  // of the writers, by primary and group
  // Minutes here that lack what a line of the queue names, and were compared again.
  std::set<std::pair<std::string, Minute>> doubted_lines_;
  Divergence divergence_;
  std::map<std::string, QueueReader> queues_;                                 // by primary
  std::map<std::string, std::map<Group, std::vector<std::string>>> streams_;  // by primary
};

}  // namespace databus
