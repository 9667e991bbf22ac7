#include "collector/spool/journal.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/crc32c.h"
#include "base/planted.h"
#include "collector/spool/files.h"
#include "collector/spool/format.h"

namespace databus {
namespace {

constexpr uint32_t kMagic = 0x4c4a4244;  // "DBJL"
constexpr uint32_t kVersion = kChangeVersion;
constexpr size_t kHeaderBytes = 40;
// A collector that runs may write its journal anew between our finding it and opening it.
constexpr int kReadTries = 20;

struct Header {
  uint32_t version = 0;
  uint64_t sequence = 0;
  uint32_t body_bytes = 0;
  uint32_t body_crc32c = 0;
};

// Which journal a record belongs to; seeds its checksum.
uint32_t Seed(uint64_t incarnation, uint64_t number) {
  std::string seed;
  PutU64(seed, incarnation);
  PutU64(seed, number);
  return Crc32c(seed);
}

struct RecordPlace {
  uint32_t seed = 0;
  uint64_t sequence = 0;
  uint64_t offset = 0;
};

void AppendRecord(std::string& out, const RecordPlace& place, std::string_view body) {
  const size_t start = out.size();
  PutU32(out, kMagic);
  PutU32(out, kVersion);
  PutU64(out, place.sequence);
  PutU64(out, place.offset + start);
  PutU32(out, static_cast<uint32_t>(body.size()));
  PutU32(out, Crc32c(body));
  PutU32(out, 0);
  PutU32(out, Crc32c(std::string_view(out).substr(start), place.seed));
  out += body;
}

// The record and its copy, as they stand at `place.offset`.
std::string EncodeTwice(const RecordPlace& place, std::string_view body) {
  std::string out;
  AppendRecord(out, place, body);
  AppendRecord(out, place, body);
  return out;
}

std::optional<Header> DecodeAt(std::string_view file, uint64_t offset, uint32_t seed) {
  if (file.size() - offset < kHeaderBytes) return std::nullopt;
  const std::string_view bytes = file.substr(offset, kHeaderBytes);
  FieldReader fields(bytes);
  if (fields.U32() != kMagic) return std::nullopt;
  Header header;
  header.version = fields.U32();
  header.sequence = fields.U64();
  const uint64_t own_offset = fields.U64();
  header.body_bytes = fields.U32();
  header.body_crc32c = fields.U32();
  fields.U32();
  const bool whole = fields.U32() == Crc32c(bytes.substr(0, kHeaderBytes - 4), seed);
  if (!whole || own_offset != offset) return std::nullopt;
  if (file.size() - offset - kHeaderBytes < header.body_bytes) return std::nullopt;
  const std::string_view body = file.substr(offset + kHeaderBytes, header.body_bytes);
  if (Crc32c(body) != header.body_crc32c) return std::nullopt;
  return header;
}

Status Damaged(const std::string& path, uint64_t offset) {
  return {Code::kCorrupt,
          path + ": damaged before offset " + std::to_string(offset) + ", both copies of a record"};
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(Disk& disk, const JournalOptions& options) {
  std::unique_ptr<Journal> journal(new Journal(disk, options));
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers,
                           ListNumbered(disk, options.dir, kJournalPrefix));
  if (!numbers.empty()) {
    journal->number_ = numbers.back();
    const std::string path = JournalPath(options.dir, journal->number_);
    DATABUS_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(disk, path));
    DATABUS_RETURN_IF_ERROR(journal->Replay(bytes, journal->number_));
  }
  if (numbers.empty()) journal->state_.names_segments = true;  // there are none yet
  Status why;
  if (journal->Rotate(why) != Rotation::kDone) return why;
  journal->RemoveOthers();
  return journal;
}

Result<SpoolState> Journal::Read(Disk& disk, const std::string& dir, uint64_t incarnation) {
  Result<SpoolState> state = ReadOnce(disk, dir, incarnation);
  for (int i = 1; i < kReadTries && state.code() == Code::kNotFound; ++i) {
    state = ReadOnce(disk, dir, incarnation);
  }
  return state;
}

Result<SpoolState> Journal::ReadOnce(Disk& disk, const std::string& dir, uint64_t incarnation) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers,
                           ListNumbered(disk, dir, kJournalPrefix));
  if (numbers.empty()) return Status(Code::kNotFound, dir + ": there is no journal");
  const std::string path = JournalPath(dir, numbers.back());
  DATABUS_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(disk, path));
  Journal journal(disk, {dir, incarnation});
  DATABUS_RETURN_IF_ERROR(journal.Replay(bytes, numbers.back()));
  return journal.state_;
}

Status Journal::Replay(std::string_view bytes, uint64_t number) {
  const std::string path = JournalPath(options_.dir, number);
  const uint32_t seed = Seed(options_.incarnation, number);
  uint64_t sequence = 0;
  for (uint64_t at = 0; at < bytes.size();) {
    const std::optional<Header> header = DecodeAt(bytes, at, seed);
    if (!header) {
      ++at;
      continue;
    }
    if (header->version > kVersion) {
      return {Code::kInvalid, path + ": written by version " + std::to_string(header->version) +
                                  "; this program reads up to version " + std::to_string(kVersion)};
    }
    if (header->sequence > sequence + 1) return Damaged(path, at);
    if (header->sequence == sequence + 1) {
      const auto change =
          DecodeChange(bytes.substr(at + kHeaderBytes, header->body_bytes), header->version);
      if (!change) return Damaged(path, at);
      state_.Apply(*change);
      sequence = header->sequence;
    }
    at += kHeaderBytes + header->body_bytes;
  }
  return sequence == 0 ? Damaged(path, bytes.size()) : Status::Ok();
}

Status Journal::Append(const SpoolChange& change) {
  const RecordPlace place{Seed(options_.incarnation, number_), sequence_ + 1, size_};
  const std::string record = EncodeTwice(place, EncodeChange(change));
  const std::string_view parts[] = {record};
  DATABUS_RETURN_IF_ERROR(file_->Append(parts));
  if (!Planted(Bug::kJournalNotSynced)) DATABUS_RETURN_IF_ERROR(file_->Sync());
  ++sequence_;
  size_ += record.size();
  return Status::Ok();
}

Status Journal::Commit(const SpoolChange& change) {
  MutexLock lock(commit_mutex_);
  DATABUS_RETURN_IF_ERROR(LeaveBrokenEnd());
  const Status appended = Append(change);
  if (!appended.ok()) {
    end_ = End::kUnknown;
    const Status left = LeaveBrokenEnd();
    if (left.unknown()) return left;
    const Code code = appended.unknown() ? Code::kRefused : appended.code();
    return {code, "spool: journal: " + appended.message()};
  }
  {
    MutexLock state_lock(state_mutex_);
    state_.Apply(change);
  }
  if (size_ < rotate_at_) return Status::Ok();
  Status why;
  switch (Rotate(why)) {
    case Rotation::kDone: break;
    case Rotation::kUnchanged: rotate_at_ = size_ + options_.rotate_bytes; break;
    case Rotation::kUnknown: broken_ = why.message(); break;
  }
  return Status::Ok();
}

Status Journal::MakeCertain() {
  MutexLock lock(commit_mutex_);
  return LeaveBrokenEnd();
}

Status Journal::LeaveBrokenEnd() {
  if (broken_.empty() && end_ == End::kUnknown) {
    Status why;
    const Rotation rotation = Rotate(why);
    if (rotation == Rotation::kDone) {
      end_ = End::kGood;
    } else if (rotation == Rotation::kUnchanged && !why.unknown()) {
      return why.WithContext("spool: journal");  // no room, most likely: tried again
    } else {
      broken_ = why.message();
    }
  }
  if (broken_.empty()) return Status::Ok();
  return {Code::kUnavailable, "spool: journal broken: " + broken_};
}

Journal::Rotation Journal::Rotate(Status& why) {
  const uint64_t next = number_ + 1;
  const RecordPlace place{Seed(options_.incarnation, next), 1, 0};
  const std::string snapshot = EncodeTwice(
      place, EncodeChange(Look([](const SpoolState& state) { return state.Snapshot(); })));
  const std::string path = JournalPath(options_.dir, next);
  const std::string temporary = path + std::string(kTemporarySuffix);
  static_cast<void>(disk_.Remove(temporary));  // a leftover, normally absent
  Result<std::unique_ptr<DiskFile>> file = disk_.Create(temporary);
  why = file.status();
  if (!why.ok()) return Rotation::kUnchanged;
  const std::string_view parts[] = {snapshot};
  why = (*file)->Append(parts);
  if (why.ok()) why = (*file)->Sync();
  if (!why.ok()) return Rotation::kUnchanged;
  why = disk_.Rename(temporary, path);
  if (!why.ok()) return why.unknown() ? Rotation::kUnknown : Rotation::kUnchanged;
  why = disk_.SyncDir(options_.dir);
  if (!why.ok()) return Rotation::kUnknown;
  // Should this fail, the next Open does it.
  if (number_ != 0) static_cast<void>(disk_.Remove(JournalPath(options_.dir, number_)));
  file_ = std::move(*file);
  number_ = next;
  sequence_ = 1;
  size_ = snapshot.size();
  rotate_at_ = std::max(options_.rotate_bytes, 2 * size_);
  return Rotation::kDone;
}

void Journal::RemoveOthers() {
  const Result<std::vector<std::string>> names = disk_.List(options_.dir);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string path = options_.dir + "/" + name;
    if (name.starts_with(kJournalPrefix) && path != JournalPath(options_.dir, number_)) {
      static_cast<void>(disk_.Remove(path));  // tried again at the next Open
    }
  }
}

void Journal::DropMarks(WallTime before) {
  MutexLock lock(state_mutex_);
  std::erase_if(state_.marks, [&](const auto& item) { return item.second.seen < before; });
}

}  // namespace databus
