#include "control/create_once.h"

#include <string>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"

namespace databus {

namespace {

constexpr int kTriesMax = 3;

// A worker that starts sweeps what was staged, ours too: then it is staged once more.
Status Place(Storage& storage, const std::string& staged, const SmallFile& file) {
  Status placed;
  for (int i = 0; i < kTriesMax; ++i) {
    DATABUS_RETURN_IF_ERROR(storage.WriteFile(staged, file.content));
    placed = storage.Rename(staged, file.path);
    if (placed.code() != Code::kNotFound) break;
  }
  return placed;
}

}  // namespace

// Without its staged file a rename that is still on its way does nothing: so that goes before we
// look.
Status CreateOnce(Storage& storage, Random& random, const SmallFile& file) {
  DATABUS_RETURN_IF_ERROR(EnsureDir(storage, std::string(paths::Parent(file.path))));
  const std::string staged = paths::OnceStaging(random.Hex(16));
  const Status created = Place(storage, staged, file);
  if (created.ok()) return created;
  const Status swept = storage.Remove(staged);  // else a worker does, at its next start
  const auto there = storage.ReadFile(file.path);
  if (there.ok() && *there == file.content) return Status::Ok();
  if (there.ok()) {
    return {Code::kExists,
            fmt::format("{}: {} is there with another content", storage.Describe(), file.path)};
  }
  if (swept.unknown() || !(there.code() == Code::kNotFound)) {
    return {Code::kUnavailable, fmt::format("{}: {} may be written: {}", storage.Describe(),
                                            file.path, created.message())};
  }
  return created.WithContext("not stored");
}

}  // namespace databus
