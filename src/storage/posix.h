// What the two local back ends (local/local_storage.h, disk/local_disk.cc) share: file descriptors
// that close themselves, whole writes and reads, and what an errno certainly means.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace databus::posix {

// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&&) = delete;
  ~Fd() { static_cast<void>(Close()); }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  // False, with errno, when the system reports a failure. Closed in any case.
  [[nodiscard]] bool Close();

 private:
  int fd_;
};

// The code of a system call that failed. A code other than kUnavailable is certain; what nobody can
// classify, and what passes by itself (no memory, no descriptors), is kUnavailable.
Code CodeOfErrno(int error);
// "verb path: No such file or directory", with that code.
Status ErrnoStatus(int error, std::string_view verb, std::string_view path);

// Opens a regular file for reading, without following a link in the last component and without
// waiting for anything. kRefused: something else than a regular file.
Result<Fd> OpenRegular(const std::string& path);

// Writes all parts at the descriptor's position. When it fails a prefix may have been written.
Status WriteAll(const Fd& fd, std::span<const std::string_view> parts, std::string_view path);

// Fills `out` with bytes [offset, offset + most), less only at the end of the file.
Status ReadSome(const Fd& fd, uint64_t offset, size_t most, std::string_view path,
                std::string& out);

// Makes the names in a directory durable. Any failure is kUnavailable.
Status SyncDirectory(const std::string& path);

// Removes a file or an empty directory. 0, or an errno (ENOTEMPTY where there are entries).
int RemoveAny(const std::string& path);

}  // namespace databus::posix
