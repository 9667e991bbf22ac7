#include "worker/salvage.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
#include "commit/minute_tree.h"
#include "worker/purge_service.h"

namespace databus {
namespace {

constexpr std::chrono::minutes kPassInterval{10};
// How many manifests one run of one group reads at most.
constexpr size_t kManifestsPerBatchMax = 2000;
// A merged copy may be in a somewhat earlier minute than the local file, as clocks differ.
constexpr int kMarginMinutes = 60;

}  // namespace

Salvage::Salvage(Options options) : options_(std::move(options)) {
  if (Planted(Bug::kNothingSalvaged)) return;
  for (const StreamSpec& stream : options_.topology.streams) {
    const bool published = stream.Primary() == options_.cluster && stream.cut &&
                           stream.publication == Publication::kOpen;
    if (published) streams_[GroupOf(stream.name, options_.groups)].push_back(&stream);
  }
}

void Salvage::BeginRun() {
  std::set<std::string> answering;
  for (const ClusterSpec& cluster : options_.topology.clusters) {
    if (options_.clusters.Find(cluster.name) != nullptr) answering.insert(cluster.name);
  }
  const bool came_back =
      !std::includes(answered_.begin(), answered_.end(), answering.begin(), answering.end());
  const bool is_first = !begun_;
  const BootTime now = options_.clock.Boot();
  answered_ = answering;
  if (!is_first && !came_back && now - *begun_ < kPassInterval) return;
  begun_ = now;
  for (const auto& [group, streams] : streams_) {
    Pass& pass = passes_[group];
    pass.left = answering;
    if (is_first || came_back) pass.open = OpenMinutes::kRead;
  }
}

std::set<Group> Salvage::DueGroups() const {
  std::set<Group> groups;
  for (const auto& [group, pass] : passes_) groups.insert(group);
  return groups;
}

uint32_t Salvage::DigestOf(Group group) const {
  std::string text;
  for (const StreamSpec* stream : streams_.at(group)) {
    text += fmt::format("{} {}\n", stream->name, stream->cut->ToIso());
  }
  return Crc32c(text);
}

Result<Minute> Salvage::FirstMinute(GroupWriter& writer, const std::string& source) const {
  const Minute certain = OldestKeptManifest(options_.topology, options_.retention_limit_percent,
                                            options_.clock.Wall()) +
                         kMarginMinutes;
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  const auto known = eras->sources.find(source);
  if (known == eras->sources.end() || known->second.of != DigestOf(writer.staging().group())) {
    return certain;
  }
  return std::max(certain, known->second.to.Next());
}

Result<Salvage::Batch> Salvage::Next(GroupWriter& writer, const IdentityIndex& index,
                                     size_t files_max) {
  const Group group = writer.staging().group();
  const Pass& pass = passes_.at(group);
  Batch batch;
  for (const std::string& source : pass.left) {
    Storage* storage = options_.clusters.Find(source);
    const std::string topic = fmt::format("{} salvage from {}", options_.cluster, source);
    if (storage == nullptr) {
      batch.ended.insert(source);
      continue;
    }
    DATABUS_ASSIGN_OR_RETURN(const Minute first, FirstMinute(writer, source));
    const Status looked =
        LookThrough({group, source, *storage, index, files_max, pass.open}, first, batch);
    if (looked.ok()) {
      options_.problems.Clear(topic);
    } else {
      options_.problems.Raise(topic, looked.ToString(), "looked through again in ten minutes");
      batch.ended.insert(source);
    }
    break;  // one at a time: what one has, the next may have, too
  }
  return batch;
}

Status Salvage::LookThrough(const Look& look, Minute first, Batch& batch) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListManifests(look.storage, View::kLocal, look.group, "", first, kLastMinute));
  size_t read = 0;
  for (const Minute minute : minutes) {
    if (batch.files.size() >= look.files_max || read++ >= kManifestsPerBatchMax) {
      return Status::Ok();
    }
    DATABUS_RETURN_IF_ERROR(LookAtClosed(look, minute, batch));
    batch.reached[look.source] = minute;
  }
  if (look.open == OpenMinutes::kRead) {
    const Minute open = minutes.empty() ? first : minutes.back().Next();
    DATABUS_RETURN_IF_ERROR(LookAtOpen(look, open, batch));
  }
  DATABUS_RETURN_IF_ERROR(LookAtDivergent(look, batch));
  batch.ended.insert(look.source);
  return Status::Ok();
}

Status Salvage::LookAtClosed(const Look& look, Minute minute, Batch& batch) const {
  const auto manifest = ReadManifest(look.storage, View::kLocal, look.group, minute, "");
  if (manifest.code() == Code::kNotFound) return Status::Ok();  // purged meanwhile
  if (!manifest.ok() && manifest.code() != Code::kCorrupt) return manifest.status();
  for (const StreamSpec* stream : streams_.at(look.group)) {
    if (!manifest.ok()) {
      DATABUS_RETURN_IF_ERROR(LookAtDirectory(
          look, stream->name, paths::MinuteDir(View::kLocal, stream->name, minute), batch));
      continue;
    }
    const auto files = manifest->streams.find(stream->name);
    if (files == manifest->streams.end()) continue;
    for (const auto& [name, facts] : files->second) {
      if (look.index.Contains(stream->name, name, facts)) continue;
      batch.files.push_back({look.source,
                             paths::MinuteFile(View::kLocal, stream->name, minute, name),
                             stream->name, name});
    }
  }
  return Status::Ok();
}

// Of a cluster whose worker is away they may stay open for long.
Status Salvage::LookAtOpen(const Look& look, Minute first, Batch& batch) const {
  for (const StreamSpec* stream : streams_.at(look.group)) {
    DATABUS_ASSIGN_OR_RETURN(
        const std::vector<Minute> minutes,
        ListMinutes(look.storage, paths::Stream(View::kLocal, stream->name), first, kLastMinute));
    for (const Minute minute : minutes) {
      DATABUS_RETURN_IF_ERROR(LookAtDirectory(
          look, stream->name, paths::MinuteDir(View::kLocal, stream->name, minute), batch));
    }
  }
  return Status::Ok();
}

Status Salvage::LookAtDivergent(const Look& look, Batch& batch) const {
  const auto eras = look.storage.List(paths::DivergentRoot());
  if (eras.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(eras.status());
  for (const DirEntry& era : *eras) {
    for (const StreamSpec* stream : streams_.at(look.group)) {
      const std::string root = paths::DivergentStream(era.name, stream->name);
      DATABUS_ASSIGN_OR_RETURN(const std::vector<Minute> minutes,
                               ListMinutes(look.storage, root, kFirstMinute, kLastMinute));
      for (const Minute minute : minutes) {
        DATABUS_RETURN_IF_ERROR(LookAtDivergentMinute(
            look, stream->name, paths::DivergentMinute(era.name, stream->name, minute), batch));
      }
    }
  }
  return Status::Ok();
}

// Each file once: nothing leaves system/divergent but by an operator's hand.
Status Salvage::LookAtDivergentMinute(const Look& look, const std::string& stream,
                                      const std::string& dir, Batch& batch) const {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, look.storage.List(dir));
  const auto known = divergent_seen_.find(look.source);
  for (const DirEntry& entry : entries) {
    const std::string path = paths::Join(dir, entry.name);
    if (entry.info.kind != NodeKind::kFile || entry.name.ends_with(kReasonSuffix)) continue;
    if (known != divergent_seen_.end() && known->second.contains(path)) continue;
    DATABUS_ASSIGN_OR_RETURN(const FileFacts facts, ReadFacts(look.storage, path));
    if (!look.index.Contains(stream, entry.name, facts.file)) {
      batch.files.push_back({look.source, path, stream, entry.name});
    }
    batch.divergent[look.source].insert(path);
  }
  return Status::Ok();
}

Status Salvage::LookAtDirectory(const Look& look, const std::string& stream, const std::string& dir,
                                Batch& batch) const {
  const auto files = ReadMinuteFiles(look.storage, dir);
  if (files.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(files.status());
  for (const auto& [name, facts] : *files) {
    if (look.index.Contains(stream, name, facts)) continue;
    batch.files.push_back({look.source, paths::Join(dir, name), stream, name});
  }
  return Status::Ok();
}

Status Salvage::Settle(GroupWriter& writer, const Batch& batch, std::set<std::string> failed) {
  const Group group = writer.staging().group();
  DATABUS_ASSIGN_OR_RETURN(const Eras* known, options_.eras.Of(writer));
  Eras eras = *known;
  for (const auto& [source, minute] : batch.reached) {
    // Nothing is absent from a cluster that went away in the middle (P1).
    options_.clusters.CheckOne(source);
    if (options_.clusters.Find(source) == nullptr) failed.insert(source);
    if (!failed.contains(source)) eras.sources[source] = {DigestOf(group), minute};
  }
  DATABUS_RETURN_IF_ERROR(options_.eras.Set(writer, std::move(eras)));
  for (const auto& [source, paths] : batch.divergent) {
    divergent_seen_[source].insert(paths.begin(), paths.end());
  }
  Pass& pass = passes_.at(group);
  for (const std::string& source : batch.ended) pass.left.erase(source);
  for (const std::string& source : failed) {
    pass.left.erase(source);
    divergent_seen_.erase(source);
  }
  if (pass.left.empty()) passes_.erase(group);
  return Status::Ok();
}

}  // namespace databus
