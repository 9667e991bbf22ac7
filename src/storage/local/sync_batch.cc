#include "storage/local/sync_batch.h"

#include <optional>
#include <utility>

namespace databus {

void SyncBatch::Add(Status answer, std::initializer_list<std::string> directories) {
  if (answer.ok()) {
    for (const std::string& directory : directories) {
      waiting_[directory].push_back(answers_.size());
    }
  }
  answers_.push_back(std::move(answer));
}

std::vector<Status> SyncBatch::Finish(const Syncs& syncs) && {
  std::optional<Status> all;
  if (waiting_.size() > kDirectoriesMax) all = syncs.file_system();
  for (const auto& [directory, items] : waiting_) {
    const Status synced = all ? *all : syncs.directory(directory);
    if (synced.ok()) continue;
    for (const size_t i : items) answers_[i] = synced;
  }
  return std::move(answers_);
}

}  // namespace databus
