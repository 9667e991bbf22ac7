// The holder's own staging directory: everything that becomes visible is written here and renamed
// out of here, by path (P5), so that the fence cuts a stale holder off.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "cluster/paths.h"
#include "commit/record.h"
#include "storage/storage.h"

namespace databus {

// One thread at a time.
class StagingArea {
 public:
  StagingArea(Storage& storage, View view, Group group, uint64_t epoch)
      : storage_(storage),
        view_(view),
        group_(group),
        epoch_(epoch),
        dir_(paths::EpochStaging(view, group, epoch)) {}

  Storage& storage() { return storage_; }
  View view() const { return view_; }
  Group group() const { return group_; }
  uint64_t epoch() const { return epoch_; }
  const std::string& dir() const { return dir_; }

  // Counts up; no name made of it is used twice in an epoch, and no epoch is used twice (P7).
  uint64_t NextNumber() { return ++number_; }
  // Names taken over from older epochs keep their numbers; later ones are higher.
  void SkipPast(uint64_t number) {
    if (number > number_) number_ = number;
  }
  std::string PathOf(std::string_view name) const { return paths::Join(dir_, name); }

  // A name for a small file that is to be staged.
  std::string NewFileName() { return staged::FileName(NextNumber()); }
  // Writes small files, whose paths are made of such names, in one batch. When one fails, others of
  // them may be there.
  Status StageFiles(std::span<const SmallFile> files);
  // Writes one and answers its name.
  Result<std::string> StageText(std::string_view text);
  // Makes an empty directory per path of `count` and answers their names.
  Result<std::vector<std::string>> StageDirs(size_t count);

  // kStale when the directory is gone: a newer holder has fenced it. Whoever concludes anything
  // from the absence of something in it asks this afterwards.
  Status CheckOurs();

 private:
  Storage& storage_;
  const View view_;
  const Group group_;
  const uint64_t epoch_;
  const std::string dir_;
  uint64_t number_ = 0;
};

}  // namespace databus
