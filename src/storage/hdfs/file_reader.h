// Files being read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "storage/hdfs/file_writer.h"
#include "storage/storage.h"

namespace databus::hdfs {

// The contract of FileReader on the file that `status` is about, which has its locations. A replica
// that fails or is damaged is passed over for the next one; when none is left the name node is
// asked again where they are, by the file's identity, so that a rename does not matter.
//
// A file of up to 256 KiB is read here, so that its reader has one whole content even when the file
// is replaced by another meanwhile. kNotFound: it is gone already.
//   kCorrupt      every replica of a block is damaged
//   kUnavailable  a block cannot be had now
Result<std::unique_ptr<FileReader>> ReaderOf(const Cluster& cluster, std::string path,
                                             const wire::FileStatus& status,
                                             std::string client_name);

struct FileToRead {
  std::string path;  // for messages
  const wire::FileStatus* status = nullptr;
  std::string client_name;
};
// The same of many: small ones are asked for together.
std::vector<Result<std::unique_ptr<FileReader>>> ReadersOf(const Cluster& cluster,
                                                           std::span<const FileToRead> files);

}  // namespace databus::hdfs
