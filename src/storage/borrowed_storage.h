// For tests: passes everything on to a tree that outlives it. What is to be different overrides its
// call.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace databus {

class BorrowedStorage : public Storage {
 public:
  explicit BorrowedStorage(Storage& tree) : tree_(tree) {}
  std::string Describe() const override { return tree_.Describe(); }
  Result<NodeInfo> Stat(const std::string& path) override { return tree_.Stat(path); }
  Result<std::vector<DirEntry>> List(const std::string& path) override { return tree_.List(path); }
  Result<std::vector<std::string>> ListNames(const std::string& path) override {
    return tree_.ListNames(path);
  }
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override {
    return tree_.Open(path);
  }
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override {
    return tree_.Create(path);
  }
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override {
    return tree_.MakeDirs(paths);
  }
  std::vector<Status> Renames(std::span<const Move> moves) override { return tree_.Renames(moves); }
  std::vector<Status> Removes(std::span<const std::string> paths) override {
    return tree_.Removes(paths);
  }
  std::vector<Status> WriteFiles(std::span<const SmallFile> files) override {
    return tree_.WriteFiles(files);
  }
  Status Replace(const std::string& path, std::string_view content) override {
    return tree_.Replace(path, content);
  }
  Status SyncAll() override { return tree_.SyncAll(); }

 private:
  Storage& tree_;
};

}  // namespace databus
