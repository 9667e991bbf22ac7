#include "failover/run.h"

#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "failover/steps.h"
#include "telemetry/log.h"

namespace databus::failover {
namespace {

constexpr Milliseconds kPause{500};
// As the run-books of old have it: longer queues are joined before a cluster catches up.
constexpr uint64_t kLongQueue = 60;

// Whoever goes on without the old primary decides at the new one: so it is undone there, too,
// unless an operator says that the new one is lost. That it does not answer from here says nothing
// of that.
Quorum QuorumOf(const Journal& journal) {
  if (journal.step == Step::kUndo || journal.step == Step::kAborted) {
    return IsWithout(journal.without, journal.change.to) ? Quorum::kEither : Quorum::kTo;
  }
  const bool alone =
      journal.kind == Kind::kUnplanned || IsWithout(journal.without, journal.change.from);
  return alone || journal.step > Step::kSwap ? Quorum::kTo : Quorum::kBoth;
}

}  // namespace

void SeeOthers(const FoundJournals& found, const std::string& own, Observation& seen) {
  using Has = OpenFailover::Has;
  for (const auto& [id, journal] : found.by_id) {
    if (id == own || journal.Ended()) continue;
    const bool begun = journal.step == Step::kBegin;
    seen.others.push_back({id, journal.driver, begun ? Has::kBegun : Has::kGoneOn});
  }
  if (!found.unreadable.empty()) seen.why_others_unknown = found.unreadable.front();
}

void Runner::Tell(const Journal& journal) {
  waits_for_.clear();
  if (options_.hooks.tell) options_.hooks.tell({journal, {}});
}

void Runner::Decide(Journal next) {
  ++next.revision;
  decided_ = std::move(next);
}

Result<bool> Runner::Settle(Journal& journal) {
  const Status created = store_.Create(*decided_, QuorumOf(*decided_), options_.random);
  if (created.code() == Code::kExists) return created;
  if (!created.ok()) return Wait(journal, {{created.message()}, 1});
  journal = *std::exchange(decided_, std::nullopt);
  LogDebug("failover", "journaled",
           {{"id", journal.id}, {"step", StepName(journal.step)}, {"revision", journal.revision}});
  return true;
}

Status Runner::CheckOurs(const Journal& journal, const FoundJournals& found) {
  const auto known = found.by_id.find(journal.id);
  if (known == found.by_id.end() || known->second.token == journal.token) return Status::Ok();
  if (known->second.revision < journal.revision) return Status::Ok();
  return {Code::kExists,
          fmt::format("{} has taken over {}, which is at step {} now", known->second.driver,
                      journal.id, StepName(known->second.step))};
}

Result<Journal> Runner::Drive(Journal journal, StopFlag& stop) {
  joined_ = false;
  options_.desk.Look();
  if (journal.Ended() && !journal.token.empty()) {  // who ended it may have died too early
    const Status told = store_.Spread(journal, options_.random);
    return told.ok() ? Result<Journal>(std::move(journal)) : Result<Journal>(told);
  }
  journal.driver = beat_.Driver();
  journal.token = options_.random.Hex(16);
  journal.fenced.reset();
  Decide(journal);
  const Status begun = store_.Create(*decided_, QuorumOf(*decided_), options_.random);
  if (!begun.ok()) return begun;
  journal = *std::exchange(decided_, std::nullopt);
  auto driven = DriveOn(journal, stop);
  // Who has taken it over says so by himself.
  if (driven.code() != Code::kExists) beat_.Leave(journal.id);
  return driven;
}

Result<Journal> Runner::DriveOn(Journal journal, StopFlag& stop) {
  while (!journal.Ended()) {
    auto changed = Round(journal);
    if (!changed.ok()) return changed.status();
    if (*changed) continue;
    if (stop.SleepUntil(options_.clock, options_.clock.Boot() + kPause)) {
      return Status(Code::kStopped, fmt::format("stopped at step {}; {} is open and can be resumed",
                                                StepName(journal.step), journal.id));
    }
  }
  const Status told = store_.Spread(journal, options_.random);  // those that missed its end
  if (!told.ok()) LogDebug("failover", "its end is not known everywhere", {{"why", told}});
  return journal;
}

Result<bool> Runner::Wait(const Journal& journal, const Gate& gate) {
  waits_for_ = gate.waits.empty() ? "" : gate.waits.front();
  if (options_.hooks.tell) options_.hooks.tell({journal, gate});
  return false;
}

Result<bool> Runner::Round(Journal& journal) {
  options_.desk.Look();
  const FoundJournals found = store_.ReadAll();
  DATABUS_RETURN_IF_ERROR(CheckOurs(journal, found));
  beat_.Say(journal, waits_for_);
  if (decided_) return Settle(journal);
  Observation seen = observer_.Look(ScopeOf(journal));
  SeeOthers(found, journal.id, seen);
  const Action action = NextAction(journal, seen);
  switch (action.what) {
    case Action::What::kNothing: return true;
    case Action::What::kStop: return action.stop;
    case Action::What::kVerify: return Verify(journal);
    case Action::What::kWait: JoinLongQueues(journal, seen); return Wait(journal, action.gate);
    case Action::What::kAdvance:
    case Action::What::kStore: break;
  }
  return Act(journal, action);
}

Result<bool> Runner::Act(Journal& journal, const Action& action) {
  if (action.journal.Encode() != journal.Encode()) {  // else an epoch is stored once more
    Decide(action.journal);
    const auto settled = Settle(journal);
    if (!settled.ok() || !*settled) return settled;
  }
  if (action.epoch) return StoreNext(journal, *action.epoch);
  Tell(journal);
  return true;
}

Result<bool> Runner::StoreNext(const Journal& journal, const TopologyEpoch& epoch) {
  const auto stored = options_.desk.Store(epoch);
  if (stored.code() == Code::kExists || stored.code() == Code::kRefused) return stored.status();
  if (!stored.ok()) return Wait(journal, {{stored.status().message()}, 1});
  if (stored->not_on.empty()) return true;
  Gate gate;
  for (const auto& [cluster, why] : stored->not_on) {
    gate.waits.push_back(
        fmt::format("topology epoch {} is not on {} yet: {}", epoch.stored.epoch, cluster, why));
  }
  gate.outstanding = gate.waits.size();
  return Wait(journal, gate);
}

Result<bool> Runner::Verify(Journal& journal) {
  auto verification = options_.hooks.verify(journal);
  if (!verification.ok()) return Wait(journal, {{verification.status().message()}, 1});
  if (!verification->pending.empty()) {
    return Wait(journal, {verification->pending, verification->pending.size()});
  }
  Decide(Verified(journal, std::move(verification->report), options_.clock.Wall()));
  auto settled = Settle(journal);
  if (settled.ok() && *settled) Tell(journal);
  return settled;
}

void Runner::JoinLongQueues(const Journal& journal, const Observation& seen) {
  if (joined_ || journal.step != Step::kCatchUp || !options_.hooks.join_queue) return;
  joined_ = true;
  for (const auto& [cluster, tree] : seen.trees) {
    const auto entries = tree.mirror_entries.find(journal.change.to);
    if (entries == tree.mirror_entries.end() || entries->second <= kLongQueue) continue;
    const std::string queue = paths::Mirrors(journal.change.to);
    const Status joined = options_.hooks.join_queue(*options_.desk.Tree(cluster), queue);
    LogInfo("failover", "long queue joined",
            {{"cluster", cluster}, {"queue", queue}, {"outcome", joined}});
  }
}

}  // namespace databus::failover
