// The durable spool of a collector: what was acknowledged lies here until it is delivered (G1, G2).
//
//   IO thread --Append--> queue --one writer, one sync a group--> segments --Read--> sealing
//                                                                    |
//   journal: cuts and intents (P20), counters (P17), ends of broken segments (P21), marks (P22)
//
// A cut holds messages of many streams, and not all of them can go at once: those of a stream that
// is held back are deferred, and their ranges are read again when it may go.
//
// A directory holds `identity`, numbered data segments, one numbered control journal, `damaged/`
// and `rejected/`, and `renewed` after a Renew. All data of all streams goes to one segment at a
// time; sealing regroups it. A segment is never appended to after a restart or an error, and is
// removed when all of it is freed.
//
// Life of a record: Append (durable when its outcome says kKept) -> unsealed (UnsealedRanges, Read)
// -> AddCut makes its range part of a cut, for ever -> all intents of the cut settled, and no
// stream of it deferred: freed.
//
// Threads: Append, Stats, Marks, MarkOf, OpenCuts and identity from any thread. FlushOnce from one
// thread (the spool's own after Start). All the rest from one other thread, the delivering one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "collector/spool/spool_types.h"
#include "net/batch_id.h"
#include "net/frame_server.h"
#include "storage/disk/disk.h"

namespace databus {

struct SpoolOptions {
  // Absolute. Made, with its parents, when missing.
  std::string dir;
  // Stored at the first use; another name is refused from then on.
  std::string collector;
  // A new segment is begun when one has this many bytes. The last group may go beyond.
  uint64_t segment_bytes = 128u << 20;
  // At most this many bytes are written with one sync, unless a single call is larger.
  uint64_t flush_bytes_max = 8u << 20;
  // More than this, accepted and not yet on disk, is answered TRY_LATER.
  uint64_t queued_bytes_max = 256u << 20;
  // TRY_LATER when the disk would have less than this left. What remains is for the journal and for
  // sealing, which shrink the spool.
  uint64_t disk_reserve_bytes = 1u << 30;
  // The free space is asked for once for so many bytes written.
  uint64_t free_check_bytes = 64u << 20;
  // A journal longer than this, and than twice its own snapshot, is written anew.
  uint64_t journal_bytes = 1u << 20;
  // Senders beyond this number are forgotten, those first that were silent longest.
  size_t senders_max = 100'000;
};

// The messages of one `Log` call.
struct SpoolBatch {
  // Keeps `entries` alive.
  Frame frame;
  // The raw list<LogEntry> of what is kept, a view into the frame's bytes. Well-formed.
  std::string_view entries;
  // How many entries it has.
  uint32_t count = 0;
  std::optional<BatchId> id;
  // Entries of the same call that are unusable. Durable together with the others; written to
  // `rejected/` when the range is read for sealing.
  std::vector<RejectedEntry> rejected;
};

enum class SpoolAnswer : uint8_t {
  kKept,      // durable: OK
  kRepeat,    // durable since an earlier call (P22): OK
  kTryLater,  // certainly not kept: TRY_LATER
  kClose,     // nobody knows (P21): close the connection without an answer
};
struct SpoolOutcome {
  SpoolAnswer answer = SpoolAnswer::kKept;
  // Why, for kTryLater and kClose.
  std::string reason;
};

class Spool {
 public:
  // The outcomes of one Append, in the order of its batches. Called once, on the flushing thread,
  // without locks, in the order of the Appends. Must not block.
  using Done = std::function<void(std::span<const SpoolOutcome>)>;

  // What a spool stands on. All must outlive it.
  struct Seams {
    Disk& disk;
    const Clock& clock;
    Random& random;
  };

  // Opens or creates the spool and recovers what is in it. Nothing is written by other threads yet.
  //   kInvalid   the spool belongs to another collector, or was written by a newer version
  //   kRefused   another process uses it
  //   kCorrupt   identity or journal cannot be read; going on could double or lose messages
  //   others     of the disk
  static Result<std::unique_ptr<Spool>> Open(const Seams& seams, const SpoolOptions& options);

  // Makes no seam calls. What is queued and not flushed gets no outcome.
  virtual ~Spool() = default;

  // Starts the flushing thread. Without it FlushOnce does the same by hand.
  virtual void Start() = 0;
  // Answers new Appends with kTryLater, flushes what is queued, ends the flushing thread.
  virtual void Stop() = 0;

  // Queues the batches of a group; never blocks on the disk. Batches of one connection are appended
  // in the order they came.
  virtual void Append(std::vector<SpoolBatch> batches, Done done) = 0;
  // Writes and syncs the oldest groups, up to flush_bytes_max, and calls their Done. False when
  // nothing was queued.
  virtual bool FlushOnce() = 0;

  virtual SpoolIdentity identity() const = 0;
  // Remembers the id of the cluster this collector delivers to (P1). Durable on return.
  //   kRefused  another id is remembered already
  virtual Status RememberCluster(const std::string& cluster_id) = 0;
  // P17: this spool is an older copy of itself, and what it would number has its numbers already.
  // It gets another incarnation, and is to be opened again before anything is numbered. `why`
  // stands in its file `renewed` from then on, for people, until somebody takes that away. Durable
  // on return; else opening it again shows whether it is done.
  virtual Status Renew(const std::string& why) = 0;
  // P17: deliveries begin before it was looked whether this is an older copy; and it is none.
  // Durable on return, and told by identity().
  virtual Status BeginUnchecked() = 0;
  virtual Status Checked() = 0;

  // What is durable and under no cut, oldest first, one range for each gap-free piece of a segment.
  virtual std::vector<UnsealedRange> UnsealedRanges() const = 0;

  // Reads the records of `range` in order, until its end or until `bytes_max` is reached (at least
  // one record); returns the part that was read, which is what to give to AddCut. Damaged bytes are
  // skipped; before Read returns they lie durably in damaged/, and rejected entries in rejected/.
  // `visit` gets views that are valid during the call. For sealing only: a range is read as often
  // as needed, but rejected/ follows the ranges last read.
  // REQUIRES: `range` is (the front of, or what is left of) an unsealed range.
  virtual Result<SpoolRange> Read(const SpoolRange& range, uint64_t bytes_max,
                                  const std::function<void(const SpoolRecord&)>& visit) = 0;

  // Reads a range of an open cut again, whole, for its deferred streams. Damaged bytes are skipped
  // and set aside, as by Read.
  virtual Status ReadAgain(const SpoolRange& range,
                           const std::function<void(const SpoolRecord&)>& visit) = 0;

  // The next number of each stream's counter (P17): from 1, never twice, with gaps after a restart.
  // Names may repeat. Durable before it returns.
  virtual Result<std::vector<uint64_t>> NextCounters(std::span<const std::string> streams) = 0;

  // A cut: from now on exactly `ranges` stand behind exactly the intents of the plan, whose staged
  // files are durable, and its deferred streams. Durable on return. An empty plan: the ranges hold
  // no messages and are freed. Returns the cut with all ids filled in (those of the plan are
  // ignored).
  //   kInvalid      a range is not unsealed; nothing changed
  //   kUnavailable  the disk is retired; whether it was done is known only after a restart
  //                 (OpenCuts), so the staged files must stay
  //   others        not done; may be tried again
  virtual Result<SpoolCut> AddCut(std::vector<SpoolRange> ranges, SpoolPlan plan) = 0;
  // Deferred streams of a cut get their intents; those of the plan stay deferred. Durable on
  // return. Returns the cut with the new intents only. kNotFound: no such cut. Other errors as in
  // AddCut.
  virtual Result<SpoolCut> Resolve(uint64_t cut, SpoolPlan plan) = 0;
  // The opposite: an open intent of the cut is given up, its streams are deferred again. Nothing of
  // it may have happened, or what happened may happen twice. Errors as of Resolve.
  virtual Status Return(uint64_t cut, uint64_t intent_id, std::vector<SpoolDeferral> streams) = 0;
  // Replaces final path and note of an open intent. Durable on return. kNotFound: no such intent.
  // Other errors as in AddCut.
  virtual Status Amend(const SpoolIntent& intent) = 0;
  // The files of these intents are where they belong. Durable on return; ranges and segments of
  // cuts without open intents are freed. Ids that are not open are ignored. Errors as in AddCut.
  virtual Status Settle(std::span<const uint64_t> intent_ids) = 0;
  // Ok: what AddCut, Amend and Settle said they have not done is not done, whatever happens. After
  // such a failure staged files may be removed only then: on a full disk the refused cut can still
  // come true by a restart. Other errors as in AddCut.
  virtual Status MakeCertain() = 0;
  // All cuts with an open intent or a deferred stream, oldest first, each with its open intents.
  virtual std::vector<SpoolCut> OpenCuts() const = 0;

  // The highest durable number of each sender (P22).
  virtual std::vector<BatchMark> Marks() const = 0;
  virtual std::optional<uint64_t> MarkOf(uint64_t sender) const = 0;

  // Behind all that is durable. Any thread.
  virtual SpoolEnd End() const = 0;
  // Bytes of the ranges that begin before `position` and are not freed yet. Any thread.
  virtual uint64_t BytesBefore(const SpoolEnd& position) const = 0;

  // As SpoolOptions::disk_reserve_bytes, for what is written from now on. Any thread.
  virtual void SetDiskReserve(uint64_t bytes) = 0;

  // Looks whether there is room again, when the last producer was sent away for want of it.
  virtual void LookForRoom() = 0;
  // Looks which files of segments are gone, though only the spool may remove them, which are back
  // or were put there, and what still lies in damaged/: see SpoolStats. What has lost its name is
  // not written to again. Any thread.
  virtual void LookAtFiles() = 0;
  virtual SpoolStats Stats() const = 0;
};

}  // namespace databus
