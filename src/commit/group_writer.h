// The one door through which anything becomes visible in a view (design: "Commit and fencing"). A
// GroupWriter is one epoch of one (cluster, view, group): it takes the epoch, fences and recovers
// what older ones left, and commits.
//
// Error handling is one rule: after any answer that is not ok the writer must be dropped and opened
// again; the new epoch finds what the old one had staged, claimed and recorded, and finishes or
// undoes it. Only codes that say so leave the writer usable.
//
// One thread at a time. Before a call that publishes, the caller makes sure it still holds the
// lease; that it did not after all is caught by the fence.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/random.h"
#include "base/status.h"
#include "cluster/topology.h"
#include "commit/apply.h"
#include "commit/commit_request.h"
#include "commit/ledger.h"
#include "commit/manifest.h"
#include "commit/minute_tree.h"
#include "commit/recover.h"
#include "commit/staging_area.h"
#include "storage/storage.h"

namespace databus {

class MinuteContent;

// What the topology says about this cluster's part in a stream.
class StreamRules {
 public:
  virtual ~StreamRules() = default;
  // Whose minutes the view holds: empty, this cluster publishes it by its own clock; a cluster's
  // name, this is a copy of that cluster's; nothing: the stream is none of this cluster's business.
  virtual std::optional<std::string> PrimaryOf(View view, const std::string& stream) const = 0;
  // The queue directories that are told of every file that becomes visible, and of empty minutes.
  virtual std::vector<std::string> QueuesOf(View view, const std::string& stream) const = 0;
  // All that PrimaryOf may answer, and the empty name.
  virtual std::set<std::string> Primaries(View view) const = 0;
  // P13: the last minute of the merged stream that the primary before this one published.
  virtual std::optional<Minute> CutOf(const std::string& stream) const;
  // P30: whether this cluster, where it is the primary, begins minutes of the merged stream.
  virtual Publication PublicationOf(const std::string& stream) const;
  // P28: whether this cluster, where it is the primary, may publish into the merged stream at this
  // moment. Not ok: its files and minutes wait.
  virtual Status MayPublish(const std::string& stream) const;
};

class GroupWriter {
 public:
  struct Options {
    Storage& storage;
    Random& random;
    const StreamRules& rules;
    FindCluster find_cluster;
    RecoveryRows& rows;
    View view = View::kLocal;
    Group group = 0;
    Group groups = kGroupsDefault;
    std::string root_url;  // the prefix of queue lines
    // The latest minute that can have been published by now; what is later is somebody else's.
    Minute latest = kLastMinute;
    // Asked between the commits of a call that makes many, and by callers between calls. Not ok:
    // the process stops, or is to obey another topology. Empty: always ok.
    std::function<Status()> go_on{};
  };

  static Result<std::unique_ptr<GroupWriter>> Open(const Options& options);

  StagingArea& staging() { return staging_; }
  // Whether there may be another commit. Whoever makes many asks before each.
  //   kStopped  no; what is committed stands, the rest is for whoever comes next
  Status GoOn() const { return options_.go_on ? options_.go_on() : Status::Ok(); }

  // Data files that an older holder had taken and not published. Each is published by the caller's
  // next commit. Empty at the second call.
  std::vector<Claim> TakeRecoveredClaims() { return std::move(recovered_.claims); }

  // Takes sealed files out of data/ by renaming them into staging. Files that are gone are left
  // out.
  Result<std::vector<Claim>> ClaimFiles(std::span<const DataFileRef> files);

  // Publishes into the minute of `now` by this cluster's own clock, or a later one if the tree is
  // ahead of it (P13), closing the minutes before.
  Result<CommitReport> Publish(CommitRequest request, Minute now);
  // Closes every minute before `now`: idle streams get their empty directories, then the manifest
  // (P14, P15). Cheap when there is nothing to close.
  Status CloseBefore(Minute now);

  // Makes and describes the minutes of own streams that lie between what a primary before this one
  // published, or an operator's halt, and this group's newest manifest (G5, P15). Before the first
  // Publish. Of a frozen stream up to the newest minute that it has.
  Status CompleteHistory();
  // P30: closes the open minute, whatever the clock says, if a frozen stream is in it.
  Status CloseFrozen();
  // Whether the newest minute of an own stream is closed, with a manifest that names it.
  bool NewestIsClosed(const std::string& stream);

  // Copies of `primary`'s files into its own minute (P16). REQUIRES: `minute` is the open minute of
  // CopyLedger(primary), or that has none yet.
  Result<CommitReport> PublishCopies(const std::string& primary, Minute minute,
                                     CommitRequest request);
  // Closes the open minute as a copy of `manifest`, for the streams that it names. kRefused, and
  // the writer stays usable: what is here of them is not equal; the message names the first
  // difference.
  Status CloseCopy(const Manifest& manifest);

  // Makes one minute as it has to be, beside the order of minutes (P32): whatever the number of
  // streams, one record and one amendment. The ledgers are not told: Reload, after the last one.
  // `here`: of this tree, view and group, since this writer was opened; it learns of the amendment.
  Status ChangeMinute(MinuteChange change, MinuteContent& here);
  // Lets the copies of `manifest.primary`'s minutes go on after the manifest's, when ChangeMinute
  // has made all that they hold up to it. REQUIRES: none is closed here that late. Reload,
  // afterwards.
  Status SkipCopies(const Manifest& manifest);
  // Reads the ledgers from the tree again, but for what could not be read.
  Status Reload();

  // Takes something that is not what belongs at `path`, in a minute directory or in the way of one,
  // into quarantine, where `reason` lies beside it. Ok when it is gone already.
  //   kRefused  the cluster does not let it be moved; the writer stays usable
  Status SetAside(const std::string& path, const std::string& reason);

  // The minutes that close by the own clock, and those that are copied from a primary.
  const Ledger& OwnLedger() { return LedgerOf(""); }
  const Ledger& CopyLedger(const std::string& primary) { return LedgerOf(primary); }

  // Streams that could not be read when the writer was opened, and why. Their files wait, their
  // minutes are neither made nor closed, and whoever goes by what a view holds leaves them out.
  std::map<std::string, std::string> Unread() const;
  bool IsUnread(const std::string& stream) const;
  // Whether one of them can be read now. Then a writer that is opened anew knows it.
  bool CanReadMore() const;
  // Makes an own stream one of them, until a writer is opened anew. `again`: tries to read what
  // could not be read of it.
  void LeaveOut(const std::string& stream, std::string why, std::function<Status()> again);

  // Takes an hour of a stream out of the view and removes it (P26 decides whether).
  Status RemoveHour(const std::string& stream, Minute hour);

  Status RetryCleanUps();  // P12
  size_t PendingCleanUps() const { return recovered_.pending.size(); }

  // Streams of which a minute could not be made when it was last tried, and why (P11).
  const std::map<std::string, std::string>& refused_minutes() const { return refused_minutes_; }

  // What was set aside or renamed since the last call.
  std::vector<Incident> TakeIncidents() { return std::exchange(incidents_, {}); }

 private:
  GroupWriter(const Options& options, uint64_t epoch);
  Status Load();
  Cuts CutsOf(const std::vector<std::string>& streams) const;
  // After a damaged record: the queues are told of every file of the open minutes, as some of them
  // may have been published by that record and not announced. A repeated line does no harm.
  Status AnnounceOpenMinutes();
  Status CheckAllRead() const;
  Ledger& LedgerOf(const std::string& primary) { return ledgers_[primary]; }
  Result<CommitReport> Commit(Ledger& ledger, Minute minute, CommitRequest request);
  Status CloseOpenMinute(Ledger& ledger);
  // Whether the ledger's open minute is one of the stream's.
  bool TakesPart(const Ledger& ledger, const std::string& stream,
                 const StreamMinutes& minutes) const;
  bool IsFrozen(const Ledger& ledger, const std::string& stream) const;
  // P28
  Status MayPublish(const Ledger& ledger, const std::string& stream) const;
  // The newest minute that may get no file of the stream any more, or nothing.
  std::optional<Minute> FloorOf(const Ledger& ledger, const std::string& stream) const;
  Status ReadBegun(Ledger& ledger);
  std::string UndoneTo(const paths::MinutePath& to) const;
  Status MayMove(const paths::MinutePath& to) const;
  std::string DivergentPath(const std::string& stream, Minute minute,
                            const std::string& name) const;
  struct Draft;
  struct Plan;
  // One file's move, and what goes with it.
  void PlanFile(const Ledger& ledger, Minute minute, NewFile& file, Plan& plan);
  using MinuteDirs = std::vector<std::pair<std::string, Minute>>;
  // The empty minutes from the one after `newest` to `last`, and what the queues are told of them;
  // as many as a record may hold, and of a stream that was refused one only the first.
  void AddMissingMinutes(const std::string& stream, Minute newest, Minute last, MinuteDirs& dirs,
                         std::map<std::string, std::string>& queue_texts) const;
  // Makes empty minutes of `streams` up to `last`, in records of their own, until what is left fits
  // into one more.
  Status CatchUp(Ledger& ledger, const std::set<std::string>& streams, Minute last);
  Status AddMinuteDirs(const MinuteDirs& dirs, Record& record);
  // By a record of their own. `dirs`: of each stream in order.
  Result<Applied> MakeMinutes(Ledger& ledger, const MinuteDirs& dirs,
                              const std::map<std::string, std::string>& queue_texts);
  // What a change of one stream's minute moves out and in. True: its directory may be missing.
  bool AddChange(const std::string& stream, Minute minute, const MinuteChange::OfStream& change,
                 Record& record);
  // Out of the view, when all files are out of them. Those that are gone already are.
  Status DropMinuteDirs(const MinuteDirs& dirs);
  // A small file that becomes visible as `to`.
  void AddText(MoveKind kind, std::string to, std::string text, Draft& draft);
  void AddQueueEntries(const std::map<std::string, std::string>& texts, Draft& draft);
  // What the ledger holds of `streams`, as the manifest of its open minute.
  void AddOwnManifest(const Ledger& ledger, const std::set<std::string>& streams, Draft& draft);
  void AddManifest(const Manifest& manifest, Draft& draft);
  Result<Applied> WriteAndApply(Draft draft);
  void NoteRefusedMinutes(const Applied& applied);
  // Tries the first missing minute, up to `last`, of each that was refused one.
  Status ProbeRefused(Ledger& ledger, const std::set<std::string>& streams, Minute last);
  // Takes the files of streams that are not read, or still lack a minute before this one, out of
  // `request`.
  Status PutOff(const Ledger& ledger, Minute minute, CommitRequest& request,
                std::vector<Refusal>& refused);
  std::string Line(const std::string& path) const;
  ApplyContext Context();

  const Options options_;
  const databus::UndoneTo undone_to_;
  const databus::MayMove may_move_;
  StagingArea staging_;
  Recovered recovered_;
  std::map<std::string, Ledger> ledgers_;  // by primary
  std::map<std::string, std::string> refused_minutes_;
  std::map<std::string, std::function<Status()>> left_out_;
  std::vector<Incident> incidents_;
};

}  // namespace databus
