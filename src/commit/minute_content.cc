#include "commit/minute_content.h"

#include <algorithm>

#include "commit/ledger.h"

namespace databus {
namespace {

// The part of the path of a minute's manifest that says which minute of the hour it is.
std::string MinuteOfHour(Minute minute) { return std::string(paths::BaseName(minute.ToPath())); }

// A copy or an own manifest of the minute, and the amendments.
struct OfMinute {
  std::vector<std::pair<uint64_t, std::string>> amendments;  // the highest first
  std::vector<std::string> copies;
  std::string own;
};

OfMinute Sort(const std::vector<std::string>& names, Minute minute) {
  OfMinute found;
  for (const std::string& name : names) {
    const auto parsed = paths::ManifestName::Parse(name);
    if (!parsed || parsed->minute != MinuteOfHour(minute)) continue;
    if (parsed->amendment) {
      found.amendments.emplace_back(*parsed->amendment, name);
    } else if (!parsed->primary.empty()) {
      found.copies.push_back(name);
    } else {
      found.own = name;
    }
  }
  std::sort(found.amendments.rbegin(), found.amendments.rend());
  return found;
}

}  // namespace

Status MinuteContent::LoadHour(Minute minute) {
  const std::string hour = std::string(paths::Parent(paths::Manifest(view_, group_, minute, "")));
  if (hour == hour_) return Status::Ok();
  const auto entries = storage_.List(hour);
  if (!entries.ok() && entries.code() != Code::kNotFound) return entries.status();
  names_.clear();
  if (entries.ok()) {
    for (const DirEntry& entry : *entries) {
      if (entry.info.kind == NodeKind::kFile) names_.push_back(entry.name);
    }
  }
  hour_ = hour;
  return Status::Ok();
}

Result<std::optional<Manifest>> MinuteContent::ReadNamed(const std::string& name) {
  ++reads_;
  auto manifest = ReadManifestAt(storage_, paths::Join(hour_, name));
  if (manifest.code() == Code::kNotFound) return std::optional<Manifest>();  // purged meanwhile
  if (manifest.code() == Code::kCorrupt) {
    damaged_ = manifest.status().message();
    return std::optional<Manifest>();
  }
  if (!manifest.ok()) return manifest.status();
  return std::optional<Manifest>(std::move(*manifest));
}

Result<const MinuteContent::Streams*> MinuteContent::Described(Minute minute) {
  if (minute_ == minute) return &streams_;
  minute_.reset();
  damaged_.clear();
  DATABUS_RETURN_IF_ERROR(LoadHour(minute));
  const OfMinute found = Sort(names_, minute);
  Streams streams;
  std::map<std::string, std::string> only_of;  // by stream: the primary whose copy counts
  for (const auto& [number, name] : found.amendments) {
    DATABUS_ASSIGN_OR_RETURN(std::optional<Manifest> amendment, ReadNamed(name));
    if (!amendment) continue;
    for (auto& [stream, files] : amendment->streams) {
      if (!only_of.contains(stream)) streams.try_emplace(stream, std::move(files));
    }
    for (const std::string& stream : amendment->gone) {
      if (!streams.contains(stream)) only_of.try_emplace(stream, amendment->primary);
    }
  }
  std::vector<std::string> closed = found.copies;
  if (!found.own.empty()) closed.push_back(found.own);
  for (const std::string& name : closed) {
    DATABUS_ASSIGN_OR_RETURN(std::optional<Manifest> manifest, ReadNamed(name));
    if (!manifest) continue;
    for (auto& [stream, files] : manifest->streams) {
      const auto only = only_of.find(stream);
      if (only != only_of.end() && only->second != manifest->primary) continue;
      streams.try_emplace(stream, std::move(files));
    }
  }
  streams_ = std::move(streams);
  minute_ = minute;
  return &streams_;
}

Result<std::optional<MinuteFiles>> MinuteContent::Described(const std::string& stream,
                                                            Minute minute) {
  DATABUS_ASSIGN_OR_RETURN(const Streams* streams, Described(minute));
  const auto found = streams->find(stream);
  if (found == streams->end()) return std::optional<MinuteFiles>();
  return std::optional<MinuteFiles>(found->second);
}

Result<MinuteFiles> MinuteContent::Read(const std::string& stream, Minute minute) {
  DATABUS_ASSIGN_OR_RETURN(std::optional<MinuteFiles> described, Described(stream, minute));
  if (described) return std::move(*described);
  auto listed = ReadMinuteFiles(storage_, paths::MinuteDir(view_, stream, minute));
  if (listed.ok()) reads_ += listed->size();
  return listed;
}

Result<bool> MinuteContent::IsAmended(Minute minute) {
  DATABUS_RETURN_IF_ERROR(LoadHour(minute));
  const OfMinute found = Sort(names_, minute);
  return !found.amendments.empty() || !found.copies.empty();
}

Result<bool> MinuteContent::IsDescribed(Minute minute) {
  DATABUS_RETURN_IF_ERROR(LoadHour(minute));
  const OfMinute found = Sort(names_, minute);
  return !found.amendments.empty() || !found.copies.empty() || !found.own.empty();
}

void MinuteContent::Add(const std::string& path) {
  if (paths::Parent(path) != hour_) return;
  names_.emplace_back(paths::BaseName(path));
  minute_.reset();
}

Result<uint64_t> MinuteContent::NextAmendment(Minute minute) {
  DATABUS_RETURN_IF_ERROR(LoadHour(minute));
  const OfMinute found = Sort(names_, minute);
  return found.amendments.empty() ? 1 : found.amendments.front().first + 1;
}

}  // namespace databus
