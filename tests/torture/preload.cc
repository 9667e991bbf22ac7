// Loaded before the C library into a process under torture: its calls that change files fail with
// ENOSPC or EIO, at rates that a page of shared memory gives (fault_page.h). A call that fails with
// ENOSPC had no effect, except that a write may have been cut short; after EIO it may have had all
// of it, some or none. Sockets, pipes and the log are left alone.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "tests/torture/fault_page.h"

namespace {

enum class Effect : uint8_t { kDone, kHalf, kNone };

struct Fault {
  int error = 0;  // 0: none
  Effect effect = Effect::kDone;
};

databus::FaultPage* OpenPage() {
  const char* path = std::getenv(databus::kFaultPageVariable);
  if (path == nullptr) return nullptr;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* page =
      ::mmap(nullptr, sizeof(databus::FaultPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  return page == MAP_FAILED ? nullptr : static_cast<databus::FaultPage*>(page);
}

databus::FaultPage* Page() {
  static databus::FaultPage* const page = OpenPage();
  return page;
}

uint64_t Mixed(uint64_t bits) {
  bits += 0x9e3779b97f4a7c15;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

Fault Draw() {
  databus::FaultPage* const page = Page();
  if (page == nullptr) return {};
  const uint64_t bits = Mixed(page->seed + ++page->calls);
  const uint64_t draw = bits % 1'000'000;
  const uint32_t no_space_ppm = page->no_space_ppm;
  const bool half = ((bits >> 40) & 1) != 0;
  if (draw < no_space_ppm) {
    ++page->no_space;
    return {ENOSPC, half ? Effect::kHalf : Effect::kNone};
  }
  if (draw < uint64_t{no_space_ppm} + page->io_error_ppm) {
    ++page->io_errors;
    if (((bits >> 41) & 1) != 0) return {EIO, Effect::kDone};
    return {EIO, half ? Effect::kHalf : Effect::kNone};
  }
  return {};
}

Fault DrawFor(int fd) {
  struct stat info{};
  if (fd <= STDERR_FILENO || ::fstat(fd, &info) != 0) return {};
  return S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) ? Draw() : Fault{};
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// The answer of a call that is done by `all` or not at all.
template <typename Call>
int Answer(Fault fault, const Call& all) {
  if (fault.error == 0) return all();
  if (fault.effect == Effect::kDone && all() != 0) return -1;
  errno = fault.error;
  return -1;
}

// The same for writes; `half` writes a part. A write that ended early says how far it came, as the
// system does; the error is what the next one meets.
template <typename Write>
ssize_t AnswerWrite(Fault fault, const Write& all, const Write& half) {
  if (fault.error == 0) return all();
  if (fault.effect == Effect::kHalf && half() < 0) return -1;
  if (fault.effect == Effect::kDone && all() < 0) return -1;
  errno = fault.error;
  return -1;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  static auto* const real = Real<ssize_t(int, const void*, size_t)>("write");
  const auto some = [&](size_t count) { return [=] { return real(fd, bytes, count); }; };
  return AnswerWrite(DrawFor(fd), some(size), some(size / 2));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  static auto* const real = Real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  const auto some = [&](size_t count) { return [=] { return real(fd, bytes, count, offset); }; };
  return AnswerWrite(DrawFor(fd), some(size), some(size / 2));
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  static auto* const real = Real<ssize_t(int, const iovec*, int)>("writev");
  const auto some = [&](int most) {
    return [=]() -> ssize_t {
      if (most > 1 || most == count) return real(fd, parts, most);
      iovec cut = parts[0];
      cut.iov_len /= 2;
      return real(fd, &cut, 1);
    };
  };
  return AnswerWrite(DrawFor(fd), some(count), some(count / 2));
}

int fdatasync(int fd) {
  static auto* const real = Real<int(int)>("fdatasync");
  return Answer(DrawFor(fd), [&] { return real(fd); });
}

int fsync(int fd) {
  static auto* const real = Real<int(int)>("fsync");
  return Answer(DrawFor(fd), [&] { return real(fd); });
}

int rename(const char* from, const char* to) {
  static auto* const real = Real<int(const char*, const char*)>("rename");
  return Answer(Draw(), [&] { return real(from, to); });
}

int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned int flags) {
  static auto* const real =
      Real<int(int, const char*, int, const char*, unsigned int)>("renameat2");
  return Answer(Draw(), [&] { return real(from_fd, from, to_fd, to, flags); });
}

int mkdir(const char* path, mode_t mode) {
  static auto* const real = Real<int(const char*, mode_t)>("mkdir");
  return Answer(Draw(), [&] { return real(path, mode); });
}

}  // extern "C"
