#include "sim/world.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/minute.h"
#include "commit/cluster_id.h"
#include "commit/record.h"
#include "sim/machine.h"
#include "sim/messages.h"
#include "sim/producer.h"
#include "sim/reader.h"
#include "sim/unsynced.h"
#include "storage/fault/fault_storage.h"

namespace databus::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The name of a tree that belongs to no cluster.
const std::string kEmptyDisk = "empty";

constexpr SimTime kForEver = std::chrono::hours(24 * 365);

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
  };
  for (const PlacePrefix& one : kPlacesByPrefix) {
    if (call.path.starts_with(one.prefix)) return one.place;
  }
  return Place::kOther;
}

double InSeconds(SimTime time) { return std::chrono::duration<double>(time).count(); }

class World {
 public:
  World(const Scenario& scenario, const RunOptions& options);
  ~World();
  Outcome Run();

 private:
  // What is to be done when, outside of all fibers.
  using Agenda = std::multimap<SimTime, std::function<void()>>;

  void Plan(SimTime at, std::function<void()> what) {
    agenda_.emplace(at, std::move(what));
    agenda_changed_ = true;
  }
  void RunTo(SimTime until);
  void StartSoon(Machine& machine, SimTime delay);
  void StartProducers();
  void StartReaders();
  std::optional<std::string> Due(WallTime healed);
  void Heal();
  void Settle();
  void EndAll();

  // Faults.
  void BeginOrWait(const Incident& incident) {
    if (incident.trigger.step == Step::kNone) return Begin(incident);
    armed_[machines_[incident.who % machines_.size()].get()].push_back(incident);
  }
  // `call` is what it waited for, if anything.
  void Begin(const Incident& incident, const Call* call = nullptr);
  void Lose(const Call& call);
  void FlipBit(Machine& machine);
  void FlipStaged(const Call& record);
  void MountInPlace(Machine& machine, const std::string& tree);
  void CutTree(const Machine& machine, SimTime down_for);
  void End(const Incident& incident);
  void EndIfFaulty(const Incident& incident) {
    if (faults_) End(incident);
  }
  void KillAt(const Incident& incident, Machine& machine);
  Fault Die(Machine& machine, const Call& call, SimTime down_for);
  std::optional<Fault> AtStep(Machine& machine, const Call& call);
  Fault AnswerStep(Machine& machine, const Call& call, const Incident& incident);
  Fault OnCall(Machine& machine, const Call& call);
  Fault OnReaderCall(size_t site, const Call& call);
  void CountCall(const Call& call);
  Fault Choose(Machine& machine, const Call& call);
  Fault ChooseInTree(size_t site, const Call& call);
  std::optional<Fault> Unreachable(size_t site, const Call& call);
  SimTime Latency(const Call& call);
  bool Reachable(const std::string& from, const std::string& to) const;
  void AfterList();
  bool InTree(const Call& call) const { return trees_.contains(call.store); }
  // Of its site.
  const std::string& ClusterOf(const Machine& machine) const {
    return scenario_.clusters[machine.setup().site].name;
  }
  size_t NumberOf(const Machine& machine) const {
    const auto at = std::ranges::find(machines_, &machine, &std::unique_ptr<Machine>::get);
    return static_cast<size_t>(at - machines_.begin());
  }

  // Of a traced run only; `what` answers the text.
  template <typename What>
  void Note(const Machine& machine, What&& what) {
    if (!options_.trace) return;
    options_.trace(fmt::format("{:.6f} {}#{} {}: {}", InSeconds(scheduler_.now()),
                               machine.setup().host, machine.pid(), scheduler_.running_name(),
                               what()));
  }
  void Digest(uint64_t value) { outcome_.digest = (outcome_.digest ^ value) * 0x100000001b3u; }
  void OnSeamCall();
  void OnViolation(Violation violation);

  const Scenario& scenario_;
  const RunOptions& options_;
  // Streams of numbers that do not disturb each other.
  SimRandom order_;
  SimRandom latency_;
  SimRandom chance_;
  SimRandom product_;
  SimRandom traffic_;
  fibers::Scheduler scheduler_;
  Outcome outcome_;
  const WallTime start_;
  SimClock cluster_clock_;
  std::map<std::string, std::unique_ptr<MemoryStorage>> trees_;
  Checker checker_;
  Fabric fabric_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<std::unique_ptr<fibers::Process>> producers_;
  std::vector<ProducerTask> tasks_;
  std::vector<std::unique_ptr<SimClock>> clocks_;
  std::vector<std::unique_ptr<Network>> networks_;
  size_t producing_ = 0;
  struct Reader;
  std::vector<std::unique_ptr<Reader>> readers_;
  UnsyncedMoves unsynced_;
  MessageReader messages_;

  Agenda agenda_;
  bool agenda_changed_ = false;
  bool faults_ = true;
  // How many incidents hold at present: by site and cluster, by cluster, by host.
  std::map<std::pair<size_t, std::string>, int> unreachable_;
  std::map<std::pair<size_t, std::string>, int> answers_lost_;
  std::map<std::string, int> full_;
  std::map<std::pair<std::string, int64_t>, int> cuts_;  // by host and which way
  struct Death {
    uint64_t calls = 1;  // until it comes
    SimTime down_for{};
    bool power_cut = false;
    bool tree_cut = false;
  };
  std::map<const Machine*, Death> deaths_;
  std::map<const Machine*, bool> power_cut_;  // before it starts again
  std::map<const Machine*, bool> starting_;
  std::map<const Machine*, std::vector<Incident>> armed_;  // wait for a step
};

// One that reads a stream, and its way to the tree.
struct World::Reader {
  Reader(World& world, const ReaderPlan& plan, const std::string& cluster)
      : tree(*world.trees_.at(cluster), cluster, world.checker_, [&world] { world.AfterList(); }),
        storage(tree, faults),
        reader({.cluster = cluster,
                .view = plan.view,
                .stream = plan.stream,
                .tell = [&world](Violation violation) { world.OnViolation(violation); }}) {
    faults.SetCallback(
        [&world, site = plan.cluster](const Call& call) { return world.OnReaderCall(site, call); });
  }

  FaultPlan faults{FaultPlan::Trace::kNone};
  WatchedTree tree;
  FaultStorage storage;
  StreamReader reader;
  fibers::Process process;
};

World::World(const Scenario& scenario, const RunOptions& options)
    : scenario_(scenario),
      options_(options),
      order_(scenario.seed, 2),
      latency_(scenario.seed, 3),
      chance_(scenario.seed, 4),
      product_(scenario.seed, 5),
      traffic_(scenario.seed, 6),
      scheduler_(order_),
      start_(Minute::ParseIso("2031-05-06T22:51Z")->Start() + seconds(17)),
      cluster_clock_(scheduler_, start_),
      checker_(scenario.topology, trees_, cluster_clock_,
               [this](Violation violation) { OnViolation(std::move(violation)); }),
      fabric_(
          scheduler_,
          {.on_call = [this] { OnSeamCall(); },
           .reachable = [this](const std::string& from,
                               const std::string& to) { return Reachable(from, to); },
           .breaks =
               [this] { return faults_ && chance_.Chance(scenario_.rates.connection_breaks); },
           .latency = [this]() -> SimTime { return microseconds(latency_.Between(100, 3'000)); }}) {
  for (const ClusterPlan& cluster : scenario.clusters) {
    auto& tree = trees_[cluster.name];
    tree = std::make_unique<MemoryStorage>(cluster_clock_, cluster.name);
    if (cluster.groups > 0) {
      static_cast<void>(InitializeTree(*tree, product_, cluster.groups));
    }
  }
  trees_[kEmptyDisk] = std::make_unique<MemoryStorage>(cluster_clock_, kEmptyDisk);
  const MachineSeams seams{
      scheduler_,
      fabric_,
      product_,
      checker_,
      trees_,
      [this](Machine& machine, const Call& call) { return OnCall(machine, call); },
      [this] { AfterList(); },
      [this](Machine& machine, const std::string& why) {
        Note(machine, [&] { return "ends: " + why; });
        StartSoon(machine, seconds(3));
      }};
  for (const CollectorPlan& one : scenario.collectors) {
    machines_.push_back(
        std::make_unique<Machine>(MachineSetup{ServiceKind::kCollector, one.host, one.cluster,
                                               one.config, scenario.topology_xml},
                                  seams, start_));
  }
  for (const WorkerPlan& one : scenario.workers) {
    machines_.push_back(std::make_unique<Machine>(
        MachineSetup{ServiceKind::kWorker, one.host, one.site, one.config, scenario.topology_xml},
        seams, start_));
  }
}

World::~World() { EndAll(); }

void World::OnViolation(Violation violation) {
  if (outcome_.violation) return;
  if (options_.trace) {
    options_.trace(fmt::format("{:.6f} VIOLATION {} {} {}", InSeconds(scheduler_.now()),
                               violation.promise, violation.what, violation.path));
  }
  outcome_.violation = std::move(violation);
  outcome_.violated_at = scheduler_.now();
}

void World::RunTo(SimTime until) {
  while (!outcome_.violation) {
    while (!agenda_.empty() && agenda_.begin()->first <= scheduler_.now()) {
      const auto what = std::move(agenda_.begin()->second);
      agenda_.erase(agenda_.begin());
      what();
    }
    agenda_changed_ = false;
    const SimTime next = agenda_.empty() ? until : std::min(until, agenda_.begin()->first);
    scheduler_.RunUntil(next, [&] { return outcome_.violation || agenda_changed_; });
    if (scheduler_.now() >= until && !agenda_changed_) return;
  }
}

void World::StartSoon(Machine& machine, SimTime delay) {
  if (std::exchange(starting_[&machine], true)) return;
  Plan(scheduler_.now() + delay, [this, &machine] {
    starting_[&machine] = false;
    if (!machine.Gone()) return StartSoon(machine, milliseconds(10));
    if (std::exchange(power_cut_[&machine], false)) machine.PowerCut(chance_);
    ++outcome_.starts;
    machine.Start();
  });
}

// --- faults ---------------------------------------------------------------------------------

void World::KillAt(const Incident& incident, Machine& machine) {
  deaths_[&machine] = {std::max<uint64_t>(1, incident.calls), incident.lasts,
                       incident.kind == IncidentKind::kPowerCut,
                       incident.kind == IncidentKind::kTreeCut};
}

Fault World::Die(Machine& machine, const Call& call, SimTime down_for) {
  ++outcome_.deaths;
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
    case IncidentKind::kWrongMount:
      MountInPlace(machine, cluster == ClusterOf(machine) ? kEmptyDisk : cluster);
      break;
    case IncidentKind::kReconfigure:
      machine.Reconfigure(incident.amount);
      if (machine.Running()) machine.Stop();
      return;
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

// A bit of a record that was just put in place, or of a claimed file that it names. A claim is the
// only copy: what it holds need not arrive.
void World::FlipStaged(const Call& record) {
  MemoryStorage& tree = *trees_.at(record.store);
  const auto text = tree.ReadFile(record.to);
  const Result<Record> decoded =
      text.ok() ? Record::Decode(*text, record.to) : Result<Record>(text.status());
  if (!decoded.ok()) return;
  std::vector<std::string> claims;
  for (const RecordedMove& move : decoded->moves) {
    const std::string path = paths::Join(paths::Parent(record.to), move.staged);
    const bool claim = staged::Parse(move.staged).kind == staged::Kind::kClaim;
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
    default: return;
  }
}

bool World::Reachable(const std::string& from, const std::string& to) const {
  const auto cut = [&](const std::string& host, int64_t way) {
    const auto place = cuts_.find({host, way});
    return place != cuts_.end() && place->second > 0;
  };
  return !cut(to, 0) && !cut(to, 1) && !cut(from, 0) && !cut(from, 2);
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
  if (holds(unreachable_)) {
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
    if (how == 0) return Fault::CrashBefore();
    if (how == 1 && call.verb == Verb::kAppend) return Fault::CrashTorn(chance_.Below(200));
    return after;
  }
  if (const auto fault = AtStep(machine, call)) return *fault;
  if (!faults_ || !InTree(call)) return {};
  return ChooseInTree(machine.setup().site, call);
}

Fault World::ChooseInTree(size_t site, const Call& call) {
  if (const auto cut = Unreachable(site, call)) return *cut;
  if (chance_.Chance(scenario_.rates.request_lost)) return Fault::RequestLost();
  if (chance_.Chance(scenario_.rates.answer_lost)) return Fault::AnswerLost();
  const bool writes = call.verb == Verb::kAppend || call.verb == Verb::kCreate;
  if (writes && chance_.Chance(scenario_.rates.no_space)) return Fault::Full();
  return {};
}

void World::CountCall(const Call& call) {
  ++outcome_.seam_calls;
  Digest(static_cast<uint64_t>(scheduler_.now().count()) ^ scheduler_.running_id() ^
         (uint64_t{static_cast<uint8_t>(call.verb)} << 56) ^ std::hash<std::string>()(call.path));
}

Fault World::OnReaderCall(size_t site, const Call& call) {
  CountCall(call);
  scheduler_.Sleep(Latency(call));
  return faults_ ? ChooseInTree(site, call) : Fault();
}

Fault World::OnCall(Machine& machine, const Call& call) {
  CountCall(call);
  scheduler_.Sleep(Latency(call));
  if (machine.process()->dead) return Fault::RequestLost();
  Fault fault = Choose(machine, call);
  const auto kind = static_cast<size_t>(fault.kind);
  ++outcome_.coverage[kind][static_cast<size_t>(PlaceOf(call))];
  if (fault.kind != Fault::Kind::kNone) ++outcome_.faults;
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

// --- the run --------------------------------------------------------------------------------

void World::StartProducers() {
  tasks_.reserve(scenario_.producers.size());
  for (const ProducerPlan& plan : scenario_.producers) {
    const CollectorPlan& collector = scenario_.collectors[plan.collector];
    const size_t number = tasks_.size();
    tasks_.push_back({plan, static_cast<uint32_t>(number), collector.host,
                      scenario_.clusters[collector.cluster].name, scenario_.duration});
    clocks_.push_back(std::make_unique<SimClock>(scheduler_, start_));
    networks_.push_back(fabric_.Of(fmt::format("producer-{}", number), *clocks_.back()));
    producers_.push_back(std::make_unique<fibers::Process>());
    producers_.back()->name = fmt::format("producer-{}", number);
    ++producing_;
    scheduler_.Spawn("producer", producers_.back().get(), [this, number] {
      Produce(tasks_[number],
              {scheduler_, *networks_[number], *clocks_[number], traffic_, checker_});
      --producing_;
    });
  }
}

void World::StartReaders() {
  for (const ReaderPlan& plan : scenario_.readers) {
    readers_.push_back(
        std::make_unique<Reader>(*this, plan, scenario_.clusters[plan.cluster].name));
    Reader& one = *readers_.back();
    one.process.name = fmt::format("reader-{}", readers_.size());
    scheduler_.Spawn("reader", &one.process, [this, &one, pause = plan.pause] {
      while (true) {
        static_cast<void>(one.reader.Poll(one.storage));
        scheduler_.Sleep(pause);
      }
    });
  }
}

void World::Heal() {
  faults_ = false;
  unreachable_.clear();
  answers_lost_.clear();
  full_.clear();
  cuts_.clear();
  deaths_.clear();
  armed_.clear();
  for (const auto& machine : machines_) {
    if (machine->setup().kind == ServiceKind::kCollector) {
      MountInPlace(*machine, ClusterOf(*machine));
    }
    machine->disk().SetCapacity(uint64_t{1} << 40);
    machine->clock().SetRight();
    if (machine->Running()) machine->Pause({});
    if (!machine->Running()) StartSoon(*machine, seconds(1));
  }
}

// What should be done soon after faults have stopped, and is not.
std::optional<std::string> World::Due(WallTime healed) {
  if (producing_ > 0) return "a producer has no answer";
  if (auto missing = checker_.Missing()) return missing;
  if (auto unfinished = checker_.Unfinished(healed)) return unfinished;
  for (const auto& one : readers_) {
    if (auto unread = checker_.Unread(one->reader)) return unread;
  }
  return std::nullopt;
}

// G10: when faults stop, everything due becomes visible within the bound, without a human.
void World::Settle() {
  const SimTime begin = scheduler_.now();
  const SimTime end = begin + scenario_.settle_within;
  const WallTime healed = cluster_clock_.Wall();
  std::optional<std::string> missing;
  while (!outcome_.violation && scheduler_.now() < end) {
    RunTo(std::min(end, scheduler_.now() + seconds(5)));
    missing = Due(healed);
    if (!missing && scheduler_.now() >= scenario_.simulated_min) break;
  }
  outcome_.settled_after = scheduler_.now() - begin;
  if (missing && !outcome_.violation) {
    OnViolation({"G10",
                 fmt::format("{} s after the last fault {}",
                             static_cast<int>(InSeconds(scenario_.settle_within)), *missing),
                 ""});
  }
}

void World::EndAll() {
  for (const auto& machine : machines_) machine->Kill();
  for (const auto& producer : producers_) scheduler_.Kill(*producer);
  for (const auto& one : readers_) scheduler_.Kill(one->process);
  agenda_.clear();
  scheduler_.RunUntil(kForEver, [] { return false; });
}

Outcome World::Run() {
  for (const auto& machine : machines_) {
    StartSoon(*machine, milliseconds(latency_.Between(0, 3'000)));
  }
  StartProducers();
  StartReaders();
  for (const Incident& incident : scenario_.incidents) {
    Plan(incident.at, [this, &incident] {
      if (faults_) BeginOrWait(incident);
    });
  }
  RunTo(scenario_.duration);
  while (!outcome_.violation && outcome_.seam_calls < scenario_.seam_calls_min) {
    RunTo(scheduler_.now() + seconds(10));
  }
  if (!outcome_.violation) {
    Heal();
    Settle();
  }
  outcome_.simulated = scheduler_.now();
  outcome_.switches = scheduler_.switches();
  outcome_.messages = checker_.messages();
  return outcome_;
}

}  // namespace

std::string_view PlaceName(Place place) {
  switch (place) {
    case Place::kSpool: return "spool";
    case Place::kData: return "data";
    case Place::kCollectorStaging: return "delivery";
    case Place::kStaging: return "staging";
    case Place::kView: return "view";
    case Place::kQueue: return "queue";
    case Place::kManifest: return "manifest";
    case Place::kLease: return "lease";
    case Place::kStatus: return "status";
    case Place::kOther: return "other";
  }
  __builtin_unreachable();
}

std::string_view FaultName(size_t kind) {
  static constexpr std::string_view kNames[kFaultKinds] = {
      "none", "refused", "answer-lost",  "request-lost", "delayed",
      "torn", "flipped", "crash-before", "crash-after",  "crash-torn"};
  return kNames[kind];
}

Outcome Simulate(const Scenario& scenario, const RunOptions& options) {
  World world(scenario, options);
  return world.Run();
}

}  // namespace databus::sim
