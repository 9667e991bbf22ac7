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

// Who must have the journal before anything is done: whoever decides later must find it.
std::vector<std::string> Required(const Journal& journal) {
  std::vector<std::string> clusters = {journal.change.to};
  const bool needs_both = journal.kind != Kind::kUnplanned && !MaySwapped(journal);
  if (needs_both) clusters.push_back(journal.change.from);
  return clusters;
}

}  // namespace

Status Runner::Save(Journal& journal) {
  ++journal.revision;
  return store_.Write(journal, Required(journal));
}

Status Runner::CheckOurs(const Journal& journal) const {
  const FoundJournals found = store_.ReadAll();
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
  if (journal.Ended()) {  // who ended it may have died before every cluster knew
    const Status told = store_.Write(journal, {});
    return told.ok() ? Result<Journal>(std::move(journal)) : Result<Journal>(told);
  }
  journal.driver = options_.driver;
  journal.token = options_.random.Hex(16);
  if (const Status saved = Save(journal); !saved.ok()) return saved;
  while (!journal.Ended()) {
    auto changed = Round(journal);
    if (!changed.ok()) return changed.status();
    if (*changed) continue;
    if (stop.SleepUntil(options_.clock, options_.clock.Boot() + kPause)) {
      return Status(Code::kStopped, fmt::format("stopped at step {}; {} is open and can be resumed",
                                                StepName(journal.step), journal.id));
    }
  }
  return journal;
}

Result<bool> Runner::Wait(const Journal& journal, const Gate& gate) {
  if (options_.hooks.tell) options_.hooks.tell({journal, gate});
  return false;
}

Result<bool> Runner::Round(Journal& journal) {
  options_.desk.Look();
  DATABUS_RETURN_IF_ERROR(CheckOurs(journal));
  const Observation seen = observer_.Look(ScopeOf(journal));
  Action action = NextAction(journal, seen);
  switch (action.what) {
    case Action::What::kNothing: return true;
    case Action::What::kStop: return action.stop;
    case Action::What::kVerify: return Verify(journal);
    case Action::What::kWait: JoinLongQueues(journal, seen); return Wait(journal, action.gate);
    case Action::What::kAdvance:
    case Action::What::kStore: break;
  }
  // Again, as the look took its time: what somebody else has ended must not come back to life.
  DATABUS_RETURN_IF_ERROR(CheckOurs(journal));
  if (const Status saved = Save(action.journal); !saved.ok()) {
    return Wait(journal, {{saved.message()}, 1});
  }
  journal = std::move(action.journal);
  LogInfo("failover", "journaled",
          {{"id", journal.id}, {"step", StepName(journal.step)}, {"revision", journal.revision}});
  if (!action.epoch) {
    if (options_.hooks.tell) options_.hooks.tell({journal, {}});
    return true;
  }
  const auto stored = options_.desk.Store(*action.epoch);
  if (stored.code() == Code::kExists) return stored.status();
  if (!stored.ok()) return Wait(journal, {{stored.status().message()}, 1});
  if (stored->not_on.empty()) return true;
  Gate gate;
  for (const auto& [cluster, why] : stored->not_on) {
    gate.waits.push_back(fmt::format("topology epoch {} is not on {} yet: {}",
                                     action.epoch->stored.epoch, cluster, why));
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
  Journal next = Verified(journal, std::move(verification->report), options_.clock.Wall());
  if (const Status saved = Save(next); !saved.ok()) return Wait(journal, {{saved.message()}, 1});
  journal = std::move(next);
  if (options_.hooks.tell) options_.hooks.tell({journal, {}});
  return true;
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
