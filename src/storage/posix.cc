#include "storage/posix.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace databus::posix {

bool Fd::Close() {
  if (fd_ < 0) return true;
  const int fd = fd_;
  fd_ = -1;
  // Not repeated after EINTR: Linux has closed the descriptor by then.
  return ::close(fd) == 0 || errno == EINTR;
}

Code CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return Code::kNotFound;
    case EEXIST: return Code::kExists;
    case ENOSPC:
    case EDQUOT: return Code::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTEMPTY:
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV:
    case EMLINK:
    case ENXIO:
    case EFBIG:
    case ENOSYS:
    case EOPNOTSUPP: return Code::kRefused;
    default: return Code::kUnavailable;
  }
}

Status ErrnoStatus(int error, std::string_view verb, std::string_view path) {
  return Status(CodeOfErrno(error), std::string(verb) + " " + std::string(path) + ": " +
                                        std::generic_category().message(error));
}

Result<Fd> OpenRegular(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open", path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "stat", path);
  if (!S_ISREG(info.st_mode)) {
    return Status(Code::kRefused, "open " + path + ": not a regular file");
  }
  return fd;
}

Status WriteAll(const Fd& fd, std::span<const std::string_view> parts, std::string_view path) {
  std::vector<iovec> left;
  for (const std::string_view part : parts) {
    // writev only reads, but its struct has no const.
    if (!part.empty()) left.push_back({const_cast<char*>(part.data()), part.size()});
  }
  for (size_t first = 0; first < left.size();) {
    const auto count = static_cast<int>(std::min<size_t>(left.size() - first, IOV_MAX));
    const ssize_t written = ::writev(fd.get(), &left[first], count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write", path);
    auto done = static_cast<size_t>(written);
    while (first < left.size() && done >= left[first].iov_len) done -= left[first++].iov_len;
    if (done > 0) {
      left[first].iov_base = static_cast<char*>(left[first].iov_base) + done;
      left[first].iov_len -= done;
    }
  }
  return Status::Ok();
}

Status ReadSome(const Fd& fd, uint64_t offset, size_t most, std::string_view path,
                std::string& out) {
  out.clear();
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "stat", path);
  const auto length = static_cast<uint64_t>(info.st_size);
  if (offset >= length) return Status::Ok();
  out.resize(std::min<uint64_t>(most, length - offset));
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd.get(), &out[done], out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path);
    if (got == 0) break;  // somebody cut the file in the meantime
    done += static_cast<size_t>(got);
  }
  out.resize(done);
  return Status::Ok();
}

Status SyncDirectory(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.ok() && ::fsync(fd.get()) == 0) return Status::Ok();
  return Status(Code::kUnavailable, ErrnoStatus(errno, "sync directory", path).message());
}

int RemoveAny(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return 0;
  if (errno != EISDIR) return errno;
  if (::rmdir(path.c_str()) == 0) return 0;
  return errno == EEXIST ? ENOTEMPTY : errno;  // POSIX lets a file system say either
}

}  // namespace databus::posix
