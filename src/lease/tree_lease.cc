#include "lease/tree_lease.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kKind = "lease";

std::string RecordPath(uint64_t number) {
  return paths::Join(paths::Leases(), std::to_string(number));
}

}  // namespace

TreeLease::TreeLease(Storage& storage, Clock& clock, Random& random, Options options)
    : storage_(storage), clock_(clock), random_(random), options_(std::move(options)) {}

bool TreeLease::Held(View /*view*/, Group /*group*/) {
  if (Planted(Bug::kLeaseIgnored)) return true;
  MutexLock lock(mutex_);
  return mine_ != 0 && clock_.Boot() - renewed_ < options_.timeout;
}

std::string TreeLease::Holder() {
  MutexLock lock(mutex_);
  const bool held = mine_ != 0 && clock_.Boot() - renewed_ < options_.timeout;
  if (held) return options_.holder;
  if (seen_.number != 0) return seen_.holder;
  return "nobody";
}

Status TreeLease::Tick() {
  uint64_t mine = 0;
  {
    MutexLock lock(mutex_);
    mine = mine_;
  }
  return mine != 0 ? Renew() : Watch();
}

Status TreeLease::Renew() {
  uint64_t mine = 0;
  {
    MutexLock lock(mutex_);
    mine = mine_;
  }
  const BootTime sent = clock_.Boot();
  Status renamed = storage_.Rename(RecordPath(mine), RecordPath(mine + 1));
  if (renamed.unknown()) {
    // Ours alone to rename onwards: if the old name is gone and the new one stands, it was done, or
    // somebody took over in between; Watch() tells by the holder's name.
    const auto old_name = storage_.Stat(RecordPath(mine));
    if (old_name.ok() || old_name.unknown()) return renamed;
    MutexLock lock(mutex_);
    mine_ = 0;
    return renamed;
  }
  MutexLock lock(mutex_);
  if (mine_ != mine) return Status::Ok();  // released meanwhile
  if (renamed.code() == Code::kNoSpace || renamed.code() == Code::kRefused) {
    return renamed;  // the record stands as it was: still ours, and tried again
  }
  if (!renamed.ok()) {
    mine_ = 0;
    return {Code::kStale,
            fmt::format("lease on {} was taken over: {}", storage_.Describe(), renamed.ToString())};
  }
  mine_ = mine + 1;
  renewed_ = sent;
  return Status::Ok();
}

Result<std::vector<uint64_t>> TreeLease::ListRecords() {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage_.List(paths::Leases()));
  std::vector<uint64_t> numbers;
  for (const DirEntry& entry : entries) {
    const Result<uint64_t> number = ParseNumber(entry.name);
    // "007" is nobody's record: ours has no other spelling.
    // Nor is a number that has none after it.
    const bool ours = number.ok() && *number < std::numeric_limits<uint64_t>::max() &&
                      std::to_string(*number) == entry.name;
    if (ours) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Status TreeLease::Watch() {
  const BootTime asked = clock_.Boot();
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, ListRecords());
  const BootTime answered = clock_.Boot();
  const uint64_t newest = numbers.empty() ? 0 : numbers.back();
  Seen seen;
  {
    MutexLock lock(mutex_);
    seen = seen_;
  }
  if (newest == 0) return Take(0);
  if (seen.number != newest) {
    const auto text = storage_.ReadFile(RecordPath(newest), 4096);
    if (text.code() == Code::kNotFound) return Status::Ok();  // renewed meanwhile
    if (text.unknown()) return text.status();
    // Whatever cannot be read is waited for like a holder that says nothing.
    const auto lines = ParseText(kKind, kVersion, text.ok() ? *text : "", RecordPath(newest));
    // The record is at least as old as the answer: the wait begins there.
    const Seen fresh{newest, lines.ok() && !lines->empty() ? lines->front().back() : "unreadable",
                     answered};
    MutexLock lock(mutex_);
    seen_ = seen = fresh;
  }
  // Our own, from a renewal or take-over whose answer was lost; or given up; or silent for too
  // long.
  const bool gone = options_.holder_is_gone && options_.holder_is_gone(seen.holder);
  const bool is_free =
      gone || seen.holder == options_.holder || seen.holder.empty() ||
      (asked - seen.since >= options_.timeout && !Planted(Bug::kLeaseNeverExpires));
  return is_free ? Take(newest) : Status::Ok();
}

Status TreeLease::Take(uint64_t after) {
  TextWriter text(kKind, kVersion);
  text.Line({"holder", options_.holder});
  const std::string staged = paths::Join(paths::Tmp(), "lease." + random_.Hex(16));
  const BootTime sent = clock_.Boot();
  DATABUS_RETURN_IF_ERROR(storage_.WriteFile(staged, std::move(text).Finish()));
  const Status placed = storage_.Rename(staged, RecordPath(after + 1));
  if (!placed.ok()) {
    // Somebody was faster, or nobody knows: then the next Watch() sees our own name.
    if (!placed.unknown()) {
      const Status removed = storage_.Remove(staged);
      if (removed.unknown()) return removed;
    }
    return placed.code() == Code::kExists ? Status::Ok() : placed;
  }
  // A slow taker may have placed a number that the holder's renewals had already passed.
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, ListRecords());
  if (numbers.empty() || numbers.back() != after + 1) {
    const Status removed = storage_.Remove(RecordPath(after + 1));
    return removed.unknown() ? removed : Status::Ok();
  }
  for (const uint64_t old : numbers) {
    if (old > after) continue;
    const Status removed = storage_.Remove(RecordPath(old));
    if (removed.unknown()) return removed;
  }
  MutexLock lock(mutex_);
  mine_ = after + 1;
  renewed_ = sent;
  return Status::Ok();
}

Status TreeLease::Release() {
  uint64_t mine = 0;
  {
    MutexLock lock(mutex_);
    mine = mine_;
    mine_ = 0;
  }
  if (mine == 0) return Status::Ok();
  // Not removed: numbers must not start again below what a paused watcher remembers.
  TextWriter text(kKind, kVersion);
  text.Line({"holder", ""});
  const std::string staged = paths::Join(paths::Tmp(), "lease." + random_.Hex(16));
  DATABUS_RETURN_IF_ERROR(storage_.WriteFile(staged, std::move(text).Finish()));
  const Status placed = storage_.Rename(staged, RecordPath(mine + 1));
  // kExists: it was lost before it was given up.
  if (!placed.ok() && placed.code() != Code::kExists) return placed;
  const Status removed = storage_.Remove(placed.ok() ? RecordPath(mine) : staged);
  return removed.code() == Code::kNotFound ? Status::Ok() : removed;
}

}  // namespace databus
