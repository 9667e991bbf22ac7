#include "collector/deliver/deliverer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/planted.h"
#include "cluster/paths.h"
#include "telemetry/log.h"

namespace databus {
namespace {

// How long new messages may wait unnoticed that are to be cut for their size, not their age.
constexpr std::chrono::milliseconds kPoll{200};

constexpr char kDeliveryProblem[] = "delivery";

uint64_t Bytes(const std::vector<SpoolRange>& ranges) {
  uint64_t bytes = 0;
  for (const SpoolRange& range : ranges) bytes += range.end - range.begin;
  return bytes;
}

}  // namespace

std::string CollectorProcess(const std::string& collector) { return "collector-" + collector; }

Deliverer::Deliverer(const DeliverySeams& seams, DeliverySettings settings)
    : seams_(seams),
      settings_(std::move(settings)),
      guard_(seams.cluster, seams.clock, CollectorProcess(settings_.collector),
             seams.spool.identity().incarnation),
      stager_(seams, settings_, counts_),
      mover_(seams, settings_, counts_) {
  for (const SpoolCut& cut : seams_.spool.OpenCuts()) mover_.Take(cut, IntentState::kUnknown);
}

std::optional<WallTime> Deliverer::OldestSealed() const {
  MutexLock lock(mutex_);
  return oldest_sealed_;
}

BootTime Deliverer::Step() {
  if (hurry_.exchange(false)) {
    not_before_ = next_cut_ = seams_.clock.Boot();
  }
  if (spool_unsure_) {
    // Nothing is delivered any more; the heartbeat, which tells so, still wants the right cluster.
    reached_ = CheckClusterId(seams_.cluster, seams_.spool.identity().cluster_id).ok();
    return seams_.clock.Boot() + settings_.rotate_period;
  }
  if (IsDue()) {
    if (const Status done = Attempt(Extent::kDue); !done.ok()) Fail(done);
  }
  return NextStep();
}

bool Deliverer::IsDue() const {
  const BootTime now = seams_.clock.Boot();
  if (now < not_before_) return false;
  if (now >= next_cut_) return true;
  const auto [live, backlog] = LiveAndBacklog();
  if (Bytes(live) >= settings_.cut_bytes) return true;
  return !backlog.empty() && (allowance_ > 0 || now >= next_allowance_);
}

Status Deliverer::Finish(BootTime deadline) {
  uint64_t before = std::numeric_limits<uint64_t>::max();
  while (!spool_unsure_ && seams_.clock.Boot() < deadline) {
    if (Status done = Attempt(Extent::kAll); !done.ok()) {
      Fail(done);
      return done;
    }
    const auto [live, backlog] = LiveAndBacklog();
    const uint64_t left = Bytes(live) + Bytes(backlog);
    if (left == 0 && mover_.idle()) return Status::Ok();
    if (left == 0 || left >= before) break;
    before = left;
  }
  return Status(Code::kStopped, "not everything could be delivered; the rest stays in the spool");
}

Status Deliverer::NameIsFree() {
  Status reached = CheckClusterId(seams_.cluster, seams_.spool.identity().cluster_id).status();
  if (!reached.ok()) return Status::Ok();
  Status checked = guard_.Check();
  return checked.code() == Code::kRefused || guard_.watching() ? checked : Status::Ok();
}

Status Deliverer::Attempt(Extent extent) {
  if (Status reached = Reach(); !reached.ok()) {
    reached_ = false;
    return reached;
  }
  DATABUS_RETURN_IF_ERROR(mover_.Run(cluster_));
  DATABUS_RETURN_IF_ERROR(CutDue(extent));
  seams_.problems.Clear(kDeliveryProblem);
  return Status::Ok();
}

// The right cluster answers, nobody else has our name there, and our directories stand.
Status Deliverer::Reach() {
  const std::string remembered = seams_.spool.identity().cluster_id;
  DATABUS_ASSIGN_OR_RETURN(cluster_, CheckClusterId(seams_.cluster, remembered));
  if (remembered.empty()) DATABUS_RETURN_IF_ERROR(seams_.spool.RememberCluster(cluster_.id));
  DATABUS_RETURN_IF_ERROR(guard_.Check());
  if (!prepared_) {
    DATABUS_RETURN_IF_ERROR(Prepare());
    // Backlog is what an earlier run left, and after a pause all that piled up in it.
    for (const UnsealedRange& unsealed : seams_.spool.UnsealedRanges()) {
      if (counts_.failed_attempts == 0 && unsealed.age == SpoolAge::kLive) continue;
      backlog_end_ = std::max(backlog_end_, {unsealed.range.segment, unsealed.range.end});
    }
  }
  if (!reached_) {
    LogInfo("collector", "cluster reached",
            {{"cluster", seams_.cluster.Describe()}, {"id", cluster_.id}});
    reached_ = true;
  }
  return Status::Ok();
}

Status Deliverer::Prepare() {
  const std::string staging = paths::CollectorStaging(settings_.collector);
  const std::string system(paths::Parent(paths::Tmp()));
  if (!mover_.idle()) {
    // What is under an intent was staged there. A new, empty directory in its place would say
    // "delivered" of files that nobody ever moved.
    const auto there = seams_.cluster.Stat(staging);
    if (there.code() == Code::kNotFound) {
      return Status(Code::kUnavailable, staging + ": gone, with files that were not delivered yet");
    }
    if (!there.ok()) return there.status();
  }
  DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(seams_.cluster, system, staging));
  DATABUS_RETURN_IF_ERROR(
      EnsureDirsBelow(seams_.cluster, system, paths::Sealed(settings_.collector)));
  prepared_ = true;
  return Status::Ok();
}

// Unsealed ranges in two parts, each oldest first.
std::pair<Deliverer::Ranges, Deliverer::Ranges> Deliverer::LiveAndBacklog() const {
  Ranges live;
  Ranges backlog;
  for (const UnsealedRange& unsealed : seams_.spool.UnsealedRanges()) {
    SpoolRange range = unsealed.range;
    if (std::pair(range.segment, range.begin) < backlog_end_) {
      SpoolRange old = range;
      if (range.segment == backlog_end_.first) old.end = std::min(old.end, backlog_end_.second);
      backlog.push_back(old);
      range.begin = old.end;
    }
    if (range.begin < range.end) live.push_back(range);
  }
  return {live, backlog};
}

Status Deliverer::CutDue(Extent extent) {
  const BootTime now = seams_.clock.Boot();
  if (now >= next_allowance_) {
    allowance_ = settings_.backlog_cuts;
    next_allowance_ = now + settings_.backlog_interval;
  }
  auto [live, backlog] = LiveAndBacklog();
  const bool all = extent == Extent::kAll;
  if (all || now >= next_cut_) {
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
  for (uint64_t left = Bytes(backlog); left > 0 && (all || allowance_ > 0);) {
    --allowance_;
    DATABUS_RETURN_IF_ERROR(CutOne(backlog));
    backlog = LiveAndBacklog().second;
    if (Bytes(backlog) >= left) break;  // none of it could be read
    left = Bytes(backlog);
  }
  return Status::Ok();
}

// One cut, staged, recorded, moved, announced.
Status Deliverer::CutOne(const Ranges& ranges) {
  Result<SpoolCut> cut = stager_.Cut(ranges);
  if (!cut.ok()) {
    mover_.SweepNext();
    return cut.status();
  }
  mover_.Take(*cut,
              Planted(Bug::kIntentSettledEarly) ? IntentState::kDelivered : IntentState::kStaged);
  return mover_.Run(cluster_);
}

void Deliverer::Fail(const Status& why) {
  ++counts_.failed_attempts;
  prepared_ = false;
  mover_.Doubt();
  if (why.code() == Code::kStopped) {
    spool_unsure_ = true;
    seams_.problems.Raise("spool", "spool: " + why.message(),
                          "the collector opens its spool again, by itself");
    return;
  }
  const int64_t interval = settings_.retry_interval.count();
  const int64_t range = settings_.retry_interval_range.count();
  const int64_t pause = interval - range / 2 +
                        static_cast<int64_t>(seams_.random.Below(static_cast<uint64_t>(range) + 1));
  not_before_ = seams_.clock.Boot() + Milliseconds(std::max<int64_t>(pause, 1));
  seams_.problems.Raise(
      kDeliveryProblem, "delivery: " + why.ToString(),
      fmt::format("tried again about every {} ms; messages stay in the spool", interval));
}

BootTime Deliverer::NextStep() {
  {
    MutexLock lock(mutex_);
    oldest_sealed_ = mover_.OldestAccepted();
  }
  const BootTime now = seams_.clock.Boot();
  if (not_before_ > now) return not_before_;
  return std::min(std::max(next_cut_, now), now + kPoll);
}

}  // namespace databus
