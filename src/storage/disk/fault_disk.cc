#include "storage/disk/fault_disk.h"

#include <algorithm>

namespace databus {
namespace {

Call CallOf(Verb verb, const std::string& path) {
  return {.verb = verb, .store = "disk", .path = path};
}

class File final : public DiskFile {
 public:
  File(FaultPlan& plan, std::string path, std::unique_ptr<DiskFile> base)
      : plan_(plan), path_(std::move(path)), base_(std::move(base)) {}

  Status Append(std::span<const std::string_view> parts) override {
    const auto prefix = [&](uint64_t bytes) {
      std::vector<std::string_view> some;
      for (const std::string_view part : parts) {
        some.push_back(part.substr(0, bytes));
        bytes -= some.back().size();
      }
      static_cast<void>(base_->Append(some));
    };
    return RunFaulty(plan_, CallOf(Verb::kAppend, path_), [&] { return base_->Append(parts); },
                     {.append = prefix});
  }

  Status Sync() override {
    return RunFaulty(plan_, CallOf(Verb::kSync, path_), [&] { return base_->Sync(); });
  }

  Status ReadAt(uint64_t offset, size_t most, std::string& out) override {
    const auto flip = [&](uint64_t at) {
      if (!out.empty()) out[std::min<uint64_t>(at, out.size() - 1)] ^= 1;
    };
    return RunFaulty(plan_, CallOf(Verb::kRead, path_),
                     [&] { return base_->ReadAt(offset, most, out); }, {.flip = flip});
  }

  Result<uint64_t> Size() override {
    return RunFaulty(plan_, CallOf(Verb::kSize, path_), [&] { return base_->Size(); });
  }

  // Asks no disk.
  Result<bool> HasName() override { return base_->HasName(); }

 private:
  FaultPlan& plan_;
  const std::string path_;
  const std::unique_ptr<DiskFile> base_;
};

}  // namespace

Result<std::unique_ptr<DiskFile>> FaultDisk::Create(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(
      std::unique_ptr<DiskFile> file,
      RunFaulty(plan_, CallOf(Verb::kCreate, path), [&] { return base_.Create(path); }));
  return std::unique_ptr<DiskFile>(std::make_unique<File>(plan_, path, std::move(file)));
}

Result<std::unique_ptr<DiskFile>> FaultDisk::Open(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(
      std::unique_ptr<DiskFile> file,
      RunFaulty(plan_, CallOf(Verb::kOpen, path), [&] { return base_.Open(path); }));
  return std::unique_ptr<DiskFile>(std::make_unique<File>(plan_, path, std::move(file)));
}

Result<std::vector<std::string>> FaultDisk::List(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kList, path), [&] { return base_.List(path); });
}

Status FaultDisk::MakeDirs(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kMakeDir, path), [&] { return base_.MakeDirs(path); });
}

Status FaultDisk::Rename(const std::string& from, const std::string& to) {
  Call call = CallOf(Verb::kRename, from);
  call.to = to;
  return RunFaulty(plan_, std::move(call), [&] { return base_.Rename(from, to); });
}

Status FaultDisk::Remove(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kRemove, path), [&] { return base_.Remove(path); });
}

Status FaultDisk::SyncDir(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kSyncDir, path), [&] { return base_.SyncDir(path); });
}

Result<uint64_t> FaultDisk::FreeBytes(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kFreeBytes, path), [&] { return base_.FreeBytes(path); });
}

Result<std::unique_ptr<Disk::Lock>> FaultDisk::LockDir(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kLockDir, path), [&] { return base_.LockDir(path); });
}

}  // namespace databus
