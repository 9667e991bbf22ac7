// The names in a directory as of one moment.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "storage/posix.h"

namespace databus {

// All names but "." and "..", in no order. readdir(3) asks in small pieces, between which a rename
// from `a` to `b` can hide the file under both names; a listing without the newest lease record or
// epoch would be a wrong answer, not a late one. So this asks for everything in one system call,
// during which the kernel holds the directory's lock. Any failure is kUnavailable; `path` is for
// the message.
Result<std::vector<std::string>> NamesIn(const posix::Fd& directory, const std::string& path);

}  // namespace databus
