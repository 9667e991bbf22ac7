#include "worker/merge_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
#include "cluster/names.h"
#include "commit/minute_content.h"
#include "worker/first_copies.h"
#include "worker/refusals.h"

namespace databus {
namespace {

// How many files one commit fetches at most.
constexpr size_t kFilesPerCommitMax = 1000;

std::string PathOf(const paths::MinutePath& line) {
  return paths::MinuteFile(line.view, line.stream, line.minute, line.file);
}

}  // namespace

MergeService::MergeService(Options options, Learnt learnt)
    : options_(std::move(options)),
      index_({options_.writers.groups(), own_eras_, options_.eras, options_.problems},
             std::move(learnt.index)),
      salvage_({options_.topology, options_.cluster, options_.clusters, options_.clock,
                options_.eras, options_.problems, options_.stats, options_.writers.groups(),
                options_.retention_limit_percent},
               std::move(learnt.salvage)) {
  const auto holds = [&writers = options_.writers](Group group) { return writers.Holds(group); };
  for (const StreamSpec& stream : options_.topology.streams) {
    if (stream.Primary() != options_.cluster) continue;
    const Group group = GroupOf(stream.name, options_.writers.groups());
    // What others published of it meanwhile, and was copied here, is in no index.
    const auto before = learnt.own.find(stream.name);
    if (before == learnt.own.end() || before->second != EraOf(stream)) index_.Forget(group);
    own_eras_[stream.name] = EraOf(stream);
    if (stream.publication == Publication::kFrozen) {
      frozen_[group].push_back(stream.name);
    } else {
      own_[group].push_back(&stream);
    }
    for (const SourceSpec& source : stream.sources) {
      queues_.try_emplace(source.cluster, paths::Consumers(options_.cluster),
                          options_.writers.groups(), holds);
    }
  }
  // P31: "no source" steers collectors only; late spools of any cluster are merged.
  if (queues_.empty()) return;
  for (const ClusterSpec& cluster : options_.topology.clusters) {
    queues_.try_emplace(cluster.name, paths::Consumers(options_.cluster), options_.writers.groups(),
                        holds);
  }
}

MergeService::Learnt MergeService::TakeLearnt() {
  return {index_.TakeLearnt(), std::move(own_eras_), salvage_.TakeLearnt()};
}

void MergeService::FindWaiting() {
  waiting_.clear();
  for (const StreamSpec& stream : options_.topology.streams) {
    if (stream.Primary() != options_.cluster || stream.when_alone == WhenAlone::kContinue) continue;
    const Status may = options_.rules.MayPublish(stream.name);
    if (!may.ok()) waiting_.insert(stream.name);
    options_.stats.SetWaiting(stream.name, may.ok() ? "" : may.message());
    const std::string topic = fmt::format("{} alone {}", options_.cluster, stream.name);
    if (may.ok()) {
      options_.problems.Clear(topic);
      continue;
    }
    options_.problems.Raise(
        topic, fmt::format("{} is not published: {}", stream.name, may.message()),
        "its files wait in the queues; if the others are down for certain: databus topology "
        "confirm --alone");
  }
}

void MergeService::RunOnce(Minute now) {
  strangers_.clear();
  FindWaiting();
  RefreshQueues();
  for (auto& [source, queue] : queues_) {
    Storage* storage = options_.clusters.Find(source);
    if (storage == nullptr) continue;
    SplitMixedEntries(queue, *storage, options_.writers, options_.problems,
                      fmt::format("{} merge from {} split", options_.cluster, source));
  }
  std::set<Group> groups = options_.writers.ActiveGroups();
  if (Planted(Bug::kCloseOnlyWithTraffic)) groups.clear();
  for (const auto& [source, queue] : queues_) groups.merge(queue.Groups());
  for (const auto& [group, streams] : frozen_) groups.insert(group);
  // What is salvaged may lie in no queue; its era is to begin all the same.
  salvage_.BeginRun();
  groups.merge(salvage_.DueGroups());
  std::erase_if(groups, [this](Group group) { return !options_.writers.Holds(group); });
  for (const Group group : groups) {
    const bool ended_well = options_.writers.With(
        group, "merge", [&](GroupWriter& writer) { return MergeGroup(writer, group, now); });
    if (ended_well || Planted(Bug::kFailedLinesSettled)) continue;
    for (auto& [source, queue] : queues_) queue.Unsettle(group);
  }
  TellStrangers();
  for (const Group group : salvage_.DueGroups()) {
    options_.writers.With(group, "salvage",
                          [&](GroupWriter& writer) { return SalvageGroup(writer, group, now); });
  }
}

// The number of groups is the same in the whole installation (P1).
Status MergeService::CheckGroups(const std::string& source) const {
  const Group theirs = options_.clusters.IdentityOf(source).groups;
  if (theirs == options_.writers.groups()) return Status::Ok();
  return {Code::kInvalid, fmt::format("cluster {} was initialised with {} groups, {} with {}",
                                      source, theirs, options_.cluster, options_.writers.groups())};
}

void MergeService::RefreshQueues() {
  for (auto& [source, queue] : queues_) {
    const std::string topic = fmt::format("{} merge from {}", options_.cluster, source);
    Storage* storage = options_.clusters.Find(source);
    Status status = storage == nullptr
                        ? Status(Code::kUnavailable, options_.clusters.WhyAway(source))
                        : CheckGroups(source);
    if (status.ok()) status = queue.Refresh(*storage);
    if (status.ok()) {
      options_.problems.Clear(topic);
    } else {
      options_.problems.Raise(topic, status.ToString(), "its events wait there; tried again");
    }
    options_.problems.RaiseEach(topic + " queue", queue.Unreadable(),
                                "its lines wait; make it readable for the worker's user");
    options_.stats.SetQueue(fmt::format("consumers/{} at {}", options_.cluster, source),
                            queue.size());
  }
}

// Nobody knows what they hold: they wait as if they might not be published (P11, P28).
void MergeService::NoteUnread(GroupWriter& writer) {
  for (const auto& [stream, why] : writer.OwnLedger().unread) waiting_.insert(stream);
}

Status MergeService::MergeGroup(GroupWriter& writer, Group group, Minute now) {
  NoteUnread(writer);
  // First, so that an entry is not merged again that only waits to be cleaned up.
  if (writer.PendingCleanUps() > 0) {
    DATABUS_RETURN_IF_ERROR(writer.RetryCleanUps());
    RefreshQueues();
  }
  DATABUS_RETURN_IF_ERROR(writer.CloseFrozen());
  DATABUS_RETURN_IF_ERROR(BeginEras(writer, group));
  DATABUS_ASSIGN_OR_RETURN(IdentityIndex * index, index_.Of(writer, group));
  NoteUnread(writer);  // the index asks for more
  DATABUS_RETURN_IF_ERROR(DescribeUnnamed(writer, group, {}));
  DATABUS_RETURN_IF_ERROR(ReadDoubtful(writer, group));
  ForgetRefused(group);
  while (true) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    const std::vector<Wanted> wanted = Select(group);
    CommitRequest request;
    in_request_ = {};
    fetched_.clear();
    DATABUS_RETURN_IF_ERROR(Fetch(writer, wanted, request));
    AddCleanUps(group, request);
    if (request.Empty()) break;
    const bool progress = !request.files.empty() || !request.unfit.empty();
    DATABUS_ASSIGN_OR_RETURN(const std::vector<Refusal> refused,
                             PublishInto(*index, writer, std::move(request), now));
    PutOff(group, refused);
    if (!progress || wanted.size() < kFilesPerCommitMax) break;
  }
  TellDoubtful(group);
  DATABUS_RETURN_IF_ERROR(writer.CloseBefore(now));
  index_.Covers(writer, group);
  AcknowledgeFrozen(writer, group);
  return Status::Ok();
}

// Only people mend that.
Status MergeService::ReadDoubtful(GroupWriter& writer, Group group) {
  doubtful_.erase(group);
  RefusedPause& pause = read_again_[group];
  if (!pause.IsOver(options_.clock.Boot())) return Status::Ok();
  pause.Begin(options_.clock.Boot());
  return index_.ReadAgain(writer, group);
}

void MergeService::TellDoubtful(Group group) {
  options_.problems.RaiseByStream(
      fmt::format("{} merge group {} doubtful", options_.cluster, group), doubtful_[group],
      "it waits, the others go on; restore the file that cannot be read, or remove it; looked at "
      "again once a minute");
}

Result<std::vector<Refusal>> MergeService::PublishInto(IdentityIndex& index, GroupWriter& writer,
                                                       CommitRequest request, Minute now) {
  DATABUS_ASSIGN_OR_RETURN(CommitReport report, writer.Publish(std::move(request), now));
  for (const PublishedFile& file : report.published) {
    index.Add(file.stream, file.name, file.facts);
    Accepted(file.stream);
    options_.stats.AddFile("merge", file.stream, file.facts.messages, file.facts.length,
                           options_.clock.Wall());
  }
  return std::move(report.refused);
}

std::string MergeService::RefusedTopic(const std::string& stream) const {
  return fmt::format("{} merge into {}", options_.cluster, stream);
}

void MergeService::PutOff(Group group, const std::vector<Refusal>& refused) {
  if (refused.empty()) return;
  for (const Refusal& one : refused) {
    const auto fetched = fetched_.find(one.staged);
    if (fetched == fetched_.end()) continue;
    const Wanted& wanted = fetched->second;
    if (!Planted(Bug::kRefusedForgotten)) wanted.entry->settled.erase(wanted.line);
    const std::string& stream = wanted.entry->lines[wanted.line].stream;
    refused_[stream].Begin(options_.clock.Boot());
    options_.problems.Raise(
        RefusedTopic(stream), options_.cluster + ": " + one.ToString(),
        fmt::format("its files wait in the queues; {}; tried again once a minute", kLetWrite),
        {stream});
  }
  // None of them was removed.
  for (auto& [source, queue] : queues_) {
    for (QueueEntry* entry : queue.OfGroup(group)) entry->cleaned = QueueEntry::Cleaned::kNo;
  }
}

void MergeService::Accepted(const std::string& stream) {
  if (refused_.erase(stream) > 0) options_.problems.Clear(RefusedTopic(stream));
}

void MergeService::ForgetRefused(Group group) {
  std::set<std::string> gone;
  for (const auto& [stream, pause] : refused_) {
    if (GroupOf(stream, options_.writers.groups()) == group) gone.insert(stream);
  }
  if (gone.empty()) return;
  for (auto& [source, queue] : queues_) {
    for (const QueueEntry* entry : queue.OfGroup(group)) {
      for (const paths::MinutePath& line : entry->lines) gone.erase(line.stream);
    }
  }
  for (const std::string& stream : gone) Accepted(stream);
}

Status MergeService::BeginEras(GroupWriter& writer, Group group) {
  const auto own = own_.find(group);
  if (own == own_.end()) return writer.CompleteHistory();
  DATABUS_ASSIGN_OR_RETURN(const Eras* known, options_.eras.Of(writer));
  std::map<std::string, Era> begun;
  std::vector<const StreamSpec*> begin;
  std::vector<const StreamSpec*> copy;  // of those, what mirrors have
  for (const StreamSpec* stream : own->second) {
    if (waiting_.contains(stream->name)) continue;
    if (known->HasBegun(*stream)) continue;
    const Era begins = EraOf(*stream);
    begun[stream->name] = begins;
    // What mirrors have beyond this cluster when a conflict was settled may be of the other side,
    // which has merged by itself what was merged here: it comes by its identity (P34).
    const auto before = known->streams.find(stream->name);
    const bool is_settlement =
        begins.settled != (before == known->streams.end() ? 0 : before->second.settled);
    if (!is_settlement) begin.push_back(stream);
    if (!is_settlement && stream->cut) copy.push_back(stream);
  }
  // What is copied from mirrors now is described by amendments, which only a whole walk reads.
  if (!begin.empty()) index_.Forget(group);
  DATABUS_RETURN_IF_ERROR(
      CopyFromMirrors(writer,
                      {options_.cluster, *known, options_.clusters, options_.clock,
                       options_.problems, options_.stats, options_.copy_threads},
                      copy));
  if (!begin.empty()) {
    DATABUS_RETURN_IF_ERROR(index_.Of(writer, group).status());
    NoteUnread(writer);
    std::erase_if(begin, [&](const auto* stream) { return waiting_.contains(stream->name); });
    std::erase_if(begun, [&](const auto& one) { return waiting_.contains(one.first); });
    DATABUS_RETURN_IF_ERROR(DescribeUnnamed(writer, group, begin));
  }
  DATABUS_RETURN_IF_ERROR(writer.CompleteHistory());
  if (begun.empty()) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(known, options_.eras.Of(writer));  // asked by others meanwhile
  Eras eras = *known;
  for (auto& [stream, era] : begun) eras.streams[stream] = std::move(era);
  DATABUS_RETURN_IF_ERROR(options_.eras.Set(writer, eras));
  index_.Began(group, eras);
  return Status::Ok();
}

// A minute may have been closed without a stream that waited then (P28), by whoever was the
// primary, and copied so: it is described from now on. What lies here when an era begins is of the
// primary before, and is described first (P32): later minutes are the writer's, in their order.
Status MergeService::DescribeUnnamed(GroupWriter& writer, Group group,
                                     const std::vector<const StreamSpec*>& beginning) {
  MergedIndex::Unnamed& unnamed = index_.UnnamedOf(group);
  if (unnamed.empty()) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  const std::optional<Minute> closed = writer.OwnLedger().closed;
  const std::optional<Minute> open = writer.OwnLedger().open;
  const auto may = [&](const std::string& name, Minute minute) {
    const StreamSpec* const stream = options_.topology.FindStream(name);
    if (stream == nullptr || stream->publication == Publication::kFrozen) return false;
    if (waiting_.contains(name)) return false;
    const std::optional<Minute>& cut = stream->cut;
    const bool over =
        (closed && minute <= *closed) || (open && minute < *open) || (cut && minute <= *cut);
    return over && (eras->HasBegun(*stream) || std::ranges::count(beginning, stream) > 0);
  };
  MinuteContent content(writer.staging().storage(), View::kMerged, group);
  bool changed = false;
  for (auto at = unnamed.begin(); at != unnamed.end();) {
    auto& [minute, streams] = *at;
    MinuteChange change{"", minute, {}};
    DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* named, content.Described(minute));
    std::erase_if(streams, [&](const auto& one) { return named->contains(one.first); });
    for (const auto& [name, files] : streams) {
      if (may(name, minute)) change.streams[name].holds = files;
    }
    if (!change.streams.empty()) {
      std::erase_if(streams, [&](const auto& one) { return change.streams.contains(one.first); });
      DATABUS_RETURN_IF_ERROR(writer.GoOn());
      DATABUS_RETURN_IF_ERROR(writer.ChangeMinute(std::move(change), content));
      changed = true;
    }
    at = streams.empty() ? unnamed.erase(at) : std::next(at);
  }
  return changed ? writer.Reload() : Status::Ok();
}

Status MergeService::SalvageGroup(GroupWriter& writer, Group group, Minute now) {
  NoteUnread(writer);
  // Only of streams whose era has begun: what mirrors have is copied before anything is merged
  // anew. Not begun here: a mirror that went away in the middle of that would be passed over.
  while (salvage_.DueGroups().contains(group)) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    DATABUS_ASSIGN_OR_RETURN(IdentityIndex * index, index_.Of(writer, group));
    NoteUnread(writer);
    DATABUS_ASSIGN_OR_RETURN(const Salvage::Batch batch,
                             salvage_.Next(writer, *index, waiting_, kFilesPerCommitMax));
    CommitRequest request;
    std::vector<Salvage::Missed> missed;
    in_request_ = {};
    DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> staged,
                             FetchSalvage(writer, batch, request, missed));
    if (!request.Empty()) {
      DATABUS_ASSIGN_OR_RETURN(const std::vector<Refusal> refused,
                               PublishInto(*index, writer, std::move(request), now));
      for (const Refusal& one : refused) {
        const auto at = std::ranges::find(staged, one.staged) - staged.begin();
        missed.push_back(
            {batch.files.at(static_cast<size_t>(at)), {Code::kRefused, one.ToString()}});
      }
    }
    DATABUS_RETURN_IF_ERROR(salvage_.Settle(writer, batch, std::move(missed)));
    if (batch.ended.empty() && batch.put_off.empty()) break;  // the other groups get their turn
  }
  return Status::Ok();
}

Result<std::vector<std::string>> MergeService::FetchSalvage(GroupWriter& writer,
                                                            const Salvage::Batch& batch,
                                                            CommitRequest& request,
                                                            std::vector<Salvage::Missed>& missed) {
  StagingArea& staging = writer.staging();
  std::vector<CopyJob> jobs;
  std::vector<size_t> of_jobs;  // the files that they fetch
  std::vector<std::string> staged_names(batch.files.size());
  for (size_t i = 0; i < batch.files.size(); ++i) {
    const Salvage::File& file = batch.files[i];
    const std::string* const may_be = index_.MayBeHere(file.stream, file.name);
    if (may_be != nullptr) {  // it is not fetched again and again meanwhile
      missed.push_back({file, {Code::kRefused, *may_be + " may be this file, and cannot be read"}});
      continue;
    }
    staged_names[i] = staged::FileName(staging.NextNumber());
    jobs.push_back(
        {options_.clusters.Any(batch.source), file.path, staging.PathOf(staged_names[i])});
    of_jobs.push_back(i);
  }
  if (jobs.empty()) return staged_names;
  const std::vector<CopyOutcome> outcomes =
      CopyFiles(staging.storage(), jobs, options_.copy_threads);
  for (size_t job = 0; job < outcomes.size(); ++job) {
    const size_t i = of_jobs[job];
    const Salvage::File& file = batch.files[i];
    const auto& [status, facts] = outcomes[job];
    if (status.code() == Code::kNoSpace || status.code() == Code::kStale) return status;
    if (status.code() == Code::kNotFound) continue;  // purged meanwhile, if the source is there
    if (!status.ok()) {
      missed.push_back({file, status});
      continue;
    }
    DATABUS_RETURN_IF_ERROR(
        Accept(writer, {batch.source, file.stream, file.name, staged_names[i], facts}, request));
  }
  return staged_names;
}

// Here all that was recorded is done. The manifest of the last minute stands, but for a stream that
// had to wait when that was closed (P28): it is acknowledged when it may be completed.
void MergeService::AcknowledgeFrozen(GroupWriter& writer, Group group) {
  const auto frozen = frozen_.find(group);
  if (frozen == frozen_.end()) return;
  for (const std::string& stream : frozen->second) {
    if (!writer.NewestIsClosed(stream)) continue;
    const auto known = writer.OwnLedger().streams.find(stream);
    options_.stats.SetFrozen(
        stream, known == writer.OwnLedger().streams.end() ? std::nullopt : known->second.newest);
  }
}

std::vector<MergeService::Wanted> MergeService::Select(Group group) {
  std::vector<Wanted> wanted;
  std::set<std::string> on_trial;  // of a stream that was refused one file is fetched
  for (auto& [source, queue] : queues_) {
    if (options_.clusters.Find(source) == nullptr) continue;
    for (QueueEntry* entry : queue.OfGroup(group)) {
      for (size_t i = 0; i < entry->lines.size(); ++i) {
        const paths::MinutePath& line = entry->lines[i];
        if (entry->settled.contains(i) || wanted.size() >= kFilesPerCommitMax) continue;
        if (GroupOf(line.stream, options_.writers.groups()) != group) continue;
        if (!IsDue(source, *entry, i)) continue;
        if (refused_.contains(line.stream) && !on_trial.insert(line.stream).second) continue;
        wanted.push_back({source, entry, i});
      }
    }
  }
  return wanted;
}

// Whether a line is to be fetched. One that never can be is settled; one of a stream that this
// worker's topology does not know (yet), or that is merged elsewhere by it, waits: topologies
// change one worker after the other.
bool MergeService::IsDue(const std::string& source, QueueEntry& entry, size_t i) {
  const paths::MinutePath& line = entry.lines[i];
  if (line.view != View::kLocal || line.file.empty()) {
    options_.problems.Report(fmt::format("{}: {} names {}, which is no file of a local stream",
                                         source, entry.path, PathOf(line)),
                             "the line is skipped; the file stays where it is");
    entry.settled.insert(i);
    return false;
  }
  const StreamSpec* stream = options_.topology.FindStream(line.stream);
  if (stream != nullptr && stream->Primary() == options_.cluster) {
    if (waiting_.contains(line.stream)) return false;
    const auto refused = refused_.find(line.stream);
    if (refused != refused_.end() && !refused->second.IsOver(options_.clock.Boot())) return false;
    const std::string* const may_be = index_.MayBeHere(line.stream, line.file);
    if (may_be != nullptr) {
      doubtful_[GroupOf(line.stream, options_.writers.groups())].try_emplace(
          line.stream, fmt::format("{}: {} may be {}, which is to be merged from {}, and cannot "
                                   "be read",
                                   options_.cluster, *may_be, PathOf(line), source));
      return false;
    }
    // P30: it waits for whoever is the primary next.
    return stream->publication != Publication::kFrozen || Planted(Bug::kFrozenPublished);
  }
  const std::string_view why = stream == nullptr ? "does not have" : "does not merge at ";
  strangers_[source].try_emplace(
      line.stream,
      fmt::format("{}: {} names files of {}, which {} {}{}", source, entry.path, line.stream,
                  options_.topology.file, why, stream == nullptr ? "" : options_.cluster));
  return false;
}

// As they were found in this run: none is left when their cluster has put them elsewhere, or this
// one merges them.
void MergeService::TellStrangers() {
  for (const auto& [source, queue] : queues_) {
    std::vector<std::string> whats;
    std::vector<std::string> unknown;  // removed, perhaps
    for (const auto& [stream, what] : strangers_[source]) {
      (options_.topology.FindStream(stream) == nullptr ? unknown : whats).push_back(what);
    }
    options_.problems.RaiseEach(
        fmt::format("{} merge from {} of streams that are not there", options_.cluster, source),
        unknown,
        "they wait until a topology has the stream (again); nobody merges one that was removed, "
        "and its files go when their retention is over");
    options_.problems.RaiseEach(
        fmt::format("{} merge from {} of other streams", options_.cluster, source), whats,
        "they wait; the worker of that cluster puts them into the right queue when it obeys the "
        "same epoch");
  }
}

Status MergeService::Fetch(GroupWriter& writer, const std::vector<Wanted>& wanted,
                           CommitRequest& request) {
  StagingArea& staging = writer.staging();
  std::vector<CopyJob> jobs;
  std::vector<const Wanted*> of_job;
  std::vector<std::string> staged_names;
  for (const Wanted& want : wanted) {
    const paths::MinutePath& line = want.entry->lines[want.line];
    staged_names.push_back(staged::FileName(staging.NextNumber()));
    jobs.push_back(
        {options_.clusters.Any(want.source), PathOf(line), staging.PathOf(staged_names.back())});
    of_job.push_back(&want);
  }
  const std::vector<CopyOutcome> outcomes =
      CopyFiles(staging.storage(), jobs, options_.copy_threads);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    DATABUS_RETURN_IF_ERROR(Judge(writer, *of_job[i], staged_names[i], outcomes[i], request));
  }
  return Status::Ok();
}

Status MergeService::Judge(GroupWriter& writer, const Wanted& wanted, const std::string& staged,
                           const CopyOutcome& outcome, CommitRequest& request) {
  const paths::MinutePath& line = wanted.entry->lines[wanted.line];
  const std::string topic =
      fmt::format("{} merge {} {}", options_.cluster, wanted.source, line.stream);
  const bool absent = outcome.status.code() == Code::kNotFound ||
                      (Planted(Bug::kUncopiedIsAbsent) && outcome.status.unknown());
  if (absent) {
    // Nothing is absent from a cluster that went away in the middle (P1).
    if (!options_.clusters.CheckStill(wanted.source).ok()) return Status::Ok();
    // P24: set aside and reported, not dropped.
    const std::string text = PathOf(line) + "\n";
    DATABUS_ASSIGN_OR_RETURN(const std::string name, writer.staging().StageText(text));
    request.unfit.push_back({line.stream, name, "queue-line-" + line.file, text.size(),
                             Crc32c(text),
                             fmt::format("{} names this file, which is not there at {}",
                                         wanted.entry->path, wanted.source)});
    wanted.entry->settled.insert(wanted.line);
    return Status::Ok();
  }
  if (outcome.status.code() == Code::kNoSpace || outcome.status.code() == Code::kStale) {
    return outcome.status;
  }
  if (!outcome.status.ok()) {
    // The source's trouble, or the way's: this file waits, the others go on.
    options_.problems.Raise(
        topic, outcome.status.ToString(), "tried again at the next run",
        CannotBeRead(outcome.status) ? std::vector{line.stream} : std::vector<std::string>());
    return Status::Ok();
  }
  options_.problems.Clear(topic);
  wanted.entry->settled.insert(wanted.line);
  fetched_.insert_or_assign(staged, wanted);
  return Accept(writer, {wanted.source, line.stream, line.file, staged, outcome.facts}, request);
}

Status MergeService::Accept(GroupWriter& writer, const Copied& copied, CommitRequest& request) {
  const auto& [source, stream, name, staged, facts] = copied;
  if (!facts.damage.empty()) {
    request.unfit.push_back({stream, staged, name, facts.file.length, facts.file.crc32c,
                             fmt::format("copied from {}: {}", source, facts.damage)});
    return Status::Ok();
  }
  DATABUS_ASSIGN_OR_RETURN(IdentityIndex * index,
                           index_.Of(writer, GroupOf(stream, options_.writers.groups())));
  const bool known =
      index->Contains(stream, name, facts.file) || !in_request_.Add(stream, name, facts.file);
  if (known && !Planted(Bug::kMergeWithoutIndex)) {
    options_.stats.AddDuplicate("merge", stream);
    const Status removed = writer.staging().storage().Remove(writer.staging().PathOf(staged));
    return removed.code() == Code::kNotFound ? Status::Ok() : removed;
  }
  request.files.push_back({stream, staged, name, facts.file});
  return Status::Ok();
}

void MergeService::AddCleanUps(Group group, CommitRequest& request) {
  for (auto& [source, queue] : queues_) {
    if (options_.clusters.Find(source) == nullptr) continue;
    for (QueueEntry* entry : queue.OfGroup(group)) {
      for (const std::string& line : std::exchange(entry->odd_lines, {})) {
        options_.problems.Report(fmt::format("{}: {} holds the line '{}', which names no file of a "
                                             "stream",
                                             source, entry->path, EscapeWord(line)),
                                 "the line is skipped");
      }
      const bool settled = entry->Settled() || Planted(Bug::kQueueCleanedEarly);
      if (!settled || entry->cleaned == QueueEntry::Cleaned::kYes) continue;
      entry->cleaned = QueueEntry::Cleaned::kYes;
      request.clean_ups.push_back({source, entry->path, ""});
    }
  }
}

}  // namespace databus
