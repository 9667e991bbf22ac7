#include "worker/mirror_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/planted.h"
#include "commit/ledger.h"
#include "commit/minute_tree.h"
#include "control/epoch_store.h"
#include "telemetry/log.h"
#include "worker/refusals.h"

namespace databus {
namespace {

// How many minutes one run of one group advances at most, so that the other groups get their turn.
constexpr int kMinutesPerRunMax = 120;
constexpr std::chrono::seconds kSeenOpen{60};
// How long a stream is left alone whose files cannot be put into place: each try costs a copy.
constexpr std::chrono::seconds kBlocked{60};
// Until a frozen stream whose last minute is described here is asked after again: only what its
// primary could not put into place before (P11) comes behind that.
constexpr std::chrono::minutes kFrozenIsHere{10};

// Without a name, the minute's directory.
std::string FilePath(const std::string& stream, Minute minute, const std::string& name) {
  if (name.empty()) return paths::MinuteDir(View::kMerged, stream, minute);
  return paths::MinuteFile(View::kMerged, stream, minute, name);
}

bool IsHere(const Ledger& ledger, const std::string& stream, const std::string& name) {
  const auto found = ledger.streams.find(stream);
  return found != ledger.streams.end() && found->second.open_files.contains(name);
}

bool IsHereAs(const Ledger& ledger, const std::string& stream, const std::string& name,
              const ManifestFile& promised) {
  if (!IsHere(ledger, stream, name)) return false;
  const ManifestFile& here = ledger.streams.at(stream).open_files.at(name);
  return here.length == promised.length && here.crc32c == promised.crc32c;
}

}  // namespace

std::string MirrorService::BlockedTopic(const std::string& stream) const {
  return fmt::format("{} mirror stream {}", options_.cluster, stream);
}

MirrorService::MirrorService(Options options)
    : options_(std::move(options)),
      divergence_({options_.topology, options_.cluster, options_.clusters, options_.eras,
                   options_.clock, options_.problems, options_.stats, options_.copy_threads}) {
  const auto holds = [&writers = options_.writers](Group group) { return writers.Holds(group); };
  for (const StreamSpec& stream : options_.topology.streams) {
    if (stream.RoleOf(options_.cluster) != Role::kMirror) continue;
    const std::string& primary = stream.Primary();
    queues_.try_emplace(primary, paths::Mirrors(options_.cluster), options_.writers.groups(),
                        holds);
    streams_[primary][GroupOf(stream.name, options_.writers.groups())].push_back(stream.name);
  }
}

void MirrorService::RunOnce() {
  for (auto& [primary, queue] : queues_) {
    const std::string topic = fmt::format("{} mirror of {}", options_.cluster, primary);
    Storage* source = options_.clusters.Find(primary);
    const Status status = source == nullptr
                              ? Status(Code::kUnavailable, options_.clusters.WhyAway(primary))
                              : queue.Refresh(*source);
    options_.problems.RaiseEach(topic + " queue", queue.Unreadable(),
                                "its lines wait; make it readable for the worker's user");
    options_.stats.SetQueue(fmt::format("mirrors/{} at {}", options_.cluster, primary),
                            queue.size());
    if (!status.ok()) {
      options_.problems.Raise(topic, status.ToString(), "its minutes wait there; tried again");
      continue;
    }
    options_.problems.Clear(topic);
    SplitMixedEntries(queue, *source, options_.writers, options_.problems, topic + " split");
    for (const auto& [group, streams] : streams_[primary]) {
      if (!options_.writers.Holds(group)) continue;
      const Flow flow{primary, group, *source, queue, streams};
      const bool ended_well =
          options_.writers.With(group, "mirror of " + primary,
                                [&](GroupWriter& writer) { return MirrorGroup(writer, flow); });
      if (!ended_well) queue.Unsettle(group);
    }
  }
}

Status MirrorService::MirrorGroup(GroupWriter& writer, const Flow& flow) {
  ForgetOtherEpochs(writer, flow);
  // What cannot be read here is compared when it can be, as it has a hole then.
  Flow readable = flow;
  std::erase_if(readable.streams, [&](const std::string& one) { return writer.IsUnread(one); });
  std::set<std::string> waiting;
  for (int i = 0; i < kMinutesPerRunMax && !readable.streams.empty(); ++i) {
    DATABUS_ASSIGN_OR_RETURN(const auto compared, divergence_.Run(writer, StreamsOf(readable)));
    if (compared.progress == Divergence::Progress::kUnderWay) return Status::Ok();
    waiting = compared.waiting;
    Flow going = readable;
    std::erase_if(going.streams, [&](const std::string& name) { return waiting.contains(name); });
    if (going.streams.empty()) return Status::Ok();
    DATABUS_ASSIGN_OR_RETURN(const bool more, MirrorMinute(writer, going));
    if (!more) break;
  }
  DATABUS_RETURN_IF_ERROR(DoubtFrozen(writer, readable));
  for (const auto& [stream, why] : writer.Unread()) waiting.insert(stream);
  DATABUS_RETURN_IF_ERROR(CleanQueue(writer, flow, waiting));
  return writer.RetryCleanUps();
}

Result<MirrorService::Next> MirrorService::FindNext(GroupWriter& writer, const Flow& flow) {
  Next next;
  DATABUS_ASSIGN_OR_RETURN(next.minute, OpenMinute(writer, flow));
  if (!next.minute) return next;
  DATABUS_ASSIGN_OR_RETURN(next.manifest, ClosedMinute(writer, flow, *next.minute));
  return next;
}

Result<bool> MirrorService::MirrorMinute(GroupWriter& writer, const Flow& flow) {
  const auto next = FindNext(writer, flow);
  if (divergence_.LeavesOut(flow.streams, {})) return true;  // then without it
  DATABUS_RETURN_IF_ERROR(next.status());
  const auto& [minute, manifest] = *next;
  if (!minute) return false;
  if (manifest) {
    DATABUS_ASSIGN_OR_RETURN(const bool whole, IsWithoutHoles(writer, flow, *manifest));
    if (!whole) return true;
  }
  DATABUS_RETURN_IF_ERROR(CopyMinute(writer, flow, *minute, manifest ? &*manifest : nullptr));
  if (!manifest) return false;
  if (divergence_.LeavesOut(flow.streams, {})) return true;  // then it is closed without it
  DATABUS_RETURN_IF_ERROR(SetAsideSurplus(writer, *manifest));
  const Status closed = writer.CloseCopy(*manifest);
  const std::string topic =
      fmt::format("{} mirror of {} group {} minute", options_.cluster, flow.primary, flow.group);
  if (closed.code() == Code::kRefused) {
    options_.problems.Raise(topic, closed.message(), "its files are fetched again");
    // Nothing is left to fetch: what the writer knows is not true, and the tree is read again.
    DATABUS_ASSIGN_OR_RETURN(const MissingFiles missing,
                             Missing(writer, flow, *minute, &*manifest));
    if (missing.empty()) return closed;
    return false;
  }
  DATABUS_RETURN_IF_ERROR(closed);
  options_.problems.Clear(topic);
  NoteLeftOut(writer, flow, *manifest);
  return true;
}

// Another holder may have closed minutes meanwhile, or this one did and was not told.
void MirrorService::ForgetOtherEpochs(GroupWriter& writer, const Flow& flow) {
  uint64_t& known = epochs_[{flow.primary, flow.group}];
  if (known == writer.staging().epoch()) return;
  known = writer.staging().epoch();
  for (const std::string& stream : flow.streams) {
    left_out_.erase(stream);
    not_left_out_.erase(stream);
    ask_frozen_.erase(stream);
  }
}

void MirrorService::NoteLeftOut(GroupWriter& writer, const Flow& flow, const Manifest& manifest) {
  const Ledger& ledger = writer.CopyLedger(flow.primary);
  for (const std::string& stream : flow.streams) {
    const auto known = ledger.streams.find(stream);
    const bool has_minute =
        known != ledger.streams.end() && known->second.newest >= manifest.minute;
    if (has_minute && !manifest.streams.contains(stream)) left_out_.insert(stream);
  }
}

Result<bool> MirrorService::WasLeftOut(MinuteContent& here, const std::string& stream,
                                       Minute newest) {
  if (left_out_.contains(stream)) return true;
  if (not_left_out_.contains(stream)) return false;
  DATABUS_ASSIGN_OR_RETURN(const auto described, here.Described(stream, newest));
  if (described) not_left_out_.insert(stream);
  return !described;
}

Result<bool> MirrorService::IsWithoutHoles(GroupWriter& writer, const Flow& flow,
                                           const Manifest& manifest) {
  MinuteContent here(writer.staging().storage(), View::kMerged, flow.group);
  bool whole = true;
  for (const auto& [stream, files] : manifest.streams) {
    DATABUS_ASSIGN_OR_RETURN(const bool hole,
                             HasHoleBefore(writer, here, flow, {stream, manifest.minute}));
    if (hole && DoubtOnce(stream, manifest.minute)) whole = false;
  }
  return whole;
}

Result<bool> MirrorService::HasHoleBefore(GroupWriter& writer, MinuteContent& here,
                                          const Flow& flow, const Beginning& begins) {
  const Ledger& ledger = writer.CopyLedger(flow.primary);
  const auto known = ledger.streams.find(begins.stream);
  if (known == ledger.streams.end() || !known->second.newest) {
    if (ledger.closed) return true;
    // What others have here tells nothing of this one: this cluster may have published it itself.
    const auto first = OldestMinute(flow.source, paths::Stream(View::kMerged, begins.stream));
    DATABUS_ASSIGN_OR_RETURN(
        const bool read,
        divergence_.IsRead(writer, StreamsOf(flow), begins.stream, {}, first.status()));
    if (!read) return true;
    if (*first) return **first < begins.minute;
    DATABUS_RETURN_IF_ERROR(options_.clusters.CheckStill(flow.primary));
    return false;
  }
  const Minute newest = *known->second.newest;
  if (newest >= begins.minute) return false;
  if (newest.Next() < begins.minute) return true;
  return WasLeftOut(here, begins.stream, newest);
}

// Once: in a tree of the original system the primary has the hole, too.
bool MirrorService::DoubtOnce(const std::string& stream, Minute minute) {
  left_out_.erase(stream);
  const auto [doubted, fresh] = doubted_at_.try_emplace(stream, minute);
  if (!fresh && doubted->second == minute) return false;
  doubted->second = minute;
  divergence_.Doubt(stream);
  return true;
}

// The last minutes of a frozen stream may be described there after others were closed without it
// (P11, P28). Nothing of it comes later that would show the hole, and queues are only hints.
// Seldom: each costs a walk through its tree at the primary.
Status MirrorService::DoubtFrozen(GroupWriter& writer, const Flow& flow) {
  const BootTime now = options_.clock.Boot();
  MinuteContent here(writer.staging().storage(), View::kMerged, flow.group);
  MinuteContent there(flow.source, View::kMerged, flow.group);
  const Described described{writer.CopyLedger(flow.primary), here, there};
  for (const std::string& stream : flow.streams) {
    if (options_.topology.FindStream(stream)->publication != Publication::kFrozen) continue;
    const auto next = ask_frozen_.find(stream);
    if (next != ask_frozen_.end() && now < next->second) continue;
    const auto is_here = IsFrozenHere(flow, described, stream);
    const bool unread = CannotBeRead(is_here.status());
    if (!is_here.ok() && !unread) return is_here.status();
    const bool settled = is_here.ok() && *is_here;
    ask_frozen_.insert_or_assign(stream, now + (settled ? BootTime::duration(kFrozenIsHere)
                                                        : BootTime::duration(kRefusedPause)));
    const std::string topic =
        fmt::format("{} mirror of {} frozen {}", options_.cluster, flow.primary, stream);
    if (!unread) {
      options_.problems.Clear(topic);
      continue;
    }
    options_.problems.Raise(
        topic, is_here.status().WithContext(flow.primary).ToString(),
        fmt::format("it is not known whether all of the frozen stream is here, the others go on; "
                    "{}; looked at again once a minute",
                    kLetRead),
        {stream});
  }
  return Status::Ok();
}

// Whether nothing is to be done for it, as far as is known now.
Result<bool> MirrorService::IsFrozenHere(const Flow& flow, const Described& described,
                                         const std::string& stream) {
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> last,
                           NewestMinute(flow.source, paths::Stream(View::kMerged, stream)));
  if (!last) return true;
  if (described.ledger.closed < last) return false;  // it is copied in its turn
  DATABUS_ASSIGN_OR_RETURN(const auto theirs, described.there.Described(stream, *last));
  if (!theirs) return false;
  DATABUS_ASSIGN_OR_RETURN(const auto ours, described.here.Described(stream, *last));
  return ours || !DoubtOnce(stream, *last);
}

Status MirrorService::SetAsideSurplus(GroupWriter& writer, const Manifest& manifest) {
  // Of a stream that is not named the primary says nothing: it may have purged the minute.
  const auto surplus_of = [&](const std::string& stream, const std::string& name) {
    const auto files = manifest.streams.find(stream);
    return files != manifest.streams.end() && !files->second.contains(name);
  };
  const Ledger& ledger = writer.CopyLedger(manifest.primary);
  std::vector<std::string> surplus;
  for (const auto& [stream, minutes] : ledger.streams) {
    for (const auto& [name, facts] : minutes.open_files) {
      if (surplus_of(stream, name)) surplus.push_back(FilePath(stream, manifest.minute, name));
    }
  }
  for (const std::string& path : surplus) {
    DATABUS_RETURN_IF_ERROR(writer.SetAside(
        path, fmt::format("is not in the minute that {} has closed", manifest.primary)));
  }
  return Status::Ok();
}

Result<std::optional<Minute>> MirrorService::OpenMinute(GroupWriter& writer, const Flow& flow) {
  const Ledger& ledger = writer.CopyLedger(flow.primary);
  if (ledger.open) return ledger.open;
  DATABUS_ASSIGN_OR_RETURN(std::optional<Minute> oldest,
                           OldestManifest(flow.source, View::kMerged, flow.group, ""));
  for (const std::string& stream : flow.streams) {
    const auto first = OldestMinute(flow.source, paths::Stream(View::kMerged, stream));
    DATABUS_ASSIGN_OR_RETURN(
        const bool read, divergence_.IsRead(writer, StreamsOf(flow), stream, {}, first.status()));
    if (!read) return oldest;
    if (Planted(Bug::kMirrorBeginsAtNewest)) {
      return NewestMinute(flow.source, paths::Stream(View::kMerged, stream));
    }
    if (*first && (!oldest || **first < *oldest)) oldest = *first;
  }
  return oldest;
}

Result<std::optional<Manifest>> MirrorService::ClosedMinute(GroupWriter& writer, const Flow& flow,
                                                            Minute minute) {
  auto manifest = ReadManifest(flow.source, View::kMerged, flow.group, minute, "");
  if (manifest.code() == Code::kNotFound) {
    if (Planted(Bug::kMirrorsOpenMinute)) return ClosedByListing(writer, flow, minute);
    // Open, or a minute of the original system, from before there were manifests.
    const auto key = std::pair(flow.primary, flow.group);
    const auto seen = seen_open_.find(key);
    const BootTime now = options_.clock.Boot();
    if (seen != seen_open_.end() && seen->second.minute == minute && now < seen->second.until) {
      return std::optional<Manifest>();
    }
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> first,
                             OldestManifest(flow.source, View::kMerged, flow.group, ""));
    if (first && *first < minute) {
      seen_open_.insert_or_assign(key, SeenOpen{minute, now + kSeenOpen});
      return std::optional<Manifest>();
    }
    return ClosedByListing(writer, flow, minute);
  }
  if (!manifest.ok()) return manifest.status();
  MinuteContent there(flow.source, View::kMerged, flow.group);
  DATABUS_ASSIGN_OR_RETURN(const bool amended, there.IsAmended(minute));
  if (amended) {
    DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* streams, there.Described(minute));
    manifest->streams = *streams;
  }
  // Other streams of the group may be mirrored elsewhere, or not at all.
  std::erase_if(manifest->streams, [&](const auto& stream) {
    return std::find(flow.streams.begin(), flow.streams.end(), stream.first) == flow.streams.end();
  });
  manifest->primary = flow.primary;
  return std::optional<Manifest>(std::move(*manifest));
}

// As the original's readers knew it: a minute is closed when the next one exists.
Result<std::optional<Manifest>> MirrorService::ClosedByListing(GroupWriter& writer,
                                                               const Flow& flow, Minute minute) {
  Manifest manifest;
  manifest.view = View::kMerged;
  manifest.group = flow.group;
  manifest.minute = minute;
  manifest.primary = flow.primary;
  std::optional<Minute> last;  // that any has
  for (const std::string& stream : flow.streams) {
    const auto newest = NewestMinute(flow.source, paths::Stream(View::kMerged, stream));
    DATABUS_ASSIGN_OR_RETURN(
        bool read, divergence_.IsRead(writer, StreamsOf(flow), stream, {}, newest.status()));
    if (!read) return std::optional<Manifest>();
    last = std::max(last, *newest);
    if (!*newest || **newest < minute) continue;
    if (**newest == minute && !Planted(Bug::kMirrorsOpenMinute)) return std::optional<Manifest>();
    auto files = ReadMinuteFiles(flow.source, paths::MinuteDir(View::kMerged, stream, minute));
    if (files.code() == Code::kNotFound) continue;  // began later, or a hole of the original
    DATABUS_ASSIGN_OR_RETURN(
        read, divergence_.IsRead(writer, StreamsOf(flow), stream, minute, files.status()));
    if (!read) return std::optional<Manifest>();
    manifest.streams[stream] = std::move(*files);
  }
  // Nobody has this minute: go on only where a later one proves that it is over.
  const bool nobody = manifest.streams.empty();
  if (nobody && (!last || *last <= minute)) return std::optional<Manifest>();
  DATABUS_RETURN_IF_ERROR(options_.clusters.CheckStill(flow.primary));
  return std::optional<Manifest>(std::move(manifest));
}

Result<MirrorService::MissingFiles> MirrorService::Missing(GroupWriter& writer, const Flow& flow,
                                                           Minute minute,
                                                           const Manifest* manifest) {
  const Ledger& ledger = writer.CopyLedger(flow.primary);
  MissingFiles missing;
  if (manifest != nullptr && !Planted(Bug::kMirrorByQueueOnly)) {
    // The closed minute is the truth; a line that it does not know names nothing that will ever be.
    for (const auto& [stream, files] : manifest->streams) {
      for (const auto& [name, file] : files) {
        if (!IsHereAs(ledger, stream, name, file)) missing[stream].emplace(name, &file);
      }
    }
    return missing;
  }
  // What belongs to an open minute waits, too, until the minutes before it are here: those that the
  // primary closed without the stream, while that had to wait (P28), and has described since.
  std::map<std::string, bool> holes;  // by stream: whether it has one before the minute
  MinuteContent here(writer.staging().storage(), View::kMerged, flow.group);
  for (const QueueEntry* entry : flow.queue.OfGroup(flow.group)) {
    for (const paths::MinutePath& line : entry->lines) {
      const bool due =
          line.view == View::kMerged && line.minute == minute && !line.file.empty() &&
          std::find(flow.streams.begin(), flow.streams.end(), line.stream) != flow.streams.end();
      if (!due || IsHere(ledger, line.stream, line.file)) continue;
      const auto [hole, fresh] = holes.try_emplace(line.stream, false);
      if (fresh) {
        DATABUS_ASSIGN_OR_RETURN(const bool has,
                                 HasHoleBefore(writer, here, flow, {line.stream, minute}));
        hole->second = has && DoubtOnce(line.stream, minute);
      }
      if (!hole->second) {
        missing[line.stream].emplace(line.file, nullptr);
      }
    }
  }
  return missing;
}

void MirrorService::Block(const std::string& stream, const std::string& why) {
  blocked_[stream] = options_.clock.Boot() + kBlocked;
  options_.problems.Raise(
      BlockedTopic(stream), why,
      "the streams of its group wait when the minute closes; let the worker's user write "
      "there; tried again once a minute",
      {stream});
}

Status MirrorService::MakeWayForAll(GroupWriter& writer, const Flow& flow, Minute minute,
                                    MissingFiles& missing) {
  for (const std::string& stream : flow.streams) {
    if (!missing.contains(stream) && blocked_.erase(stream) > 0) {
      options_.problems.Clear(BlockedTopic(stream));
    }
  }
  const BootTime now = options_.clock.Boot();
  for (auto it = missing.begin(); it != missing.end();) {
    auto& [stream, wanted] = *it;
    const auto blocked = blocked_.find(stream);
    if (blocked != blocked_.end() && now < blocked->second) {
      it = missing.erase(it);
      continue;
    }
    const Status made = MakeWay(writer, {stream, minute, flow.primary}, wanted);
    if (made.ok()) {
      ++it;
    } else if (made.code() == Code::kRefused) {
      Block(stream, made.ToString());
      it = missing.erase(it);
    } else {
      return made;
    }
  }
  return Status::Ok();
}

bool MirrorService::LeavesOut(GroupWriter& writer, const Flow& flow, const std::string& stream,
                              Minute minute, const Status& copied) {
  const auto read = divergence_.IsRead(writer, StreamsOf(flow), stream, minute, copied);
  return read.ok() && !*read;
}

Status MirrorService::CopyMinute(GroupWriter& writer, const Flow& flow, Minute minute,
                                 const Manifest* manifest) {
  DATABUS_ASSIGN_OR_RETURN(MissingFiles missing, Missing(writer, flow, minute, manifest));
  DATABUS_RETURN_IF_ERROR(MakeWayForAll(writer, flow, minute, missing));
  StagingArea& staging = writer.staging();
  std::vector<CopyJob> jobs;
  std::vector<NewFile> files;
  for (const auto& [stream, wanted] : missing) {
    for (const auto& [name, promised] : wanted) {
      NewFile file;
      file.stream = stream;
      file.name = name;
      file.staged = staged::FileName(staging.NextNumber());
      jobs.push_back({&flow.source, FilePath(stream, minute, name), staging.PathOf(file.staged)});
      files.push_back(std::move(file));
    }
  }
  if (jobs.empty()) return Status::Ok();
  const std::vector<CopyOutcome> outcomes =
      CopyFiles(staging.storage(), jobs, options_.copy_threads);
  CommitRequest request;
  Status trouble;
  std::map<std::string, Status> unread;  // the first failure, by stream
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const Status& status = outcomes[i].status;
    if (status.code() == Code::kNoSpace || status.code() == Code::kStale) return status;
    if (!status.ok()) {
      if (manifest != nullptr && CannotBeRead(status)) {
        unread.try_emplace(files[i].stream, status.WithContext(jobs[i].from));
        continue;
      }
      trouble = status.WithContext(jobs[i].from);
      // Described and not there: perhaps purged (P35).
      if (status.code() == Code::kNotFound && manifest != nullptr) {
        divergence_.Doubt(files[i].stream);
      }
      continue;
    }
    files[i].facts = outcomes[i].facts.file;
    // A primary may hold a foreign file that contradicts its own header; a mirror has it too, but
    // only when the primary's manifest vouches for those bytes.
    if (manifest == nullptr && !outcomes[i].facts.damage.empty()) {
      trouble = Status(Code::kCorrupt, jobs[i].from + ": " + outcomes[i].facts.damage);
      continue;
    }
    const bool as_promised =
        manifest == nullptr ||
        manifest->streams.at(files[i].stream).at(files[i].name) == files[i].facts;
    if (as_promised) {
      request.files.push_back(std::move(files[i]));
    } else {
      unread.try_emplace(files[i].stream, Code::kCorrupt,
                         fmt::format("{}: differs from the manifest", jobs[i].from));
    }
  }
  // Once for each stream, however many of its files failed: the answer costs its whole minute.
  for (const auto& [stream, why] : unread) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    if (!LeavesOut(writer, flow, stream, minute, why)) trouble = why;
  }
  const std::string topic =
      fmt::format("{} mirror of {} group {} copy", options_.cluster, flow.primary, flow.group);
  if (trouble.ok()) {
    options_.problems.Clear(topic);
  } else {
    options_.problems.Raise(topic, trouble.ToString(), "tried again at the next run");
  }
  return PublishMinute(writer, flow, minute, std::move(request));
}

Status MirrorService::PublishMinute(GroupWriter& writer, const Flow& flow, Minute minute,
                                    CommitRequest request) {
  if (request.Empty()) return Status::Ok();
  if (Planted(Bug::kMirrorByOwnClock)) minute = Minute::Of(options_.clock.Wall());
  std::map<std::string, std::set<std::string>> due;  // names by stream
  for (const NewFile& file : request.files) due[file.stream].insert(file.name);
  DATABUS_ASSIGN_OR_RETURN(const CommitReport report,
                           writer.PublishCopies(flow.primary, minute, std::move(request)));
  for (const PublishedFile& file : report.published) {
    due[file.stream].erase(file.name);
    if (blocked_.erase(file.stream) > 0) options_.problems.Clear(BlockedTopic(file.stream));
  }
  std::map<std::string, std::string> whys;
  for (const Refusal& refusal : report.refused) {
    whys[paths::ParseMinutePath(refusal.to)->stream] = options_.cluster + ": " + refusal.ToString();
  }
  for (const auto& [stream, missing] : due) {
    if (missing.empty()) continue;
    const auto why = whys.find(stream);
    Block(stream, why != whys.end() ? why->second
                                    : fmt::format("{}: {} files of {} could not be put into place",
                                                  stream, missing.size(), minute.ToIso()));
  }
  for (const PublishedFile& file : report.published) {
    options_.stats.AddFile("mirror", file.stream, file.facts.messages, file.facts.length,
                           options_.clock.Wall());
  }
  return Status::Ok();
}

// In the open minute a file counts when it is here; a closed one holds what its manifests say. One
// that lacks the file is compared with the primary's once more. What is not here after that is gone
// there, too; or the primary has closed the minute without the stream, which has to wait (P28), and
// describes it later.
Result<MirrorService::Line> MirrorService::Judge(GroupWriter& writer, const Flow& flow,
                                                 const paths::MinutePath& line,
                                                 MinuteContent& here) {
  const Ledger& ledger = writer.CopyLedger(flow.primary);
  if (line.minute > *ledger.open) return Line::kDue;
  if (line.minute == *ledger.open) {
    return IsHere(ledger, line.stream, line.file) ? Line::kDone : Line::kDue;
  }
  DATABUS_ASSIGN_OR_RETURN(const bool described, here.IsDescribed(line.minute));
  const auto known = ledger.streams.find(line.stream);
  const bool is_new = known == ledger.streams.end() || !known->second.newest;
  // From before the oldest that is kept, or equal without being closed. Of a stream that has
  // nothing here yet it may be its first.
  if (!described && !is_new) return Line::kDone;
  DATABUS_ASSIGN_OR_RETURN(const auto files, here.Described(line.stream, line.minute));
  if (files && (line.file.empty() || files->contains(line.file))) return Line::kDone;
  if (doubted_lines_.emplace(line.stream, line.minute).second) {
    divergence_.Doubt(line.stream);
  }
  if (divergence_.Doubts(line.stream)) return Line::kDue;
  const auto there = flow.source.Stat(FilePath(line.stream, line.minute, line.file));
  if (there.ok()) return Line::kDue;
  if (there.code() != Code::kNotFound) {
    DATABUS_ASSIGN_OR_RETURN(
        const bool read,
        divergence_.IsRead(writer, StreamsOf(flow), line.stream, line.minute, there.status()));
    if (!read) return Line::kDue;
  }
  return options_.clusters.CheckStill(flow.primary).ok() ? Line::kGone : Line::kDue;
}

// Asked after the entries were listed: whoever has written one by a later epoch had stored that
// beside it before.
MirrorService::Line MirrorService::JudgeOwn(const Flow& flow,
                                            std::optional<bool>& newest_is_obeyed) const {
  if (!newest_is_obeyed) {
    const auto later = EpochAfter(flow.source, options_.topology_epoch);
    newest_is_obeyed = later.ok() && !*later;
  }
  return *newest_is_obeyed ? Line::kDone : Line::kDue;
}

bool MirrorService::IsOwn(const std::string& stream) const {
  const StreamSpec* spec = options_.topology.FindStream(stream);
  return spec != nullptr && spec->Primary() == options_.cluster;
}

Status MirrorService::CleanQueue(GroupWriter& writer, const Flow& flow,
                                 const std::set<std::string>& waiting) {
  const Ledger& ledger = writer.CopyLedger(flow.primary);
  if (!ledger.open) return Status::Ok();
  CommitRequest request;
  MinuteContent here(writer.staging().storage(), View::kMerged, flow.group);
  std::vector<std::string> gone;
  std::map<std::string, std::string> strangers;  // what is to be said, by stream
  std::optional<bool> newest_is_obeyed;          // nothing: not asked yet
  for (QueueEntry* entry : flow.queue.OfGroup(flow.group)) {
    for (size_t i = 0; i < entry->lines.size(); ++i) {
      const paths::MinutePath& line = entry->lines[i];
      if (GroupOf(line.stream, options_.writers.groups()) != flow.group) continue;
      if (entry->settled.contains(i) || waiting.contains(line.stream)) continue;
      const bool stranger =
          line.view != View::kMerged ||
          std::find(flow.streams.begin(), flow.streams.end(), line.stream) == flow.streams.end();
      Line is = IsOwn(line.stream) ? JudgeOwn(flow, newest_is_obeyed) : Line::kDue;
      if (!stranger) {
        DATABUS_ASSIGN_OR_RETURN(is, Judge(writer, flow, line, here));
      }
      if (is != Line::kDue) entry->settled.insert(i);
      if (is == Line::kGone) gone.push_back(FilePath(line.stream, line.minute, line.file));
      if (is != Line::kDue || !stranger) continue;
      // Topologies change one worker after the other: it may be mirrored here soon.
      strangers.try_emplace(
          line.stream,
          fmt::format("{}: {} names files of {}, which {} does not mirror at {}", flow.primary,
                      entry->path, line.stream, options_.topology.file, options_.cluster));
    }
    entry->odd_lines.clear();
    if (!entry->Settled() || entry->cleaned == QueueEntry::Cleaned::kYes) continue;
    entry->cleaned = QueueEntry::Cleaned::kYes;
    request.clean_ups.push_back({flow.primary, entry->path, ""});
  }
  Tell(flow, gone, strangers);
  if (request.Empty()) return Status::Ok();
  return writer.PublishCopies(flow.primary, *ledger.open, std::move(request)).status();
}

// What is gone is no trouble of anybody's: the minute is as at its primary. The log has it.
void MirrorService::Tell(const Flow& flow, const std::vector<std::string>& gone,
                         const std::map<std::string, std::string>& strangers) {
  if (!gone.empty()) {
    LogInfo("worker", "queue lines dropped: their primary has not got the files any more",
            {{"cluster", options_.cluster},
             {"primary", flow.primary},
             {"group", flow.group},
             {"lines", gone.size()},
             {"first", gone.front()}});
  }
  std::vector<std::string> whats;
  whats.reserve(strangers.size());
  for (const auto& [stream, what] : strangers) whats.push_back(what);
  options_.problems.RaiseEach(
      fmt::format("{} mirror of {} group {} other streams", options_.cluster, flow.primary,
                  flow.group),
      whats, "they wait; the worker of that cluster drops them when it obeys the same epoch");
}

}  // namespace databus
