#include "collector/deliver/deliverer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/planted.h"
#include "cluster/paths.h"
#include "telemetry/iso_time.h"
#include "telemetry/log.h"

namespace databus {
namespace {

// How long new messages may wait unnoticed that are to be cut for their size, not their age.
constexpr std::chrono::milliseconds kPoll{200};
// How old Backlog() may be.
constexpr std::chrono::seconds kPublish{1};
// Between two looks at what receivers have answered, at the end.
constexpr std::chrono::milliseconds kAnswerPoll{10};

// Topics of problems: by who is at fault.
constexpr char kClusterProblem[] = "delivery";
constexpr char kSpoolProblem[] = "delivery from the spool";
constexpr char kStagedProblem[] = "staged";

uint64_t Bytes(const std::vector<SpoolRange>& ranges) {
  uint64_t bytes = 0;
  for (const SpoolRange& range : ranges) bytes += range.end - range.begin;
  return bytes;
}

std::string KnewOf(uint64_t deliveries) {
  return fmt::format("it knew of {} deliveries, and ", deliveries);
}
std::string ToldOfMore(uint64_t deliveries) {
  return fmt::format("of {} its collector had told before", deliveries);
}

}  // namespace

std::string CollectorProcess(const std::string& collector) { return "collector-" + collector; }

Deliverer::Deliverer(const DeliverySeams& seams, DeliverySettings settings)
    : seams_(seams),
      settings_(std::move(settings)),
      stager_(seams, settings_, counts_),
      mover_(seams, settings_, counts_),
      hand_overs_(seams, settings_, counts_),
      opened_with_(seams.spool.identity().unchecked.value_or(seams.spool.Stats().last_intent)) {
  if (seams_.cluster != nullptr) {
    guard_.emplace(*seams_.cluster, seams_.clock, CollectorProcess(settings_.collector),
                   seams_.spool.identity().incarnation);
  }
  for (const SpoolCut& cut : seams_.spool.OpenCuts()) {
    mover_.Take(cut, IntentState::kUnknown);
    hand_overs_.Take(cut, HandOverState::kUnknown);
    if (!Planted(Bug::kDeferredForgotten)) deferred_.Add(cut);
  }
  if (seams_.cluster == nullptr && !mover_.idle()) {
    seams_.problems.Raise(
        kStagedProblem,
        "delivery: sealed files are staged in a cluster that no store of the configuration names",
        "start the collector with a store that delivers there; they stay as they are until then");
  }
  // What an earlier run left is not live.
  for (const UnsealedRange& unsealed : seams_.spool.UnsealedRanges()) {
    if (unsealed.age == SpoolAge::kLive) continue;
    backlog_end_ = std::max(backlog_end_, {unsealed.range.segment, unsealed.range.end});
  }
}

void Deliverer::Configure(DeliverySettings settings) {
  settings_ = std::move(settings);
  const BootTime now = seams_.clock.Boot();
  const BootTime retry = now + settings_.retry.interval + settings_.retry.range / 2;
  next_cut_ = std::min(next_cut_, now + settings_.rotate_period);
  next_allowance_ = std::min(next_allowance_, now + settings_.backlog_interval);
  not_before_ = std::min(not_before_, retry);
  spool_not_before_ = std::min(spool_not_before_, retry);
}

std::optional<WallTime> Deliverer::OldestSealed() const {
  MutexLock lock(mutex_);
  return oldest_sealed_;
}

std::map<std::string, StreamBacklog> Deliverer::Backlog() const {
  MutexLock lock(mutex_);
  return backlog_;
}

void Deliverer::EndPauses() {
  not_before_ = spool_not_before_ = next_cut_ = seams_.clock.Boot();
  hand_overs_.Hurry();
}

BootTime Deliverer::Step() {
  if (hurry_.exchange(false)) EndPauses();
  if (told_since_ > 0 && !spool_unsure_) CheckTold();
  if (spool_unsure_) {
    // Nothing is delivered any more; the heartbeat, which tells so, still wants the right cluster.
    reached_ = is_no_older_copy_ &&
               CheckClusterId(*seams_.cluster, seams_.spool.identity().cluster_id).ok();
    return seams_.clock.Boot() + settings_.rotate_period;
  }
  if (spool_not_before_ <= seams_.clock.Boot()) {
    const bool hands = HandOver().ok();
    if (hands && IsDue()) static_cast<void>(Attempt(Extent::kDue));  // it was reported
  }
  return NextStep();
}

bool Deliverer::ClusterIsDue() const {
  return seams_.cluster != nullptr && not_before_ <= seams_.clock.Boot();
}

bool Deliverer::IsDue() {
  const BootTime now = seams_.clock.Boot();
  if (!routed() && !ClusterIsDue()) return false;
  ReleaseHeld();
  if (now >= next_cut_) return true;
  // A cluster that is away is tried when its pause is over.
  if (routed() && !cluster_up_ && ClusterIsDue()) return true;
  const auto [live, backlog] = LiveAndBacklog();
  if (Bytes(live) >= settings_.cut_bytes) return true;
  const bool allowed = allowance_ > 0 || now >= next_allowance_;
  std::set<std::string> ready;
  return allowed && (!backlog.empty() || FindReady(ready) != nullptr);
}

bool Deliverer::AllIsDelivered() const {
  return seams_.spool.UnsealedRanges().empty() && mover_.idle() && hand_overs_.idle() &&
         deferred_.empty();
}

Status Deliverer::Finish(BootTime deadline) {
  Status failed(Code::kStopped, "not everything could be delivered; the rest stays in the spool");
  uint64_t before = std::numeric_limits<uint64_t>::max();
  EndPauses();
  while (!spool_unsure_ && seams_.clock.Boot() < deadline) {
    Status done = HandOver();
    if (done.ok()) {
      ReleaseHeld();
      done = Attempt(Extent::kAll);
    }
    Publish();
    if (AllIsDelivered()) return Status::Ok();
    if (!done.ok()) failed = std::move(done);
    const auto [live, backlog] = LiveAndBacklog();
    const uint64_t left = Bytes(live) + Bytes(backlog) + seams_.spool.Stats().sealed_bytes;
    if (left >= before) {
      if (!hand_overs_.hopeful()) return failed;
      StopFlag never;
      never.SleepUntil(seams_.clock, std::min(deadline, seams_.clock.Boot() + kAnswerPoll));
    }
    before = left;
  }
  return failed;
}

Status Deliverer::NameIsFree() {
  if (!guard_) return Status::Ok();
  Status reached = CheckClusterId(*seams_.cluster, seams_.spool.identity().cluster_id).status();
  if (!reached.ok()) return Status::Ok();
  Status checked = guard_->Check();
  return checked.code() == Code::kRefused || guard_->watching() ? checked : Status::Ok();
}

Deliverer::Destination Deliverer::DestinationOf(std::string_view stream) {
  const Route route = routed() ? settings_.route_of(stream) : Route{};
  switch (route.mode) {
    case DeliveryMode::kSpool: break;
    case DeliveryMode::kDeliver: return {cluster_up_ ? Way::kFile : Way::kNone, nullptr};
    case DeliveryMode::kRedirect:
      if (Courier* const courier = hand_overs_.Choose(route.receivers)) {
        return {Way::kReceiver, courier};
      }
      break;
  }
  return {};
}

// Cuts that cannot be read are not tried before their time: they hold up nobody else (G11).
const SpoolCut* Deliverer::FindReady(std::set<std::string>& ready) {
  const BootTime now = seams_.clock.Boot();
  const auto may_go = [&](std::string_view stream, uint64_t cut) {
    const auto unreadable = unreadable_.find(cut);
    return (unreadable == unreadable_.end() || unreadable->second <= now) && MayGo(stream);
  };
  return deferred_.FindReady(may_go, ready);
}

Deliverer::Sorted Deliverer::Sort(const SpoolLook& look, LogPlace place) {
  Sorted sorted;
  for (SpoolDeferral& share : look.Shares()) {
    const Destination destination = DestinationOf(share.stream);
    const bool behind = deferred_.Before(share.stream, place);
    if (behind || destination.way == Way::kNone) {
      sorted.queued_behind = sorted.queued_behind || destination.way != Way::kNone;
      sorted.deferred.push_back(std::move(share));
    } else if (destination.way == Way::kFile) {
      sorted.files.insert(look.NameOf(share.stream));
    } else {
      sorted.receivers[destination.courier].push_back(std::move(share));
    }
  }
  return sorted;
}

// Everything that is due. The first failure, which was reported; what does not depend on it goes
// on.
Status Deliverer::Attempt(Extent extent) {
  Status served;
  if (ClusterIsDue()) {
    served = ServeCluster();
    cluster_up_ = served.ok();
    if (!served.ok()) served = Fail(Culprit::kCluster, std::move(served));
    if (spool_unsure_) return served;
  } else if (seams_.cluster != nullptr && !routed()) {
    return Status::Ok();
  }
  if (!cluster_up_ && !routed()) return served;
  if (Status may = MayNumber(); !may.ok()) return Fail(Culprit::kSpool, std::move(may));
  DATABUS_RETURN_IF_ERROR(CutDue(extent));
  seams_.problems.Clear(kSpoolProblem);
  if (cluster_up_) seams_.problems.Clear(kClusterProblem);
  return served;
}

Status Deliverer::ServeCluster() {
  if (Status reached = Reach(); !reached.ok()) {
    reached_ = false;
    return reached;
  }
  return mover_.Run(cluster_);
}

// The right cluster answers, nobody else has our name there, and our directories stand.
Status Deliverer::Reach() {
  const std::string remembered = seams_.spool.identity().cluster_id;
  DATABUS_ASSIGN_OR_RETURN(cluster_, CheckClusterId(*seams_.cluster, remembered));
  if (remembered.empty()) DATABUS_RETURN_IF_ERROR(seams_.spool.RememberCluster(cluster_.id));
  DATABUS_RETURN_IF_ERROR(guard_->Check());
  if (!is_no_older_copy_) DATABUS_RETURN_IF_ERROR(CheckNotOlder());
  if (!prepared_) {
    DATABUS_RETURN_IF_ERROR(Prepare());
    // Backlog is also, after a pause, all that piled up in it.
    if (counts_.failed_attempts > 0) MarkBacklog();
  }
  if (!reached_) {
    LogInfo("collector", "cluster reached",
            {{"cluster", seams_.cluster->Describe()}, {"id", cluster_.id}});
    reached_ = true;
  }
  return Status::Ok();
}

// P17: whether more was numbered in this spool than it knows of. Before anything is staged.
Status Deliverer::CheckNotOlder() {
  const SpoolIdentity own = seams_.spool.identity();
  const std::optional<ToldSpools>& told = guard_->told();
  if (!told && opened_with_ > own.since) {
    return Renew(KnewOf(opened_with_) + "what its collector had told before cannot be read");
  }
  const uint64_t last = told ? LastToldOf(*told, own.incarnation) : 0;
  if (last > opened_with_) return Renew(KnewOf(opened_with_) + ToldOfMore(last));
  DATABUS_RETURN_IF_ERROR(seams_.spool.Checked());
  MutexLock lock(mutex_);
  told_ = told.value_or(ToldSpools());
  is_no_older_copy_ = true;
  return Status::Ok();
}

void Deliverer::CheckTold() {
  uint64_t told = told_since_;
  const uint64_t knows = seams_.spool.Stats().last_intent;
  if (told > knows) {
    static_cast<void>(Fail(Culprit::kSpool, Renew(KnewOf(knows) + ToldOfMore(told))));
  } else {
    told_since_.compare_exchange_strong(told, 0);  // unless more was told meanwhile
  }
}

Status Deliverer::Renew(const std::string& told) {
  const std::string why = fmt::format(
      "on {} the spool was an older copy of itself: {}. No identity is given twice, as its files "
      "are of another incarnation from then on; until then it was {}. What it held and had "
      "delivered after it was copied is doubled; what came after that and was not delivered, and "
      "what it was handing over, may be only in the spool that it replaced",
      ToIsoMs(seams_.clock.Wall()), told, seams_.spool.identity().incarnation);
  LogError("collector", "the spool is renewed", {{"why", why}});
  DATABUS_RETURN_IF_ERROR(seams_.spool.Renew(why).WithContext("renewing the spool"));
  return {Code::kStopped, "is renewed, being an older copy of itself"};
}

// What is handed over while the cluster is away is numbered in the spool as well: it must not pass
// for what an older copy knew.
Status Deliverer::MayNumber() {
  return is_no_older_copy_ ? Status::Ok() : seams_.spool.BeginUnchecked();
}

ToldSpools Deliverer::ToldOfSpools() const {
  MutexLock lock(mutex_);
  return told_;
}

void Deliverer::MarkBacklog() {
  for (const UnsealedRange& unsealed : seams_.spool.UnsealedRanges()) {
    backlog_end_ = std::max(backlog_end_, {unsealed.range.segment, unsealed.range.end});
  }
}

Status Deliverer::Prepare() {
  const std::string staging = paths::CollectorStaging(settings_.collector);
  const std::string system(paths::Parent(paths::Tmp()));
  if (!mover_.idle()) {
    // What is under an intent was staged there. A new, empty directory in its place would say
    // "delivered" of files that nobody ever moved.
    const auto there = seams_.cluster->Stat(staging);
    if (there.code() == Code::kNotFound) {
      return Status(Code::kUnavailable, staging + ": gone, with files that were not delivered yet");
    }
    if (!there.ok()) return there.status();
  }
  DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(*seams_.cluster, system, staging));
  DATABUS_RETURN_IF_ERROR(
      EnsureDirsBelow(*seams_.cluster, system, paths::Sealed(settings_.collector)));
  prepared_ = true;
  return Status::Ok();
}

// The receivers' side: what they answered, what goes next, and what takes another way meanwhile.
Status Deliverer::HandOver() {
  std::vector<SpoolCut> returned;
  Status done;
  if (release_.exchange(false)) done = hand_overs_.ReleaseUnknown(returned);
  if (done.ok() && !hand_overs_.idle()) {
    const auto is_barred = [this](const Endpoint& receiver, const auto& streams) {
      return std::ranges::any_of(
          streams, [&](const SpoolDeferral& share) { return !GoesTo(share.stream, receiver); });
    };
    done = hand_overs_.ReturnUnsent(is_barred, returned);
  }
  if (done.ok()) done = hand_overs_.Run();
  for (const SpoolCut& cut : returned) deferred_.Add(cut);
  wants_marks_ = hand_overs_.has_unknown();
  return done.ok() ? done : Fail(Culprit::kSpool, std::move(done));
}

// Whether the receiver is still on the stream's way, as far as is known.
bool Deliverer::GoesTo(const std::string& stream, const Endpoint& receiver) {
  const Route route = routed() ? settings_.route_of(stream) : Route{};
  if (route.mode != DeliveryMode::kRedirect) return false;
  if (std::ranges::count(route.receivers, receiver) == 0) return false;
  const Courier* const chosen = hand_overs_.Choose(route.receivers);
  return chosen == nullptr || chosen->receiver() == receiver;
}

// What was held and may go now has piled up: it is backlog.
void Deliverer::ReleaseHeld() {
  for (const auto& [stream, share] : held_.streams()) {
    if (deferred_.Before(stream, held_.begin()) || !MayGo(stream)) continue;
    backlog_end_ = std::max(backlog_end_, held_.end());
    held_.Clear();
    return;
  }
}

// Unsealed ranges in two parts, each oldest first, without those that are held.
std::pair<Deliverer::Ranges, Deliverer::Ranges> Deliverer::LiveAndBacklog() const {
  Ranges live;
  Ranges backlog;
  for (const UnsealedRange& unsealed : seams_.spool.UnsealedRanges()) {
    for (SpoolRange range : held_.Without(unsealed.range)) {
      if (LogPlace(range.segment, range.begin) < backlog_end_) {
        SpoolRange old = range;
        if (range.segment == backlog_end_.first) old.end = std::min(old.end, backlog_end_.second);
        backlog.push_back(old);
        range.begin = old.end;
      }
      if (range.begin < range.end) live.push_back(range);
    }
  }
  return {live, backlog};
}

Status Deliverer::CutDue(Extent extent) {
  const BootTime now = seams_.clock.Boot();
  if (now >= next_allowance_) {
    allowance_ = settings_.backlog_cuts;
    next_allowance_ = now + settings_.backlog_interval;
  }
  Ranges live = LiveAndBacklog().first;
  if (extent == Extent::kAll || now >= next_cut_) {
    // Each round takes something away; what comes in meanwhile waits for the next step.
    for (uint64_t left = Bytes(live); left > 0 && !live.empty();) {
      DATABUS_RETURN_IF_ERROR(CutOne(live));
      left -= std::min(left, settings_.cut_bytes);
      live = LiveAndBacklog().first;
    }
    next_cut_ = now + settings_.rotate_period;
  }
  while (Bytes(live) >= settings_.cut_bytes) {
    const uint64_t before = Bytes(live);
    DATABUS_RETURN_IF_ERROR(CutOne(live));
    live = LiveAndBacklog().first;
    if (Bytes(live) >= before) break;
  }
  return Drain(extent);
}

// What has piled up, the oldest first.
Status Deliverer::Drain(Extent extent) {
  uint64_t stuck_at =
      std::numeric_limits<uint64_t>::max();  // bytes of backlog that nobody can read
  while (extent == Extent::kAll || allowance_ > 0) {
    const Ranges backlog = LiveAndBacklog().second;
    const bool cut = !backlog.empty() && Bytes(backlog) < stuck_at;
    std::set<std::string> ready;
    const SpoolCut* const older = FindReady(ready);
    if (!cut && older == nullptr) break;
    --allowance_;
    if (older != nullptr && (!cut || PlaceOf(older->ranges) < PlaceOf(backlog))) {
      DATABUS_RETURN_IF_ERROR(ResolveSome());
    } else {
      stuck_at = Bytes(backlog);
      DATABUS_RETURN_IF_ERROR(CutOne(backlog));
    }
  }
  return Status::Ok();
}

// Deferred streams, as much of the spool as one cut has.
Status Deliverer::ResolveSome() {
  for (uint64_t bytes = 0; bytes < settings_.cut_bytes;) {
    std::set<std::string> ready;
    const SpoolCut* const cut = FindReady(ready);
    if (cut == nullptr) break;
    bytes += Bytes(cut->ranges);
    DATABUS_RETURN_IF_ERROR(ResolveOne(SpoolCut(*cut), ready));
  }
  return Status::Ok();
}

Status Deliverer::ResolveOne(const SpoolCut& cut, const std::set<std::string>& streams) {
  const std::string key = "cut " + std::to_string(cut.id);
  Result<SpoolLook> look = stager_.LookAgain(cut.ranges);
  if (!look.ok()) {
    unreadable_[cut.id] = seams_.clock.Boot() + settings_.retry.interval;
    seams_.problems.Raise(key, "spool: " + key + ": " + look.status().ToString(),
                          "read again later; the streams that were held back in it wait");
    return Status::Ok();
  }
  if (unreadable_.erase(cut.id) > 0) seams_.problems.Clear(key);
  Sorted sorted = Sort(*look, PlaceOf(cut.ranges));
  // Of the others in these ranges some are delivered already, and some stay deferred.
  std::vector<SpoolDeferral> stays;
  for (const SpoolDeferral& share : cut.deferred) {
    const bool again =
        std::ranges::count(sorted.deferred, share.stream, &SpoolDeferral::stream) > 0;
    if (again || !streams.contains(share.stream)) stays.push_back(share);
  }
  sorted.deferred = stays;
  const auto goes = [&](std::string_view stream) {
    return streams.contains(std::string(stream)) &&
           std::ranges::count(stays, stream, &SpoolDeferral::stream) == 0;
  };
  std::erase_if(sorted.files, [&](std::string_view stream) { return !goes(stream); });
  for (auto& [courier, shares] : sorted.receivers) {
    std::erase_if(shares, [&](const SpoolDeferral& share) { return !goes(share.stream); });
  }
  std::erase_if(sorted.receivers, [](const auto& item) { return item.second.empty(); });
  DATABUS_ASSIGN_OR_RETURN(SpoolPlan plan, MakePlan(*look, sorted));
  Result<SpoolCut> resolved = seams_.spool.Resolve(cut.id, std::move(plan));
  if (!resolved.ok()) {
    mover_.SweepNext();
    return Fail(Culprit::kSpool, resolved.status());
  }
  deferred_.Keep(cut.id, stays);
  resolved->deferred.clear();
  return TakeCharge(*resolved);
}

// One cut, staged, recorded, moved, announced; or none when nothing in it can go.
Status Deliverer::CutOne(const Ranges& ranges) {
  const SpoolLook look = stager_.Look(ranges);
  if (look.ranges.empty()) return Status::Ok();
  Sorted sorted;
  if (routed()) {
    sorted = Sort(look, PlaceOf(look.ranges));
  } else {
    for (const StreamMessages* stream : look.regrouped->Streams()) {
      sorted.files.insert(stream->stream);
    }
  }
  // What lines up behind older messages must not make the line longer than it can get shorter.
  if (sorted.queued_behind) ++allowance_;
  if (sorted.nothing_goes()) {
    held_.Add(look.ranges, sorted.deferred);
    return Status::Ok();
  }
  DATABUS_ASSIGN_OR_RETURN(SpoolPlan plan, MakePlan(look, sorted));
  for (const auto& [sender, mark] : look.marks) plan.marks.push_back(mark);
  Result<SpoolCut> cut = seams_.spool.AddCut(look.ranges, std::move(plan));
  if (!cut.ok()) {
    mover_.SweepNext();
    return Fail(Culprit::kSpool, cut.status());
  }
  ++counts_.cuts;
  return TakeCharge(*cut);
}

Result<SpoolPlan> Deliverer::MakePlan(const SpoolLook& look, Sorted& sorted) {
  SpoolPlan plan;
  const auto counters = stager_.Number(look, sorted.files);
  if (!counters.ok()) return Fail(Culprit::kSpool, counters.status());
  if (!sorted.files.empty()) {
    auto staged = stager_.Stage(look, sorted.files, *counters);
    if (!staged.ok()) {
      mover_.SweepNext();
      return Fail(Culprit::kCluster, staged.status());
    }
    plan.intents = *std::move(staged);
  }
  for (auto& [courier, shares] : sorted.receivers) {
    Stager::Streams streams;
    for (const SpoolDeferral& share : shares) streams.insert(share.stream);
    const BatchPlan batches = PlanBatches(look.records, streams, settings_.batch_bytes);
    hand_overs_.AddTo(plan, *courier, batches, std::move(shares));
  }
  plan.deferred = std::move(sorted.deferred);
  return plan;
}

Status Deliverer::TakeCharge(const SpoolCut& cut) {
  mover_.Take(cut,
              Planted(Bug::kIntentSettledEarly) ? IntentState::kDelivered : IntentState::kStaged);
  hand_overs_.Take(cut, HandOverState::kUnsent);
  deferred_.Add(cut);
  if (cluster_up_) {
    if (Status moved = mover_.Run(cluster_); !moved.ok()) {
      return Fail(Culprit::kCluster, std::move(moved));
    }
  }
  return HandOver();
}

// Reports it; returns it again.
Status Deliverer::Fail(Culprit culprit, Status why) {
  ++counts_.failed_attempts;
  prepared_ = false;
  cluster_up_ = false;
  mover_.Doubt();
  if (why.code() == Code::kStopped || (culprit == Culprit::kSpool && why.unknown())) {
    spool_unsure_ = true;
    seams_.problems.Raise("spool", "spool: " + why.message(),
                          "the collector opens its spool again, by itself");
    return why;
  }
  not_before_ = seams_.clock.Boot() + settings_.retry.Draw(seams_.random);
  if (culprit == Culprit::kSpool) spool_not_before_ = not_before_;
  seams_.problems.Raise(culprit == Culprit::kSpool ? kSpoolProblem : kClusterProblem,
                        "delivery: " + why.ToString(),
                        fmt::format("tried again about every {} ms; messages stay in the spool",
                                    settings_.retry.interval.count()));
  return why;
}

BootTime Deliverer::NextStep() {
  const BootTime now = seams_.clock.Boot();
  if (now >= next_publish_) Publish();
  if (spool_not_before_ > now) return spool_not_before_;
  if (!routed() && not_before_ > now) return not_before_;
  return std::min(std::max(next_cut_, now), now + kPoll);
}

void Deliverer::Publish() {
  next_publish_ = seams_.clock.Boot() + kPublish;
  std::map<std::string, StreamBacklog> backlog;
  std::map<std::string, uint64_t> intents;
  mover_.CountIntents(intents);
  hand_overs_.CountIntents(intents);
  for (const auto& [stream, count] : intents) backlog[stream].open_intents = count;
  for (const auto& [stream, bytes] : deferred_.Bytes()) backlog[stream].deferred_bytes = bytes;
  for (const auto& [stream, share] : held_.streams()) backlog[stream].unsealed_bytes = share.bytes;
  for (auto& [stream, state] : backlog) {
    if (routed()) state.mode = settings_.route_of(stream).mode;
  }
  std::optional<WallTime> oldest = mover_.OldestAccepted();
  const std::optional<WallTime> handed = hand_overs_.OldestAccepted();
  if (handed && (!oldest || *handed < *oldest)) oldest = handed;
  MutexLock lock(mutex_);
  backlog_ = std::move(backlog);
  oldest_sealed_ = oldest;
}

}  // namespace databus
