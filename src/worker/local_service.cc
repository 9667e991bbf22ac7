#include "worker/local_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/names.h"
#include "commit/ledger.h"

namespace databus {
namespace {

// How many files one commit takes at most, so that a record stays small after a long absence.
constexpr size_t kFilesPerCommitMax = 2000;

}  // namespace

LocalService::LocalService(Options options)
    : options_(std::move(options)),
      foreign_({options_.storage, options_.clock, options_.problems, options_.cluster,
                options_.cluster_id, options_.foreign_idle_timeout}),
      requeue_({options_.storage, options_.writers, options_.problems, options_.topology,
                options_.topology_epoch, options_.cluster}) {}

void LocalService::RunOnce(Minute now) {
  WorkByGroup work;
  announced_.clear();
  ReadAnnouncements(work);
  const BootTime boot = options_.clock.Boot();
  if (!scanned_ || boot - *scanned_ >= options_.full_scan_interval) {
    const bool whole = Planted(Bug::kNoFullScan) || ScanData(work);
    for (ForeignFiles::Tail& tail : foreign_.FindTails()) {
      const Group group = GroupOf(tail.stream, options_.writers.groups());
      if (options_.writers.Holds(group)) work[group].tails.push_back(std::move(tail));
    }
    if (whole) scanned_ = boot;
    requeue_due_ = Due::kYes;
  }
  if (!Planted(Bug::kCloseOnlyWithTraffic)) {
    for (const Group group : options_.writers.ActiveGroups()) work[group];
  }
  Due next = Due::kNo;
  for (const auto& [group, due] : work) {
    const bool ended_well = options_.writers.With(
        group, "publish", [&](GroupWriter& writer) { return PublishGroup(writer, due, now); });
    // What a scan found is announced nowhere.
    if (!ended_well && !due.files.empty()) scanned_.reset();
    if (!ended_well) next = Due::kYes;
  }
  if (requeue_due_ == Due::kYes) requeue_.RunOnce();
  requeue_due_ = next;
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
      if (!options_.writers.Holds(name->group)) continue;
      ReadAnnouncement(paths::Join(paths::Sealed(collector.name), entry.name), name->group, work);
    }
  }
}

void LocalService::ReadAnnouncement(const std::string& path, Group group, WorkByGroup& work) {
  const auto text = options_.storage.ReadFile(path);
  TellDenied("announcement " + path, text.status());
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

// Only people mend that: until then nothing is found there, and it is not asked for all the time.
void LocalService::TellDenied(const std::string& what, const Status& status,
                              const std::string& stream) {
  const std::string topic = fmt::format("{} {}", options_.cluster, what);
  if (status.code() != Code::kRefused) return options_.problems.Clear(topic);
  options_.problems.Raise(topic, status.message(),
                          "what lies there is not published; make it readable for the worker's "
                          "user",
                          stream.empty() ? std::vector<std::string>() : std::vector{stream});
}

bool LocalService::ScanData(WorkByGroup& work) {
  const auto streams = options_.storage.List(paths::Data());
  TellDenied(paths::Data(), streams.status());
  if (!streams.ok()) return !streams.unknown();
  bool whole = true;
  for (const DirEntry& stream : *streams) {
    const std::string topic = "data " + stream.name;
    if (const Status valid = ValidateStreamName(stream.name); !valid.ok()) {
      options_.problems.Raise(topic,
                              fmt::format("{}: data/{}: not a stream: {}", options_.cluster,
                                          EscapeWord(stream.name), valid.message()),
                              "left alone; move it away");
      continue;
    }
    if (!options_.writers.Holds(GroupOf(stream.name, options_.writers.groups()))) continue;
    const auto collectors = options_.storage.List(paths::DataStream(stream.name));
    if (stream.info.kind == NodeKind::kDirectory) {
      TellDenied(paths::DataStream(stream.name), collectors.status(), stream.name);
    }
    whole &= !collectors.unknown();
    if (!collectors.ok()) continue;
    for (const DirEntry& collector : *collectors) {
      if (!ValidateCollectorName(collector.name).ok()) continue;
      const bool is_directory = collector.info.kind == NodeKind::kDirectory;
      if (is_directory) whole &= ScanCollector(stream.name, collector.name, work);
    }
  }
  return whole;
}

bool LocalService::ScanCollector(const std::string& stream, const std::string& collector,
                                 WorkByGroup& work) {
  const std::string dir = paths::DataCollector(stream, collector);
  const auto entries = options_.storage.List(dir);
  TellDenied(dir, entries.status(), stream);
  if (!entries.ok()) return !entries.unknown();
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
  return true;
}

Status LocalService::PublishGroup(GroupWriter& writer, const Work& work, Minute now) {
  // First, so that nothing is taken for new that only waits to be cleaned up.
  const bool fresh = writer.PendingCleanUps() == 0;
  DATABUS_RETURN_IF_ERROR(writer.RetryCleanUps());
  WaitingClaims& waiting = WaitingOf(writer);
  std::vector<Claim> again = waiting.Take(writer.staging().epoch(), options_.clock.Boot());
  std::vector<Claim> adopted = writer.TakeRecoveredClaims();
  if (Planted(Bug::kClaimsForgotten)) adopted.clear();
  for (size_t at = 0, taken_over = 0;;) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    const size_t old = std::min(adopted.size() - taken_over, kFilesPerCommitMax);
    const size_t most = std::min(work.files.size() - at, kFilesPerCommitMax - old);
    DATABUS_ASSIGN_OR_RETURN(
        std::vector<Claim> claims,
        writer.ClaimFiles(std::span<const DataFileRef>(work.files).subspan(at, most)));
    const auto first = adopted.begin() + static_cast<ptrdiff_t>(taken_over);
    claims.insert(claims.begin(), first, first + static_cast<ptrdiff_t>(old));
    at += most;
    taken_over += old;
    CommitRequest request;
    DATABUS_RETURN_IF_ERROR(AddClaims(writer, std::exchange(again, {}), claims, request));
    const bool is_last = at == work.files.size() && taken_over == adopted.size();
    if (is_last) {
      if (fresh) {
        DATABUS_RETURN_IF_ERROR(foreign_.AddTails(writer.staging(), work.tails, request));
      }
      for (const std::string& path : work.announcements)
        request.clean_ups.push_back({"", path, ""});
    }
    DATABUS_RETURN_IF_ERROR(Publish(writer, std::move(request), now));
    if (is_last) return writer.CloseBefore(now);
  }
}

// `again`: those that have waited. Of the others, what its view refuses is not even tried.
Status LocalService::AddClaims(GroupWriter& writer, const std::vector<Claim>& again,
                               const std::vector<Claim>& claims, CommitRequest& request) {
  LookAtStaged(writer, again.size() + claims.size());
  for (const Claim& claim : again) {
    DATABUS_RETURN_IF_ERROR(AddClaimOrSetAside(writer, claim, request));
  }
  WaitingClaims& waiting = WaitingOf(writer);
  for (const Claim& claim : claims) {
    const auto name = ParseClaimName(claim.data_name);
    if (name && waiting.IsRefused(name->stream)) {
      waiting.PutOff(name->stream, claim);
    } else {
      DATABUS_RETURN_IF_ERROR(AddClaimOrSetAside(writer, claim, request));
    }
  }
  TellWaiting(writer);
  return Status::Ok();
}

Status LocalService::Publish(GroupWriter& writer, CommitRequest request, Minute now) {
  if (request.Empty()) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(const CommitReport report, writer.Publish(std::move(request), now));
  WaitingClaims& waiting = WaitingOf(writer);
  for (const PublishedFile& file : report.published) {
    waiting.Accepted(file.stream);
    NoteUnconfigured(file.stream);
    options_.stats.AddFile("local", file.stream, file.facts.messages, file.facts.length,
                           options_.clock.Wall());
  }
  for (const Refusal& refusal : report.refused) {
    const staged::Name claim = staged::Parse(refusal.staged);
    const auto name = ParseClaimName(claim.data_name);
    if (!name) continue;  // a late tail, which is found again where it is
    waiting.AddRefused(name->stream, {refusal.staged, claim.collector, claim.data_name},
                       refusal.why, options_.clock.Boot());
  }
  if (!report.refused.empty()) TellWaiting(writer);
  return Status::Ok();
}

WaitingClaims& LocalService::WaitingOf(GroupWriter& writer) {
  return waiting_[writer.staging().group()];
}

void LocalService::TellWaiting(GroupWriter& writer) {
  const Group group = writer.staging().group();
  WaitingOf(writer).Tell(options_.problems,
                         fmt::format("{} claims of group {}", options_.cluster, group));
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

// A file that cannot be read must not stop the others (G11). It waits in staging, also where the
// right to read it is missing: rights are mended. What is no file at all goes to quarantine.
Status LocalService::AddClaimOrSetAside(GroupWriter& writer, const Claim& claim,
                                        CommitRequest& request) {
  const Status added = AddClaim(writer, claim, request);
  if (added.ok()) return added;
  DATABUS_RETURN_IF_ERROR(writer.staging().CheckOurs());
  if (added.code() == Code::kNoSpace || added.code() == Code::kStale ||
      added.code() == Code::kNotFound) {
    return added;
  }
  const auto there = options_.storage.Stat(writer.staging().PathOf(claim.staged));
  if (!there.ok() || there->kind == NodeKind::kFile) {
    if (Planted(Bug::kUnreadableClaimDropped)) return Status::Ok();
    WaitingOf(writer).Add(claim, added, options_.clock.Boot());
    return Status::Ok();
  }
  const auto name = ParseClaimName(claim.data_name);
  request.unfit.push_back({name ? name->stream : "unknown", claim.staged, claim.data_name,
                           there->length, 0, added.ToString()});
  return Status::Ok();
}

// One listing instead of a look at each of them. Where it does not work each is looked at.
void LocalService::LookAtStaged(GroupWriter& writer, size_t claims) {
  staged_.clear();
  if (claims < 2) return;
  auto entries = options_.storage.List(writer.staging().dir());
  if (!entries.ok()) return;
  for (DirEntry& entry : *entries) staged_.emplace(std::move(entry.name), entry.info);
}

Result<NodeInfo> LocalService::InfoOf(GroupWriter& writer, const Claim& claim) const {
  const auto known = staged_.find(claim.staged);
  if (known != staged_.end()) return known->second;
  return options_.storage.Stat(writer.staging().PathOf(claim.staged));
}

Status LocalService::AddClaim(GroupWriter& writer, const Claim& claim, CommitRequest& request) {
  const auto name = ParseClaimName(claim.data_name);
  if (!name) {
    request.unfit.push_back({"unknown", claim.staged, claim.data_name, 0, 0, "not a data file"});
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
    DATABUS_ASSIGN_OR_RETURN(const NodeInfo info, InfoOf(writer, claim));
    if (info.length == announced->second.length && name->gzip) {
      file.facts = {info.length, announced->second.crc32c, announced->second.messages,
                    announced->second.identity};
      request.files.push_back(std::move(file));
      return Status::Ok();
    }
  }
  if (!name->gzip) return foreign_.Add(writer.staging(), claim, std::move(file), request);
  DATABUS_ASSIGN_OR_RETURN(const FileFacts facts, ReadFacts(options_.storage, path));
  if (!facts.damage.empty()) {
    request.unfit.push_back(
        {file.stream, file.staged, file.name, facts.file.length, facts.file.crc32c, facts.damage});
    return Status::Ok();
  }
  file.facts = facts.file;
  request.files.push_back(std::move(file));
  return Status::Ok();
}

}  // namespace databus
