// A Storage in front of another one that fails as a FaultPlan says. It forwards everything; batches
// are made one call at a time, in the order given, so that a fault can hit between two items; of
// WriteFiles every Create, Append and Finish is a call.
//
// Calls of readers and writers have the path they were opened with. Thread-safe; `base` and `plan`
// must outlive it, its readers and its writers.
#pragma once

#include <memory>
#include <string>

#include "storage/fault/fault_plan.h"
#include "storage/storage.h"

namespace databus {

class FaultStorage final : public Storage {
 public:
  FaultStorage(Storage& base, FaultPlan& plan) : base_(base), plan_(plan) {}

  std::string Describe() const override { return base_.Describe(); }
  Result<NodeInfo> Stat(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Result<std::vector<std::string>> ListNames(const std::string& path) override;
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override;
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override;
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override;
  std::vector<Status> Renames(std::span<const Move> moves) override;
  std::vector<Status> Removes(std::span<const std::string> paths) override;
  Status Replace(const std::string& path, std::string_view content) override;
  Status SyncAll() override;

 private:
  Call CallOf(Verb verb, const std::string& path) const;

  Storage& base_;
  FaultPlan& plan_;
};

// Makes a call that MayBeLate, without anybody to be told: a server that had it in its queue, or in
// the buffers of a dead connection, while its caller was told "unknown". A file that is created so
// stays empty.
Status MakeLate(Storage& storage, const Call& call);

}  // namespace databus
