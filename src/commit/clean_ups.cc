#include "commit/clean_ups.h"

#include <map>

#include <fmt/format.h>

#include "commit/cluster_id.h"

namespace databus {
namespace {

// Renames a source into the trash of the own cluster.
Status MoveToTrash(StagingArea& own, const CleanUp& clean_up) {
  Storage& storage = own.storage();
  std::string to = clean_up.trash;
  for (int round = 0; round < kRoundsMax; ++round) {
    const Status moved = storage.Rename(clean_up.remove, to);
    if (moved.ok()) return moved;
    const auto source = storage.Stat(clean_up.remove);
    if (source.code() == Code::kNotFound) return Status::Ok();
    if (!source.ok()) return source.status();
    if (moved.code() == Code::kNotFound) {
      DATABUS_RETURN_IF_ERROR(
          EnsureDirsBelow(storage, paths::TrashRoot(), std::string(paths::Parent(to))));
    } else if (moved.code() == Code::kExists) {
      to = fmt::format("{}.{}-{}", clean_up.trash, own.epoch(), own.NextNumber());
    } else if (!moved.unknown()) {
      return moved;
    }
  }
  return {Code::kUnavailable, "moving to trash did not settle: " + clean_up.remove};
}

}  // namespace

Result<std::vector<CleanUp>> DoCleanUps(ApplyContext& context,
                                        const std::vector<CleanUp>& clean_ups) {
  std::vector<CleanUp> left;
  std::map<std::string, std::vector<const CleanUp*>> by_cluster;
  for (const CleanUp& clean_up : clean_ups) {
    if (clean_up.trash.empty()) {
      by_cluster[clean_up.cluster].push_back(&clean_up);
    } else if (!MoveToTrash(context.own, clean_up).ok()) {
      left.push_back(clean_up);
    }
  }
  for (const auto& [cluster, due] : by_cluster) {
    Storage* storage = cluster.empty() ? &context.own.storage() : context.find_cluster(cluster);
    std::vector<std::string> names;
    for (const CleanUp* clean_up : due) names.push_back(clean_up->remove);
    const std::vector<Status> answers =
        storage == nullptr ? std::vector<Status>(due.size(), Status(Code::kUnavailable, "away"))
                           : storage->Removes(names);
    for (size_t i = 0; i < due.size(); ++i) {
      if (answers[i].ok() || answers[i].code() == Code::kNotFound) {
        context.rows.Hit(RecoveryRow::kCleanUpDone);
        continue;
      }
      context.rows.Hit(RecoveryRow::kCleanUpAway);
      left.push_back(*due[i]);
    }
  }
  return left;
}

void KeepSources(std::vector<CleanUp>& clean_ups) {
  std::erase_if(clean_ups, [](const CleanUp& one) { return one.trash.empty(); });
}

Status RetryPending(ApplyContext context, std::set<std::string>& pending) {
  Storage& storage = context.own.storage();
  for (auto it = pending.begin(); it != pending.end();) {
    const std::string path = context.own.PathOf(*it);
    DATABUS_ASSIGN_OR_RETURN(const std::string text, storage.ReadFile(path));
    DATABUS_ASSIGN_OR_RETURN(const Record record, Record::Decode(text, path));
    DATABUS_ASSIGN_OR_RETURN(const std::vector<CleanUp> left,
                             DoCleanUps(context, record.clean_ups));
    // A list that is done in part is tried again whole: what is gone stays gone.
    if (!left.empty()) {
      ++it;
      continue;
    }
    const Status removed = storage.Remove(path);
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
    it = pending.erase(it);
  }
  return Status::Ok();
}

}  // namespace databus
