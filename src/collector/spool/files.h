// Small steps on the spool's directory that are needed in several places.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "collector/spool/intervals.h"
#include "storage/disk/disk.h"

namespace databus {

// Reads are done in pieces of this size.
inline constexpr size_t kReadBytes = 4u << 20;

// The names in a spool's directory.
inline constexpr std::string_view kSegmentPrefix = "segment-";
inline constexpr std::string_view kCopyPrefix = "copy-";
inline constexpr std::string_view kJournalPrefix = "journal-";
inline constexpr std::string_view kTemporarySuffix = ".tmp";
inline constexpr std::string_view kDamagedDir = "damaged";
inline constexpr std::string_view kRejectedDir = "rejected";
inline constexpr std::string_view kRenewed = "renewed";

std::string SegmentPath(const std::string& dir, uint64_t segment);
// What recovery writes before it becomes that segment.
std::string CopyPath(const std::string& dir, uint64_t segment);
std::string JournalPath(const std::string& dir, uint64_t number);
// The number in `<prefix><number>`; nothing for any other name.
std::optional<uint64_t> NumberInName(std::string_view name, std::string_view prefix);
// All such numbers in a directory, ascending.
Result<std::vector<uint64_t>> ListNumbered(Disk& disk, const std::string& dir,
                                           std::string_view prefix);

// `bytes` of a file, or fewer where it ends.
Result<std::string> ReadBytes(DiskFile& file, const Interval& bytes);
Result<std::string> ReadWholeFile(Disk& disk, const std::string& path);

// Makes the name of `path` durable, in its parent and all directories above.
Status SyncAncestors(Disk& disk, const std::string& path);

// A file that is there completely or not at all. Replaces what had the name. kUnavailable: unknown.
Status WriteFileDurably(Disk& disk, const std::string& dir, const std::string& name,
                        std::string_view content);

// What it means that bytes are zero, or behind the end of their file.
enum class Blank : uint8_t {
  kUnwritten,  // nothing, where a write may not have come to its end
  kDamage,     // the loss of what stood there
};

// Copies bytes of a file, as many as it has, durably to `dir`/`name`; says how many lie there then.
// Nothing: they are blank, which is nothing; there is no file then. What is there of them under
// this name stays if it is more.
Result<std::optional<uint64_t>> SetAside(Disk& disk, DiskFile& from, const Interval& bytes,
                                         Blank blank,
                                         const std::pair<std::string, std::string>& dir_and_name);

}  // namespace databus
