// A cluster's tree in a directory of this machine: the back end of file:///dir.
//
// Durable means that the file and its directory are synced; a batch syncs each directory once, and
// a batch of many directories the whole file system instead (sync_batch.h). When a change was made
// and the sync after it failed, the answer is kUnavailable. Needs Linux 5.8, which began to report
// failed writes of a whole file system. The root must be
// there: while it is not (an unmounted disk), every call is kUnavailable and nothing is ever "not
// found" (docs/protocol.md, P1). Every call goes by full path, never through an open directory, so
// that a fenced directory cannot be written by its old name (P5).
//
// Renames need a file system with renameat2(RENAME_NOREPLACE), such as ext4, XFS, btrfs and tmpfs;
// elsewhere they are kRefused and say so. Replace leaves a file `.replace-<pid>-<n>` in the
// directory when the process dies in the middle of it.
#pragma once

#include <memory>
#include <string>

#include "storage/storage.h"

namespace databus {

// `root` is an absolute path without a trailing '/'. Touches nothing.
std::unique_ptr<Storage> OpenLocalStorage(std::string root);

// Makes the root and its missing parents, durably; ok when it is there.
Status CreateLocalRoot(const std::string& root);

}  // namespace databus
