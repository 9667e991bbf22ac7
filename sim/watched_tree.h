// One process's way to one cluster's tree: makes the calls, tells the checker, and may answer later
// than it looked.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sim/checker.h"
#include "storage/memory/memory_storage.h"

namespace databus::sim {

class WatchedTree final : public Storage {
 public:
  // `after_list` is called between looking and answering.
  WatchedTree(MemoryStorage& tree, std::string cluster, Checker& checker,
              std::function<void()> after_list)
      : tree_(tree),
        cluster_(std::move(cluster)),
        checker_(checker),
        after_list_(std::move(after_list)) {}

  std::string Describe() const override { return cluster_; }
  Result<NodeInfo> Stat(const std::string& path) override { return tree_.Stat(path); }
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    auto entries = tree_.List(path);
    after_list_();
    return entries;
  }
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override {
    return tree_.Open(path);
  }
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override {
    auto writer = tree_.Create(path);
    if (writer.ok()) checker_.OnCreate(cluster_, path);
    return writer;
  }
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override {
    std::vector<Status> answers = tree_.MakeDirs(paths);
    for (size_t i = 0; i < paths.size(); ++i) {
      if (answers[i].ok()) checker_.OnMakeDir(cluster_, paths[i]);
    }
    return answers;
  }
  std::vector<Status> Renames(std::span<const Move> moves) override {
    std::vector<Status> answers = tree_.Renames(moves);
    for (size_t i = 0; i < moves.size(); ++i) {
      if (answers[i].ok()) checker_.OnRename(cluster_, moves[i].from, moves[i].to);
    }
    return answers;
  }
  std::vector<Status> Removes(std::span<const std::string> paths) override {
    std::vector<Status> answers;
    for (const std::string& path : paths) {
      if (tree_.Stat(path).ok()) checker_.OnRemove(cluster_, path);
      answers.push_back(tree_.Remove(path));
    }
    return answers;
  }
  Status Replace(const std::string& path, std::string_view content) override {
    return tree_.Replace(path, content);
  }
  Status SyncAll() override { return tree_.SyncAll(); }

 private:
  MemoryStorage& tree_;
  const std::string cluster_;
  Checker& checker_;
  const std::function<void()> after_list_;
};

}  // namespace databus::sim
