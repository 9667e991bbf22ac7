#include "failover/plan.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/crc64.h"
#include "failover/estimate.h"
#include "failover/journal_json.h"
#include "failover/preflight.h"
#include "failover/steps.h"

namespace databus::failover {
namespace {

std::string_view Sentence(Step step, const RoleChange& change) {
  switch (step) {
    case Step::kCatchUp: return "the queues of the cluster that returns are joined; it catches up";
    case Step::kSpool:
      return change.site == change.from
                 ? "all collectors keep the streams that move, those of the site all of theirs"
                 : "all collectors keep the streams that move";
    case Step::kDrain: return "what was delivered before is published and merged";
    case Step::kFreeze: return "the old primary closes its last minute of each stream";
    case Step::kMirror: return "every mirror becomes equal to it";
    case Step::kFence: return "streams that wait when alone: their primary must have stopped";
    case Step::kSwap: return "the roles change; collectors deliver again, or elsewhere";
    case Step::kDespool: return "the spools empty themselves";
    case Step::kVerify: return "all views are compared, by identity and by count";
    case Step::kBegin:
    case Step::kUndo:
    case Step::kDone:
    case Step::kAborted: break;
  }
  return "";
}

void AddSteps(const Observation& seen, Plan& plan) {
  uint64_t epoch = plan.base_epoch;
  const bool fences = AnyWaits(plan.change, seen.newest->stored.topology);
  Estimate estimate(plan.kind, plan.change, seen);
  Milliseconds spooling{0};
  for (const Step step : StepsOf(plan.kind)) {
    if (step == Step::kBegin || (step == Step::kFence && !fences)) continue;
    PlannedStep planned{step, std::string(Sentence(step, plan.change)), {}, estimate.Of(step)};
    if (Stores(step)) planned.epoch = ++epoch;
    const bool spools = plan.kind != Kind::kUnplanned && step != Step::kCatchUp;
    if (spools && step < Step::kSwap) estimate.Spool(spooling += planned.expected);
    plan.steps.push_back(std::move(planned));
  }
  plan.assumptions = estimate.Assumptions();
}

std::string IdOf(const Plan& plan, const Request& request) {
  std::vector<std::string> receivers;
  receivers.reserve(request.redirect_to.size());
  for (const Endpoint& receiver : request.redirect_to) receivers.push_back(receiver.ToString());
  const Json json = {{"kind", KindName(plan.kind)},
                     {"base", plan.base_digest},
                     {"change", RoleChangeToJson(plan.change)},
                     {"without", plan.without},
                     {"undoes", plan.undoes},
                     {"receivers", receivers}};
  return fmt::format("{:016x}", Crc64(DumpJson(json)));
}

Plan Refused(Plan plan, std::string what, std::string next) {
  plan.refusals.push_back({std::move(what), std::move(next)});
  return plan;
}

Plan NothingToDo(Plan plan, std::string what, std::string next) {
  plan.fault = Plan::Fault::kNothingToDo;
  return Refused(std::move(plan), std::move(what), std::move(next));
}

Plan NothingStored(Plan plan, const Observation& seen) {
  std::vector<std::string> away;
  for (const auto& [cluster, tree] : seen.trees) {
    if (!tree.Answers()) away.push_back(fmt::format("{}: {}", cluster, tree.why_away));
  }
  if (away.empty()) {
    return Refused(std::move(plan), "no cluster has a stored topology",
                   "start a worker with this databus.xml: it stores the first one");
  }
  return Refused(
      std::move(plan),
      fmt::format("no cluster that answers has a stored topology; {}", fmt::join(away, "; ")),
      "bring back or mount those that do not answer; start no worker on an empty directory in "
      "their place");
}

Plan NothingMoves(Plan plan, const Request& request, const Topology& topology) {
  if (request.kind == Kind::kFailback) {
    std::string what =
        fmt::format("no stream that {} moved is still where it left it", plan.undoes);
    return NothingToDo(std::move(plan), std::move(what), "see 'databus topology show'");
  }
  const bool source = std::ranges::any_of(
      topology.streams, [&](const StreamSpec& stream) { return stream.HasSource(request.from); });
  return NothingToDo(
      std::move(plan), fmt::format("{} is the primary of no stream", request.from),
      source
          ? fmt::format("its collectors can be sent elsewhere: 'databus topology mode {} redirect "
                        "--to {}'; what they hold goes there",
                        request.from, request.to)
          : "see 'databus topology show'");
}

// What is wrong with the names; empty: nothing.
std::string WrongName(const Request& request, const Topology& topology) {
  std::vector<std::string> names;
  names.reserve(topology.clusters.size());
  for (const ClusterSpec& cluster : topology.clusters) names.push_back(cluster.name);
  std::vector<std::string> asked = {request.to};
  if (request.kind != Kind::kFailback) asked.push_back(request.from);
  for (const std::string& name : asked) {
    if (topology.FindCluster(name) != nullptr) continue;
    return fmt::format("there is no cluster '{}'; there are {}", name, fmt::join(names, ", "));
  }
  if (request.from == request.to) return "--from and --to name the same cluster: " + request.to;
  for (const std::string& named : request.without) {
    if (named == request.to) return fmt::format("--without {0}: {0} is what takes over", named);
    if (named == request.from && request.kind == Kind::kPlanned) {
      return fmt::format(
          "--without {0}: a planned failover asks {0} for all that it has; if it is "
          "lost: --unplanned",
          named);
    }
    const std::string cluster = named.substr(0, named.find('/'));
    if (topology.FindCluster(cluster) != nullptr) continue;
    return fmt::format("--without {}: there is no cluster '{}'", named, cluster);
  }
  return "";
}

}  // namespace

Milliseconds Plan::ExpectedButDespool() const {
  Milliseconds all{0};
  for (const PlannedStep& step : steps) {
    if (step.step != Step::kDespool) all += step.expected;
  }
  return all;
}

Milliseconds Plan::Expected() const {
  Milliseconds all{0};
  for (const PlannedStep& step : steps) all += step.expected;
  return all;
}

const Journal* FindOpen(const std::map<std::string, Journal>& journals) {
  const auto open = std::ranges::find_if(journals, [](const auto& j) { return !j.second.Ended(); });
  return open == journals.end() ? nullptr : &open->second;
}

namespace {

// Whether its roles are in force, or were until another change: also of one that was given up
// afterwards, for want of whoever was to finish it.
bool TookEffect(const Journal& journal, const StoredTopology& stored) {
  if (journal.step == Step::kDone) return true;
  const StepEpoch* const swap = journal.EpochOf(Step::kSwap);
  return journal.step == Step::kAborted && swap != nullptr &&
         (TopologyDigest(stored.Encode()) == swap->digest ||
          std::ranges::count(stored.before, swap->digest, &PastEpoch::digest) > 0);
}

// The last failover that `fits` and that no failback has undone.
template <typename Fits>
const Journal* FindLast(const std::map<std::string, Journal>& journals,
                        const StoredTopology& stored, Fits&& fits) {
  const Journal* found = nullptr;
  for (const auto& [id, journal] : journals) {
    if (journal.kind == Kind::kFailback || !TookEffect(journal, stored) || !fits(journal)) continue;
    const bool undone = std::ranges::any_of(journals, [&](const auto& other) {
      return other.second.undoes == id && TookEffect(other.second, stored);
    });
    if (undone) continue;
    if (found == nullptr || journal.started > found->started) found = &journal;
  }
  return found;
}

}  // namespace

const Journal* FindUndoable(const std::map<std::string, Journal>& journals,
                            const StoredTopology& stored, const std::string& site) {
  return FindLast(journals, stored,
                  [&](const Journal& journal) { return journal.change.site == site; });
}

const Journal* FindRehearsed(const std::map<std::string, Journal>& journals,
                             const StoredTopology& stored, const std::string& stream) {
  return FindLast(journals, stored, [&](const Journal& journal) {
    return journal.change.site.empty() && journal.change.Find(stream) != nullptr;
  });
}

Scope ScopeOf(const Request& request, const Topology& topology) {
  Scope scope;
  scope.flow = Scope::Flow::kLook;
  for (const StreamSpec& stream : topology.streams) {
    scope.streams.insert(stream.name);
    const bool concerned = request.kind == Kind::kFailback ? stream.Primary() != request.to
                                                           : stream.Primary() == request.from;
    if (!concerned || (!request.only.empty() && stream.name != request.only)) continue;
    for (const std::string& mirror : stream.Mirrors()) {
      if (mirror != request.to && request.kind != Kind::kUnplanned) continue;
      scope.mirrored.push_back({stream.name, stream.Primary(), mirror});
    }
  }
  return scope;
}

Plan MakePlan(const Request& request, const Observation& seen,
              const std::map<std::string, Journal>& journals) {
  Plan plan{.kind = request.kind, .change = {}, .without = request.without};
  plan.change.from = request.from;
  plan.change.to = request.to;
  if (!seen.newest) return NothingStored(std::move(plan), seen);
  const StoredTopology& stored = seen.newest->stored;
  plan.base_epoch = stored.epoch;
  plan.base_digest = seen.newest->digest;
  if (const std::string wrong = WrongName(request, stored.topology); !wrong.empty()) {
    plan.fault = Plan::Fault::kRequest;
    return Refused(std::move(plan), wrong, "see 'databus topology show'");
  }
  if (const Journal* const open = FindOpen(journals)) {
    return Refused(std::move(plan),
                   fmt::format("{} is open, at step {}", open->id, StepName(open->step)),
                   HowToEnd(*open));
  }
  if (!seen.conflicts.empty()) {
    return Refused(std::move(plan),
                   fmt::format("the clusters have stored topologies that are in conflict: {}",
                               fmt::join(seen.conflicts, "; and ")),
                   "choose one of them: 'databus topology choose'");
  }
  if (request.kind == Kind::kFailback) {
    const Journal* const taken_away = request.only.empty()
                                          ? FindUndoable(journals, stored, request.to)
                                          : FindRehearsed(journals, stored, request.only);
    if (taken_away == nullptr) {
      return NothingToDo(std::move(plan),
                         fmt::format("no failover from {} is to be undone", request.to),
                         "'databus failover status' shows those there were");
    }
    plan.change = BringBack(stored, taken_away->change);
    plan.warnings = NotBroughtBack(stored, taken_away->change);
    plan.undoes = taken_away->id;
  } else if (!request.only.empty()) {
    plan.change = TakeAwayOnly(stored, request.only, request.from, request.to);
  } else {
    plan.change = TakeAway(stored, request.from, request.to, request.redirect_to);
  }
  // Of two clusters one is no majority; whoever accepts the loss of the other lets it go on.
  if (request.kind == Kind::kUnplanned && AnyWaits(plan.change, stored.topology) &&
      stored.topology.clusters.size() == 2) {
    plan.change.alone = request.to;
  }
  AddSteps(seen, plan);
  Preflight(request, seen, plan);
  if (plan.change.Moving().empty() && plan.refusals.empty()) {
    return NothingMoves(std::move(plan), request, stored.topology);
  }
  if (plan.kind == Kind::kUnplanned) {
    plan.loss = StateLoss(plan.change, plan.base_digest, seen);
    plan.cuts = CutsOf(plan.change, seen);
  }
  plan.id = IdOf(plan, request);
  return plan;
}

Journal Begin(const Plan& plan, WallTime now) {
  Journal journal;
  journal.id = JournalId(now, plan.kind, plan.change);
  journal.kind = plan.kind;
  journal.step = StepsOf(plan.kind).front();
  journal.started = now;
  journal.step_since = now;
  journal.change = plan.change;
  journal.base_epoch = plan.base_epoch;
  journal.base_digest = plan.base_digest;
  journal.without = plan.without;
  journal.undoes = plan.undoes;
  journal.cuts = plan.cuts;
  for (const PlannedStep& step : plan.steps) journal.expected[step.step] = step.expected;
  if (plan.loss) journal.loss = LossToJson(*plan.loss);
  journal.Note(now, fmt::format("begun, plan {}", plan.id));
  return journal;
}

}  // namespace databus::failover
