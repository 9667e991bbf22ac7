#include "collector/spool/files.h"

#include <algorithm>
#include <charconv>

namespace databus {
namespace {

// A new file under a temporary name; a leftover of that name goes first.
Result<std::unique_ptr<DiskFile>> CreateTemporary(Disk& disk, const std::string& path) {
  Result<std::unique_ptr<DiskFile>> file = disk.Create(path);
  if (file.code() != Code::kExists) return file;
  DATABUS_RETURN_IF_ERROR(disk.Remove(path));
  return disk.Create(path);
}

Status SyncAndName(Disk& disk, DiskFile& file, const std::string& dir, const std::string& name) {
  DATABUS_RETURN_IF_ERROR(file.Sync());
  const std::string path = dir + "/" + name;
  DATABUS_RETURN_IF_ERROR(disk.Rename(path + std::string(kTemporarySuffix), path));
  const Status synced = disk.SyncDir(dir);
  if (synced.ok()) return synced;
  return {Code::kUnavailable, "sync of " + dir + ": " + synced.message()};
}

// The piece of `bytes` at `offset`, bounded by kReadBytes. Empty: the file ends there.
Result<std::string> ReadPiece(DiskFile& from, const Interval& bytes, uint64_t offset) {
  const size_t most = std::min<uint64_t>(kReadBytes, bytes.end - offset);
  std::string piece;
  DATABUS_RETURN_IF_ERROR(from.ReadAt(offset, most, piece));
  return piece;
}

Result<bool> IsBlank(DiskFile& from, const Interval& bytes) {
  for (uint64_t at = bytes.begin; at < bytes.end;) {
    DATABUS_ASSIGN_OR_RETURN(const std::string piece, ReadPiece(from, bytes, at));
    if (piece.empty()) break;
    if (piece.find_first_not_of('\0') != std::string::npos) return false;
    at += piece.size();
  }
  return true;
}

// How much of these bytes is set aside already, if it is more than their file still has; else 0.
Result<uint64_t> MoreAside(Disk& disk, DiskFile& from, const Interval& bytes,
                           const std::string& path) {
  const Result<std::unique_ptr<DiskFile>> before = disk.Open(path);
  if (before.code() == Code::kNotFound) return 0;
  if (!before.ok()) return before.status();
  DATABUS_ASSIGN_OR_RETURN(const uint64_t kept, (*before)->Size());
  DATABUS_ASSIGN_OR_RETURN(const uint64_t size, from.Size());
  return kept > std::min(size, bytes.end) - std::min(size, bytes.begin) ? kept : 0;
}

}  // namespace

std::string SegmentPath(const std::string& dir, uint64_t segment) {
  return dir + "/" + std::string(kSegmentPrefix) + std::to_string(segment);
}

std::string CopyPath(const std::string& dir, uint64_t segment) {
  return dir + "/" + std::string(kCopyPrefix) + std::to_string(segment);
}

std::string JournalPath(const std::string& dir, uint64_t number) {
  return dir + "/" + std::string(kJournalPrefix) + std::to_string(number);
}

std::optional<uint64_t> NumberInName(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  if (name.empty() || name.front() == '0') return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

Result<std::vector<uint64_t>> ListNumbered(Disk& disk, const std::string& dir,
                                           std::string_view prefix) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> names, disk.List(dir));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    if (const auto number = NumberInName(name, prefix)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<std::string> ReadBytes(DiskFile& file, const Interval& bytes) {
  std::string all;
  while (all.size() < bytes.end - bytes.begin) {
    DATABUS_ASSIGN_OR_RETURN(const std::string piece,
                             ReadPiece(file, bytes, bytes.begin + all.size()));
    if (piece.empty()) break;
    all += piece;
  }
  return all;
}

Result<std::string> ReadWholeFile(Disk& disk, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk.Open(path));
  DATABUS_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  DATABUS_ASSIGN_OR_RETURN(std::string all, ReadBytes(*file, {0, size}));
  if (all.size() < size) return Status(Code::kCorrupt, "file is shorter than it was");
  return all;
}

Status SyncAncestors(Disk& disk, const std::string& path) {
  for (std::string at = path; at.size() > 1;) {
    at.resize(std::max<size_t>(at.rfind('/'), 1));  // the root's name is its slash
    const Status synced = disk.SyncDir(at);
    if (synced.ok()) continue;
    // A directory that we may not even read was not made by us, nor anything above it.
    if (synced.code() == Code::kRefused && disk.List(at).code() == Code::kRefused) break;
    return synced;
  }
  return Status::Ok();
}

Status WriteFileDurably(Disk& disk, const std::string& dir, const std::string& name,
                        std::string_view content) {
  const std::string path = dir + "/" + name + std::string(kTemporarySuffix);
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, CreateTemporary(disk, path));
  const std::string_view parts[] = {content};
  DATABUS_RETURN_IF_ERROR(file->Append(parts));
  return SyncAndName(disk, *file, dir, name);
}

Result<std::optional<uint64_t>> SetAside(Disk& disk, DiskFile& from, const Interval& bytes,
                                         Blank blank,
                                         const std::pair<std::string, std::string>& dir_and_name) {
  const auto& [dir, name] = dir_and_name;
  if (blank == Blank::kUnwritten) {
    DATABUS_ASSIGN_OR_RETURN(const bool nothing, IsBlank(from, bytes));
    if (nothing) return std::optional<uint64_t>();
  }
  if (blank == Blank::kDamage) {
    // It may be the last copy of what the file has lost since.
    DATABUS_ASSIGN_OR_RETURN(const uint64_t more, MoreAside(disk, from, bytes, dir + "/" + name));
    if (more > 0) return std::optional(more);
  }
  const std::string path = dir + "/" + name + std::string(kTemporarySuffix);
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, CreateTemporary(disk, path));
  uint64_t at = bytes.begin;
  while (at < bytes.end) {
    DATABUS_ASSIGN_OR_RETURN(const std::string piece, ReadPiece(from, bytes, at));
    if (piece.empty()) break;
    const std::string_view parts[] = {piece};
    DATABUS_RETURN_IF_ERROR(file->Append(parts));
    at += piece.size();
  }
  DATABUS_RETURN_IF_ERROR(SyncAndName(disk, *file, dir, name));
  return std::optional(at - bytes.begin);
}

}  // namespace databus
