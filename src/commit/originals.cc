#include "commit/originals.h"

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/names.h"

namespace databus {
namespace {

// Added to the sequence number of a file whose late tail is published by itself.
constexpr uint64_t kTailSequence = 1'000'000'000;

// It may have a prefix (P18).
bool IsNamed(const RecordedMove& move, const std::string& name) { return move.to.ends_with(name); }

// Whether the copy is published, and not only to be.
Result<bool> Stands(Storage& storage, const RecordedMove& copy) {
  for (const std::string& path : {copy.to, PathBeside(copy)}) {
    const auto sum = SumFile(storage, path);
    if (sum.code() == Code::kNotFound) continue;
    DATABUS_RETURN_IF_ERROR(sum.status());
    if (*sum == FileSum{copy.length, copy.crc32c}) return true;
  }
  return false;
}

// By their names: in a record of a version that did not say more. One collector's name may end as
// another's.
std::optional<size_t> OriginalByName(const Record& record, const RecordedMove& copy) {
  std::optional<size_t> found;
  size_t longest = 0;
  for (size_t i = 0; i < record.moves.size(); ++i) {
    const RecordedMove& move = record.moves[i];
    const staged::Name claim = staged::Parse(move.staged);
    if (move.kind != MoveKind::kTrash || claim.kind != staged::Kind::kClaim) continue;
    const std::string name = NameOncePublished(claim.collector, claim.data_name);
    if (!IsNamed(copy, name) || name.size() <= longest) continue;
    found = i;
    longest = name.size();
  }
  return found;
}

std::string TailNameOf(const CleanUp& clean_up) {
  const auto trashed = paths::TrashName::Parse(paths::BaseName(clean_up.remove));
  return !trashed || clean_up.trash.empty() ? "" : NameOfTail(*trashed);
}

// The clean-up that says of a file in the trash how much of it is published, with its late tail.
// Tails of one name come in the order of their clean-ups.
const CleanUp* TrashedOf(const Record& record, const RecordedMove& tail) {
  std::string name;
  for (const CleanUp& clean_up : record.clean_ups) {
    std::string known = TailNameOf(clean_up);
    if (known.size() > name.size() && IsNamed(tail, known)) name = std::move(known);
  }
  if (name.empty()) return nullptr;
  size_t before = 0;
  for (const RecordedMove& move : record.moves) {
    if (&move == &tail) break;
    if (move.kind == MoveKind::kFile && IsNamed(move, name)) ++before;
  }
  for (const CleanUp& clean_up : record.clean_ups) {
    if (TailNameOf(clean_up) == name && before-- == 0) return &clean_up;
  }
  return nullptr;
}

}  // namespace

Result<FileSum> SumFile(Storage& storage, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, storage.Open(path));
  FileSum sum;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string part, reader->Read(sum.length, size_t{4} << 20));
    if (part.empty()) return sum;
    sum.length += part.size();
    sum.crc32c = Crc32c(part, sum.crc32c);
  }
}

std::string PathBeside(const RecordedMove& move) {
  return paths::Join(paths::Parent(move.to),
                     fmt::format("other-{:08x}-{}", move.crc32c, paths::BaseName(move.to)));
}

std::string NameOfTail(const paths::TrashName& trashed) {
  auto data = DataFileName::ParseAny(trashed.data_name);
  if (!data) return NameOncePublished(trashed.collector, trashed.data_name);
  data->sequence += kTailSequence + trashed.published_bytes;
  data->gzip = true;
  return PublishedFileName{trashed.collector, *std::move(data)}.ToString();
}

std::optional<size_t> OriginalOf(const Record& record, const RecordedMove& copy) {
  const uint64_t number = staged::Parse(copy.staged).number;
  bool said = false;
  for (size_t i = 0; i < record.moves.size(); ++i) {
    const RecordedMove& move = record.moves[i];
    if (move.kind != MoveKind::kTrash || move.copy_number == 0) continue;
    if (move.copy_number == number) return i;
    said = true;
  }
  return said ? std::nullopt : OriginalByName(record, copy);
}

Result<Record> OriginalsOfPublished(Storage& storage, const Record& record) {
  Record left;
  for (const RecordedMove& copy : record.moves) {
    if (copy.kind != MoveKind::kFile || !paths::ParseMinutePath(copy.to)) continue;
    const std::optional<size_t> original = OriginalOf(record, copy);
    const CleanUp* const trashed = original ? nullptr : TrashedOf(record, copy);
    if (!original && trashed == nullptr) continue;
    DATABUS_ASSIGN_OR_RETURN(const bool stands, Stands(storage, copy));
    if (!stands) continue;
    if (original) left.moves.push_back(record.moves[*original]);
    if (trashed != nullptr) left.clean_ups.push_back(*trashed);
  }
  return left;
}

}  // namespace databus
