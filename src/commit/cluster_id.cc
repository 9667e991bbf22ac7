#include "commit/cluster_id.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kKind = "cluster";

// Parents first.
std::vector<std::string> ServiceDirs() {
  std::vector<std::string> dirs = {paths::Data(),
                                   paths::ViewRoot(View::kLocal),
                                   paths::ViewRoot(View::kMerged),
                                   std::string(paths::Parent(paths::Tmp())),
                                   paths::Tmp(),
                                   std::string(paths::Parent(paths::CollectorStaging("x"))),
                                   paths::Leases(),
                                   paths::SealedRoot(),
                                   paths::StatusRoot(),
                                   paths::TrashRoot(),
                                   paths::Eras(),
                                   std::string(paths::Parent(paths::Consumers("x"))),
                                   std::string(paths::Parent(paths::Mirrors("x")))};
  for (const View view : {View::kLocal, View::kMerged}) {
    const std::string staging(paths::Parent(paths::Staging(view, 0)));
    const std::string manifests(paths::Parent(paths::ManifestRoot(view, 0)));
    const std::string quarantine(paths::Parent(paths::Quarantine(view, "x")));
    for (const std::string& dir : {staging, manifests, quarantine}) {
      const std::string parent(paths::Parent(dir));
      if (std::find(dirs.begin(), dirs.end(), parent) == dirs.end()) dirs.push_back(parent);
      dirs.push_back(dir);
    }
  }
  return dirs;
}

}  // namespace

Result<ClusterIdentity> ReadClusterId(Storage& storage) {
  DATABUS_ASSIGN_OR_RETURN(const std::string text, storage.ReadFile(paths::ClusterId(), 4096));
  const std::string where = storage.Describe() + ": " + paths::ClusterId();
  DATABUS_ASSIGN_OR_RETURN(const std::vector<TextLine> lines,
                           ParseText(kKind, kVersion, text, where));
  ClusterIdentity identity;
  identity.groups = 0;
  for (const TextLine& line : lines) {
    if (line.size() != 2) continue;
    if (line[0] == "id") identity.id = line[1];
    if (line[0] == "groups") {
      DATABUS_ASSIGN_OR_RETURN(const uint64_t groups, ParseNumber(line[1]));
      if (groups > std::numeric_limits<Group>::max()) {
        return Status(Code::kCorrupt, where + ": more groups than there can be");
      }
      identity.groups = static_cast<Group>(groups);
    }
  }
  if (identity.id.empty() || identity.groups == 0) {
    return Status(Code::kCorrupt, where + ": id or groups missing");
  }
  return identity;
}

Result<ClusterIdentity> CheckClusterId(Storage& storage, const std::string& remembered) {
  Result<ClusterIdentity> found = ReadClusterId(storage);
  if (found.code() == Code::kNotFound) {
    return Status(
        Code::kUnavailable,
        remembered.empty()
            ? storage.Describe() + ": not initialised (no system/cluster-id)"
            : fmt::format("{}: no system/cluster-id, but it had id {}: is the disk mounted?",
                          storage.Describe(), remembered));
  }
  if (!found.ok()) return found;
  if (!remembered.empty() && found->id != remembered && !Planted(Bug::kWrongTreeAccepted)) {
    return Status(
        Code::kUnavailable,
        fmt::format("{}: system/cluster-id is {}, expected {}: is the right disk mounted?",
                    storage.Describe(), found->id, remembered));
  }
  return found;
}

Result<TreeState> LookAtTree(Storage& storage) {
  const std::vector<std::string> ours = ServiceDirs();
  // Only the directories that we make ourselves, and nothing in them but each other.
  std::vector<std::string> open = {""};
  while (!open.empty()) {
    const std::string dir = open.back();
    open.pop_back();
    Result<std::vector<DirEntry>> entries = storage.List(dir);
    if (entries.code() == Code::kNotFound && dir.empty()) return TreeState::kEmpty;
    if (!entries.ok()) return entries.status();
    for (const DirEntry& entry : *entries) {
      const std::string path = dir.empty() ? entry.name : paths::Join(dir, entry.name);
      const bool own_dir = entry.info.kind == NodeKind::kDirectory &&
                           std::find(ours.begin(), ours.end(), path) != ours.end();
      if (!own_dir) {
        // A cluster-id that was staged and not renamed is ours too.
        if (dir == paths::Tmp() && entry.name.starts_with("cluster-id.")) continue;
        return TreeState::kForeign;
      }
      open.push_back(path);
    }
  }
  return TreeState::kEmpty;
}

Status CheckIsDirectory(Storage& storage, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(const NodeInfo info, storage.Stat(path));
  if (info.kind == NodeKind::kDirectory) return Status::Ok();
  return {Code::kRefused,
          fmt::format("{}: {} is not a directory; move it away", storage.Describe(), path)};
}

Status EnsureDir(Storage& storage, const std::string& path) {
  Status status = storage.MakeDir(path);
  if (status.code() == Code::kExists) return CheckIsDirectory(storage, path);
  return status.WithContext(storage.Describe() + ": " + path);
}

Status EnsureDirsBelow(Storage& storage, const std::string& base, const std::string& path) {
  // The usual case is that all but the last part exist.
  Status status = storage.MakeDir(path);
  if (status.code() == Code::kExists) return CheckIsDirectory(storage, path);
  if (status.ok()) return status;
  if (status.code() != Code::kNotFound || paths::Parent(path) == base) {
    return status.WithContext(storage.Describe() + ": " + path);
  }
  DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(storage, base, std::string(paths::Parent(path))));
  return EnsureDir(storage, path);
}

Status EnsureServiceDirs(Storage& storage) {
  for (const std::string& dir : ServiceDirs()) {
    DATABUS_RETURN_IF_ERROR(EnsureDir(storage, dir));
  }
  return Status::Ok();
}

Result<ClusterIdentity> InitializeTree(Storage& storage, Random& random, Group groups) {
  DATABUS_RETURN_IF_ERROR(EnsureServiceDirs(storage));
  const std::string id = random.Hex(32);
  TextWriter text(kKind, kVersion);
  text.Line({"id", id});
  text.Line({"groups", std::to_string(groups)});
  const std::string staged = paths::Join(paths::Tmp(), "cluster-id." + id);
  DATABUS_RETURN_IF_ERROR(storage.WriteFile(staged, std::move(text).Finish()));
  const Status placed = storage.Rename(staged, paths::ClusterId());
  if (placed.code() == Code::kExists) {
    if (const Status removed = storage.Remove(staged); !removed.ok()) return removed;
  } else if (!placed.ok()) {
    return placed;
  }
  return ReadClusterId(storage);
}

}  // namespace databus
