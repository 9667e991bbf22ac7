// The spool itself. spool.cc: queue and flush; spool_cuts.cc: reading, cuts, clean-up;
// spool_watch.cc: what others do to its files; recovery.cc: Open.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/sync.h"
#include "collector/spool/files.h"
#include "collector/spool/format.h"
#include "collector/spool/journal.h"
#include "collector/spool/marks.h"
#include "collector/spool/segment_reader.h"
#include "collector/spool/segment_table.h"
#include "collector/spool/spool.h"

namespace databus {

// One Append, waiting.
struct QueuedGroup {
  std::vector<SpoolBatch> batches;
  Spool::Done done;
  WallTime accepted;
  uint64_t bytes = 0;
  // Not empty: refused at the door, for this reason; the batches are kept for their number only.
  std::string refused;
};

// The segment that is being written.
struct OpenSegment {
  uint64_t number = 0;
  uint64_t end = 0;
  std::unique_ptr<DiskFile> file;
  bool noted = false;  // in the journal; nothing is written before
};

class SpoolImpl final : public Spool {
 public:
  SpoolImpl(const Seams& seams, const SpoolOptions& options);
  ~SpoolImpl() override;

  // Recovers; called once, before anything else.
  Status Recover();

  void Start() override;
  void Stop() override;
  void Append(std::vector<SpoolBatch> batches, Done done) override;
  bool FlushOnce() override;
  SpoolIdentity identity() const override;
  Status RememberCluster(const std::string& cluster_id) override;
  Status Renew(const std::string& why) override;
  Status BeginUnchecked() override;
  Status Checked() override;
  std::vector<UnsealedRange> UnsealedRanges() const override;
  Result<SpoolRange> Read(const SpoolRange& range, uint64_t bytes_max,
                          const std::function<void(const SpoolRecord&)>& visit) override;
  Status ReadAgain(const SpoolRange& range,
                   const std::function<void(const SpoolRecord&)>& visit) override;
  Result<std::vector<uint64_t>> NextCounters(std::span<const std::string> streams) override;
  Result<SpoolCut> AddCut(std::vector<SpoolRange> ranges, SpoolPlan plan) override;
  Result<SpoolCut> Resolve(uint64_t cut, SpoolPlan plan) override;
  Status Return(uint64_t cut, uint64_t intent_id, std::vector<SpoolDeferral> streams) override;
  Status Amend(const SpoolIntent& intent) override;
  Status Settle(std::span<const uint64_t> intent_ids) override;
  Status MakeCertain() override;
  std::vector<SpoolCut> OpenCuts() const override;
  std::vector<BatchMark> Marks() const override;
  std::optional<uint64_t> MarkOf(uint64_t sender) const override;
  void SetDiskReserve(uint64_t bytes) override { disk_reserve_bytes_ = bytes; }
  SpoolEnd End() const override;
  uint64_t BytesBefore(const SpoolEnd& position) const override;
  void LookForRoom() override;
  void LookAtFiles() override;
  SpoolStats Stats() const override;

 private:
  struct Flush;

  // --- the flushing thread ---
  std::deque<QueuedGroup> TakeGroups();
  void Judge(Flush& flush);
  void AddRecord(Flush& flush, const QueuedGroup& group, const SpoolBatch& batch);
  // Not ok when nobody will find again what was written.
  Status CheckOpenHasName();
  // What becomes of the records of this flush.
  SpoolOutcome Write(Flush& flush);
  void Finish(Flush& flush, const SpoolOutcome& fate);
  // Ok when there is room for so many bytes beyond the reserve.
  Status CheckRoom(uint64_t bytes);
  // Nothing is appended to it any more, so it goes as soon as all of it is delivered.
  void CloseSegment();
  Status EnsureSegment();
  Status BeginSegment();
  Status CreateSegment(uint64_t number);
  // The journal learns which segments there are, and where all but `growing` end (0: where all do).
  Status NoteSegments(uint64_t growing);
  // P21. After a failed write or sync: kTryLater when the segment's end is recorded, else kClose;
  // nothing is written then until it is.
  SpoolOutcome Abandon(const Status& why);
  Status RecordBrokenEnd();
  void ForgetMarks();

  // --- watching, see spool_watch.cc ---
  Result<std::set<std::string>> DamagedNames() const;
  Result<bool> IsStray(uint64_t segment) const;
  void LookAtRenewed();
  uint64_t LastIntent() const;
  Status ChangeIdentity(SpoolIdentity changed);

  // --- the delivering thread ---
  Status ReadPiece(DiskFile& file, SpoolRange& piece, uint64_t bytes_max,
                   const std::function<void(const SpoolRecord&)>& visit, std::string& rejected);
  Status SetAsideDamage(DiskFile& file, const SpoolRange& bytes, Blank blank);
  // REQUIRES: mutex_ is held.
  void CountDamaged();
  // kNotFound says who may remove it.
  Result<std::unique_ptr<DiskFile>> OpenSegmentFile(uint64_t segment);
  void RemoveFreed();
  Result<SpoolCut> FindCut(uint64_t id) const;
  // Retires the disk when the journal is broken.
  Status NoteBroken(Status committed);
  Status Commit(const SpoolChange& change);

  // --- recovery ---
  Status OpenIdentity();
  // `segments` are then those to be read: copies that count are added, strays are left out.
  Status OpenJournal(std::vector<uint64_t>& segments);
  // Removed before, delivered or given up, and there again: to be read by nobody.
  Status LeaveStrays(std::vector<uint64_t>& segments);
  // Those that are not there, and all in them is done with, are forgotten; others are missing.
  Status LookForMissing(const std::vector<uint64_t>& segments);
  // Copies that the journal counts get their names as segments, others go.
  Status FinishCopies(std::vector<uint64_t>& segments);
  ReadDepth DepthFor(uint64_t segment, uint64_t newest) const;
  Status RecoverSegment(uint64_t number, ReadDepth depth);
  Status ScanHeaders(DiskFile& file, uint64_t number, const Interval& piece);
  // `tail` becomes the good records from the last one on that begins a flush.
  Status ScanBodies(DiskFile& file, uint64_t number, const Interval& piece, SpoolChange& voids,
                    std::vector<RecordHeader>& tail);
  // What of a damaged stretch is under no cut goes to damaged/, and is void. What is, is judged by
  // who reads it again, if anybody does: as a rule it lies in a sealed file. All before `synced`
  // was durable.
  Status VoidDamage(DiskFile& file, const SpoolRange& damage, uint64_t synced, SpoolChange& voids);
  // Moves the tail of a segment, nobody knows whether synced, into a new one.
  Status CopyTail(DiskFile& file, uint64_t number, const std::vector<RecordHeader>& tail,
                  SpoolChange& voids);
  Status WriteCopy(DiskFile& file, uint64_t number, std::vector<RecordHeader>& records);
  void Restore(uint64_t segment, const RecordHeader& header);
  void TakeKnownRanges();

  SegmentId Id(uint64_t segment) const { return {incarnation_, segment}; }
  std::string DamagedDir() const { return options_.dir + "/" + std::string(kDamagedDir); }
  std::string RejectedDir() const { return options_.dir + "/" + std::string(kRejectedDir); }

  // Held while the journal learns which segments there are, outside the journal's own and mutex_:
  // what is removed must not be taken for missing, nor named again.
  Mutex segments_mutex_;
  Disk& disk_;
  const Clock& clock_;
  Random& random_;
  const SpoolOptions options_;
  std::atomic<uint64_t> disk_reserve_bytes_;
  std::unique_ptr<Disk::Lock> lock_;
  uint64_t incarnation_ = 0;
  std::unique_ptr<Journal> journal_;
  bool ends_are_noted_ = false;  // by the run before: a segment without an end was being written

  // Of the flushing thread.
  OpenSegment open_;  // no file: none is open
  // The end of a segment that failed, not recorded yet.
  std::optional<SpoolRange> broken_end_;
  uint64_t next_segment_ = 1;
  uint64_t unchecked_bytes_ = 0;  // written since the free space was asked for
  bool room_known_ = false;
  BootTime forget_at_;

  // Of the delivering thread. Per stream: next number, last number reserved.
  std::map<std::string, std::pair<uint64_t, uint64_t>> counters_;

  mutable Mutex mutex_;  // guards what follows
  CondVar queued_;
  std::deque<QueuedGroup> queue_;
  enum class Running : uint8_t { kByHand, kThread, kStopping, kStopped };
  Running running_ = Running::kByHand;
  SpoolIdentity identity_;
  SegmentTable table_;
  MarkTable marks_;
  uint64_t current_ = 0;  // the open segment's number
  uint64_t left_ = 0;     // one that was open and lost its file: not written to again
  std::set<uint64_t> missing_;
  std::set<uint64_t> returned_;  // of those: they are read at the next start
  SpoolStats stats_;
  // In damaged/, by name: how much of it was missing when it was set aside; 0 also if that is not
  // known any more.
  std::map<std::string, uint64_t> damaged_;

  Thread flusher_;
};

}  // namespace databus
