// Many small files at once.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/hdfs/file_writer.h"

namespace databus::hdfs {

// A file that was created and is still empty, and what is to be in it: at most one block.
struct FilledFile {
  OpenFile::Identity identity;
  std::string_view content;
};

// Writes and completes them all: the calls to the name node go out together, and their blocks are
// under way at the same time. An outcome for each; after a failure the file is there, with a prefix
// of its content.
std::vector<Status> FillFiles(const Cluster& cluster, std::span<const FilledFile> files);

}  // namespace databus::hdfs
