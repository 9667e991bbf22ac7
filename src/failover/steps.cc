#include "failover/steps.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace databus::failover {
namespace {

constexpr std::array kPlannedSteps = {Step::kSpool, Step::kDrain,   Step::kFreeze, Step::kMirror,
                                      Step::kSwap,  Step::kDespool, Step::kVerify};
constexpr std::array kFailbackSteps = {Step::kCatchUp, Step::kSpool, Step::kDrain,   Step::kFreeze,
                                       Step::kMirror,  Step::kSwap,  Step::kDespool, Step::kVerify};
constexpr std::array kUnplannedSteps = {Step::kFence, Step::kSwap, Step::kDespool, Step::kVerify};

Step After(const Journal& journal) {
  const std::span<const Step> steps = StepsOf(journal.kind);
  const auto at = std::ranges::find(steps, journal.step);
  return at == steps.end() || at + 1 == steps.end() ? Step::kDone : *(at + 1);
}

Journal At(Journal journal, Step step, WallTime now) {
  journal.Note(now, fmt::format("{}: over", StepName(journal.step)));
  journal.step = step;
  journal.step_since = now;
  return journal;
}

TopologyEpoch EpochFor(const Journal& journal, const StoredTopology& parent) {
  const RoleChange& change = journal.change;
  const std::string author = fmt::format("{}: {}", journal.id, StepName(journal.step));
  switch (journal.step) {
    case Step::kSpool: return TopologyEpoch::Of(Spooling(parent, change, author));
    case Step::kFreeze:
    case Step::kFence: return TopologyEpoch::Of(Frozen(parent, change, author));
    case Step::kSwap: return TopologyEpoch::Of(Swapped(parent, change, journal.cuts, author));
    case Step::kUndo: return TopologyEpoch::Of(Undone(parent, change, author));
    case Step::kCatchUp:
    case Step::kDrain:
    case Step::kMirror:
    case Step::kDespool:
    case Step::kVerify:
    case Step::kDone:
    case Step::kAborted: break;
  }
  return TopologyEpoch::Of(parent);
}

Action Stop(const Journal& journal, Code code, std::string message) {
  Action action{.what = Action::What::kStop, .journal = journal, .epoch = {}, .gate = {}};
  action.stop = Status(code, std::move(message));
  return action;
}

Action Wait(const Journal& journal, Gate gate) {
  return {.what = Action::What::kWait, .journal = journal, .epoch = {}, .gate = std::move(gate)};
}

Action Advance(Journal journal) {
  return {.what = Action::What::kAdvance, .journal = std::move(journal), .epoch = {}, .gate = {}};
}

Action Store(const Journal& journal, TopologyEpoch epoch, WallTime now) {
  Action action{.what = Action::What::kStore, .journal = journal, .epoch = {}, .gate = {}};
  const StepEpoch stored{journal.step, epoch.stored.epoch, epoch.digest};
  const StepEpoch* const known = journal.EpochOf(journal.step);
  if (known == nullptr || *known != stored) {
    std::erase_if(action.journal.epochs, [&](const auto& e) { return e.step == journal.step; });
    action.journal.epochs.push_back(stored);
    action.journal.Note(now, fmt::format("topology epoch {} is stored", stored.epoch));
    if (journal.step == Step::kSwap && !journal.swapped) action.journal.swapped = now;
  }
  action.epoch = std::move(epoch);
  return action;
}

std::string Somebody(const TopologyEpoch& newest) {
  return fmt::format("topology epoch {} was stored meanwhile by {}", newest.stored.epoch,
                     newest.stored.author);
}

Action SomebodyElse(const Journal& journal, const TopologyEpoch& newest) {
  return Stop(journal, Code::kExists,
              fmt::format("{}; nothing more is done. Look at it ('databus topology show'), then "
                          "abort, which keeps it",
                          Somebody(newest)));
}

StepEpoch LastEpoch(const Journal& journal) {
  if (!journal.epochs.empty()) return journal.epochs.back();
  return {journal.step, journal.base_epoch, journal.base_digest};
}

// Nothing, if the newest epoch is the one that this failover stored last, or was planned from.
std::optional<Action> IfNotOurs(const Journal& journal, const Observation& seen) {
  const StepEpoch last = LastEpoch(journal);
  if (seen.newest->digest == last.digest) return {};
  if (seen.newest->stored.epoch >= last.epoch) return SomebodyElse(journal, *seen.newest);
  return Wait(journal,
              {{fmt::format("no cluster that answers shows topology epoch {}", last.epoch)}, 1});
}

// Whether each cluster that answers has the epoch itself, so that who can read only that one
// cluster obeys it as well; but for those that are given up, which may be read only.
bool IsEverywhere(const Journal& journal, const Observation& seen, const std::string& digest) {
  return std::ranges::all_of(seen.tips, [&](const auto& tip) {
    const bool lost = journal.kind == Kind::kUnplanned && tip.first == journal.change.from;
    return lost || IsWithout(journal.without, tip.first) || tip.second == digest;
  });
}

// The epoch of the step, if there is something to store; nothing: it stands.
std::optional<Action> StoreIfDue(const Journal& journal, const Observation& seen) {
  const TopologyEpoch& newest = *seen.newest;
  const StepEpoch* const own = journal.EpochOf(journal.step);
  if (own != nullptr && newest.digest == own->digest) {
    if (IsEverywhere(journal, seen, own->digest)) return {};
    return Store(journal, newest, seen.now);
  }
  if (own != nullptr && newest.stored.Follows(own->digest)) {
    if (MaySwapped(journal)) return {};  // others may go on from there
    return SomebodyElse(journal, newest);
  }
  if (newest.digest != journal.ParentOf(journal.step)) return SomebodyElse(journal, newest);
  return Store(journal, EpochFor(journal, newest.stored), seen.now);
}

Action Undo(const Journal& journal, const Observation& seen) {
  const TopologyEpoch& newest = *seen.newest;
  const StepEpoch* const own = journal.EpochOf(Step::kUndo);
  const bool undone =
      own != nullptr && (newest.digest == own->digest || newest.stored.Follows(own->digest));
  if (undone || journal.epochs.empty()) {
    if (undone && newest.digest == own->digest && !IsEverywhere(journal, seen, own->digest)) {
      return Store(journal, newest, seen.now);
    }
    return Advance(At(journal, Step::kAborted, seen.now));
  }
  for (const std::string& stream : journal.change.Moving()) {
    const StreamSpec* const spec = newest.stored.topology.FindStream(stream);
    if (spec != nullptr && spec->Primary() == journal.change.to) {
      return Stop(journal, Code::kExists,
                  fmt::format("{}, and {} is the primary of {} already: it cannot be undone; "
                              "'databus failback' leads back",
                              Somebody(newest), journal.change.to, stream));
    }
  }
  return Store(journal, EpochFor(journal, newest.stored), seen.now);
}

// The gate is open.
Action Forward(const Journal& journal, const Observation& seen) {
  Journal next = journal;
  if (journal.step == Step::kFreeze) {
    const SeenWorker& worker = seen.WorkerOf(journal.change.from);
    for (const std::string& stream : journal.change.Moving()) {
      next.cuts[stream] = worker.frozen.at(stream);
    }
  }
  return Advance(At(std::move(next), After(journal), seen.now));
}

}  // namespace

std::span<const Step> StepsOf(Kind kind) {
  switch (kind) {
    case Kind::kPlanned: return kPlannedSteps;
    case Kind::kUnplanned: return kUnplannedSteps;
    case Kind::kFailback: return kFailbackSteps;
  }
  __builtin_unreachable();
}

bool Stores(Step step) {
  return step == Step::kSpool || step == Step::kFreeze || step == Step::kFence ||
         step == Step::kSwap || step == Step::kUndo;
}

bool AnyWaits(const RoleChange& change, const Topology& topology) {
  return std::ranges::any_of(change.Moving(), [&](const std::string& name) {
    const StreamSpec* const stream = topology.FindStream(name);
    return stream != nullptr && stream->when_alone == WhenAlone::kWait;
  });
}

bool MaySwapped(const Journal& journal) {
  return journal.step == Step::kSwap || journal.EpochOf(Step::kSwap) != nullptr;
}

Action NextAction(const Journal& journal, const Observation& seen) {
  if (journal.Ended()) {
    return {.what = Action::What::kNothing, .journal = journal, .epoch = {}, .gate = {}};
  }
  if (!seen.newest) {
    return Wait(journal, {{"no cluster shows a stored topology"}, 1});
  }
  const bool before_swap = journal.EpochOf(Step::kSwap) == nullptr;
  if (before_swap && !seen.conflicts.empty()) {
    return Stop(journal, Code::kExists,
                fmt::format("the clusters have stored topologies that contradict each other: {}. "
                            "Choose one ('databus topology choose')",
                            seen.conflicts.front()));
  }
  if (journal.step == Step::kUndo) return Undo(journal, seen);
  const bool needless =
      journal.step == Step::kFence && !AnyWaits(journal.change, seen.newest->stored.topology);
  if (Stores(journal.step) && !needless) {
    if (auto action = StoreIfDue(journal, seen)) return *std::move(action);
  } else if (before_swap) {
    if (auto action = IfNotOurs(journal, seen)) return *std::move(action);
  }
  if (journal.step == Step::kVerify) {
    return {.what = Action::What::kVerify, .journal = journal, .epoch = {}, .gate = {}};
  }
  if (needless) return Forward(journal, seen);
  Gate gate = GateOf(journal, seen);
  if (gate.open() && journal.step == Step::kFence && !journal.fenced) {
    Journal fenced = journal;
    fenced.fenced = seen.now;
    return Advance(std::move(fenced));
  }
  return gate.open() ? Forward(journal, seen) : Wait(journal, std::move(gate));
}

Journal Verified(const Journal& journal, nlohmann::ordered_json report, WallTime now) {
  Journal next = At(journal, Step::kDone, now);
  next.report = std::move(report);
  return next;
}

Result<Journal> Abort(const Journal& journal, WallTime now) {
  if (journal.Ended()) {
    return Status(Code::kExists, fmt::format("{} has ended: {}; there is nothing to abort",
                                             journal.id, StepName(journal.step)));
  }
  if (MaySwapped(journal)) {
    return Status(
        Code::kRefused,
        fmt::format("{} has swapped the roles, or may have: it can only be finished "
                    "('databus {} resume'); 'databus failback' leads back afterwards",
                    journal.id, journal.kind == Kind::kFailback ? "failback" : "failover"));
  }
  if (journal.step == Step::kUndo) return journal;
  return At(journal, Step::kUndo, now);
}

}  // namespace databus::failover
