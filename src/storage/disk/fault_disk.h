// A Disk in front of another one that fails as a FaultPlan says (storage/fault/fault_plan.h). It
// forwards everything; the calls of files have the path the file was opened with, the store of all
// calls is "disk". A torn Append writes so many bytes of its parts laid end to end.
//
// Thread-safe as disk.h says; `base` and `plan` must outlive it and its files.
#pragma once

#include <memory>
#include <string>

#include "storage/disk/disk.h"
#include "storage/fault/fault_plan.h"

namespace databus {

class FaultDisk final : public Disk {
 public:
  FaultDisk(Disk& base, FaultPlan& plan) : base_(base), plan_(plan) {}

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
  Disk& base_;
  FaultPlan& plan_;
};

}  // namespace databus
