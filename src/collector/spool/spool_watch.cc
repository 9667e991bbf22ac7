// What others do to the spool's files: what is gone, back, or put there, and what was taken away of
// what was set aside.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/spool/files.h"
#include "collector/spool/spool_impl.h"

namespace databus {

Result<std::set<std::string>> SpoolImpl::DamagedNames() const {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> listed, disk_.List(DamagedDir()));
  std::set<std::string> names(listed.begin(), listed.end());
  std::erase_if(names, [](const std::string& name) { return name.ends_with(kTemporarySuffix); });
  return names;
}

Result<bool> SpoolImpl::IsStray(uint64_t segment) const {
  const auto is_stray = [&](uint64_t bytes) {
    return journal_->Look([&](const SpoolState& state) { return state.IsStray(segment, bytes); });
  };
  if (!is_stray(kOffsetMax)) return false;
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file,
                           disk_.Open(SegmentPath(options_.dir, segment)));
  DATABUS_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return is_stray(size);
}

void SpoolImpl::LookAtRenewed() {
  auto note = ReadWholeFile(disk_, options_.dir + "/" + std::string(kRenewed));
  if (!note.ok() && note.code() != Code::kNotFound) return;
  std::string text = note.ok() ? *std::move(note) : "";
  while (text.ends_with('\n')) text.pop_back();
  MutexLock lock(mutex_);
  stats_.renewed = std::move(text);
}

void SpoolImpl::LookAtFiles() {
  if (const SpoolIdentity own = identity(); own.first != own.incarnation) LookAtRenewed();
  MutexLock naming(segments_mutex_);
  std::vector<SpoolEnd> in_use;
  {
    MutexLock lock(mutex_);
    in_use = table_.Ends();
  }
  const auto there = ListNumbered(disk_, options_.dir, kSegmentPrefix);
  const auto damaged = DamagedNames();
  if (!there.ok() || !damaged.ok()) return;  // a disk that cannot be read is told by who must
  std::vector<std::string> strays;
  for (const uint64_t segment : *there) {
    const Result<bool> stray = IsStray(segment);
    if (stray.ok() && *stray) strays.push_back(SegmentPath(options_.dir, segment));
  }
  journal_->Look([&](const SpoolState& state) {
    MutexLock lock(mutex_);
    for (const SpoolEnd& end : in_use) {
      if (std::ranges::binary_search(*there, end.segment)) {
        missing_.erase(end.segment);
        continue;
      }
      missing_.insert(end.segment);
      if (end.segment == current_) left_ = current_;
    }
    std::erase_if(missing_, [&](uint64_t segment) { return state.IsDone(segment); });
    returned_.clear();
    std::ranges::set_intersection(missing_, *there, std::inserter(returned_, returned_.end()));
    stats_.stray_segments = std::move(strays);
    std::erase_if(damaged_, [&](const auto& piece) { return !damaged->contains(piece.first); });
    for (const std::string& name : *damaged) damaged_.try_emplace(name, 0);
    CountDamaged();
  });
}

void SpoolImpl::CountDamaged() {
  stats_.damaged_files = damaged_.size();
  stats_.damaged_missing_bytes = 0;
  for (const auto& [name, missing] : damaged_) stats_.damaged_missing_bytes += missing;
}

}  // namespace databus
