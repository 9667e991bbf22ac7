#include "sim/world.h"

#include <algorithm>

#include "sim/world_impl.h"

namespace databus::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr SimTime kForEver = std::chrono::hours(24 * 365);

}  // namespace

World::World(const Scenario& scenario, const RunOptions& options)
    : scenario_(scenario),
      options_(options),
      order_(scenario.seed, 2),
      latency_(scenario.seed, 3),
      chance_(scenario.seed, 4),
      product_(scenario.seed, 5),
      traffic_(scenario.seed, 6),
      operator_(scenario.seed, 11),
      hadoop_(SimRandom(scenario.seed, 19).Next(), 19),
      scheduler_(order_),
      start_(SimulatedStart()),
      cluster_clock_(scheduler_, start_),
      lease_server_(cluster_clock_, scenario.seed, [this] { return faults_; }),
      checker_(scenario.topology, trees_, cluster_clock_,
               {.violation = [this](Violation violation) { OnViolation(std::move(violation)); },
                .put_right = [this](const std::string& cluster, const std::string& stream,
                                    Minute minute) { PutRight(cluster, stream, minute); },
                .is_alone = [this](const std::string& cluster) { return IsAlone(cluster); }}),
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
  trees_[kForeignDisk] = std::make_unique<MemoryStorage>(cluster_clock_, kForeignDisk);
  static_cast<void>(InitializeTree(*trees_[kForeignDisk], chance_, kGroupsDefault));
  const MachineSeams seams{
      scheduler_,
      fabric_,
      product_,
      checker_,
      trees_,
      lease_server_,
      [this](Machine& machine, const Call& call) { return OnCall(machine, call); },
      [this] { AfterList(); },
      [this](Machine& machine, Seams& seams_of_it) { Operate(machine, seams_of_it); },
      [this](Machine& machine, const std::string& why) {
        Note(machine, [&] { return "ends: " + why; });
        if (machine.setup().kind != ServiceKind::kOperator) StartSoon(machine, seconds(3));
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
  for (const OperatorPlan& one : scenario.operators) {
    machines_.push_back(std::make_unique<Machine>(
        MachineSetup{ServiceKind::kOperator, one.host, one.site, "", scenario.topology_xml}, seams,
        start_));
  }
  memories_.resize(scenario.operators.size());
  cut_sites_.resize(scenario.clusters.size());
  minority_since_.resize(scenario.clusters.size());
  for (size_t i = 0; i < scenario.clusters.size(); ++i) {
    numbers_of_clusters_[scenario.clusters[i].name] = i;
  }
  for (const auto& machine : machines_) {
    sites_of_hosts_[machine->setup().host] = machine->setup().site;
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
    if (const auto down = down_until_.find(&machine); down != down_until_.end()) {
      if (scheduler_.now() < down->second) return StartSoon(machine, seconds(1));
      down_until_.erase(down);
    }
    if (!machine.Gone()) return StartSoon(machine, milliseconds(10));
    if (std::exchange(power_cut_[&machine], false)) machine.PowerCut(chance_);
    ++outcome_.starts;
    machine.Start();
  });
}

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
  denied_.clear();
  servers_.clear();
  cuts_.clear();
  deaths_.clear();
  armed_.clear();
  down_until_.clear();
  std::ranges::fill(cut_sites_, 0);
  NoteMajorities();
  for (const auto& machine : machines_) {
    if (machine->setup().kind == ServiceKind::kCollector) {
      MountInPlace(*machine, ClusterOf(*machine));
    }
    machine->disk().SetCapacity(uint64_t{1} << 40);
    machine->clock().SetRight();
    if (machine->Running()) machine->Pause({});
    const bool over = machine->setup().kind == ServiceKind::kOperator &&
                      memories_[NumberOf(*machine) - FirstOperator()].over;
    if (!machine->Running() && !over) StartSoon(*machine, seconds(1));
  }
}

void World::Operate(Machine& machine, Seams& seams) {
  const size_t number = NumberOf(machine) - FirstOperator();
  const OperatorWorld world{
      .scheduler = scheduler_,
      .random = operator_,
      .healed = [this] { return !faults_; },
      .closes = number == 0,
      .note = [&](const std::string& line) { Note(machine, [&] { return line; }); },
      .listen_for_stop =
          [&](std::function<void()> stop) { return machine.ListenForStop(std::move(stop)); },
      .interrupt_after = [&](SimTime patience) -> std::shared_ptr<void> {
        auto runs = std::make_shared<bool>(true);
        Plan(scheduler_.now() + patience, [&machine, still = std::weak_ptr<bool>(runs)] {
          if (!still.expired()) machine.Stop();
        });
        return runs;
      }};
  sim::Operate(scenario_.operators[number], memories_[number], world, seams);
}

bool World::OperatorsAreDone() const {
  return std::ranges::all_of(memories_, &OperatorMemory::over);
}

// Of what is open when faults have stopped an operator makes an end.
void World::LetOperatorsEnd() {
  const SimTime end = scheduler_.now() + scenario_.operators_within;
  while (!outcome_.violation && !OperatorsAreDone() && scheduler_.now() < end) {
    RunTo(std::min(end, scheduler_.now() + seconds(1)));
  }
  if (outcome_.violation || OperatorsAreDone()) return;
  const auto waits = std::ranges::find(memories_, false, &OperatorMemory::over);
  OnViolation({"G10",
               fmt::format("{} s after the last fault an operator is not done: {}",
                           static_cast<int>(InSeconds(scenario_.operators_within)), waits->last),
               ""});
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
    LetOperatorsEnd();
  }
  if (!outcome_.violation) Settle();
  outcome_.simulated = scheduler_.now();
  outcome_.switches = scheduler_.switches();
  outcome_.messages = checker_.messages();
  CountFailovers();
  return outcome_;
}

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
    case Place::kTopology: return "topology";
    case Place::kJournal: return "journal";
    case Place::kOther: return "other";
  }
  __builtin_unreachable();
}

std::string_view FaultName(size_t kind) {
  static constexpr std::string_view kNames[kFaultKinds] = {
      "none",    "refused",      "answer-lost", "request-lost", "delayed", "torn",
      "flipped", "crash-before", "crash-after", "crash-torn",   "denied",  "late"};
  return kNames[kind];
}

std::string_view MeanwhileName(Meanwhile what) {
  static constexpr std::string_view kNames[kMeanwhiles] = {
      "request lost", "answer lost",    "refused",         "operator dies",
      "worker dies",  "collector dies", "operator sleeps", "other sleeps",
      "site lost",    "taken over",     "denied"};
  return kNames[static_cast<size_t>(what)];
}

Outcome Simulate(const Scenario& scenario, const RunOptions& options) {
  World world(scenario, options);
  return world.Run();
}

}  // namespace databus::sim
