// A cluster's tree in memory: the contract of storage.h without a disk, for tests and the
// simulator.
//
// Every call that answered ok is durable for as long as the object lives. Times are those of the
// clock it was made with, so a test can let the cluster's clock differ from its own. Thread-safe; a
// reader or writer must not outlive the storage it came from.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/sync.h"
#include "storage/storage.h"

namespace databus {

class MemoryStorage final : public Storage {
 public:
  // An empty tree. `name` is what Describe() says.
  explicit MemoryStorage(const Clock& clock = SystemClock(), std::string name = "memory:");

  std::string Describe() const override;
  Result<NodeInfo> Stat(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override;
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override;
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override;
  std::vector<Status> Renames(std::span<const Move> moves) override;
  std::vector<Status> Removes(std::span<const std::string> paths) override;
  Status Replace(const std::string& path, std::string_view content) override;
  Status SyncAll() override { return Status::Ok(); }

 private:
  class Reader;
  class Writer;
  struct Node {
    NodeKind kind = NodeKind::kFile;
    WallTime modified;
    std::string content;                                                // of a file
    std::map<std::string, std::shared_ptr<Node>, std::less<>> entries;  // of a directory

    NodeInfo Info() const { return {kind, content.size(), modified}; }
  };

  // All of these need the mutex.
  std::shared_ptr<Node> Find(std::string_view path) const;  // null: absent
  // The directory that holds `path`, if `path` is well formed and not the root.
  Result<Node*> Parent(const std::string& path) const;
  Status Put(const std::string& path, std::shared_ptr<Node> node);
  std::shared_ptr<Node> NewNode(NodeKind kind) const;
  Status MakeOne(const std::string& path);
  Status RenameOne(const Move& move);
  Status RemoveOne(const std::string& path);
  Status Fail(Code code, std::string_view path, std::string_view why) const;

  const Clock& clock_;
  const std::string name_;
  mutable Mutex mutex_;  // guards the tree and everything in it
  std::shared_ptr<Node> root_;
};

}  // namespace databus
