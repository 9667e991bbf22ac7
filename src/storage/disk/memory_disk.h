// A machine's disk in memory, with a power cut: what was never synced may be gone afterwards. For
// tests and the simulator. The death of a process alone loses nothing.
//
// What a power cut may do:
//   content   bytes that were appended after the last good Sync of the file: any prefix of them is
//             left;
//   names     creations, renames and removals after the last SyncDir of the directory: of each
//             directory the first few of them are left, in order. A rename happened in both
//             directories or in neither; a SyncDir of either makes it durable.
// What a Sync that failed had to write is never durable, even if a later Sync answers ok: the bytes
// can be read until the power cut, and are zeroes after it.
//
// Thread-safe. Files and locks must not outlive it.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/sync.h"
#include "storage/disk/disk.h"

namespace databus {

class MemoryDisk final : public Disk {
 public:
  // A disk with nothing but the directory "/", that holds so many bytes of content.
  explicit MemoryDisk(uint64_t capacity_bytes = uint64_t{1} << 40);
  ~MemoryDisk() override;

  // The power fails, and comes back. Files that were open answer kUnavailable from here on; locks
  // are free. What is lost is drawn from `random`.
  void PowerCut(Random& random);
  // The next Sync of a file fails, and what it had to write is never durable.
  void FailNextSync();
  void SetCapacity(uint64_t bytes);
  // Flips one bit, drawn from `random`, of a file whose name begins with `name_prefix`, or answers
  // nothing when no such file has a byte.
  struct Flip {
    std::string content;  // of the file, as it was
    uint64_t offset = 0;
  };
  std::optional<Flip> FlipBit(Random& random, std::string_view name_prefix);

  Result<std::unique_ptr<DiskFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<DiskFile>> Open(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Status MakeDirs(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& path) override;
  Result<std::unique_ptr<Lock>> LockDir(const std::string& path) override;

 private:
  class File;
  class HeldLock;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  // One name of one directory gets a new meaning; null: none.
  struct Naming {
    NodePtr directory;
    std::string name;
    NodePtr node;
  };
  // What becomes durable together.
  using NameChange = std::vector<Naming>;
  struct Place {
    NodePtr directory;
    std::string name;
    NodePtr node;  // null: nothing has this name
  };

  // All of these need the mutex.
  NodePtr Find(std::string_view path) const;
  Result<Place> Locate(const std::string& path) const;
  Result<NodePtr> FindDirectory(const std::string& path) const;
  void Change(NameChange change);
  static bool Touches(const NameChange& change, const std::vector<NodePtr>& directories);
  static void MakeDurable(const NameChange& change);
  static void Revert(Node& node, Random& random);
  uint64_t UsedBytes() const;

  mutable Mutex mutex_;  // guards what follows, nodes included
  uint64_t capacity_bytes_;
  uint64_t power_cuts_ = 0;
  bool fail_next_sync_ = false;
  NodePtr root_;
  std::list<NameChange> pending_;  // not durable yet, in order
};

}  // namespace databus
