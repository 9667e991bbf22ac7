#include "failover/mirror_reader.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "commit/cluster_id.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"

namespace databus::failover {
namespace {

// Both sides of one stream.
struct Sides {
  MinuteContent primary;
  MinuteContent mirror;
  const std::string& stream;
};

// Nothing: a side has not got that minute.
Result<std::optional<MinuteFiles>> Files(MinuteContent& side, const std::string& stream,
                                         Minute minute) {
  auto files = side.Read(stream, minute);
  if (files.code() == Code::kNotFound) return std::optional<MinuteFiles>();
  if (!files.ok()) return files.status();
  return std::optional<MinuteFiles>(*std::move(files));
}

bool SameBytes(const ManifestFile& one, const ManifestFile& other) {
  return one.length == other.length && one.crc32c == other.crc32c;
}

// The first difference; empty: there is none.
std::string Difference(const MinuteFiles& primary, const MinuteFiles& mirror) {
  for (const auto& [name, file] : primary) {
    const auto there = mirror.find(name);
    if (there == mirror.end()) return name + " is missing at the mirror";
    if (!SameBytes(file, there->second)) return name + " is not the same file at the mirror";
  }
  for (const auto& [name, file] : mirror) {
    if (!primary.contains(name)) return name + " is at the mirror only";
  }
  return "";
}

Result<std::string> Compare(Sides& sides, Minute minute) {
  DATABUS_ASSIGN_OR_RETURN(const auto mirror, Files(sides.mirror, sides.stream, minute));
  DATABUS_ASSIGN_OR_RETURN(const auto primary, Files(sides.primary, sides.stream, minute));
  if (!primary && !mirror) return std::string();
  if (!primary) return std::string("the primary has not got this minute");
  if (!mirror) return std::string("the mirror has not got this minute");
  return Difference(*primary, *mirror);
}

}  // namespace

Status MirrorReader::Read(Storage& primary, Storage& mirror, const Scope::Mirrored& wanted,
                          SeenMirror& seen) {
  const std::string root = paths::Stream(View::kMerged, wanted.stream);
  // After the mirror: what that has by now the primary has had before.
  DATABUS_ASSIGN_OR_RETURN(seen.primary_newest, NewestMinute(primary, root));
  if (!seen.newest || !seen.primary_newest) return Status::Ok();
  Minute first = *seen.newest;
  if (wanted.depth == Scope::Mirrored::Depth::kAll) {
    DATABUS_ASSIGN_OR_RETURN(const auto oldest_there, OldestMinute(mirror, root));
    DATABUS_ASSIGN_OR_RETURN(const auto oldest, OldestMinute(primary, root));
    first = std::max(oldest.value_or(first), oldest_there.value_or(first));
  }
  DATABUS_ASSIGN_OR_RETURN(const ClusterIdentity identity, ReadClusterId(primary));
  const Group group = GroupOf(wanted.stream, identity.groups);
  Sides sides{MinuteContent(primary, View::kMerged, group),
              MinuteContent(mirror, View::kMerged, group), wanted.stream};
  if (!equal_from_ || first < *equal_from_ || first > equal_to_) equal_from_.reset();
  Minute next = first;
  if (equal_from_) {
    seen.compared = static_cast<uint64_t>(equal_to_ - first + 1);
    next = equal_to_.Next();
  }
  for (; next <= *seen.newest; next = next.Next()) {
    DATABUS_ASSIGN_OR_RETURN(std::string difference, Compare(sides, next));
    if (!difference.empty()) {
      seen.differs = next;
      seen.difference = std::move(difference);
      return Status::Ok();
    }
    ++seen.compared;
    // The newest one may get more.
    if (next == *seen.newest) break;
    if (!equal_from_) equal_from_ = first;
    equal_to_ = next;
  }
  return Status::Ok();
}

}  // namespace databus::failover
