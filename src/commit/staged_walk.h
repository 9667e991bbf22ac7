// What is under way in the staging of a view's group, for those who look on: of every epoch, and of
// those that it has taken over (docs/decisions/0004).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "commit/record.h"
#include "storage/storage.h"

namespace databus {

// "r<epoch>": a fenced directory inside that of the epoch which recovers it.
std::string AdoptedName(uint64_t epoch);
std::optional<uint64_t> ParseAdoptedName(std::string_view name);

struct StagedFile {
  std::string path;
  staged::Name name;
  WallTime modified{};
};

// Calls `visit` for every file, in the direction in which work moves on: the oldest epoch first,
// and within one what it has taken over first. So a file that moves on meanwhile is visited, maybe
// twice, or has left the staging. kUnavailable: a directory changed hands while it was looked at;
// there may be more.
Status WalkStaged(Storage& storage, View view, Group group,
                  const std::function<Status(const StagedFile&)>& visit);

}  // namespace databus
