#include "storage/local/list_names.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace databus {
namespace {

// Room for about 800 short names, more than almost any directory has, and small enough for malloc
// to hand out the same pages again; what is larger is asked again with room.
constexpr size_t kBufferBytes = size_t{32} << 10;
constexpr size_t kBufferBytesMax = size_t{1} << 30;

void AddNames(const char* buffer, size_t length, std::vector<std::string>& names) {
  for (size_t at = 0; at < length;) {
    const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
    at += entry->d_reclen;
  }
}

}  // namespace

Result<std::vector<std::string>> NamesIn(const posix::Fd& directory, const std::string& path) {
  const auto fail = [&](std::string_view why) {
    return Status(Code::kUnavailable, "list " + path + ": " + std::string(why));
  };
  for (size_t size = kBufferBytes; size <= kBufferBytesMax; size *= 8) {
    const auto buffer = std::make_unique_for_overwrite<char[]>(size);
    if (::lseek(directory.get(), 0, SEEK_SET) < 0) return fail(std::strerror(errno));
    const ssize_t length = ::getdents64(directory.get(), buffer.get(), size);
    if (length < 0) return fail(std::strerror(errno));
    std::vector<std::string> names;
    AddNames(buffer.get(), static_cast<size_t>(length), names);
    // Complete when there is no more; else it did not fit, or was changed since: again, with room.
    const ssize_t more = ::getdents64(directory.get(), buffer.get(), size);
    if (more == 0) return names;
    if (more < 0) return fail(std::strerror(errno));
  }
  return fail("too large, or changes too fast");
}

}  // namespace databus
