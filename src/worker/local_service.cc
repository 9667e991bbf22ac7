#include "worker/local_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "cluster/sealed_header.h"
#include "commit/ledger.h"

namespace databus {
namespace {

// How many files one commit takes at most, so that a record stays small after a long absence.
constexpr size_t kFilesPerCommitMax = 2000;

// Added to the sequence number of a file whose late tail is published by itself.
constexpr uint64_t kTailSequence = 1'000'000'000;

// The counter of an identity given here: epoch, then the number within it. Unique per group.
constexpr int kNumberBits = 32;

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
        const auto data = ParseClaimName(name->data_name);
        if (!data || idle < options_.foreign_idle_timeout) continue;
        work[GroupOf(data->stream, options_.writers.groups())].tails.push_back(
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
  // First, so that nothing is taken for new that only waits to be cleaned up.
  const bool fresh = writer.PendingCleanUps() == 0;
  DATABUS_RETURN_IF_ERROR(writer.RetryCleanUps());
  std::vector<Claim> claims = writer.TakeRecoveredClaims();
  for (Claim& claim : TakeWaiting(writer)) claims.push_back(std::move(claim));
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
      DATABUS_RETURN_IF_ERROR(AddClaimOrSetAside(writer, claim, request));
    }
    claims.clear();
    if (at == work.files.size()) {
      if (fresh) DATABUS_RETURN_IF_ERROR(AddTails(writer, work, request));
      for (const std::string& path : work.announcements)
        request.clean_ups.push_back({"", path, ""});
    }
    if (request.Empty()) continue;
    DATABUS_ASSIGN_OR_RETURN(const CommitReport report, writer.Publish(std::move(request), now));
    for (const PublishedFile& file : report.published) {
      NoteUnconfigured(file.stream);
      options_.stats.AddFile("local", file.stream, file.facts.messages, file.facts.length,
                             options_.clock.Wall());
    }
  } while (at < work.files.size());
  return writer.CloseBefore(now);
}

// P31: what lies in data/ is published locally, configured or not; a mistyped name must not hide.
void LocalService::NoteUnconfigured(const std::string& stream) {
  if (options_.topology.FindStream(stream) != nullptr) return;
  options_.problems.Raise(
      fmt::format("{} stream {}", options_.cluster, stream),
      fmt::format("is published in streams_local, but {} does not name it: it is not merged",
                  options_.topology.file),
      "add it to the topology, or mend the producer that sends it");
}

Status LocalService::AddTails(GroupWriter& writer, const Work& work, CommitRequest& request) {
  for (const Tail& tail : work.tails) {
    const Status added = AddTail(writer, tail, request);
    if (added.code() == Code::kNoSpace || added.code() == Code::kStale) return added;
    if (added.ok()) continue;
    options_.problems.Report(fmt::format("{}: {}", tail.path, added.ToString()),
                             "its late tail is read again at the next full scan");
  }
  return Status::Ok();
}

// The claims of this writer that could not be read so far.
std::vector<Claim> LocalService::TakeWaiting(GroupWriter& writer) {
  Waiting& waiting = waiting_[writer.staging().group()];
  const bool same_epoch = waiting.epoch == writer.staging().epoch();
  waiting.epoch = writer.staging().epoch();
  // Those of an older epoch were adopted with it.
  std::vector<Claim> claims = std::exchange(waiting.claims, {});
  return same_epoch ? claims : std::vector<Claim>();
}

// A file that cannot be read must not stop the others (G11): one that never can goes to quarantine,
// one that cannot now waits in staging.
Status LocalService::AddClaimOrSetAside(GroupWriter& writer, const Claim& claim,
                                        CommitRequest& request) {
  const Status added = AddClaim(writer, claim, request);
  const std::string topic = fmt::format("{} claim {}", options_.cluster, claim.data_name);
  if (added.ok()) {
    options_.problems.Clear(topic);
    return added;
  }
  DATABUS_RETURN_IF_ERROR(writer.staging().CheckOurs());
  if (added.code() == Code::kNoSpace || added.code() == Code::kStale ||
      added.code() == Code::kNotFound) {
    return added;
  }
  if (added.unknown()) {
    waiting_[writer.staging().group()].claims.push_back(claim);
    options_.problems.Raise(topic, added.ToString(), "it waits in staging; tried again");
    return Status::Ok();
  }
  DATABUS_ASSIGN_OR_RETURN(const NodeInfo info,
                           options_.storage.Stat(writer.staging().PathOf(claim.staged)));
  const auto name = ParseClaimName(claim.data_name);
  request.refused.push_back({name ? name->stream : "unknown", claim.staged, claim.data_name,
                             info.length, 0, added.ToString()});
  return Status::Ok();
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
  DATABUS_ASSIGN_OR_RETURN(const uint64_t bytes, Compress(staging, staging.PathOf(claim.staged), 0,
                                                          claim.collector, file));
  const paths::TrashName trash{claim.collector, claim.data_name, staging.epoch(),
                               staging.NextNumber(), bytes};
  request.trashed.push_back(
      {claim.staged, paths::Join(paths::TrashHour(options_.clock.Wall()), trash.ToString())});
  // A minute without messages: nothing to publish.
  if (bytes > 0) request.files.push_back(std::move(file));
  return Status::Ok();
}

// P25: what an old collector appended to a file after it was published becomes a file of its own.
Status LocalService::AddTail(GroupWriter& writer, const Tail& tail, CommitRequest& request) {
  const auto name = ParseClaimName(tail.name.data_name);
  StagingArea& staging = writer.staging();
  NewFile file;
  file.stream = name->stream;
  file.name = PublishedFileName{
      tail.name.collector,
      {name->stream, name->minute, name->sequence + kTailSequence + tail.name.published_bytes,
       true}}.ToString();
  DATABUS_ASSIGN_OR_RETURN(
      const uint64_t bytes,
      Compress(staging, tail.path, tail.name.published_bytes, tail.name.collector, file));
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

// Compresses what stands in `path` from `offset` on into a staged file, and fills in its facts. The
// file gets an identity of its own, so that files of one name and content from two clusters are
// told apart (P18). Answers how many bytes that were.
Result<uint64_t> LocalService::Compress(StagingArea& staging, const std::string& path,
                                        uint64_t offset, const std::string& collector,
                                        NewFile& file) {
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
  const std::string_view payload = compressor_.Finish();
  SealedHeader header;
  header.identity = {options_.cluster_id, options_.cluster_id.substr(0, 16),
                     (staging.epoch() << kNumberBits) + staging.NextNumber()};
  header.stream = file.stream;
  header.collector = collector;
  header.messages = messages;
  header.first_accepted = header.last_accepted = options_.clock.Wall();
  header.raw_bytes = bytes;
  header.payload_bytes = payload.size();
  header.payload_crc32c = Crc32c(payload);
  const std::string head = EncodeSealedHeader(header);
  file.staged = staged::FileName(staging.NextNumber());
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> out,
                           options_.storage.Create(staging.PathOf(file.staged)));
  DATABUS_RETURN_IF_ERROR(out->Append(head));
  DATABUS_RETURN_IF_ERROR(out->Append(payload));
  DATABUS_RETURN_IF_ERROR(out->Finish());
  file.facts = {head.size() + payload.size(), Crc32c(payload, Crc32c(head)), messages,
                header.identity};
  return bytes;
}

}  // namespace databus
