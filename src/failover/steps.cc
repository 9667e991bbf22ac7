#include "failover/steps.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace databus::failover {
namespace {

constexpr std::array kPlannedSteps = {Step::kBegin,  Step::kSpool, Step::kDrain,   Step::kFreeze,
                                      Step::kMirror, Step::kSwap,  Step::kDespool, Step::kVerify};
constexpr std::array kFailbackSteps = {Step::kBegin, Step::kCatchUp, Step::kSpool,
                                       Step::kDrain, Step::kFreeze,  Step::kMirror,
                                       Step::kSwap,  Step::kDespool, Step::kVerify};
constexpr std::array kUnplannedSteps = {Step::kBegin, Step::kFence, Step::kSwap, Step::kDespool,
                                        Step::kVerify};

Step After(const Journal& journal) {
  const std::span<const Step> steps = StepsOf(journal.kind);
  const auto at = std::ranges::find(steps, journal.step);
  return at == steps.end() || at + 1 == steps.end() ? Step::kDone : *(at + 1);
}

constexpr std::string_view kOver = "over";

std::string EndText(Step step, std::string_view how) {
  return fmt::format("{}: {}", StepName(step), how);
}
std::string StoredText(uint64_t epoch) { return fmt::format("topology epoch {} is stored", epoch); }

// Of the first such event.
std::optional<WallTime> WhenNoted(const Journal& journal, Step step, std::string_view text) {
  const auto event = std::ranges::find_if(journal.events, [&](const JournalEvent& each) {
    return each.step == step && each.text == text;
  });
  return event == journal.events.end() ? std::nullopt : std::optional(event->at);
}

Journal At(Journal journal, Step step, WallTime now, std::string_view how = kOver) {
  journal.Note(now, EndText(journal.step, how));
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
    case Step::kBegin:
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
    action.journal.Note(now, StoredText(stored.epoch));
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

// Whether the epoch came out of the one with this digest. One that only replaced it, when a
// conflict was settled, did not.
bool CameFrom(const TopologyEpoch& epoch, const std::string& digest) {
  return epoch.digest == digest ||
         std::ranges::count(epoch.stored.before, digest, &PastEpoch::digest) > 0;
}

// Whether another epoch stands where the swap's would be: then nobody can store that any more.
bool SwapIsLost(const Journal& journal, const Observation& seen) {
  const StepEpoch* const swap = journal.EpochOf(Step::kSwap);
  return swap != nullptr && seen.conflicts.empty() && seen.newest->stored.epoch >= swap->epoch &&
         !CameFrom(*seen.newest, swap->digest);
}

Action NotShown(const Journal& journal, uint64_t epoch) {
  return Wait(journal,
              {{fmt::format("no cluster that answers shows topology epoch {}", epoch)}, 1});
}

// Nothing, if the newest epoch is the one that this failover stored last, or was planned from.
std::optional<Action> IfNotOurs(const Journal& journal, const Observation& seen) {
  const StepEpoch last = LastEpoch(journal);
  if (seen.newest->digest == last.digest) return {};
  if (seen.newest->stored.epoch >= last.epoch) return SomebodyElse(journal, *seen.newest);
  return NotShown(journal, last.epoch);
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
  // Others may go on from a swap.
  if (own != nullptr && journal.step == Step::kSwap && CameFrom(newest, own->digest)) return {};
  if (newest.digest != journal.ParentOf(journal.step)) return SomebodyElse(journal, newest);
  return Store(journal, EpochFor(journal, newest.stored), seen.now);
}

// What of the failover an epoch that is not its own may still have in force.
std::string LeftInForce(const Journal& journal, const StoredTopology& stored) {
  std::vector<std::string> frozen;
  for (const std::string& name : journal.change.Moving()) {
    const StreamSpec* const stream = stored.topology.FindStream(name);
    if (stream != nullptr && stream->publication == Publication::kFrozen) frozen.push_back(name);
  }
  std::set<std::string> spooling;
  for (const ModeRule& rule : stored.modes) {
    const bool moves = rule.stream.empty() || journal.change.Find(rule.stream) != nullptr;
    if (rule.mode == DeliveryMode::kSpool && moves) spooling.insert(rule.cluster);
  }
  std::string text;
  if (!spooling.empty()) {
    text += fmt::format(
        " In force are still: collectors of {} spool ('databus topology mode "
        "CLUSTER[/STREAM] deliver' lets them deliver).",
        fmt::join(spooling, ", "));
  }
  if (!frozen.empty()) {
    text += fmt::format(
        " The merged stream of {} is frozen ('databus topology apply' of the file "
        "that 'databus topology show --xml' prints lets it publish again).",
        fmt::join(frozen, ", "));
  }
  return text;
}

// Who may take over from the cluster that took over, and is lost: rather the old primary than
// another. Empty: nobody who answers has a mirror of all that has moved.
std::string NextAfter(const Journal& journal, const Observation& seen) {
  const std::vector<std::string> moving = journal.change.Moving();
  const auto may = [&](const std::string& cluster) {
    return cluster != journal.change.to && seen.TreeOf(cluster).Answers() &&
           std::ranges::all_of(moving, [&](const std::string& name) {
             const StreamSpec* const stream = seen.newest->stored.topology.FindStream(name);
             return stream == nullptr || stream->RoleOf(cluster);
           });
  };
  if (may(journal.change.from)) return journal.change.from;
  const auto other =
      std::ranges::find_if(seen.trees, [&](const auto& tree) { return may(tree.first); });
  return other == seen.trees.end() ? "" : other->first;
}

Journal AbortedWithout(const Journal& journal, const Observation& seen, std::string why) {
  Journal next = At(journal, Step::kAborted, seen.now, "given up");
  next.report = {{"undone", false}, {"sentence", why}};
  next.Note(seen.now, std::move(why));
  return next;
}

// Nothing is stored over what somebody else has.
Action LeaveAsItIs(const Journal& journal, const Observation& seen) {
  const StoredTopology& stored = seen.newest->stored;
  return Advance(AbortedWithout(
      journal, seen,
      fmt::format("Nothing is undone: {}, and stays; look at it with 'databus topology show', "
                  "compare it with your file by 'databus topology diff'.{}",
                  Somebody(*seen.newest), LeftInForce(journal, stored))));
}

Action Undo(const Journal& journal, const Observation& seen) {
  const TopologyEpoch& newest = *seen.newest;
  const StepEpoch* const own = journal.EpochOf(Step::kUndo);
  const bool undone = own != nullptr && CameFrom(newest, own->digest);
  if (undone || journal.epochs.empty()) {
    if (undone && newest.digest == own->digest && !IsEverywhere(journal, seen, own->digest)) {
      return Store(journal, newest, seen.now);
    }
    return Advance(At(journal, Step::kAborted, seen.now));
  }
  const StepEpoch* const swap = journal.EpochOf(Step::kSwap);
  if (swap != nullptr && CameFrom(newest, swap->digest)) return LeaveAsItIs(journal, seen);
  // Of what was journaled, the last may not be stored; the one before it is.
  std::vector<StepEpoch> chain = {{Step::kBegin, journal.base_epoch, journal.base_digest}};
  std::ranges::copy_if(journal.epochs, std::back_inserter(chain),
                       [](const StepEpoch& stored) { return stored.step != Step::kUndo; });
  const auto at = std::ranges::find(chain, newest.digest, &StepEpoch::digest);
  const StepEpoch& stored_for_sure = chain[chain.size() - 2];
  if (at != chain.end() && at->epoch >= stored_for_sure.epoch) {
    return Store(journal, EpochFor(journal, newest.stored), seen.now);
  }
  if (newest.stored.epoch < stored_for_sure.epoch) return NotShown(journal, stored_for_sure.epoch);
  return LeaveAsItIs(journal, seen);
}

Action GiveWay(const Journal& journal, const Observation& seen, const OpenFailover& other) {
  return Advance(AbortedWithout(
      journal, seen,
      fmt::format(
          "It gave way to {}, which {} began at the same time; nothing was changed. 'status' "
          "shows how far that is.",
          other.id, other.driver)));
}

// Nothing is done yet, so it ends by itself: what was approved was another plan.
std::optional<Action> EndIfStale(const Journal& journal, const Observation& seen) {
  const TopologyEpoch& newest = *seen.newest;
  if (newest.digest == journal.base_digest || newest.stored.epoch < journal.base_epoch) return {};
  return Advance(AbortedWithout(
      journal, seen,
      fmt::format("The topology has changed since it was planned: {}; nothing was changed by this "
                  "failover. Plan it again.",
                  Somebody(newest))));
}

// Null: this one goes before all others.
const OpenFailover* GoesFirst(const Journal& journal, const Observation& seen) {
  const auto first = std::ranges::find_if(seen.others, [&](const OpenFailover& other) {
    return other.has == OpenFailover::Has::kGoneOn || other.id < journal.id;
  });
  return first == seen.others.end() ? nullptr : &*first;
}

// That the cluster that was given up is back is written down once, whatever it does then.
void NoteReturn(const Observation& seen, Journal& journal) {
  const std::string back = ReturnOfTheLost(journal, seen);
  const bool known = std::ranges::any_of(journal.events, [&](const JournalEvent& event) {
    return event.text.starts_with(kNotePrefix);
  });
  if (!back.empty() && !known) journal.Note(seen.now, std::string(kNotePrefix) + back);
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
  NoteReturn(seen, next);
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

std::optional<StepPlace> PlaceOf(const Journal& journal) {
  const auto has = [&](Step step) {  // the fence, where no stream waits when it is alone, is none
    return step != Step::kFence || journal.expected.contains(step) || journal.expected.empty();
  };
  StepPlace place;  // of a fence that the plan has not there is none: it is passed at once
  bool found = false;
  for (const Step step : StepsOf(journal.kind)) {
    if (!has(step)) continue;
    ++place.of;
    if (!found) ++place.number;
    found |= step == journal.step;
  }
  return found ? std::optional(place) : std::nullopt;
}

std::optional<Milliseconds> TimeLeft(const Journal& journal, WallTime now) {
  const std::span<const Step> steps = StepsOf(journal.kind);
  const auto at = std::ranges::find(steps, journal.step);
  if (at == steps.end() || journal.expected.empty()) return std::nullopt;
  Milliseconds left{0};
  for (auto step = at; step != steps.end(); ++step) {
    const auto expected = journal.expected.find(*step);
    if (expected == journal.expected.end()) continue;
    const Milliseconds spent = step == at ? now - journal.step_since : Milliseconds(0);
    left += std::max(expected->second - spent, Milliseconds(0));
  }
  return left;
}

bool Stores(Step step) {
  return step == Step::kSpool || step == Step::kFreeze || step == Step::kFence ||
         step == Step::kSwap || step == Step::kUndo;
}

std::optional<WallTime> WhenOver(const Journal& journal, Step step) {
  return WhenNoted(journal, step, EndText(step, kOver));
}

std::optional<WallTime> WhenStored(const Journal& journal, Step step) {
  const StepEpoch* const stored = journal.EpochOf(step);
  return stored == nullptr ? std::nullopt : WhenNoted(journal, step, StoredText(stored->epoch));
}

bool AnyWaits(const RoleChange& change, const Topology& topology) {
  return std::ranges::any_of(change.Moving(), [&](const std::string& name) {
    const StreamSpec* const stream = topology.FindStream(name);
    return stream != nullptr && stream->when_alone == WhenAlone::kWait;
  });
}

bool MayHaveSwapped(const Journal& journal) { return journal.EpochOf(Step::kSwap) != nullptr; }

std::string HowToEnd(const Journal& journal) {
  const std::string_view command = CommandOf(journal.kind);
  std::string text = fmt::format(
      "'databus {0} status' shows what it waits for, 'databus {0} resume' goes on with it",
      command);
  if (!MayHaveSwapped(journal)) text += fmt::format(", 'databus {} abort' undoes it", command);
  return text;
}

Action NextAction(const Journal& journal, const Observation& seen) {
  if (journal.Ended()) {
    return {.what = Action::What::kNothing, .journal = journal, .epoch = {}, .gate = {}};
  }
  if (!seen.newest) {
    return Wait(journal, {{"no cluster shows a stored topology"}, 1});
  }
  const bool before_swap = !MayHaveSwapped(journal);
  const bool decides = before_swap || journal.step == Step::kSwap || journal.step == Step::kUndo;
  if (decides && !seen.conflicts.empty()) {
    return Stop(journal, Code::kExists,
                fmt::format("the clusters have stored topologies that contradict each other: {}. "
                            "Choose one ('databus topology choose')",
                            seen.conflicts.front()));
  }
  if (journal.step == Step::kUndo) return Undo(journal, seen);
  if (SwapIsLost(journal, seen)) return SomebodyElse(journal, *seen.newest);
  if (journal.step == Step::kBegin) {
    if (const OpenFailover* const other = GoesFirst(journal, seen)) {
      return GiveWay(journal, seen, *other);
    }
    if (auto ended = EndIfStale(journal, seen)) return *std::move(ended);
  }
  const bool needless =
      journal.step == Step::kFence && !AnyWaits(journal.change, seen.newest->stored.topology);
  if (Stores(journal.step) && !needless) {
    if (auto action = StoreIfDue(journal, seen)) return *std::move(action);
  } else if (before_swap) {
    if (auto action = IfNotOurs(journal, seen)) return *std::move(action);
  } else if (const StepEpoch& swap = *journal.EpochOf(Step::kSwap);
             seen.newest->stored.epoch < swap.epoch) {
    return NotShown(journal, swap.epoch);
  }
  if (journal.step == Step::kVerify) {
    return {.what = Action::What::kVerify, .journal = journal, .epoch = {}, .gate = {}};
  }
  if (needless) return Forward(journal, seen);
  Gate gate = GateOf(journal, seen);
  if (gate.open() && journal.step == Step::kFence && !journal.fenced) {
    Journal fenced = journal;
    fenced.fenced = seen.boot;
    return Advance(std::move(fenced));
  }
  return gate.open() ? Forward(journal, seen) : Wait(journal, std::move(gate));
}

Journal Verified(const Journal& journal, nlohmann::ordered_json report, WallTime now) {
  Journal next = At(journal, Step::kDone, now);
  next.report = std::move(report);
  return next;
}

Result<Journal> Abort(const Journal& journal, const Observation& seen,
                      const std::vector<std::string>& without) {
  const std::string& to = journal.change.to;
  if (journal.Ended()) {
    return Status(Code::kExists, fmt::format("{} has ended: {}; there is nothing to abort",
                                             journal.id, StepName(journal.step)));
  }
  if (!seen.newest) return Status(Code::kUnavailable, "no cluster shows a stored topology");
  Journal next = journal;
  for (const std::string& name : without) {
    if (std::ranges::count(next.without, name) == 0) next.without.push_back(name);
  }
  if (journal.step == Step::kUndo) return next;
  const std::string_view command = CommandOf(journal.kind);
  if (!MayHaveSwapped(journal) || SwapIsLost(journal, seen)) {
    if (!seen.TreeOf(to).Answers() && !IsWithout(next.without, to)) {
      return Status(Code::kRefused,
                    fmt::format("cluster {0} does not answer, and somebody may go on with {1} "
                                "there. If it is lost, 'databus {2} abort --without {0}' gives it "
                                "up; else abort where it can be reached",
                                to, journal.id, command));
    }
    return At(std::move(next), Step::kUndo, seen.now, "aborted");
  }
  if (seen.TreeOf(to).Answers() || !IsWithout(without, to)) {
    return Status(
        Code::kRefused,
        fmt::format("{} has swapped the roles, or may have: it can only be finished "
                    "('databus {} resume'); 'databus failback' leads back afterwards.{}",
                    journal.id, command,
                    seen.TreeOf(to).Answers()
                        ? ""
                        : fmt::format(" Cluster {0} does not answer; if it is lost, 'databus {1} "
                                      "abort --without {0}' gives it up",
                                      to, command)));
  }
  // Nobody else can end it, and another failover is needed.
  if (CameFrom(*seen.newest, journal.EpochOf(Step::kSwap)->digest)) {
    next.token.clear();  // this end is not written yet
    const std::string heir = NextAfter(journal, seen);
    return AbortedWithout(
        next, seen,
        fmt::format(
            "It is given up, and nothing is undone: {0} is the primary of {1}, and is lost. "
            "'databus failover plan --unplanned --from {0} --to {2}' shows what moving its "
            "business "
            "puts at risk.",
            to, fmt::join(journal.change.Moving(), ", "), heir.empty() ? "CLUSTER" : heir));
  }
  return At(std::move(next), Step::kUndo, seen.now, "aborted");
}

std::vector<std::string> WaysOn(const Journal& journal, const Observation& seen) {
  if (journal.Ended()) return {};
  const std::string_view command = CommandOf(journal.kind);
  const std::string& to = journal.change.to;
  std::vector<std::string> ways = {fmt::format("'databus {} resume' goes on", command)};
  const bool undoes = !MayHaveSwapped(journal) || (seen.newest && SwapIsLost(journal, seen));
  if (!seen.TreeOf(to).Answers() && !IsWithout(journal.without, to)) {
    ways.push_back(fmt::format("if {0} is lost, 'databus {1} abort --without {0}' {2}", to, command,
                               undoes ? "undoes it" : "gives it up"));
  } else if (undoes && journal.step != Step::kUndo) {
    ways.push_back(fmt::format("'databus {} abort' undoes it", command));
  }
  return ways;
}

}  // namespace databus::failover
