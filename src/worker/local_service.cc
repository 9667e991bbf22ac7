#include "worker/local_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "commit/ledger.h"

namespace databus {
namespace {

// How many files one commit takes at most, so that a record stays small after a long absence.
constexpr size_t kFilesPerCommitMax = 2000;

// Added to the sequence number of a file whose late tail is published by itself.
constexpr uint64_t kTailSequence = 1'000'000'000;

// The stream of a data file's name: what stands before the date.
std::optional<DataFileName> ParseClaimName(const std::string& data_name) {
  constexpr size_t kDateBytes = 17;  // "-YYYY-MM-DD-HH-MM"
  const size_t underscore = data_name.rfind('_');
  if (underscore == std::string::npos || underscore < kDateBytes) return std::nullopt;
  return DataFileName::Parse(data_name.substr(0, underscore - kDateBytes), data_name);
}

}  // namespace

void LocalService::RunOnce(Minute now) {
  WorkByGroup work;
  announced_.clear();
  ReadAnnouncements(work);
  const BootTime boot = options_.clock.Boot();
  if (!scanned_ || boot - *scanned_ >= options_.full_scan_interval) {
    ScanData(work);
    ScanTrash(work);
    scanned_ = boot;
  }
  for (const Group group : options_.writers.ActiveGroups()) work[group];
  for (const auto& [group, due] : work) {
    const bool ended_well = options_.writers.With(
        group, "publish", [&](GroupWriter& writer) { return PublishGroup(writer, due, now); });
    // What was announced and not published is found by the next scan.
    if (!ended_well && !due.files.empty()) scanned_.reset();
  }
}

void LocalService::ReadAnnouncements(WorkByGroup& work) {
  const auto collectors = options_.storage.List(paths::SealedRoot());
  if (!collectors.ok()) {
    options_.problems.Raise(options_.cluster + " announcements", collectors.status().ToString(),
                            "tried again at the next run");
    return;
  }
  options_.problems.Clear(options_.cluster + " announcements");
  for (const DirEntry& collector : *collectors) {
    announcers_.insert(collector.name);
    const auto entries = options_.storage.List(paths::Sealed(collector.name));
    if (!entries.ok()) continue;  // a foreign file, or silence: the scan finds what it announced
    for (const DirEntry& entry : *entries) {
      const auto name = paths::AnnouncementName::Parse(entry.name);
      if (!name || name->group >= options_.writers.groups()) continue;
      ReadAnnouncement(paths::Join(paths::Sealed(collector.name), entry.name), name->group, work);
    }
  }
}

void LocalService::ReadAnnouncement(const std::string& path, Group group, WorkByGroup& work) {
  const auto text = options_.storage.ReadFile(path);
  if (!text.ok()) return;
  const auto files = DecodeAnnouncement(*text, path);
  if (!files.ok()) {
    options_.problems.Raise("announcement " + path, files.status().ToString(),
                            "its files are found by the next full scan; remove it");
    return;
  }
  Work& due = work[group];
  due.announcements.push_back(path);
  for (const AnnouncedFile& file : *files) {
    const std::string_view dir = paths::Parent(file.path);
    DataFileRef ref{std::string(paths::BaseName(paths::Parent(dir))),
                    std::string(paths::BaseName(dir)), std::string(paths::BaseName(file.path))};
    if (GroupOf(ref.stream, options_.writers.groups()) != group) continue;
    if (!DataFileName::Parse(ref.stream, ref.name)) continue;
    due.files.push_back(std::move(ref));
    announced_[file.path] = file;
  }
}

void LocalService::ScanData(WorkByGroup& work) {
  const auto streams = options_.storage.List(paths::Data());
  if (!streams.ok()) return;
  for (const DirEntry& stream : *streams) {
    const std::string topic = "data " + stream.name;
    if (const Status valid = ValidateStreamName(stream.name); !valid.ok()) {
      options_.problems.Raise(topic,
                              fmt::format("{}: data/{}: not a stream: {}", options_.cluster,
                                          EscapeWord(stream.name), valid.message()),
                              "left alone; move it away");
      continue;
    }
    const auto collectors = options_.storage.List(paths::DataStream(stream.name));
    if (!collectors.ok()) continue;
    for (const DirEntry& collector : *collectors) {
      if (!ValidateCollectorName(collector.name).ok()) continue;
      ScanCollector(stream.name, collector.name, work);
    }
  }
}

void LocalService::ScanTrash(WorkByGroup& work) {
  const auto dates = options_.storage.List(paths::TrashRoot());
  if (!dates.ok()) return;
  for (const DirEntry& date : *dates) {
    const std::string date_dir = paths::Join(paths::TrashRoot(), date.name);
    const auto hours = options_.storage.List(date_dir);
    if (!hours.ok()) continue;
    for (const DirEntry& hour : *hours) {
      const std::string dir = paths::Join(date_dir, hour.name);
      const auto entries = options_.storage.List(dir);
      if (!entries.ok()) continue;
      for (const DirEntry& entry : *entries) {
        const auto name = paths::TrashName::Parse(entry.name);
        const Milliseconds idle = options_.clock.Wall() - entry.info.modified;
        if (!name || entry.info.length <= name->published_bytes) continue;
        if (idle < options_.foreign_idle_timeout) continue;
        work[GroupOf(name->stream, options_.writers.groups())].tails.push_back(
            {paths::Join(dir, entry.name), *name});
      }
    }
  }
}

void LocalService::ScanCollector(const std::string& stream, const std::string& collector,
                                 WorkByGroup& work) {
  const auto entries = options_.storage.List(paths::DataCollector(stream, collector));
  if (!entries.ok()) return;
  struct Candidate {
    DataFileName name;
    std::string text;
    WallTime modified;
  };
  std::vector<Candidate> candidates;
  std::string odd;
  for (const DirEntry& entry : *entries) {
    if (IsIgnoredDataName(entry.name)) continue;
    const auto name = DataFileName::Parse(stream, entry.name);
    if (!name || entry.info.kind != NodeKind::kFile) {
      odd = entry.name;
      continue;
    }
    candidates.push_back({*name, entry.name, entry.info.modified});
  }
  const std::string topic = fmt::format("data {} {}", stream, collector);
  if (odd.empty()) {
    options_.problems.Clear(topic);
  } else {
    options_.problems.Raise(
        topic,
        fmt::format("{}: {}: not a data file of stream {}", options_.cluster,
                    EscapeWord(paths::DataFile(stream, collector, odd)), stream),
        "left alone; rename it or move it away");
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.name.minute, a.name.sequence) < std::tie(b.name.minute, b.name.sequence);
  });
  const bool foreign = !announcers_.contains(collector);
  Work& due = work[GroupOf(stream, options_.writers.groups())];
  for (size_t i = 0; i < candidates.size(); ++i) {
    const bool newest = i + 1 == candidates.size();
    const Milliseconds idle = options_.clock.Wall() - candidates[i].modified;
    if (foreign && newest && idle < options_.foreign_idle_timeout) continue;
    if (announced_.contains(paths::DataFile(stream, collector, candidates[i].text))) continue;
    due.files.push_back({stream, collector, candidates[i].text});
  }
}

Status LocalService::PublishGroup(GroupWriter& writer, const Work& work, Minute now) {
  std::vector<Claim> claims = writer.TakeRecoveredClaims();
  size_t at = 0;
  do {
    const size_t most = std::min(work.files.size() - at, kFilesPerCommitMax);
    DATABUS_ASSIGN_OR_RETURN(
        const std::vector<Claim> taken,
        writer.ClaimFiles(std::span<const DataFileRef>(work.files).subspan(at, most)));
    at += most;
    claims.insert(claims.end(), taken.begin(), taken.end());
    CommitRequest request;
    for (const Claim& claim : claims) {
      DATABUS_RETURN_IF_ERROR(AddClaim(writer, claim, request));
    }
    claims.clear();
    if (at == work.files.size()) {
      for (const Tail& tail : work.tails) {
        DATABUS_RETURN_IF_ERROR(AddTail(writer, tail, request));
      }
      for (const std::string& path : work.announcements)
        request.clean_ups.push_back({"", path, ""});
    }
    if (request.Empty()) continue;
    DATABUS_ASSIGN_OR_RETURN(const CommitReport report, writer.Publish(std::move(request), now));
    for (const PublishedFile& file : report.published) {
      options_.stats.AddFile("local", file.stream, file.facts.messages, file.facts.length,
                             options_.clock.Wall());
    }
  } while (at < work.files.size());
  DATABUS_RETURN_IF_ERROR(writer.CloseBefore(now));
  return writer.RetryCleanUps();
}

Status LocalService::AddClaim(GroupWriter& writer, const Claim& claim, CommitRequest& request) {
  const auto name = ParseClaimName(claim.data_name);
  if (!name) {
    request.refused.push_back({"unknown", claim.staged, claim.data_name, 0, 0, "not a data file"});
    return Status::Ok();
  }
  NewFile file;
  file.stream = name->stream;
  file.staged = claim.staged;
  file.name = PublishedFileName{claim.collector, {name->stream, name->minute, name->sequence, true}}
                  .ToString();
  const auto announced =
      announced_.find(paths::DataFile(name->stream, claim.collector, claim.data_name));
  const std::string path = writer.staging().PathOf(claim.staged);
  if (announced != announced_.end()) {
    DATABUS_ASSIGN_OR_RETURN(const NodeInfo info, options_.storage.Stat(path));
    if (info.length == announced->second.length && name->gzip) {
      file.facts = {info.length, announced->second.crc32c, announced->second.messages,
                    announced->second.identity};
      request.files.push_back(std::move(file));
      return Status::Ok();
    }
  }
  if (!name->gzip) return AddUncompressed(writer, claim, file, request);
  DATABUS_ASSIGN_OR_RETURN(const FileFacts facts, ReadFacts(options_.storage, path));
  if (!facts.damage.empty()) {
    request.refused.push_back(
        {file.stream, file.staged, file.name, facts.file.length, facts.file.crc32c, facts.damage});
    return Status::Ok();
  }
  file.facts = facts.file;
  request.files.push_back(std::move(file));
  return Status::Ok();
}

// P25: published by copy; the original goes to the trash with the commit.
Status LocalService::AddUncompressed(GroupWriter& writer, const Claim& claim, NewFile file,
                                     CommitRequest& request) {
  StagingArea& staging = writer.staging();
  DATABUS_ASSIGN_OR_RETURN(const uint64_t bytes,
                           Compress(staging, staging.PathOf(claim.staged), 0, file));
  const paths::TrashName trash{file.stream,     claim.collector,      claim.data_name,
                               staging.epoch(), staging.NextNumber(), bytes};
  request.trashed.push_back(
      {claim.staged, paths::Join(paths::TrashHour(options_.clock.Wall()), trash.ToString())});
  // A minute without messages: nothing to publish.
  if (bytes > 0) request.files.push_back(std::move(file));
  return Status::Ok();
}

// P25: what an old collector appended to a file after it was published becomes a file of its own.
Status LocalService::AddTail(GroupWriter& writer, const Tail& tail, CommitRequest& request) {
  const auto name = ParseClaimName(tail.name.data_name);
  if (!name) return Status::Ok();
  StagingArea& staging = writer.staging();
  NewFile file;
  file.stream = tail.name.stream;
  file.name = PublishedFileName{
      tail.name.collector,
      {name->stream, name->minute, name->sequence + kTailSequence + tail.name.published_bytes,
       true}}.ToString();
  DATABUS_ASSIGN_OR_RETURN(const uint64_t bytes,
                           Compress(staging, tail.path, tail.name.published_bytes, file));
  if (bytes == 0) return Status::Ok();
  paths::TrashName longer = tail.name;
  longer.published_bytes += bytes;
  request.clean_ups.push_back(
      {"", tail.path, paths::Join(std::string(paths::Parent(tail.path)), longer.ToString())});
  options_.problems.Report(
      fmt::format("{}: {} grew by {} bytes after it was published; they are now {}",
                  options_.cluster, tail.name.data_name, bytes, file.name),
      "raise databus.worker.foreign_idle_timeout_s if this happens often");
  request.files.push_back(std::move(file));
  return Status::Ok();
}

// Compresses what stands in `path` from `offset` on into a staged file, and fills in its facts.
// Answers how many bytes that were.
Result<uint64_t> LocalService::Compress(StagingArea& staging, const std::string& path,
                                        uint64_t offset, NewFile& file) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, options_.storage.Open(path));
  compressor_.Start();
  uint64_t bytes = 0;
  uint64_t messages = 0;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string part, reader->Read(offset + bytes, size_t{4} << 20));
    if (part.empty()) break;
    bytes += part.size();
    messages += static_cast<uint64_t>(std::count(part.begin(), part.end(), '\n'));
    compressor_.Append(part);
  }
  if (bytes == 0) return bytes;
  // RFC 1952: magic, deflate, no flags, no time, fastest, Unix.
  constexpr std::string_view kPlainHeader("\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\x03", 10);
  file.staged = staged::FileName(staging.NextNumber());
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> out,
                           options_.storage.Create(staging.PathOf(file.staged)));
  const std::string_view payload = compressor_.Finish();
  DATABUS_RETURN_IF_ERROR(out->Append(kPlainHeader));
  DATABUS_RETURN_IF_ERROR(out->Append(payload));
  DATABUS_RETURN_IF_ERROR(out->Finish());
  file.facts = {kPlainHeader.size() + payload.size(), Crc32c(payload, Crc32c(kPlainHeader)),
                messages, std::nullopt};
  return bytes;
}

}  // namespace databus
