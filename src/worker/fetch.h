// Fetching files that a manifest describes, for a minute that is to hold them.
#pragma once

#include <string>
#include <vector>

#include "commit/group_writer.h"

namespace databus {

struct FetchFrom {
  Storage& source;
  std::string stream;
  Minute minute;  // of the merged view
  int copy_threads = 1;
};

// Copies `wanted` into the writer's staging. All or nothing: at the first file that is not there,
// or not what it must be, the answer is that.
Result<std::vector<NewFile>> FetchFiles(GroupWriter& writer, const FetchFrom& from,
                                        const MinuteFiles& wanted);

// Those of `files` that `others` has not got, or has with other bytes.
MinuteFiles Without(const MinuteFiles& files, const MinuteFiles& others);

}  // namespace databus
