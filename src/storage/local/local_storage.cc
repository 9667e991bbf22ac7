#include "storage/local/local_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include "storage/local/list_names.h"
#include "storage/local/sync_batch.h"
#include "storage/posix.h"
#include "storage/tree_path.h"

namespace databus {
namespace {

constexpr mode_t kDirectoryMode = 0777;  // less the umask
constexpr mode_t kFileMode = 0666;

NodeInfo InfoOf(const struct stat& stat) {
  NodeInfo info;
  info.kind = S_ISDIR(stat.st_mode)   ? NodeKind::kDirectory
              : S_ISREG(stat.st_mode) ? NodeKind::kFile
                                      : NodeKind::kOther;
  info.length = info.kind == NodeKind::kFile ? static_cast<uint64_t>(stat.st_size) : 0;
  info.modified =
      WallTime(Milliseconds(stat.st_mtim.tv_sec * 1000 + stat.st_mtim.tv_nsec / 1'000'000));
  return info;
}

class Reader final : public FileReader {
 public:
  Reader(posix::Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::string> Read(uint64_t offset, size_t most) override {
    std::string bytes;
    DATABUS_RETURN_IF_ERROR(posix::ReadSome(fd_, offset, most, path_, bytes));
    return bytes;
  }

 private:
  const posix::Fd fd_;
  const std::string path_;
};

// Syncs the content of a file and closes it.
Status FinishFile(posix::Fd& fd, const std::string& path) {
  if (::fdatasync(fd.get()) == 0 && fd.Close()) return Status::Ok();
  const Status status = posix::ErrnoStatus(errno, "sync", path);
  // Full is certain; after any other failure nothing is known about the bytes.
  if (status.code() == Code::kNoSpace) return status;
  return Status(Code::kUnavailable, status.message());
}

class Writer final : public FileWriter {
 public:
  Writer(posix::Fd fd, std::string path, std::string directory)
      : fd_(std::move(fd)), path_(std::move(path)), directory_(std::move(directory)) {}

  Status Append(std::string_view bytes) override {
    if (failed_.ok()) failed_ = posix::WriteAll(fd_, {&bytes, 1}, path_);
    return failed_;
  }

  Status Finish() override {
    DATABUS_RETURN_IF_ERROR(failed_);
    DATABUS_RETURN_IF_ERROR(FinishFile(fd_, path_));
    return posix::SyncDirectory(directory_);
  }

 private:
  posix::Fd fd_;
  const std::string path_;
  const std::string directory_;
  Status failed_;  // the first failure: a file with a hole is never finished
};

class LocalStorage final : public Storage {
 public:
  explicit LocalStorage(std::string root) : root_(std::move(root)) {}

  std::string Describe() const override { return "file://" + root_; }
  Result<NodeInfo> Stat(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Result<std::vector<std::string>> ListNames(const std::string& path) override;
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override;
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override;
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override;
  std::vector<Status> Renames(std::span<const Move> moves) override;
  std::vector<Status> Removes(std::span<const std::string> paths) override;
  std::vector<Status> WriteFiles(std::span<const SmallFile> files) override;
  Status Replace(const std::string& path, std::string_view content) override;
  Status SyncAll() override;

 private:
  std::string Full(std::string_view path) const;
  std::string FullParent(std::string_view path) const { return Full(ParentOf(path)); }
  // kUnavailable while the root is not there.
  Status CheckRoot() const;
  // `status`, unless it says "not found" and the reason is that there is no root.
  Status Explain(Status status) const;
  Status Error(int error, std::string_view verb, const std::string& path) const;
  // Ok when `path` may be created, removed or moved. For the root itself: `if_root`, and nothing is
  // asked of the system, which might make or remove it.
  Status CheckChange(const std::string& path, Code if_root) const;

  Status MakeOne(const std::string& path);
  Status RenameOne(const Move& move);
  Status RemoveOne(const std::string& path);
  Result<posix::Fd> OpenDirectory(const std::string& path) const;
  Result<std::optional<std::vector<DirEntry>>> TryList(const std::string& path) const;
  Result<std::string> WriteBeside(const std::string& path, std::string_view content);
  Result<posix::Fd> CreateOne(const std::string& path) const;
  Result<posix::Fd> StartFile(const SmallFile& file) const;
  std::vector<Status> Durable(SyncBatch batch);

  const std::string root_;
  std::atomic<uint64_t> replaced_{0};
};

std::string LocalStorage::Full(std::string_view path) const {
  return path.empty() ? root_ : root_ + "/" + std::string(path);
}

Status LocalStorage::CheckRoot() const {
  struct stat info{};
  const bool there = ::stat(root_.c_str(), &info) == 0;
  if (there && S_ISDIR(info.st_mode)) return Status::Ok();
  const int error = there ? ENOTDIR : errno;
  std::string deepest = root_;
  while (deepest.size() > 1 && ::stat(deepest.c_str(), &info) != 0) {
    deepest.resize(std::max<size_t>(deepest.find_last_of('/'), 1));
  }
  return Status(Code::kUnavailable,
                Describe() + ": the root is not there: " + std::strerror(error) + "; of its path " +
                    deepest + " exists" + (error == ENOENT ? "; unmounted?" : ""));
}

Status LocalStorage::Explain(Status status) const {
  if (status.code() == Code::kNotFound) DATABUS_RETURN_IF_ERROR(CheckRoot());
  return status;
}

Status LocalStorage::Error(int error, std::string_view verb, const std::string& path) const {
  return Explain(posix::ErrnoStatus(error, verb, Full(path)));
}

Status LocalStorage::CheckChange(const std::string& path, Code if_root) const {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(Describe()));
  if (!path.empty()) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(CheckRoot());
  return Status(if_root, Describe() + ": the root itself");
}

Result<NodeInfo> LocalStorage::Stat(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(Describe()));
  struct stat info{};
  // The root may be a link to where the tree is; nothing below it may.
  const int flags = path.empty() ? 0 : AT_SYMLINK_NOFOLLOW;
  if (::fstatat(AT_FDCWD, Full(path).c_str(), &info, flags) != 0) {
    return Error(errno, "stat", path);
  }
  return InfoOf(info);
}

Result<posix::Fd> LocalStorage::OpenDirectory(const std::string& path) const {
  const std::string full = Full(path);
  const int follow = path.empty() ? 0 : O_NOFOLLOW;
  posix::Fd fd(::open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow));
  if (fd.ok()) return fd;
  const int error = errno;
  struct stat info{};
  if (error == ENOTDIR && ::lstat(full.c_str(), &info) == 0) {
    return Status(Code::kRefused, "list " + full + ": not a directory");
  }
  return Error(error, "list", path);
}

Result<std::vector<std::string>> LocalStorage::ListNames(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(Describe()));
  DATABUS_ASSIGN_OR_RETURN(const posix::Fd fd, OpenDirectory(path));
  DATABUS_ASSIGN_OR_RETURN(std::vector<std::string> names, NamesIn(fd, Full(path)));
  std::sort(names.begin(), names.end());
  return names;
}

// Nothing when an entry vanished before it could be looked at: it may have another name by now, so
// the list would be of no moment at all.
Result<std::optional<std::vector<DirEntry>>> LocalStorage::TryList(const std::string& path) const {
  const std::string full = Full(path);
  DATABUS_ASSIGN_OR_RETURN(const posix::Fd fd, OpenDirectory(path));
  DATABUS_ASSIGN_OR_RETURN(std::vector<std::string> names, NamesIn(fd, full));
  std::sort(names.begin(), names.end());
  std::vector<DirEntry> entries;
  entries.reserve(names.size());
  for (std::string& name : names) {
    struct stat info{};
    if (::fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
      entries.push_back({std::move(name), InfoOf(info)});
    } else if (errno == ENOENT) {
      return std::optional<std::vector<DirEntry>>();
    } else {
      return Status(Code::kUnavailable,
                    posix::ErrnoStatus(errno, "stat", full + "/" + name).message());
    }
  }
  return std::optional(std::move(entries));
}

Result<std::vector<DirEntry>> LocalStorage::List(const std::string& path) {
  constexpr int kTriesMax = 100;
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(Describe()));
  for (int i = 0; i < kTriesMax; ++i) {
    DATABUS_ASSIGN_OR_RETURN(auto entries, TryList(path));
    if (entries) return *std::move(entries);
  }
  return Status(Code::kUnavailable, "list " + Full(path) + ": changes too fast");
}

Result<std::unique_ptr<FileReader>> LocalStorage::Open(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(Describe()));
  Result<posix::Fd> fd = posix::OpenRegular(Full(path));
  if (!fd.ok()) return Explain(fd.status());
  return std::unique_ptr<FileReader>(std::make_unique<Reader>(*std::move(fd), Full(path)));
}

Result<posix::Fd> LocalStorage::CreateOne(const std::string& path) const {
  DATABUS_RETURN_IF_ERROR(CheckChange(path, Code::kExists));
  posix::Fd fd(::open(Full(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
  if (!fd.ok()) return Error(errno, "create", path);
  return fd;
}

Result<std::unique_ptr<FileWriter>> LocalStorage::Create(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(posix::Fd fd, CreateOne(path));
  return std::unique_ptr<FileWriter>(
      std::make_unique<Writer>(std::move(fd), Full(path), FullParent(path)));
}

Status LocalStorage::MakeOne(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckChange(path, Code::kExists));
  if (::mkdir(Full(path).c_str(), kDirectoryMode) == 0) return Status::Ok();
  return Error(errno, "make directory", path);
}

Status LocalStorage::RenameOne(const Move& move) {
  DATABUS_RETURN_IF_ERROR(CheckChange(move.from, Code::kRefused));
  DATABUS_RETURN_IF_ERROR(CheckChange(move.to, Code::kExists));
  if (::renameat2(AT_FDCWD, Full(move.from).c_str(), AT_FDCWD, Full(move.to).c_str(),
                  RENAME_NOREPLACE) == 0) {
    return Status::Ok();
  }
  const int error = errno;
  const std::string what = "rename " + Full(move.from) + " to " + move.to;
  if (error == EINVAL && IsWithin(move.to, move.from)) {
    return Status(Code::kRefused, what + ": lies within what is moved");
  }
  if (error == EINVAL || error == ENOSYS || error == EOPNOTSUPP) {
    return Status(Code::kRefused,
                  what + ": the file system of " + root_ + " cannot rename without overwriting " +
                      "(renameat2: " + std::generic_category().message(error) + ")");
  }
  return Explain(
      Status(posix::CodeOfErrno(error), what + ": " + std::generic_category().message(error)));
}

Status LocalStorage::RemoveOne(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckChange(path, Code::kRefused));
  const int error = posix::RemoveAny(Full(path));
  return error == 0 ? Status::Ok() : Error(error, "remove", path);
}

// Only names wait for this; content is synced through the descriptor that wrote it, which no other
// process's sync can deprive of a failed write.
std::vector<Status> LocalStorage::Durable(SyncBatch batch) {
  return std::move(batch).Finish({posix::SyncDirectory, [this] { return SyncAll(); }});
}

std::vector<Status> LocalStorage::MakeDirs(std::span<const std::string> paths) {
  SyncBatch batch;
  for (const std::string& path : paths) batch.Add(MakeOne(path), {FullParent(path)});
  return Durable(std::move(batch));
}

std::vector<Status> LocalStorage::Renames(std::span<const Move> moves) {
  SyncBatch batch;
  for (const Move& move : moves) {
    batch.Add(RenameOne(move), {FullParent(move.from), FullParent(move.to)});
  }
  return Durable(std::move(batch));
}

std::vector<Status> LocalStorage::Removes(std::span<const std::string> paths) {
  SyncBatch batch;
  for (const std::string& path : paths) batch.Add(RemoveOne(path), {FullParent(path)});
  return Durable(std::move(batch));
}

// Creates and writes a file, and lets the system begin to put it on the disk.
Result<posix::Fd> LocalStorage::StartFile(const SmallFile& file) const {
  DATABUS_ASSIGN_OR_RETURN(posix::Fd fd, CreateOne(file.path));
  const std::string_view content = file.content;
  DATABUS_RETURN_IF_ERROR(posix::WriteAll(fd, {&content, 1}, Full(file.path)));
  // Gives the file its blocks, so that the first sync of many commits them for all. Only a hint: a
  // failure comes back from the sync.
  static_cast<void>(::sync_file_range(fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE));
  return fd;
}

std::vector<Status> LocalStorage::WriteFiles(std::span<const SmallFile> files) {
  constexpr size_t kOpenMax = 64;
  SyncBatch batch;
  for (size_t first = 0; first < files.size(); first += kOpenMax) {
    const auto some = files.subspan(first, std::min(kOpenMax, files.size() - first));
    std::vector<Result<posix::Fd>> started;
    for (const SmallFile& file : some) started.push_back(StartFile(file));
    for (size_t i = 0; i < some.size(); ++i) {
      const std::string& path = some[i].path;
      batch.Add(started[i].ok() ? FinishFile(*started[i], Full(path)) : started[i].status(),
                {FullParent(path)});
    }
  }
  return Durable(std::move(batch));
}

// Writes a new file with a name of its own next to `path`, synced; answers with its full path.
Result<std::string> LocalStorage::WriteBeside(const std::string& path, std::string_view content) {
  const std::string prefix = FullParent(path) + "/.replace-" + std::to_string(::getpid()) + "-";
  while (true) {
    std::string beside = prefix + std::to_string(++replaced_);
    posix::Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
    if (!fd.ok() && errno == EEXIST) continue;  // left by a dead process with the same id
    if (!fd.ok()) return Error(errno, "replace", path);
    Status status = posix::WriteAll(fd, {&content, 1}, beside);
    if (status.ok()) status = FinishFile(fd, beside);
    if (status.ok()) return beside;
    ::unlink(beside.c_str());
    return status;
  }
}

Status LocalStorage::SyncAll() {
  const posix::Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A file system that was shut down after an error may answer syncfs with 0 (ext4 did); fsync of a
  // directory tells.
  if (!root.ok() || ::syncfs(root.get()) != 0 || ::fsync(root.get()) != 0) {
    return Status(Code::kUnavailable, Describe() + ": sync: " + std::strerror(errno));
  }
  return Status::Ok();
}

Status LocalStorage::Replace(const std::string& path, std::string_view content) {
  DATABUS_RETURN_IF_ERROR(CheckChange(path, Code::kRefused));
  DATABUS_ASSIGN_OR_RETURN(const std::string beside, WriteBeside(path, content));
  if (::rename(beside.c_str(), Full(path).c_str()) != 0) {
    const int error = errno;
    ::unlink(beside.c_str());
    return Error(error, "replace", path);
  }
  return posix::SyncDirectory(FullParent(path));
}

}  // namespace

std::unique_ptr<Storage> OpenLocalStorage(std::string root) {
  return std::make_unique<LocalStorage>(std::move(root));
}

Status CreateLocalRoot(const std::string& root) {
  for (size_t slash = root.find('/', 1);; slash = root.find('/', slash + 1)) {
    const std::string directory = root.substr(0, slash);
    if (::mkdir(directory.c_str(), kDirectoryMode) == 0) {
      const size_t last = directory.rfind('/');
      DATABUS_RETURN_IF_ERROR(posix::SyncDirectory(last == 0 ? "/" : directory.substr(0, last)));
    } else if (errno != EEXIST) {
      return posix::ErrnoStatus(errno, "make directory", directory);
    }
    if (slash == std::string::npos) break;
  }
  struct stat info{};
  if (::stat(root.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Status::Ok();
  return Status(Code::kRefused, root + ": not a directory");
}

}  // namespace databus
