// The local disk of one machine, to a spool: append-only files whose syncs are counted and placed
// by the caller. Unlike Storage, nothing is durable until it is synced, so that a group of appends
// can share one sync.
//
// Paths are absolute. Outcomes as in base/status.h; kNoSpace is a definite refusal, but a failed
// Append may have written a prefix, and after a failed Sync nothing is known about the bytes since
// the last good one: do not sync again and hope (docs/protocol.md, P21).
//
// Thread-safe, except that one DiskFile is used by one thread at a time (ReadAt excepted).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace databus {

// Closing (the destructor) does not sync.
class DiskFile {
 public:
  virtual ~DiskFile() = default;
  // Appends the parts one after the other.
  virtual Status Append(std::span<const std::string_view> parts) = 0;
  // fdatasync: content and length are durable. The name needs SyncDir.
  virtual Status Sync() = 0;
  // Up to `most` bytes from `offset` into `out` (replaced); fewer only at the end of the file. From
  // any thread.
  virtual Status ReadAt(uint64_t offset, size_t most, std::string& out) = 0;
  virtual Result<uint64_t> Size() = 0;
  // Whether any name leads to the file. One without goes when it is closed, synced or not.
  virtual Result<bool> HasName() = 0;
};

// The entry that LockDir leaves behind.
inline constexpr std::string_view kDiskLockName = "lock";

class Disk {
 public:
  virtual ~Disk() = default;

  // A new file, open for appending and reading. kExists: the name is taken.
  virtual Result<std::unique_ptr<DiskFile>> Create(const std::string& path) = 0;
  // An existing file, for reading only.
  virtual Result<std::unique_ptr<DiskFile>> Open(const std::string& path) = 0;
  // Names in a directory, in byte order.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  // Makes the directory and its missing parents; ok when it is there already.
  virtual Status MakeDirs(const std::string& path) = 0;
  // Moves over whatever has the name `to`, atomically. Durable after SyncDir of the parent(s).
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status SyncDir(const std::string& path) = 0;
  // Bytes that an ordinary user may still write on the disk that holds `path`.
  virtual Result<uint64_t> FreeBytes(const std::string& path) = 0;
  // Exclusive use of a directory by this process until the lock is dropped or the process dies.
  // kRefused, naming the holder where known, when another process has it. Leaves an entry
  // kDiskLockName in the directory.
  class Lock {
   public:
    virtual ~Lock() = default;
  };
  virtual Result<std::unique_ptr<Lock>> LockDir(const std::string& path) = 0;
};

// The machine's own disk. Lives for ever.
Disk& LocalDisk();

}  // namespace databus
