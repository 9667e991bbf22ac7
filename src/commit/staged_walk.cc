#include "commit/staged_walk.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "cluster/text_format.h"

namespace databus {
namespace {

using Visit = std::function<Status(const StagedFile&)>;

Status WalkDirectory(Storage& storage, const std::string& directory, const Visit& visit) {
  std::set<std::string> visited;
  // What is taken out of an adopted directory goes into this one: so this one is listed once more.
  for (bool again = true; again;) {
    again = false;
    const auto entries = storage.List(directory);
    if (entries.code() == Code::kNotFound) {
      return {Code::kUnavailable, directory + ": changed hands while it was looked at"};
    }
    DATABUS_RETURN_IF_ERROR(entries.status());
    for (const DirEntry& entry : *entries) {
      const bool adopted =
          entry.info.kind == NodeKind::kDirectory && ParseAdoptedName(entry.name).has_value();
      if (!adopted || !visited.insert(entry.name).second) continue;
      DATABUS_RETURN_IF_ERROR(WalkDirectory(storage, paths::Join(directory, entry.name), visit));
      again = true;
    }
    if (again) continue;
    for (const DirEntry& entry : *entries) {
      if (entry.info.kind != NodeKind::kFile) continue;
      DATABUS_RETURN_IF_ERROR(visit(
          {paths::Join(directory, entry.name), staged::Parse(entry.name), entry.info.modified}));
    }
  }
  return Status::Ok();
}

}  // namespace

std::string AdoptedName(uint64_t epoch) { return fmt::format("r{}", epoch); }

std::optional<uint64_t> ParseAdoptedName(std::string_view name) {
  if (!name.starts_with("r")) return std::nullopt;
  const auto epoch = ParseNumber(name.substr(1));
  if (!epoch.ok()) return std::nullopt;
  return *epoch;
}

Status WalkStaged(Storage& storage, View view, Group group, const Visit& visit) {
  const std::string root = paths::Staging(view, group);
  const auto entries = storage.List(root);
  if (entries.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(entries.status());
  std::multimap<uint64_t, std::string> epochs;
  for (const DirEntry& entry : *entries) {
    const auto name = paths::ParseStagingName(entry.name);
    if (name) epochs.emplace(name->epoch, entry.name);
  }
  for (const auto& [epoch, name] : epochs) {
    DATABUS_RETURN_IF_ERROR(WalkDirectory(storage, paths::Join(root, name), visit));
  }
  return Status::Ok();
}

}  // namespace databus
