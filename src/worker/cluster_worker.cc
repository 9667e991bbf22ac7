#include "worker/cluster_worker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/steering.h"
#include "cluster/text_format.h"
#include "commit/cluster_id.h"
#include "control/heartbeats.h"
#include "lease/tree_lease.h"
#include "storage/probe.h"
#include "telemetry/facts.h"
#include "telemetry/heartbeat.h"
#include "telemetry/log.h"
#include "telemetry/worker_share.h"
#include "worker/adopt_tree.h"

namespace databus {
namespace {

// Whom another worker keeps from its work is fenced at least as often as minutes close.
constexpr std::chrono::minutes kFencedLately{3};

// Before the first look at the lease, and while nobody has it, there is no name.
bool IsKnown(const std::string& holder) { return !holder.empty() && holder != "nobody"; }

// Whether the lease's holder was a process of this machine that has died.
bool IsGone(const WorkerIdentity& own, const std::string& holder) {
  const size_t machine = holder.rfind('#');
  if (own.machine.empty() || !own.process_is_gone || machine == std::string::npos) return false;
  const size_t colon = holder.rfind(':', machine);
  if (colon == std::string::npos || holder.substr(machine + 1) != own.machine) return false;
  const auto pid = ParseNumber(holder.substr(colon + 1, machine - colon - 1));
  return pid.ok() && own.process_is_gone(static_cast<int64_t>(*pid));
}

// Appended, not looked for: an ordered object has no index, and there may be thousands of streams.
nlohmann::ordered_json HopsToJson(const RunStats& stats) {
  using Json = nlohmann::ordered_json;
  Json hops = Json::object();
  for (const auto& [key, hop] : stats.Hops()) {  // sorted: all streams of a hop together
    auto& all = hops.get_ref<Json::object_t&>();
    if (all.empty() || all.back().first != key.first) all.emplace_back(key.first, Json::object());
    Json::object_t figures;
    figures.reserve(5);
    figures.emplace_back("files", hop.files);
    figures.emplace_back("messages", hop.messages);
    figures.emplace_back("bytes", hop.bytes);
    figures.emplace_back("duplicates", hop.duplicates);
    figures.emplace_back("newest_ms", hop.newest.time_since_epoch().count());
    all.back().second.get_ref<Json::object_t&>().emplace_back(key.second, std::move(figures));
  }
  return hops;
}

}  // namespace

// The services of one cluster and the writers they share. One thread uses the local ones, another
// the merged ones.
struct ClusterWorker::Services {
  Services(ClusterWorker& worker, Storage& storage, Group groups, LearntOfCluster learnt)
      : local_writers(WritersOf(worker, storage, View::kLocal, groups)),
        merged_writers(WritersOf(worker, storage, View::kMerged, groups)),
        eras(worker.options_.obeyed.epoch.stored.epoch),
        local({storage, worker.guard_, local_writers, worker.problems_, worker.stats_,
               worker.options_.topology(), worker.options_.obeyed.epoch.stored.epoch,
               worker.options_.cluster,
               worker.options_.clusters.IdentityOf(worker.options_.cluster).id,
               worker.options_.config.full_scan_interval,
               worker.options_.config.foreign_idle_timeout}),
        merge({worker.options_.topology(), worker.options_.cluster, worker.options_.clusters,
               worker.guard_, merged_writers, eras, worker.problems_, worker.stats_, worker.rules_,
               worker.options_.config.copy_threads, worker.options_.config.retention_limit_percent},
              std::move(learnt.merge)),
        mirror({worker.options_.topology(), worker.options_.cluster, worker.options_.clusters,
                worker.guard_, merged_writers, eras, worker.problems_, worker.stats_,
                worker.options_.obeyed.epoch.stored.epoch, worker.options_.config.copy_threads}),
        local_purge(PurgeOf(worker, local_writers, eras)),
        merged_purge(PurgeOf(worker, merged_writers, eras)),
        local_purged(learnt.local_purged),
        merged_purged(learnt.merged_purged) {}

  static Writers::Options WritersOf(ClusterWorker& worker, Storage& storage, View view,
                                    Group groups) {
    const FindCluster find = [clusters = &worker.options_.clusters](const std::string& name) {
      return clusters->Find(name);
    };
    return {storage,
            worker.guard_,
            worker.options_.random,
            worker.rules_,
            find,
            worker.rows_,
            *worker.lease_,
            worker.problems_,
            worker.stats_,
            worker.options_.topology(),
            worker.options_.obeyed.epoch.stored.epoch,
            view,
            groups,
            worker.options_.topology().FindCluster(worker.options_.cluster)->RootUrl(),
            fmt::format("{} {}", worker.options_.cluster, ViewName(view)),
            worker.options_.stop};
  }

  static PurgeService::Options PurgeOf(ClusterWorker& worker, Writers& writers, EraBook& eras) {
    const WorkerConfig& config = worker.options_.config;
    return {worker.options_.topology(),
            worker.options_.cluster,
            worker.options_.clusters,
            worker.guard_,
            worker.options_.random,
            writers,
            worker.problems_,
            eras,
            config.retention_limit_action == "drop" ? LimitAction::kDrop : LimitAction::kKeep,
            config.retention_limit_percent,
            config.purge_interval};
  }

  // Whole if `last` is a purge interval ago, or never.
  static void Purge(ClusterWorker& worker, std::optional<BootTime>& last, PurgeService& purge) {
    const BootTime now = worker.options_.clock.Boot();
    if (last && now - *last < worker.options_.config.purge_interval) return purge.RetryFailed();
    last = now;
    purge.RunOnce();
  }

  Writers local_writers;
  Writers merged_writers;
  EraBook eras;  // of the merged view
  LocalService local;
  MergeService merge;
  MirrorService mirror;
  PurgeService local_purge;
  PurgeService merged_purge;
  std::optional<BootTime> local_purged;
  std::optional<BootTime> merged_purged;
  bool journals_copied = false;  // in this life
};

ClusterWorker::ClusterWorker(Options options, std::optional<LearntOfCluster> learnt)
    : options_(std::move(options)),
      waits_when_alone_(std::ranges::any_of(options_.topology().streams,
                                            [&](const StreamSpec& stream) {
                                              return stream.when_alone == WhenAlone::kWait &&
                                                     stream.Primary() == options_.cluster;
                                            })),
      label_(fmt::format("worker-{}@{}:{}#{}", options_.cluster, options_.identity.host,
                         options_.identity.pid, options_.identity.machine)),
      majority_(options_.obeyed, options_.cluster, options_.clusters, options_.clock),
      rules_(options_.topology(), options_.cluster, majority_),
      problems_(options_.clock, "worker", ShowTopic::kYes),
      own_problems_(options_.clock, "worker", ShowTopic::kYes),
      guard_(options_.clock, learnt ? std::optional(learnt->clock) : std::nullopt),
      learnt_(std::move(learnt)) {
  if (learnt_) {
    last_beat_ = learnt_->last_beat;
    stats_.GoOnFrom(learnt_->hops);
    resumes_ = Resumes::kYes;
  }
  for (const std::string& conflict : options_.obeyed.conflicts) {
    own_problems_.Raise("topology", conflict,
                        "streams that the two disagree on publish no merged minutes until one is "
                        "chosen: databus topology choose");
  }
}

ClusterWorker::~ClusterWorker() = default;

Status ClusterWorker::Prepare() {
  {
    MutexLock lock(mutex_);
    if (services_ != nullptr) return Status::Ok();
  }
  Storage* storage = options_.clusters.Any(options_.cluster);
  Status status = storage == nullptr
                      ? Status(Code::kInvalid, options_.clusters.WhyAway(options_.cluster))
                      : PrepareTree(*storage);
  MutexLock lock(mutex_);
  prepared_ = status;
  if (!status.ok()) return status;
  lease_ = NewLease(*storage);
  const ClusterIdentity identity = options_.clusters.IdentityOf(options_.cluster);
  const std::string url = options_.topology().FindCluster(options_.cluster)->RootUrl();
  LearntOfCluster learnt;
  if (learnt_ && learnt_->id == identity.id && learnt_->url == url) learnt = *std::move(learnt_);
  learnt_.reset();
  services_ = std::make_unique<Services>(*this, *storage, identity.groups, std::move(learnt));
  return status;
}

std::shared_ptr<Lease> ClusterWorker::NewLease(Storage& storage) {
  const auto is_gone = [own = options_.identity](const std::string& holder) {
    return IsGone(own, holder);
  };
  const auto timeout = options_.config.lease_timeout;
  if (options_.make_lease) {
    return options_.make_lease({.cluster = options_.cluster,
                                .holder = label_,
                                .timeout = timeout,
                                .spread_groups = options_.config.spread_groups ? Groups() : 0,
                                .holder_is_gone = is_gone});
  }
  return std::make_shared<TreeLease>(storage, options_.clock, options_.random,
                                     TreeLease::Options{label_, timeout, is_gone});
}

Status ClusterWorker::PrepareTree(Storage& storage) {
  RememberFromHeartbeats();
  options_.clusters.CheckOne(options_.cluster);
  if (options_.clusters.Find(options_.cluster) == nullptr) {
    if (options_.clusters.KnownIds().contains(options_.cluster)) {
      return {Code::kUnavailable, options_.clusters.WhyAway(options_.cluster)};
    }
    DATABUS_RETURN_IF_ERROR(InitializeEmpty(storage));
    options_.clusters.CheckOne(options_.cluster);
    if (options_.clusters.Find(options_.cluster) == nullptr) {
      return {Code::kUnavailable, options_.clusters.WhyAway(options_.cluster)};
    }
  }
  RememberFrom(storage);  // who restarts alone knows the others' ids only from here
  DATABUS_RETURN_IF_ERROR(EnsureServiceDirs(storage));
  for (const ClusterSpec& other : options_.topology().clusters) {
    DATABUS_RETURN_IF_ERROR(EnsureDir(storage, paths::Consumers(other.name)));
    DATABUS_RETURN_IF_ERROR(EnsureDir(storage, paths::Mirrors(other.name)));
  }
  DATABUS_RETURN_IF_ERROR(SweepTmp(storage));
  DATABUS_RETURN_IF_ERROR(ProbeStorage(storage, options_.random));
  return CompareClock(storage);
}

// P13: before anything is published in this life; from then on with each heartbeat.
Status ClusterWorker::CompareClock(Storage& storage) {
  const std::string path = paths::OnceStaging(options_.random.Hex(16));
  const WallTime before = options_.clock.Wall();
  DATABUS_RETURN_IF_ERROR(storage.WriteFile(path, "clock\n"));
  DATABUS_ASSIGN_OR_RETURN(const NodeInfo info, storage.Stat(path));
  guard_.Compare(before, info.modified);
  return storage.Remove(path);
}

// What takers of the lease, and those who join queue entries or store epochs and journals, left
// when they died between staging a file and placing it. One that is still at it fails, and starts
// again.
Status ClusterWorker::SweepTmp(Storage& storage) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage.List(paths::Tmp()));
  std::vector<std::string> litter;
  for (const DirEntry& entry : entries) {
    if (entry.info.kind == NodeKind::kFile &&
        (entry.name.starts_with("lease.") || paths::IsJoinStagingName(entry.name) ||
         paths::IsOnceStagingName(entry.name))) {
      litter.push_back(paths::Join(paths::Tmp(), entry.name));
    }
  }
  for (const Status& removed : storage.Removes(litter)) {
    if (removed.unknown()) return removed;
  }
  return Status::Ok();
}

// P1: only an empty tree that nobody remembers is initialised.
Status ClusterWorker::InitializeEmpty(Storage& storage) {
  const ClusterSpec* spec = options_.topology().FindCluster(options_.cluster);
  DATABUS_RETURN_IF_ERROR(options_.create_root(*spec));
  const auto id = ReadClusterId(storage);
  if (id.code() != Code::kNotFound) return id.status();
  DATABUS_ASSIGN_OR_RETURN(const TreeState state, LookAtTree(storage));
  if (state == TreeState::kForeign && options_.adopt_tree == AdoptTree::kNo) {
    return {Code::kRefused,
            fmt::format("{}: holds files but no system/cluster-id. If it is a tree of the original "
                        "Databus, start the worker once with --init; if not, is the right disk "
                        "mounted?",
                        storage.Describe())};
  }
  if (state == TreeState::kForeign) {
    DATABUS_RETURN_IF_ERROR(TrashWhatTheOriginalPublished(storage, options_.clock));
  }
  Group groups = kGroupsDefault;
  for (const ClusterSpec& other : options_.topology().clusters) {
    options_.clusters.CheckOne(other.name);
    const Group theirs = options_.clusters.IdentityOf(other.name).groups;
    if (theirs != 0) groups = theirs;
  }
  DATABUS_ASSIGN_OR_RETURN(const ClusterIdentity made,
                           InitializeTree(storage, options_.random, groups));
  LogInfo("worker", "cluster initialised",
          {{"cluster", options_.cluster}, {"tree", storage.Describe()}, {"id", made.id}});
  return Status::Ok();
}

// The own tree is asked later: it may be believed only when it is known to be ours.
void ClusterWorker::RememberFromHeartbeats() {
  for (const ClusterSpec& other : options_.topology().clusters) {
    if (other.name == options_.cluster) continue;
    if (options_.clusters.KnownIds().contains(options_.cluster)) return;  // nobody need be asked
    if (Storage* storage = options_.clusters.Any(other.name)) RememberFrom(*storage);
  }
}

// Workers tell in their heartbeats which ids they have seen.
void ClusterWorker::RememberFrom(Storage& storage) {
  TreeBeats beats;
  const Status read = ReadHeartbeats(storage, IsWorkerProcess, beats);
  if (!read.ok() && read.code() != Code::kNotFound) {
    LogWarning("worker", "heartbeats cannot be read",
               {{"tree", storage.Describe()}, {"why", read}});
  }
  for (const UnreadBeat& unread : beats.unread) {
    LogWarning("worker", "heartbeat cannot be read",
               {{"tree", storage.Describe()}, {"why", unread.why}});
  }
  for (const ReadBeat& one : beats.read) {
    const auto ids = one.beat.facts.find(facts::kClusterIds);
    if (ids == one.beat.facts.end()) continue;
    for (const auto& [name, id] : ids->items()) {
      if (id.is_string()) options_.clusters.Remember(name, id.get<std::string>());
    }
  }
}

void ClusterWorker::LeaseStep() {
  Lease* const lease = OurLease();
  if (lease == nullptr) return;
  const std::string topic = options_.cluster + " lease";
  // Others may have more luck with the tree, or a better clock.
  const bool away = options_.clusters.Find(options_.cluster) == nullptr || !guard_.Check().ok();
  const Status status = away ? lease->Skip() : lease->Tick();
  LogHolder(lease->Holder());
  LogShare();
  if (status.ok()) {
    own_problems_.Clear(topic);
  } else {
    own_problems_.Raise(topic, status.ToString(),
                        lease->HeldAny() ? "tried again; its work goes on for some seconds"
                                         : "nothing is published here until somebody holds it; "
                                           "events wait; tried again");
  }
}

std::chrono::nanoseconds ClusterWorker::LeasePace() const {
  Lease* const lease = OurLease();
  return lease == nullptr ? options_.config.lease_timeout / 4 : lease->Pace();
}

void ClusterWorker::LogHolder(const std::string& holder) {
  if (OurLease()->Share()) return;  // LogShare says more
  if (!IsKnown(holder) && last_holder_ == label_) {
    last_holder_.clear();
    LogWarning("worker", "no longer sure of the lease", {{"cluster", options_.cluster}});
  }
  if (holder == last_holder_ || !IsKnown(holder)) return;
  last_holder_ = holder;
  if (holder == label_) {
    LogInfo("worker", "holds the lease", {{"cluster", options_.cluster}});
  } else {
    LogInfo("worker", "stands by", {{"cluster", options_.cluster}, {"lease_holder", holder}});
  }
}

void ClusterWorker::LogShare() {
  std::optional<std::set<Group>> share = OurLease()->Share();
  if (!share || share == last_share_) return;
  if (share->empty()) {
    LogInfo("worker", "stands by", {{"cluster", options_.cluster}});
  } else {
    LogInfo("worker", "works on groups",
            {{"cluster", options_.cluster}, {"groups", fmt::format("{}", fmt::join(*share, " "))}});
  }
  last_share_ = std::move(share);
}

Lease* ClusterWorker::OurLease() const {
  MutexLock lock(mutex_);
  return lease_.get();
}

ClusterWorker::Services* ClusterWorker::Running() {
  MutexLock lock(mutex_);
  return services_.get();
}

// Publishing needs a lease, and a clock that may be believed.
bool ClusterWorker::MayPublish() {
  if (!OurLease()->HeldAny()) return false;
  const std::string topic = options_.cluster + " clock";
  const Status clock = guard_.Check();
  if (clock.ok()) {
    own_problems_.Clear(topic);
    return true;
  }
  own_problems_.Raise(topic, clock.message(), "set the clock right; events wait and are not lost");
  return false;
}

void ClusterWorker::LocalStep() {
  Services* services = Running();
  if (services == nullptr) return;
  options_.clusters.CheckOne(options_.cluster);
  if (options_.clusters.Find(options_.cluster) == nullptr || !MayPublish()) {
    services->local_writers.Drop();
    return;
  }
  if (services->local_writers.BeginRun()) {
    services->local.LookAnew();
    services->local_purged.reset();
  }
  services->local.RunOnce(Minute::Of(guard_.Wall()));
  Services::Purge(*this, services->local_purged, services->local_purge);
}

void ClusterWorker::StreamsStep() {
  Services* services = Running();
  if (services == nullptr) return;
  stats_.AddRun();
  options_.clusters.Check();
  if (options_.clusters.Find(options_.cluster) == nullptr || !MayPublish()) {
    services->merged_writers.Drop();
    NoteServed({});
    stats_.ForgetFrozen();
    stats_.ForgetDivergent();
    stats_.ForgetWaiting();
    return;
  }
  if (Holds(kClusterDuties) && !std::exchange(services->journals_copied, true)) {
    services->merged_purge.CopyJournals();
  }
  if (waits_when_alone_) majority_.Ask();
  if (services->merged_writers.BeginRun()) services->merged_purged.reset();
  services->merge.RunOnce(Minute::Of(guard_.Wall()));
  services->mirror.RunOnce();
  NoteServed(services->merged_writers.held());
  Services::Purge(*this, services->merged_purged, services->merged_purge);
}

Status ClusterWorker::Ready() const {
  {
    MutexLock lock(mutex_);
    if (!prepared_.ok()) return prepared_;
  }
  if (options_.clusters.Find(options_.cluster) != nullptr) return Status::Ok();
  return {Code::kUnavailable, options_.clusters.WhyAway(options_.cluster)};
}

std::vector<Problem> ClusterWorker::ListProblems() const {
  std::vector<Problem> all = own_problems_.List();
  std::ranges::move(problems_.List(), std::back_inserter(all));
  std::ranges::stable_sort(all, {}, &Problem::since);
  return all;
}

Group ClusterWorker::Groups() const {
  return options_.clusters.IdentityOf(options_.cluster).groups;
}

bool ClusterWorker::Holds(Group group) const {
  Lease* const lease = OurLease();
  return lease != nullptr && lease->Held(View::kMerged, group);
}

size_t ClusterWorker::GroupsHeld() const {
  size_t held = 0;
  const Group groups = Groups();
  for (Group group = 0; group < groups; ++group) held += Holds(group) ? 1 : 0;
  return held;
}

std::map<std::string, uint64_t> ClusterWorker::Missed() const {
  return stats_.Missed([this](Group group) { return Holds(group); });
}

WorkerPart ClusterWorker::PartOf(const std::string& holder) const {
  if (holder == label_) return WorkerPart::kLeads;
  return OurLease()->HeldAny() ? WorkerPart::kShares : WorkerPart::kStandsBy;
}

Heartbeat ClusterWorker::MakeHeartbeat(const std::string& holder) const {
  Heartbeat beat;
  const WorkerPart part = PartOf(holder);
  beat.process =
      WorkerProcessName(options_.cluster, part, options_.identity.host, options_.identity.pid);
  beat.kind = "worker";
  beat.host = options_.identity.host;
  beat.pid = options_.identity.pid;
  beat.cluster = options_.cluster;
  beat.written = options_.clock.Wall();
  beat.interval = kBeatInterval;
  beat.state = part == WorkerPart::kStandsBy ? "standby" : "running";
  if (part == WorkerPart::kStandsBy) {
    beat.waiting_on =
        IsKnown(holder) ? "the lease, held by " + holder : "the lease; its holder is not known yet";
  }
  beat.problems = ListProblems();
  beat.facts[facts::kProgram] = ProgramVersion();
  beat.facts[facts::kSteering] = kSteeringVersion;
  beat.facts[facts::kLeaseHolder] = holder;
  beat.facts[facts::kLeaseIn] = OurLease()->Where();
  beat.facts[facts::kTopologyEpoch] = options_.obeyed.epoch.stored.epoch;
  beat.facts[facts::kTopologyDigest] = options_.obeyed.epoch.digest;
  beat.facts[facts::kRunIntervalMs] = options_.config.run_interval.count();
  beat.facts[facts::kClusterIds] = options_.clusters.KnownIds();
  if (auto hops = HopsToJson(stats_); !hops.empty()) beat.facts["hops"] = std::move(hops);
  if (options_.describe_calls) {
    if (auto calls = options_.describe_calls(); !calls.is_null()) {
      beat.facts["storage_calls"] = std::move(calls);
    }
  }
  if (const auto share = OurLease()->Share(); share && part != WorkerPart::kStandsBy) {
    TellShare(beat, {ServedNow(*share), Groups()});
  }
  TellOfStreams(beat);
  if (!options_.obeyed.epoch.stored.alone.empty()) {
    beat.facts["alone"] = options_.obeyed.epoch.stored.alone;
  }
  for (const auto& [queue, entries] : stats_.Queues()) beat.facts["queues"][queue] = entries;
  return beat;
}

void ClusterWorker::NoteServed(std::set<Group> groups) {
  MutexLock lock(mutex_);
  served_ = std::move(groups);
}

// What is said of streams counts as all that is wrong with them: nothing is not said before.
std::set<Group> ClusterWorker::ServedNow(const std::set<Group>& share) const {
  MutexLock lock(mutex_);
  std::set<Group> served;
  std::ranges::set_intersection(share, served_, std::inserter(served, served.end()));
  return served;
}

// Of the others somebody else may know better by now.
void ClusterWorker::TellOfStreams(Heartbeat& beat) const {
  const Group groups = Groups();
  const auto ours = [&](const std::string& stream) { return Holds(GroupOf(stream, groups)); };
  for (const auto& [stream, last] : stats_.Frozen()) {
    if (ours(stream)) beat.facts[facts::kFrozen][stream] = last ? last->ToIso() : "";
  }
  for (const auto& [stream, why] : stats_.Waiting()) {
    if (ours(stream)) beat.facts["waiting"][stream] = why;
  }
  for (const auto& [stream, what] : stats_.Divergent()) {
    if (ours(stream)) beat.facts[facts::kDivergent][stream] = what;
  }
}

void ClusterWorker::BeatStep() {
  Storage* storage = options_.clusters.Find(options_.cluster);
  if (Running() == nullptr || storage == nullptr) return;
  const std::string holder = OurLease()->Holder();
  // The life before this one has said who holds the lease; that stands until it is known again.
  if (resumes_ == Resumes::kYes && !IsKnown(holder) && !OurLease()->HeldAny()) return;
  resumes_ = Resumes::kNo;
  if (PartOf(holder) == WorkerPart::kLeads) LookForAnother(*storage);
  const Heartbeat beat = MakeHeartbeat(holder);
  const std::string path = paths::StatusFile(beat.process);
  const Status written = storage->Replace(path, EncodeHeartbeat(beat));
  const std::string topic = options_.cluster + " heartbeat";
  if (!written.ok()) {
    own_problems_.Raise(topic, written.ToString(), "tried again");
    return;
  }
  own_problems_.Clear(topic);
  const auto info = storage->Stat(path);
  if (info.ok()) guard_.Compare(beat.written, info->modified);
  if (last_beat_ != path) RemoveOwnBeat(*storage);
  last_beat_ = path;
}

// Two that look for the lease in different places may both hold it, and what one says of itself the
// other one writes over: then each says that there are two. Looked for when somebody has fenced
// this one, as the other does.
void ClusterWorker::LookForAnother(Storage& storage) {
  const std::string topic = options_.cluster + " lease";
  const auto fenced = stats_.Fenced();
  if (!fenced || options_.clock.Boot() - *fenced > kFencedLately) return own_problems_.Clear(topic);
  const WorkerIdentity& own = options_.identity;
  const std::string path =
      paths::StatusFile(WorkerProcessName(options_.cluster, WorkerPart::kLeads, own.host, own.pid));
  const auto text = storage.ReadFile(path);
  if (last_beat_ != path || !text.ok()) return;
  const auto other = DecodeHeartbeat(*text, path);
  if (!other.ok() || (other->host == own.host && other->pid == own.pid)) return;
  const std::string where = other->facts.value(facts::kLeaseIn, "");
  if (where.empty() || where == OurLease()->Where()) return;
  own_problems_.Raise(
      topic,
      fmt::format("pid {} on {} works here as well: it looks for the lease in {}, this one (pid {} "
                  "on {}) in {}",
                  other->pid, other->host, where, own.pid, own.host, OurLease()->Where()),
      "give all workers of the cluster the same enablezk, zkconnect and spread_groups; until then "
      "each keeps the other from its work, and nothing is lost or doubled");
}

// One with a name that nobody else will ever overwrite.
void ClusterWorker::RemoveOwnBeat(Storage& storage) {
  if (!IsOfOneWorkerProcess(options_.cluster, paths::BaseName(last_beat_))) return;
  const Status removed = storage.Remove(last_beat_);
  if (!removed.ok()) LogInfo("worker", "old heartbeat not removed", {{"path", last_beat_}});
}

std::optional<LearntOfCluster> ClusterWorker::HandOver() {
  MutexLock lock(mutex_);
  if (services_ == nullptr) return std::move(learnt_);
  return LearntOfCluster{options_.clusters.IdentityOf(options_.cluster).id,
                         options_.topology().FindCluster(options_.cluster)->RootUrl(),
                         services_->merge.TakeLearnt(),
                         services_->local_purged,
                         services_->merged_purged,
                         last_beat_,
                         stats_.Hops(),
                         guard_.belief()};
}

void ClusterWorker::Finish() {
  Lease* const lease = OurLease();
  if (lease == nullptr) return;
  if (Storage* storage = options_.clusters.Find(options_.cluster)) {
    RemoveOwnBeat(*storage);
    if (lease->Held(View::kLocal, kClusterDuties)) {
      Heartbeat beat = MakeHeartbeat(label_);
      beat.state = "stopped";
      const Status written =
          storage->Replace(paths::StatusFile(beat.process), EncodeHeartbeat(beat));
      if (!written.ok()) LogInfo("worker", "last heartbeat not written", {{"why", written}});
    }
  }
  const Status released = lease->Release();
  if (!released.ok()) {
    LogInfo("worker", "lease not released; a standby takes it after its timeout",
            {{"cluster", options_.cluster}, {"why", released}});
  }
}

}  // namespace databus
