// The spool's control journal: one file `journal-<n>`, a snapshot of the state followed by changes,
// each durable before Commit returns. The file with the highest number rules; it gets its name only
// when its snapshot is durable.
//
// Every record is written twice, one copy behind the other, so that one damaged place costs
// nothing. More damage than that is refused by Open: the journal keeps messages from being doubled.
//
// Thread-safe. Commits are made one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/sync.h"
#include "collector/spool/state.h"
#include "storage/disk/disk.h"

namespace databus {

struct JournalOptions {
  std::string dir;
  uint64_t incarnation = 0;
  // A longer journal is written anew, unless the snapshot alone is longer than half.
  uint64_t rotate_bytes = 1u << 20;
};

class Journal {
 public:
  // Begins a new file with what the newest one says; the first one when there is none. The
  // directory is synced then.
  //   kCorrupt  damaged beyond the second copies
  //   kInvalid  written by a newer version
  static Result<std::unique_ptr<Journal>> Open(Disk& disk, const JournalOptions& options);

  // What the newest file says, for who only looks: writes nothing, and may be called while another
  // process has the journal open, and begins a new file. kNotFound: there is none. Else as Open.
  static Result<SpoolState> Read(Disk& disk, const std::string& dir, uint64_t incarnation);

  // Makes the change durable, then visible in the state.
  //   kUnavailable  nobody knows, and nothing can be committed any more (P21)
  //   others        not done, and the journal goes on. While there is no room for a new file, the
  //                 change may still come true by a restart: see MakeCertain.
  Status Commit(const SpoolChange& change);
  // Ok: what Commit said it has not done is not done, whatever happens. Errors as of Commit.
  Status MakeCertain();

  // Calls read(state) and returns its result.
  template <typename Read>
  auto Look(Read&& read) const {
    MutexLock lock(state_mutex_);
    return read(state_);
  }
  // Forgets marks last seen before `before`.
  void DropMarks(WallTime before);

 private:
  enum class End : uint8_t { kGood, kUnknown };
  enum class Rotation : uint8_t { kDone, kUnchanged, kUnknown };

  Journal(Disk& disk, const JournalOptions& options) : disk_(disk), options_(options) {}

  // As Read, but kNotFound also when the file went while it was looked for.
  static Result<SpoolState> ReadOnce(Disk& disk, const std::string& dir, uint64_t incarnation);
  Status Replay(std::string_view bytes, uint64_t number);
  Status Append(const SpoolChange& change);
  // After a failed append nothing is known about the end of the file: a new one takes its place,
  // without the change, before anything else is committed.
  Status LeaveBrokenEnd();
  // Begins file number_ + 1 with the present state.
  Rotation Rotate(Status& why);
  void RemoveOthers();

  Disk& disk_;
  const JournalOptions options_;

  Mutex commit_mutex_;  // held during disk work; guards what follows
  std::unique_ptr<DiskFile> file_;
  uint64_t number_ = 0;
  uint64_t sequence_ = 0;
  uint64_t size_ = 0;
  uint64_t rotate_at_ = 0;
  End end_ = End::kGood;
  std::string broken_;  // not empty: nobody knows which file rules

  mutable Mutex state_mutex_;  // taken inside commit_mutex_
  SpoolState state_;
};

}  // namespace databus
