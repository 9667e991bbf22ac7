#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "storage/disk/disk.h"
#include "storage/local/list_names.h"
#include "storage/posix.h"

namespace databus {
namespace {

class LocalFile final : public DiskFile {
 public:
  LocalFile(posix::Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status Append(std::span<const std::string_view> parts) override {
    return posix::WriteAll(fd_, parts, path_);
  }

  Status Sync() override {
    if (::fdatasync(fd_.get()) == 0) return Status::Ok();
    // Whatever the reason, nothing is known about the bytes since the last good sync.
    return Status(Code::kUnavailable, posix::ErrnoStatus(errno, "sync", path_).message());
  }

  Status ReadAt(uint64_t offset, size_t most, std::string& out) override {
    return posix::ReadSome(fd_, offset, most, path_, out);
  }

  Result<uint64_t> Size() override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return posix::ErrnoStatus(errno, "stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<bool> HasName() override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return posix::ErrnoStatus(errno, "stat", path_);
    return info.st_nlink > 0;
  }

 private:
  const posix::Fd fd_;
  const std::string path_;
};

// Holds the lock for as long as the descriptor is open; the kernel frees it with the process.
class LocalLock final : public Disk::Lock {
 public:
  explicit LocalLock(posix::Fd fd) : fd_(std::move(fd)) {}

 private:
  const posix::Fd fd_;
};

Status CheckAbsolute(const std::string& path) {
  if (path.starts_with('/') && path.find('\0') == std::string::npos) return Status::Ok();
  return Status(Code::kInvalid, path + ": not an absolute path");
}

class LocalDiskImpl final : public Disk {
 public:
  Result<std::unique_ptr<DiskFile>> Create(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;
    posix::Fd fd(::open(path.c_str(), flags, 0666));
    if (!fd.ok()) return posix::ErrnoStatus(errno, "create", path);
    return std::unique_ptr<DiskFile>(std::make_unique<LocalFile>(std::move(fd), path));
  }

  Result<std::unique_ptr<DiskFile>> Open(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    DATABUS_ASSIGN_OR_RETURN(posix::Fd fd, posix::OpenRegular(path));
    return std::unique_ptr<DiskFile>(std::make_unique<LocalFile>(std::move(fd), path));
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    const posix::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.ok()) {
      const int error = errno;
      const Status failed = posix::ErrnoStatus(error, "list", path);
      struct stat info{};
      const bool there = error == ENOTDIR && ::lstat(path.c_str(), &info) == 0;
      return there ? Status(Code::kRefused, failed.message()) : failed;
    }
    DATABUS_ASSIGN_OR_RETURN(std::vector<std::string> names, NamesIn(fd, path));
    std::sort(names.begin(), names.end());
    return names;
  }

  Status MakeDirs(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
      const std::string directory = path.substr(0, slash);
      if (::mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST) {
        const bool in_the_way = errno == ENOTDIR;
        const Status failed = posix::ErrnoStatus(errno, "make directory", directory);
        return in_the_way ? Status(Code::kRefused, failed.message()) : failed;
      }
      if (slash == std::string::npos) break;
    }
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return posix::ErrnoStatus(errno, "stat", path);
    if (!S_ISDIR(info.st_mode)) return Status(Code::kRefused, path + ": a file in the way");
    return Status::Ok();
  }

  Status Rename(const std::string& from, const std::string& to) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(from));
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(to));
    if (::rename(from.c_str(), to.c_str()) == 0) return Status::Ok();
    const bool in_the_way = errno == ENOTDIR || errno == EEXIST;
    const Status failed = posix::ErrnoStatus(errno, "rename to " + to + " from", from);
    return in_the_way ? Status(Code::kRefused, failed.message()) : failed;
  }

  Status Remove(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    const int error = posix::RemoveAny(path);
    return error == 0 ? Status::Ok() : posix::ErrnoStatus(error, "remove", path);
  }

  Status SyncDir(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    return posix::SyncDirectory(path);
  }

  Result<uint64_t> FreeBytes(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return posix::ErrnoStatus(errno, "free space", path);
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

  Result<std::unique_ptr<Lock>> LockDir(const std::string& path) override {
    DATABUS_RETURN_IF_ERROR(CheckAbsolute(path));
    const std::string name = path + "/" + std::string(kDiskLockName);
    posix::Fd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!fd.ok()) return posix::ErrnoStatus(errno, "lock", path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return posix::ErrnoStatus(errno, "lock", path);
      std::string holder;
      DATABUS_RETURN_IF_ERROR(posix::ReadSome(fd, 0, 20, name, holder));
      return Status(Code::kRefused, path + ": in use by process " + holder);
    }
    // Who it is, for the message above; the lock itself does not need it.
    const std::string holder = std::to_string(::getpid());
    const std::string_view part = holder;
    if (::ftruncate(fd.get(), 0) != 0) return posix::ErrnoStatus(errno, "lock", path);
    DATABUS_RETURN_IF_ERROR(posix::WriteAll(fd, {&part, 1}, name));
    return std::unique_ptr<Lock>(std::make_unique<LocalLock>(std::move(fd)));
  }
};

}  // namespace

Disk& LocalDisk() {
  static LocalDiskImpl disk;
  return disk;
}

}  // namespace databus
