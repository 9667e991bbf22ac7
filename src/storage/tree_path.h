// The form of the paths that Storage takes, checked in one place by every back end.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace databus {

// The longest component of a path, in bytes: what ext4, XFS and HDFS (by default) all take.
inline constexpr size_t kComponentBytesMax = 255;

// kInvalid unless `path` is "" (the root) or components of 1 to kComponentBytesMax bytes, neither
// "." nor ".." and without NUL, with one '/' between them. So no path leads out of the tree and
// none has two spellings.
Status CheckPath(std::string_view path);

// The path of the directory that holds `path`: "" for a name in the root, and for the root.
std::string_view ParentOf(std::string_view path);

// True when `path` is `directory` itself or lies somewhere below it.
bool IsWithin(std::string_view path, std::string_view directory);

}  // namespace databus
