// What the merged view of this cluster holds, by identity (P17): so that nothing is merged twice,
// whoever published it, and whichever cluster was the primary then. By group; built from manifests
// when a group's writer opens, and from then on kept up to date by what is published.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "audit/identity_index.h"
#include "base/minute.h"
#include "base/status.h"
#include "commit/group_writer.h"
#include "storage/storage.h"
#include "telemetry/problems.h"
#include "worker/era_book.h"

namespace databus {

// One thread at a time.
class MergedIndex {
 public:
  struct Options {
    Group groups;
    const std::map<std::string, Era>& own;  // the streams that are published here
    EraBook& eras;
    ProblemBoard& problems;
  };
  // Of one group.
  struct Known {
    uint64_t epoch = 0;  // of the writer whose ledger it agrees with
    enum class Built : uint8_t { kNo, kYes } built = Built::kNo;
    // Every file of minutes that were closed by then is in it; later ones may be, too.
    std::optional<Minute> covered{};
    // Of all that, these lack what no manifest names: they could not be read, and wait.
    std::set<std::string> left_out{};
    // In which eras the streams were then. Who begins another one copies into minutes that are
    // covered, and describes them.
    std::map<std::string, Era> eras{};
    IdentityIndex index{};
    // Paths of files that are taken for the original's, which cannot be read: by stream and name.
    std::map<std::string, std::map<std::string, std::string>> unread{};
  };
  using Learnt = std::map<Group, Known>;
  // What lies in minutes and is named by no manifest of theirs.
  using Unnamed = std::map<Minute, std::map<std::string, MinuteFiles>>;  // by stream

  MergedIndex(Options options, Learnt learnt) : options_(options), known_(std::move(learnt)) {}

  // Everything that is visible, and what is published by this writer is to be added. Lives until
  // Forget or the next call for the group.
  Result<IdentityIndex*> Of(GroupWriter& writer, Group group);
  // All that the writer has published by now is in the group's index.
  void Covers(GroupWriter& writer, Group group) {
    NoteLeftOut(writer, known_[group]);
    known_[group].covered = writer.OwnLedger().closed;
  }
  // This process has begun these eras with the group's index at hand.
  void Began(Group group, const Eras& eras) { known_[group].eras = eras.streams; }
  // Somebody else has published there, or will.
  void Forget(Group group) { known_.erase(group); }
  // The path of a file that cannot be read and may be the one of this name, or null. Whether that
  // is published is not known then: it waits.
  const std::string* MayBeHere(const std::string& stream, const std::string& name) const;
  // Tries those of the group again that could not be read.
  Status ReadAgain(GroupWriter& writer, Group group);
  // What was found so; whoever has described it takes it out.
  Unnamed& UnnamedOf(Group group) { return unnamed_[group]; }
  // At the end: true in every later epoch of the same eras, as files never leave a view but by age;
  // whoever comes next only looks what is new.
  Learnt TakeLearnt();

 private:
  // The streams that are looked at; null: all that can be read.
  using Only = const std::set<std::string>*;
  bool IsLookedAt(Only only, const std::string& stream) const;
  using Again = std::function<Status()>;
  // Whether the stream waits alone: something of it certainly cannot be read. `again` tries it. For
  // an answer that does not come the group waits.
  bool WaitsAlone(const std::string& stream, const Status& read, Again again);
  // Has those that wait alone left out by the writer, until all of them can be read.
  void LeaveOut(GroupWriter& writer, Known& known);
  Status Extend(GroupWriter& writer, Group group, Known& known);
  // All of these streams, from their beginning.
  Status AddWhole(GroupWriter& writer, Group group, Only only, Known& known);
  // What the manifests of `from` and later say, and what they leave out.
  struct Walked {
    std::optional<Minute> oldest;
    std::optional<Minute> closed;
  };
  Result<Walked> AddMinutes(GroupWriter& writer, Group group, Minute from, Only only, Known& known);
  // Minutes of own streams without any manifest that are later than `last`.
  Status AddUnclosed(GroupWriter& writer, Group group, std::optional<Minute> last, Only only,
                     IdentityIndex& index);
  // Nothing: there is no such minute, or the stream waits alone.
  Result<std::optional<MinuteFiles>> ReadMinute(Storage& storage, const std::string& stream,
                                                Minute minute);
  // What lies in a minute, and is named by no manifest.
  Status AddUnnamed(GroupWriter& writer, Group group, const std::string& stream, Minute minute,
                    IdentityIndex& index);
  Status AddUndescribed(GroupWriter& writer, Only only, IdentityIndex& index);
  enum class Holds : uint8_t { kSealed, kForeign, kUnread };
  Result<Holds> LookForSealed(Storage& storage, const std::string& stream, Minute minute,
                              const std::vector<DirEntry>& entries, Known& known);
  Status AddTheOriginals(GroupWriter& writer, Group group, Minute before, Only only, Known& known);
  Status AddOriginalsOf(GroupWriter& writer, const std::string& stream, Minute before,
                        Known& known);
  static void NoteLeftOut(GroupWriter& writer, Known& known) {
    for (const auto& [stream, why] : writer.OwnLedger().unread) known.left_out.insert(stream);
  }

  struct Unreadable {
    std::string why;
    Again again;
  };
  const Options options_;
  Learnt known_;
  std::map<Group, Unnamed> unnamed_;
  std::map<std::string, Unreadable> unreadable_;  // streams, of the walk that is under way
};

}  // namespace databus
