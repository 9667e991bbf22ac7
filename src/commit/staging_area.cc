#include "commit/staging_area.h"

#include <fmt/format.h>

#include "base/planted.h"

namespace databus {

Status StagingArea::CheckOurs() {
  if (Planted(Bug::kFenceNotChecked)) return Status::Ok();
  const auto found = storage_.Stat(dir_);
  if (found.code() == Code::kNotFound) {
    return {Code::kStale,
            fmt::format("{}: {} was fenced by a newer holder", storage_.Describe(), dir_)};
  }
  return found.status();
}

Status StagingArea::StageFiles(std::span<const SmallFile> files) {
  for (const Status& written : storage_.WriteFiles(files)) {
    if (written.code() == Code::kNotFound) {
      DATABUS_RETURN_IF_ERROR(CheckOurs());
    }
    DATABUS_RETURN_IF_ERROR(written.WithContext("staging"));
  }
  return Status::Ok();
}

Result<std::string> StagingArea::StageText(std::string_view text) {
  const std::string name = NewFileName();
  const SmallFile file{PathOf(name), std::string(text)};
  DATABUS_RETURN_IF_ERROR(StageFiles({&file, 1}));
  return name;
}

Result<std::vector<std::string>> StagingArea::StageDirs(size_t count) {
  std::vector<std::string> names;
  std::vector<std::string> dirs;
  for (size_t i = 0; i < count; ++i) {
    names.push_back(staged::MinuteDirName(NextNumber()));
    dirs.push_back(PathOf(names.back()));
  }
  for (const Status& made : storage_.MakeDirs(dirs)) {
    if (made.code() == Code::kNotFound) {
      DATABUS_RETURN_IF_ERROR(CheckOurs());
    }
    DATABUS_RETURN_IF_ERROR(made.WithContext("staging minute directories"));
  }
  return names;
}

}  // namespace databus
