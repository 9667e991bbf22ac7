#include "worker/salvage.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
#include "cluster/sealed_header.h"
#include "commit/apply.h"
#include "commit/minute_tree.h"
#include "worker/purge_service.h"

namespace databus {
namespace {

// A source that is cut off for a moment is no news to anybody else, and a failover waits for it.
constexpr std::chrono::seconds kPutOff{30};
// How many manifests, and how many directories of divergent minutes, one batch reads at most.
constexpr size_t kManifestsPerBatchMax = 2000;
constexpr size_t kDivergentPerBatchMax = 200;
// A merged copy may be in a somewhat earlier minute than the local file, as clocks differ.
constexpr int kMarginMinutes = 60;
// How many files of a source and a group may be missed before that is the source's trouble.
constexpr size_t kMissedMax = 1000;

std::string EraText(const StreamSpec& stream) {
  const Era era = EraOf(stream);
  std::string text = stream.name;
  if (era.cut) text += " " + era.cut->ToIso();
  if (era.settled != 0) text += fmt::format(" {}", era.settled);
  return text + "\n";
}

}  // namespace

Salvage::Salvage(Options options, Learnt learnt)
    : options_(std::move(options)), learnt_(std::move(learnt)) {
  if (Planted(Bug::kNothingSalvaged)) return;
  for (const StreamSpec& stream : options_.topology.streams) {
    const bool published = stream.Primary() == options_.cluster && !EraOf(stream).IsFirst() &&
                           stream.publication == Publication::kOpen;
    if (published) streams_[GroupOf(stream.name, options_.groups)].push_back(&stream);
  }
  // What was read before a group's streams changed hands says nothing of the view as it is now.
  std::erase_if(learnt_.of, [&](const auto& of) {
    return !streams_.contains(of.first) || of.second != DigestOf(of.first);
  });
  std::erase_if(learnt_.divergent_seen,
                [&](const auto& seen) { return !learnt_.of.contains(seen.first.second); });
}

void Salvage::BeginRun() {
  std::set<std::string> answering;
  for (const ClusterSpec& cluster : options_.topology.clusters) {
    if (options_.clusters.Find(cluster.name) != nullptr) answering.insert(cluster.name);
  }
  const bool came_back = !std::includes(learnt_.answered.begin(), learnt_.answered.end(),
                                        answering.begin(), answering.end());
  const BootTime now = options_.clock.Boot();
  learnt_.answered = answering;
  const bool due = !learnt_.begun || came_back || now - *learnt_.begun >= kSalvagePassInterval;
  if (due) learnt_.begun = now;
  for (const auto& [group, streams] : streams_) {
    const bool is_first = learnt_.of.try_emplace(group, DigestOf(group)).second;
    if (!due && !is_first) continue;
    Pass& pass = passes_[group];
    const auto put_off = put_off_.find(group);
    const bool owed = put_off != put_off_.end() && put_off->second.open == OpenMinutes::kRead;
    const OpenMinutes open = is_first || came_back || owed || pass.open == OpenMinutes::kRead
                                 ? OpenMinutes::kRead
                                 : OpenMinutes::kLeave;
    pass = {.left = answering, .open = open, .retried = {}, .divergent = {}};
    put_off_.erase(group);
  }
  ResumePutOff(answering);
}

// One that does not answer now gets a pass when it has come back.
void Salvage::ResumePutOff(const std::set<std::string>& answering) {
  std::erase_if(put_off_, [&](const auto& of) {
    const auto& [group, put_off] = of;
    if (options_.clock.Boot() < put_off.until) return false;
    for (const std::string& source : put_off.sources) {
      if (!answering.contains(source)) continue;
      Pass& pass = passes_[group];
      pass.left.insert(source);
      pass.retried.erase(source);
      pass.divergent.erase(source);
      if (put_off.open == OpenMinutes::kRead) pass.open = OpenMinutes::kRead;
    }
    return true;
  });
}

// A pass that is under way begins anew.
Salvage::Learnt Salvage::TakeLearnt() {
  for (const auto& [group, pass] : passes_) learnt_.of.erase(group);
  for (const auto& [group, put_off] : put_off_) learnt_.of.erase(group);
  return std::move(learnt_);
}

std::set<Group> Salvage::DueGroups() const {
  std::set<Group> groups;
  for (const auto& [group, pass] : passes_) groups.insert(group);
  return groups;
}

uint32_t SalvageDigest(const StreamSpec& stream) { return Crc32c(EraText(stream)); }

uint32_t Salvage::DigestOf(Group group) const {
  std::string text;
  for (const StreamSpec* stream : streams_.at(group)) {
    text += EraText(*stream);
  }
  return Crc32c(text);
}

Result<std::vector<const StreamSpec*>> Salvage::StreamsOf(GroupWriter& writer,
                                                          const std::set<std::string>& waiting) {
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  std::vector<const StreamSpec*> streams;
  for (const StreamSpec* stream : streams_.at(writer.staging().group())) {
    if (eras->IsIn(*stream) && !waiting.contains(stream->name)) streams.push_back(stream);
  }
  return streams;
}

Result<Minute> Salvage::FirstMinute(GroupWriter& writer, const Look& look) const {
  const Minute certain = OldestKeptManifest(options_.topology, options_.retention_limit_percent,
                                            options_.clock.Wall()) +
                         kMarginMinutes;
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  std::optional<Minute> first;
  for (const StreamSpec* stream : look.streams) {
    const auto known = eras->salvaged.find({look.source, stream->name});
    const bool valid = known != eras->salvaged.end() && known->second.of == SalvageDigest(*stream);
    const Minute from = valid ? std::max(certain, known->second.to.Next()) : certain;
    first = first ? std::min(*first, from) : from;
  }
  return first.value_or(certain);
}

Result<Salvage::Batch> Salvage::Next(GroupWriter& writer, const IdentityIndex& index,
                                     const std::set<std::string>& waiting, size_t files_max) {
  const Group group = writer.staging().group();
  Pass& pass = passes_.at(group);
  DATABUS_ASSIGN_OR_RETURN(const std::vector<const StreamSpec*> streams,
                           StreamsOf(writer, waiting));
  Batch batch;
  for (const std::string& source : pass.left) {
    Storage* storage = options_.clusters.Find(source);
    if (storage == nullptr || streams.empty()) {
      batch.put_off.insert(source);
      continue;
    }
    const std::string topic = fmt::format("{} salvage from {}", options_.cluster, source);
    batch.source = source;
    for (const StreamSpec* stream : streams) batch.streams.push_back(stream->name);
    const Status looked = LookThrough(
        writer, {group, source, *storage, index, streams, files_max, pass.open}, pass, batch);
    if (looked.ok()) {
      options_.problems.Clear(topic);
    } else {
      options_.problems.Raise(topic, looked.ToString(), "looked through again in half a minute");
      batch.put_off.insert(source);
    }
    break;  // one at a time: what one has, the next may have, too
  }
  return batch;
}

Status Salvage::LookThrough(GroupWriter& writer, const Look& look, Pass& pass, Batch& batch) {
  if (!pass.retried.contains(look.source)) {
    DATABUS_RETURN_IF_ERROR(AddMissedBefore(writer, look, batch));
  }
  DATABUS_ASSIGN_OR_RETURN(const Minute first, FirstMinute(writer, look));
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListManifests(look.storage, View::kLocal, look.group, "", first, kLastMinute));
  OldestMinutes oldest(look.storage, View::kLocal);
  size_t read = 0;
  for (const Minute minute : minutes) {
    if (batch.files.size() >= look.files_max || read++ >= kManifestsPerBatchMax) {
      return Status::Ok();
    }
    DATABUS_RETURN_IF_ERROR(LookAtClosed(look, minute, oldest, batch));
    batch.reached = minute;
  }
  if (look.open == OpenMinutes::kRead) {
    const Minute open = minutes.empty() ? first : minutes.back().Next();
    DATABUS_RETURN_IF_ERROR(LookAtOpen(look, open, batch));
  }
  if (!pass.divergent.contains(look.source)) {
    DATABUS_ASSIGN_OR_RETURN(pass.divergent[look.source], ListDivergent(look));
  }
  for (const Dir& dir : pass.divergent[look.source]) {
    if (batch.files.size() >= look.files_max || batch.divergent_dirs >= kDivergentPerBatchMax) {
      return Status::Ok();
    }
    ++batch.divergent_dirs;
    // It waits by now: the next pass lists it again.
    if (std::ranges::count(look.streams, dir.first, &StreamSpec::name) == 0) continue;
    DATABUS_RETURN_IF_ERROR(LookAtDivergent(look, dir, batch));
  }
  batch.ended.insert(look.source);
  return Status::Ok();
}

Status Salvage::AddMissedBefore(GroupWriter& writer, const Look& look, Batch& batch) const {
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  const auto missed = eras->missed.find(look.source);
  if (missed == eras->missed.end()) return Status::Ok();
  for (const auto& [path, file] : missed->second) {
    if (std::ranges::count(look.streams, file.stream, &StreamSpec::name) == 0) continue;
    batch.files.push_back({path, file.stream, file.name});
    batch.retried.push_back(path);
  }
  return Status::Ok();
}

// A minute may have been closed without a stream that had to wait (P11): what lies there is read.
Status Salvage::LookAtClosed(const Look& look, Minute minute, OldestMinutes& oldest,
                             Batch& batch) const {
  const auto manifest = ReadManifest(look.storage, View::kLocal, look.group, minute, "");
  if (manifest.code() == Code::kNotFound) return Status::Ok();  // purged meanwhile
  if (!manifest.ok() && manifest.code() != Code::kCorrupt) return manifest.status();
  for (const StreamSpec* stream : look.streams) {
    const bool named = manifest.ok() && manifest->streams.contains(stream->name);
    if (!named) {
      DATABUS_ASSIGN_OR_RETURN(const bool may_hold, oldest.MayHold(stream->name, minute));
      if (!may_hold) continue;
      DATABUS_RETURN_IF_ERROR(LookAtDirectory(
          look, {stream->name, paths::MinuteDir(View::kLocal, stream->name, minute)}, batch));
      continue;
    }
    for (const auto& [name, facts] : manifest->streams.at(stream->name)) {
      if (look.index.Contains(stream->name, name, facts)) continue;
      batch.files.push_back(
          {paths::MinuteFile(View::kLocal, stream->name, minute, name), stream->name, name});
    }
  }
  return Status::Ok();
}

// Of a cluster whose worker is away they may stay open for long.
Status Salvage::LookAtOpen(const Look& look, Minute first, Batch& batch) const {
  for (const StreamSpec* stream : look.streams) {
    DATABUS_ASSIGN_OR_RETURN(
        const std::vector<Minute> minutes,
        ListMinutes(look.storage, paths::Stream(View::kLocal, stream->name), first, kLastMinute));
    for (const Minute minute : minutes) {
      DATABUS_RETURN_IF_ERROR(LookAtDirectory(
          look, {stream->name, paths::MinuteDir(View::kLocal, stream->name, minute)}, batch));
    }
  }
  return Status::Ok();
}

// Their number is bounded by what was not merged yet when its cluster purged last.
Result<std::deque<Salvage::Dir>> Salvage::ListDivergent(const Look& look) {
  std::deque<Dir> dirs;
  const auto eras = look.storage.List(paths::DivergentRoot());
  if (!eras.ok() && eras.code() != Code::kNotFound) return eras.status();
  for (const DirEntry& era : eras.ok() ? *eras : std::vector<DirEntry>()) {
    for (const StreamSpec* stream : look.streams) {
      const std::string root = paths::DivergentStream(era.name, stream->name);
      DATABUS_ASSIGN_OR_RETURN(const std::vector<Minute> minutes,
                               ListMinutes(look.storage, root, kFirstMinute, kLastMinute));
      for (const Minute minute : minutes) {
        dirs.emplace_back(stream->name, paths::DivergentMinute(era.name, stream->name, minute));
      }
    }
  }
  std::set<std::string> there;
  for (const auto& [stream, path] : dirs) there.insert(path);
  std::erase_if(learnt_.divergent_seen[{look.source, look.group}], [&](const std::string& path) {
    return !there.contains(std::string(paths::Parent(path)));
  });
  return dirs;
}

// Each file once: nothing comes back to system/divergent under a name that was there.
Status Salvage::LookAtDivergent(const Look& look, const Dir& dir, Batch& batch) const {
  const auto entries = look.storage.List(dir.second);
  if (entries.code() == Code::kNotFound) return Status::Ok();  // merged and purged meanwhile
  DATABUS_RETURN_IF_ERROR(entries.status());
  const auto known = learnt_.divergent_seen.find({look.source, look.group});
  for (const DirEntry& entry : *entries) {
    const File file{paths::Join(dir.second, entry.name), dir.first, entry.name};
    if (entry.info.kind != NodeKind::kFile || entry.name.ends_with(kReasonSuffix)) continue;
    if (known != learnt_.divergent_seen.end() && known->second.contains(file.path)) continue;
    DATABUS_ASSIGN_OR_RETURN(const std::optional<FileFacts> facts, ReadOrMiss(look, file, batch));
    batch.divergent_paths.push_back(file.path);
    if (!facts) continue;
    if (!facts->damage.empty()) {  // set aside already, where an operator finds it
      options_.problems.Report(fmt::format("{}: {}: {}", look.source, file.path, facts->damage),
                               "it stays there; look at it");
      continue;
    }
    if (!look.index.Contains(file.stream, file.name, facts->file)) batch.files.push_back(file);
  }
  return Status::Ok();
}

Status Salvage::LookAtDirectory(const Look& look, const Dir& dir, Batch& batch) const {
  const auto entries = look.storage.List(dir.second);
  if (entries.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(entries.status());
  for (const DirEntry& entry : *entries) {
    if (!IsVisibleFile(entry)) continue;
    const File file{paths::Join(dir.second, entry.name), dir.first, entry.name};
    DATABUS_ASSIGN_OR_RETURN(const std::optional<FileFacts> facts, ReadOrMiss(look, file, batch));
    if (facts && !look.index.Contains(file.stream, file.name, facts->file)) {
      batch.files.push_back(file);
    }
  }
  return Status::Ok();
}

bool Salvage::IsKnown(const Look& look, const File& file) {
  const auto reader = look.storage.Open(file.path);
  if (!reader.ok()) return false;
  const auto head = (*reader)->Read(0, kSealedHeaderBytesMax);
  if (!head.ok()) return false;
  const auto decoded = DecodeSealedHeader(*head);
  if (!decoded.ok()) return false;
  ManifestFile facts;
  facts.identity = decoded->header.identity;
  return look.index.Contains(file.stream, file.name, facts);
}

Result<std::optional<FileFacts>> Salvage::ReadOrMiss(const Look& look, const File& file,
                                                     Batch& batch) const {
  if (IsKnown(look, file)) return std::optional<FileFacts>();
  auto facts = ReadFacts(look.storage, file.path);
  if (facts.ok()) return std::optional<FileFacts>(*std::move(facts));
  if (facts.code() == Code::kNotFound) return std::optional<FileFacts>();
  if (batch.missed.size() >= kMissedMax) return facts.status();
  batch.missed.push_back({file, facts.status()});
  return std::optional<FileFacts>();
}

Status Salvage::Settle(GroupWriter& writer, const Batch& batch, std::vector<Missed> missed) {
  const Group group = writer.staging().group();
  Pass& pass = passes_.at(group);
  for (const std::string& source : batch.ended) pass.left.erase(source);
  std::set<std::string> put_off = batch.put_off;
  if (!batch.source.empty()) {
    missed.insert(missed.end(), batch.missed.begin(), batch.missed.end());
    DATABUS_ASSIGN_OR_RETURN(const Remembered remembered, Remember(writer, batch, missed));
    const auto seen = std::pair(batch.source, group);
    if (remembered == Remembered::kAll) {
      pass.retried.insert(batch.source);
      learnt_.divergent_seen[seen].insert(batch.divergent_paths.begin(),
                                          batch.divergent_paths.end());
      std::deque<Dir>& dirs = pass.divergent[batch.source];
      dirs.erase(dirs.begin(), dirs.begin() + static_cast<ptrdiff_t>(batch.divergent_dirs));
      if (dirs.empty()) pass.divergent.erase(batch.source);  // or they were not listed yet
    } else {
      pass.left.erase(batch.source);
      learnt_.divergent_seen.erase(seen);
      if (remembered == Remembered::kAway) put_off.insert(batch.source);
    }
    // At the first time it may be the way, and not the file.
    const bool perhaps_the_way = std::ranges::any_of(missed, [&](const Missed& miss) {
      return miss.why.unknown() && std::ranges::count(batch.retried, miss.file.path) == 0;
    });
    if (perhaps_the_way) put_off.insert(batch.source);
  }
  for (const std::string& source : put_off) {
    pass.left.erase(source);
    PutOff& later = put_off_[group];
    later.until = options_.clock.Boot() + kPutOff;
    later.sources.insert(source);
    if (pass.open == OpenMinutes::kRead) later.open = OpenMinutes::kRead;
  }
  if (pass.left.empty()) passes_.erase(group);
  return Status::Ok();
}

Result<Salvage::Remembered> Salvage::Remember(GroupWriter& writer, const Batch& batch,
                                              const std::vector<Missed>& missed) {
  // P1: nothing is absent from a cluster that went away in the middle, and no trouble a file's own.
  if (!options_.clusters.CheckStill(batch.source).ok()) return Remembered::kAway;
  DATABUS_ASSIGN_OR_RETURN(const Eras* known, options_.eras.Of(writer));
  Eras eras = *known;
  std::map<std::string, MissedFile>& left = eras.missed[batch.source];
  for (const std::string& path : batch.retried) left.erase(path);
  for (const Missed& miss : missed) left[miss.file.path] = {miss.file.stream, miss.file.name};
  Tell(writer.staging().group(), batch.source, left, missed);
  if (left.size() > kMissedMax) return Remembered::kNothing;
  if (left.empty()) eras.missed.erase(batch.source);
  for (const std::string& name : batch.reached ? batch.streams : std::vector<std::string>()) {
    const StreamSpec& stream = *options_.topology.FindStream(name);
    Salvaged& reached = eras.salvaged[{batch.source, name}];
    if (reached.of == SalvageDigest(stream) && reached.to >= *batch.reached) continue;
    reached = {SalvageDigest(stream), *batch.reached};
  }
  DATABUS_RETURN_IF_ERROR(options_.eras.Set(writer, std::move(eras)));
  return Remembered::kAll;
}

void Salvage::Tell(Group group, const std::string& source,
                   const std::map<std::string, MissedFile>& left,
                   const std::vector<Missed>& missed) {
  options_.stats.SetMissed(source, group, left.size());
  const std::string topic =
      fmt::format("{} salvage from {} group {} files", options_.cluster, source, group);
  if (left.empty()) return options_.problems.Clear(topic);
  const std::string why = missed.empty() ? left.begin()->first
                                         : fmt::format("{}: {}", missed.front().file.path,
                                                       missed.front().why.ToString());
  options_.problems.Raise(
      topic,
      fmt::format("files at {} that are not in the merged streams and cannot be fetched, or are "
                  "refused here: {}; {}",
                  source, left.size(), why),
      left.size() > kMissedMax
          ? "too many to go on; looked through again in ten minutes"
          : "the others go on; tried again every ten minutes. Make them readable, or restore "
            "them, or let the worker's user write where they are refused");
}

}  // namespace databus
