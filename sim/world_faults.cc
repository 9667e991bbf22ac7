// What goes wrong in a simulated installation, and how often: the incidents of its plan, and the
// answer to each call.
#include <algorithm>

#include "sim/world_impl.h"

namespace databus::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// A call that is slow, by a rate or at a step, and the clocks' drift.
constexpr seconds kSlowestCall{30};

// In a million: who dies before a call is answered has sent it.
constexpr uint64_t kSentBeforeDeath = 500'000;

// "" is above all.
bool IsBelow(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

// What a quota of the directory counts: names that are new there, and bytes.
bool IsNewBelow(const Call& call, std::string_view directory) {
  if (call.verb == Verb::kRename) {
    return IsBelow(call.to, directory) && !IsBelow(call.path, directory);
  }
  const bool makes = call.verb == Verb::kCreate || call.verb == Verb::kMakeDir ||
                     call.verb == Verb::kAppend || call.verb == Verb::kReplace;
  return makes && IsBelow(call.path, directory);
}

struct PlacePrefix {
  Place place;
  std::string prefix;
};

Place PlaceOf(const Call& call) {
  static const std::vector<PlacePrefix> kPlacesByPrefix = {
      {Place::kSpool, "/"},
      {Place::kData, paths::Data()},
      {Place::kCollectorStaging, paths::CollectorStaging("")},
      {Place::kStaging, paths::Tmp()},
      {Place::kView, paths::ViewRoot(View::kMerged)},  // of the local view as well
      {Place::kQueue, std::string(paths::Parent(paths::Consumers("c")))},
      {Place::kQueue, std::string(paths::Parent(paths::Mirrors("c")))},
      {Place::kQueue, paths::SealedRoot()},
      {Place::kManifest,
       std::string(paths::Parent(paths::Parent(paths::ManifestRoot(View::kLocal, 0))))},
      {Place::kLease, paths::Leases()},
      {Place::kStatus, paths::StatusRoot()},
      {Place::kTopology, paths::TopologyRoot()},
      {Place::kJournal, paths::FailoverRoot()},
  };
  for (const PlacePrefix& one : kPlacesByPrefix) {
    if (call.path.starts_with(one.prefix)) return one.place;
  }
  return Place::kOther;
}

}  // namespace

void World::KillAt(const Incident& incident, Machine& machine) {
  deaths_[&machine] = {std::max<uint64_t>(1, incident.calls), incident.lasts,
                       incident.kind == IncidentKind::kPowerCut,
                       incident.kind == IncidentKind::kTreeCut};
}

Meanwhile DeathOf(ServiceKind kind) {
  switch (kind) {
    case ServiceKind::kCollector: return Meanwhile::kCollectorDies;
    case ServiceKind::kWorker: return Meanwhile::kWorkerDies;
    case ServiceKind::kOperator: return Meanwhile::kOperatorDies;
  }
  __builtin_unreachable();
}

Fault World::Die(Machine& machine, const Call& call, SimTime down_for) {
  ++outcome_.deaths;
  CountMeanwhile(DeathOf(machine.setup().kind));
  Note(machine, [&] { return "dies at " + call.ToString(); });
  StartSoon(machine, down_for);
  machine.Kill();  // the others end where they wait, this fiber by the fault
  return Fault::CrashAfter();
}

// What happens to a call that an incident waited for; the incident has begun.
Fault World::AnswerStep(Machine& machine, const Call& call, const Incident& incident) {
  switch (incident.trigger.answer) {
    case StepAnswer::kAsIs: return {};
    case StepAnswer::kRequestLost: return Fault::RequestLost();
    case StepAnswer::kAnswerLost: return Fault::AnswerLost();
    case StepAnswer::kSlow: scheduler_.Sleep(seconds(latency_.Between(11, 25))); return {};
    case StepAnswer::kFails: machine.disk().FailNextSync(); return {};
    case StepAnswer::kLate: return Fault::Late();
    case StepAnswer::kDies: return Die(machine, call, milliseconds(latency_.Between(1, 3'000)));
  }
  __builtin_unreachable();
}

std::optional<Fault> World::AtStep(Machine& machine, const Call& call) {
  const auto waiting = armed_.find(&machine);
  if (waiting == armed_.end()) return std::nullopt;
  std::vector<Incident>& incidents = waiting->second;
  for (size_t i = 0; i < incidents.size(); ++i) {
    Trigger& trigger = incidents[i].trigger;
    if (!IsAt(trigger.step, call) || --trigger.nth > 0) continue;
    const Incident incident = incidents[i];
    incidents.erase(incidents.begin() + static_cast<std::ptrdiff_t>(i));
    if (incidents.empty()) armed_.erase(waiting);
    Begin(incident, &call);
    return AnswerStep(machine, call, incident);
  }
  return std::nullopt;
}

void World::Begin(const Incident& incident, const Call* call) {
  ++outcome_.faults;
  Machine& machine = *machines_[incident.who % machines_.size()];
  const std::string& cluster = scenario_.clusters[incident.cluster].name;
  Note(machine, [&] { return "incident " + incident.ToString(); });
  switch (incident.kind) {
    case IncidentKind::kKill:
    case IncidentKind::kTreeCut:
    case IncidentKind::kPowerCut: return KillAt(incident, machine);
    case IncidentKind::kPause:
      CountMeanwhile(machine.setup().kind == ServiceKind::kOperator ? Meanwhile::kOperatorSleeps
                                                                    : Meanwhile::kOtherSleeps);
      NoteSleep(machine, incident.lasts);
      if (machine.Running()) machine.Pause(scheduler_.now() + incident.lasts);
      return;
    case IncidentKind::kRestart:
      if (machine.Running()) machine.Stop();
      return;
    case IncidentKind::kNetworkCut: ++cuts_[{machine.setup().host, incident.amount}]; break;
    case IncidentKind::kUnreachable: ++unreachable_[{incident.who, cluster}]; break;
    case IncidentKind::kAnswersLost: ++answers_lost_[{incident.who, cluster}]; break;
    case IncidentKind::kDiskFull: machine.disk().SetCapacity(1); break;
    case IncidentKind::kSyncFails: return machine.disk().FailNextSync();
    case IncidentKind::kTreeFull: ++full_[cluster]; break;
    case IncidentKind::kClockStep: machine.clock().Step(milliseconds(incident.amount)); break;
    case IncidentKind::kClockDrift: return machine.clock().SetDrift(incident.amount);
    case IncidentKind::kOneCall: return;
    case IncidentKind::kHintLost:
      return Plan(scheduler_.now() + milliseconds(1), [this, from = *call] { Lose(from); });
    case IncidentKind::kBitFlip: return FlipBit(machine);
    case IncidentKind::kStagedFlip:
      return Plan(scheduler_.now(), [this, record = *call] { FlipStaged(record); });
    case IncidentKind::kWrongMount: MountInPlace(machine, WrongDisk(machine, incident)); break;
    case IncidentKind::kReconfigure:
      machine.Reconfigure(incident.amount);
      if (machine.Running()) machine.Stop();
      return;
    case IncidentKind::kDenied: denied_.push_back(incident); break;
    case IncidentKind::kNameNode:
    case IncidentKind::kSafeMode:
    case IncidentKind::kNoDataNodes:
    case IncidentKind::kUnreadable:
    case IncidentKind::kQuota: servers_.push_back(incident); break;
    case IncidentKind::kSiteDown: TakeDown(incident); [[fallthrough]];
    case IncidentKind::kSiteCut:
      CountMeanwhile(Meanwhile::kSiteLost);
      ++cut_sites_[incident.who];
      NoteMajorities();
      break;
  }
  Plan(scheduler_.now() + incident.lasts, [this, incident] { EndIfFaulty(incident); });
}

// The file that the call renames into place is gone right afterwards.
void World::Lose(const Call& call) { static_cast<void>(trees_.at(call.store)->Remove(call.to)); }

// A bit of what a collector has on its disk. What the record held need not arrive.
void World::FlipBit(Machine& machine) {
  const auto flip = machine.disk().FlipBit(chance_, "segment-");
  if (!flip) return;
  for (const uint64_t key : MessagesOfRecord(flip->content, flip->offset)) checker_.Damaged(key);
}

// A bit of a record that was just put in place, or of a claimed file that it publishes. A claim is
// the only copy: what it holds need not arrive. The plain original of a copy is left alone: nothing
// vouches for its bytes, and what a bit makes of them is published as if it had been sent.
void World::FlipStaged(const Call& record) {
  MemoryStorage& tree = *trees_.at(record.store);
  const auto text = tree.ReadFile(record.to);
  const Result<Record> decoded =
      text.ok() ? Record::Decode(*text, record.to) : Result<Record>(text.status());
  if (!decoded.ok()) return;
  std::vector<std::string> claims;
  for (const RecordedMove& move : decoded->moves) {
    const std::string path = paths::Join(paths::Parent(record.to), move.staged);
    const bool claim =
        move.kind == MoveKind::kFile && staged::Parse(move.staged).kind == staged::Kind::kClaim;
    if (claim && tree.Stat(path).ok()) claims.push_back(path);
  }
  const bool of_record = claims.empty() || chance_.Chance(500'000);
  const std::string path = of_record ? record.to : claims[chance_.Below(claims.size())];
  std::string bytes = *tree.ReadFile(path);
  if (bytes.empty()) return;
  if (!of_record) {
    for (const uint64_t key : messages_.Read(bytes).keys) checker_.Damaged(key);
  }
  char& flipped = bytes[chance_.Below(bytes.size())];
  flipped = static_cast<char>(flipped ^ (1 << chance_.Below(8)));
  static_cast<void>(tree.Replace(path, bytes));
}

// Only for a collector that knows which cluster it should see: one that has delivered.
// Another cluster's; or in the place of that, one with nothing on it, or of another installation.
const std::string& World::WrongDisk(const Machine& machine, const Incident& incident) const {
  const std::string& drawn = scenario_.clusters[incident.cluster].name;
  if (drawn != ClusterOf(machine)) return drawn;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(incident.lasts);
  return ms.count() % 2 == 0 ? kEmptyDisk : kForeignDisk;
}

void World::MountInPlace(Machine& machine, const std::string& tree) {
  const std::string& cluster = ClusterOf(machine);
  if (machine.MountedAt(cluster) == tree) return;
  const std::string& name = scenario_.collectors[NumberOf(machine)].name;
  if (!trees_.at(cluster)->Stat(paths::Sealed(name)).ok()) return;
  machine.Mount(cluster, tree);
  if (machine.Running()) machine.Stop();
}

// The cluster that a worker works beside loses its power: the workers there die, and what nobody
// was told to be done may be undone.
void World::CutTree(const Machine& machine, SimTime down_for) {
  for (const auto& other : machines_) {
    const bool here = other->setup().kind == ServiceKind::kWorker &&
                      other->setup().site == machine.setup().site && other.get() != &machine;
    if (!here || !other->Running()) continue;
    StartSoon(*other, down_for);
    other->Kill();
  }
  const std::string& cluster = ClusterOf(machine);
  MemoryStorage& tree = *trees_.at(cluster);
  for (const UnsyncedMoves::Rename& one : unsynced_.Take(cluster)) {
    if (tree.Stat(one.from).code() != Code::kNotFound) continue;
    if (!tree.Rename(one.to, one.from).ok()) continue;
    Note(machine, [&] { return "undone: " + one.from + " to " + one.to; });
    checker_.OnUndone(cluster, one.from, one.to);
  }
}

// The processes of a data centre die, and do not start again before it is over.
void World::TakeDown(const Incident& incident) {
  for (const auto& machine : machines_) {
    const MachineSetup& setup = machine->setup();
    if (setup.site != incident.who || setup.kind == ServiceKind::kOperator) continue;
    if (incident.amount == 1) {
      if (setup.kind == ServiceKind::kCollector) power_cut_[machine.get()] = true;
      if (setup.kind == ServiceKind::kWorker) CutTree(*machine, incident.lasts);
    }
    down_until_[machine.get()] = scheduler_.now() + incident.lasts;
    if (!machine->Running()) continue;
    ++outcome_.deaths;
    machine->Kill();
    StartSoon(*machine, seconds(1));
  }
}

// Of how many sites each can reach less than a majority, itself included.
void World::NoteMajorities() {
  const size_t all = cut_sites_.size();
  for (size_t site = 0; site < all; ++site) {
    size_t reached = 0;
    for (size_t other = 0; other < all; ++other) reached += IsCut(site, other) ? 0 : 1;
    if (reached > all / 2) {
      minority_since_[site].reset();
    } else if (!minority_since_[site]) {
      minority_since_[site] = scheduler_.now();
      for (const auto& machine : machines_) {
        const bool here = machine->setup().site == site && machine->Running();
        if (here) NoteSleep(*machine, machine->process()->paused_until - scheduler_.now());
      }
    }
  }
}

// A pause can outlast the look at the majority: what slips through is divergent.
void World::NoteSleep(const Machine& machine, SimTime lasts) {
  auto& since = minority_since_[machine.setup().site];
  if (since) since = std::max(*since, scheduler_.now() + lasts);
}

bool World::IsAlone(const std::string& cluster) const {
  const auto since = minority_since_[numbers_of_clusters_.at(cluster)];
  return since && scheduler_.now() > *since + kAloneAfter + kSlowestCall;
}

void World::PutRight(const std::string& cluster, const std::string& stream, Minute minute) {
  for (const auto& one : readers_) {
    const StreamReader::Options& what = one->reader.options();
    const bool concerned =
        what.view == View::kMerged && what.cluster == cluster && what.stream == stream;
    if (concerned) one->reader.Forget(minute);
  }
}

void World::Forget(const Incident& incident, std::vector<Incident>& incidents) {
  const auto same = std::ranges::find_if(incidents, [&](const Incident& one) {
    return one.kind == incident.kind && one.at == incident.at && one.who == incident.who &&
           one.cluster == incident.cluster && one.denial == incident.denial;
  });
  if (same != incidents.end()) incidents.erase(same);
}

void World::End(const Incident& incident) {
  Machine& machine = *machines_[incident.who % machines_.size()];
  const std::string& cluster = scenario_.clusters[incident.cluster].name;
  switch (incident.kind) {
    case IncidentKind::kNetworkCut: --cuts_[{machine.setup().host, incident.amount}]; return;
    case IncidentKind::kUnreachable: --unreachable_[{incident.who, cluster}]; return;
    case IncidentKind::kAnswersLost: --answers_lost_[{incident.who, cluster}]; return;
    case IncidentKind::kDiskFull: machine.disk().SetCapacity(uint64_t{1} << 40); return;
    case IncidentKind::kTreeFull: --full_[cluster]; return;
    case IncidentKind::kClockStep: machine.clock().Step(milliseconds(-incident.amount)); return;
    case IncidentKind::kWrongMount: return MountInPlace(machine, ClusterOf(machine));
    case IncidentKind::kDenied: return Forget(incident, denied_);
    case IncidentKind::kNameNode:
    case IncidentKind::kSafeMode:
    case IncidentKind::kNoDataNodes:
    case IncidentKind::kUnreadable:
    case IncidentKind::kQuota: return Forget(incident, servers_);
    case IncidentKind::kSiteCut:
    case IncidentKind::kSiteDown: --cut_sites_[incident.who]; return NoteMajorities();
    default: return;
  }
}

bool World::Reachable(const std::string& from, const std::string& to) const {
  const auto cut = [&](const std::string& host, int64_t way) {
    const auto place = cuts_.find({host, way});
    return place != cuts_.end() && place->second > 0;
  };
  if (cut(to, 0) || cut(to, 1) || cut(from, 0) || cut(from, 2)) return false;
  const auto here = sites_of_hosts_.find(from);
  const auto there = sites_of_hosts_.find(to);
  const bool of_machines = here != sites_of_hosts_.end() && there != sites_of_hosts_.end();
  return !of_machines || !IsCut(here->second, there->second);
}

SimTime World::Latency(const Call& call) {
  if (!InTree(call)) {
    if (call.verb == Verb::kSync || call.verb == Verb::kSyncDir) {
      return microseconds(latency_.Between(100, 3'000));
    }
    return microseconds(latency_.Between(1, 40));
  }
  if (faults_ && chance_.Chance(scenario_.rates.slow)) {
    ++outcome_.faults;
    return milliseconds(latency_.Between(100, 20'000));
  }
  return microseconds(latency_.Between(50, 4'000));
}

void World::OnSeamCall() {
  ++outcome_.seam_calls;
  Digest(static_cast<uint64_t>(scheduler_.now().count()) ^ scheduler_.running_id());
  if (scheduler_.running() != nullptr) {
    scheduler_.Sleep(microseconds(latency_.Between(1, 20)));
  }
}

std::optional<Fault> World::Unreachable(size_t site, const Call& call) {
  const auto holds = [&](const auto& cuts) {
    const auto cut = cuts.find({site, call.store});
    return cut != cuts.end() && cut->second > 0;
  };
  const auto number = numbers_of_clusters_.find(call.store);
  const bool cut = number != numbers_of_clusters_.end() && IsCut(site, number->second);
  if (cut || holds(unreachable_)) {
    scheduler_.Sleep(seconds(1));
    return Fault::RequestLost();
  }
  if (holds(answers_lost_)) return Fault::AnswerLost();
  const auto full = full_.find(call.store);
  const bool writes = call.verb == Verb::kAppend || call.verb == Verb::kCreate ||
                      call.verb == Verb::kMakeDir || call.verb == Verb::kReplace;
  if (writes && full != full_.end() && full->second > 0) return Fault::Full();
  return std::nullopt;
}

Fault World::Choose(Machine& machine, const Call& call) {
  const auto death = deaths_.find(&machine);
  if (death != deaths_.end() && --death->second.calls == 0) {
    power_cut_[&machine] = death->second.power_cut;
    const SimTime down_for = death->second.down_for;
    const bool tree_cut = death->second.tree_cut;
    deaths_.erase(death);
    if (tree_cut) {
      CutTree(machine, down_for);
      static_cast<void>(Die(machine, call, down_for));
      return Fault::CrashBefore();
    }
    const uint64_t how = chance_.Below(3);
    const Fault after = Die(machine, call, down_for);
    if (how == 0) {
      if (scenario_.rates.late > 0 && hadoop_.Chance(kSentBeforeDeath)) MakeItLater(machine, call);
      return Fault::CrashBefore();
    }
    if (how == 1 && call.verb == Verb::kAppend) return Fault::CrashTorn(chance_.Below(200));
    return after;
  }
  if (const auto fault = AtStep(machine, call)) return *fault;
  if (!faults_ || !InTree(call)) return {};
  return ChooseInTree(machine.setup().site, call);
}

Fault World::ChooseInTree(size_t site, const Call& call) {
  if (const auto cut = Unreachable(site, call)) return *cut;
  if (const auto fault = ChooseOfServers(call)) return *fault;
  if (chance_.Chance(scenario_.rates.request_lost)) return Fault::RequestLost();
  if (chance_.Chance(scenario_.rates.answer_lost)) return Fault::AnswerLost();
  const bool writes = call.verb == Verb::kAppend || call.verb == Verb::kCreate;
  if (writes && chance_.Chance(scenario_.rates.no_space)) return Fault::Full();
  return {};
}

// To one process, or to all: then also to readers, which are no machines.
bool World::IsDenied(const Machine* machine, const Call& call) const {
  return std::ranges::any_of(denied_, [&](const Incident& one) {
    const bool concerned =
        one.everybody || (machine != nullptr && machines_[one.who].get() == machine);
    return concerned && scenario_.clusters[one.cluster].name == call.store &&
           one.denial.Holds(call);
  });
}

// It is not done: a refusal, unless nobody hears it or the process dies.
Fault World::Deny(Fault fault) {
  switch (fault.kind) {
    case Fault::Kind::kRequestLost:
    case Fault::Kind::kCrashBefore: return fault;
    case Fault::Kind::kAnswerLost:
    case Fault::Kind::kLate: return Fault::RequestLost();
    case Fault::Kind::kCrashAfter:
    case Fault::Kind::kCrashTorn: return Fault::CrashBefore();
    case Fault::Kind::kNone:
    case Fault::Kind::kRefused:
    case Fault::Kind::kDelayed:
    case Fault::Kind::kTorn:
    case Fault::Kind::kFlipped:
    case Fault::Kind::kDenied: return Fault::Denied();
  }
  __builtin_unreachable();
}

// What the servers of HDFS may do to a call, whoever makes it.
std::optional<Fault> World::ChooseOfServers(const Call& call) {
  const bool changes = Changes(call.verb);
  for (const Incident& one : servers_) {
    if (scenario_.clusters[one.cluster].name != call.store) continue;
    switch (one.kind) {
      case IncidentKind::kNameNode: {
        scheduler_.Sleep(milliseconds(hadoop_.Between(500, 5'000)));
        const uint64_t how = hadoop_.Below(3);
        if (!changes || how == 0) return Fault::RequestLost();
        return how == 1 || !MayBeLate(call.verb) ? Fault::AnswerLost() : Fault::Late();
      }
      case IncidentKind::kSafeMode:
        if (changes) return Fault::RequestLost();
        break;
      case IncidentKind::kNoDataNodes:
        if (call.verb == Verb::kAppend || call.verb == Verb::kReplace) return Fault::RequestLost();
        break;
      case IncidentKind::kUnreadable:
        if (call.verb == Verb::kRead && IsBelow(call.path, one.denial.directory)) {
          return Fault::RequestLost();
        }
        break;
      case IncidentKind::kQuota:
        if (IsNewBelow(call, one.denial.directory)) return Fault::Full();
        break;
      default: break;
    }
  }
  if (MayBeLate(call.verb) && scenario_.rates.late > 0 && hadoop_.Chance(scenario_.rates.late)) {
    return Fault::Late();
  }
  return std::nullopt;
}

// Whoever made the call goes on; he, or somebody else, may have looked and seen that it is not done
// when it is.
void World::MakeItLater(Machine& machine, const Call& call) {
  if (!InTree(call) || !MayBeLate(call.verb)) return;
  const uint64_t how = hadoop_.Below(100);
  const uint64_t most_ms = how < 40 ? 3'000 : how < 85 ? 60'000 : 200'000;
  Plan(scheduler_.now() + milliseconds(hadoop_.Between(5, most_ms)), [this, &machine, call] {
    if (IsDenied(&machine, call)) return;
    WatchedTree tree(*trees_.at(call.store), call.store, checker_, [] {});
    const Status made = databus::MakeLate(tree, call);
    Digest(static_cast<uint64_t>(made.code()));
    Note(machine, [&] { return "late " + call.ToString() + ": " + made.ToString(); });
  });
}

void World::CountCall(const Call& call) {
  ++outcome_.seam_calls;
  Digest(static_cast<uint64_t>(scheduler_.now().count()) ^ scheduler_.running_id() ^
         (uint64_t{static_cast<uint8_t>(call.verb)} << 56) ^ std::hash<std::string>()(call.path));
}

void World::CountMeanwhile(Meanwhile what) {
  const auto step = checker_.epochs().step();
  if (!step) return;
  ++outcome_.failover_coverage[static_cast<size_t>(what)][static_cast<size_t>(*step)];
}

void World::CountFault(Fault::Kind kind) {
  if (kind == Fault::Kind::kRequestLost) CountMeanwhile(Meanwhile::kRequestLost);
  if (kind == Fault::Kind::kAnswerLost) CountMeanwhile(Meanwhile::kAnswerLost);
  if (kind == Fault::Kind::kRefused) CountMeanwhile(Meanwhile::kRefused);
  if (kind == Fault::Kind::kDenied) CountMeanwhile(Meanwhile::kDenied);
}

void World::CountFailovers() {
  const EpochHistory& epochs = checker_.epochs();
  Failovers& count = outcome_.failovers;
  for (const auto& [id, journal] : epochs.journals()) {
    if (journal.step == failover::Step::kAborted) ++count.aborted;
    if (journal.step != failover::Step::kDone) continue;
    switch (journal.kind) {
      case failover::Kind::kPlanned: ++count.planned; break;
      case failover::Kind::kUnplanned: ++count.unplanned; break;
      case failover::Kind::kFailback: ++count.failback; break;
    }
  }
  count.conflicts = epochs.settled();
  for (const failover::Step step : epochs.taken_over()) {
    ++outcome_
          .failover_coverage[static_cast<size_t>(Meanwhile::kTakenOver)][static_cast<size_t>(step)];
  }
}

Fault World::OnReaderCall(size_t site, const Call& call) {
  CountCall(call);
  scheduler_.Sleep(Latency(call));
  Fault fault = faults_ ? ChooseInTree(site, call) : Fault();
  return IsDenied(nullptr, call) ? Deny(std::move(fault)) : fault;
}

Fault World::OnCall(Machine& machine, const Call& call) {
  CountCall(call);
  scheduler_.Sleep(Latency(call));
  if (machine.process()->dead) return Fault::RequestLost();
  Fault fault = Choose(machine, call);
  if (IsDenied(&machine, call)) fault = Deny(std::move(fault));
  if (fault.kind == Fault::Kind::kLate) MakeItLater(machine, call);
  const auto kind = static_cast<size_t>(fault.kind);
  ++outcome_.coverage[kind][static_cast<size_t>(PlaceOf(call))];
  if (fault.kind != Fault::Kind::kNone) {
    ++outcome_.faults;
    CountFault(fault.kind);
  }
  if (InTree(call)) unsynced_.OnCall(call, fault);
  Note(machine, [&] {
    const std::string faulty =
        fault.kind == Fault::Kind::kNone ? "" : fmt::format(" FAULT {}", FaultName(kind));
    return call.ToString() + faulty;
  });
  return fault;
}

void World::AfterList() {
  if (faults_ && chance_.Chance(scenario_.rates.stale_list)) {
    ++outcome_.faults;
    scheduler_.Sleep(milliseconds(latency_.Between(1, 200)));
  }
}

}  // namespace databus::sim
