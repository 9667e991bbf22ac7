// Files of the original system's collectors are published as copies, and what a copy was made from
// leaves only when that stands (P25): a claim goes to the trash; what lies there already gets a
// name that tells how much of it is published. Here is which of them a commit record means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "cluster/paths.h"
#include "commit/record.h"
#include "storage/storage.h"

namespace databus {

struct FileSum {
  uint64_t length = 0;
  uint32_t crc32c = 0;
  friend bool operator==(const FileSum&, const FileSum&) = default;
};
Result<FileSum> SumFile(Storage& storage, const std::string& path);

// P18: the path of a file whose own is taken by another one.
std::string PathBeside(const RecordedMove& move);

// What the late tail of a file in the trash is called when it is published.
std::string NameOfTail(const paths::TrashName& trashed);

// The move of the claim that a local file was compressed from. None: it is the late tail of one.
std::optional<size_t> OriginalOf(const Record& record, const RecordedMove& copy);

// Of `record`, which must not be applied as it is any more: what it does about the originals of
// copies that stand in the view, where nobody else's file has the same name. Not ok: one of them
// may stand where it cannot be looked.
Result<Record> OriginalsOfPublished(Storage& storage, const Record& record);

}  // namespace databus
