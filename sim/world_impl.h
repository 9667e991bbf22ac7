// Inside of sim/world.h: the whole installation, as the run (world.cc) and the faults
// (world_faults.cc) see it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/minute.h"
#include "commit/cluster_id.h"
#include "commit/record.h"
#include "sim/machine.h"
#include "sim/messages.h"
#include "sim/operator.h"
#include "sim/producer.h"
#include "sim/reader.h"
#include "sim/unsynced.h"
#include "sim/world.h"
#include "storage/fault/fault_storage.h"

namespace databus::sim {

// The name of a tree that belongs to no cluster.
inline const std::string kEmptyDisk = "empty";
inline const std::string kForeignDisk = "foreign";  // of another installation

inline double InSeconds(SimTime time) { return std::chrono::duration<double>(time).count(); }

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
  void Operate(Machine& machine, Seams& seams);
  bool OperatorsAreDone() const;
  void LetOperatorsEnd();
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
  const std::string& WrongDisk(const Machine& machine, const Incident& incident) const;
  void MountInPlace(Machine& machine, const std::string& tree);
  void TakeDown(const Incident& incident);
  void PutRight(const std::string& cluster, const std::string& stream, Minute minute);
  void NoteMajorities();
  void NoteSleep(const Machine& machine, SimTime lasts);
  bool IsAlone(const std::string& cluster) const;
  bool IsCut(size_t site, size_t other) const {
    return site != other && (cut_sites_[site] > 0 || cut_sites_[other] > 0);
  }
  void CutTree(const Machine& machine, SimTime down_for);
  void End(const Incident& incident);
  static void Forget(const Incident& incident, std::vector<Incident>& incidents);
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
  void CountMeanwhile(Meanwhile what);
  void CountFault(Fault::Kind kind);
  void CountFailovers();
  Fault Choose(Machine& machine, const Call& call);
  Fault ChooseInTree(size_t site, const Call& call);
  std::optional<Fault> ChooseOfServers(const Call& call);
  void MakeItLater(Machine& machine, const Call& call);
  bool IsDenied(const Machine* machine, const Call& call) const;
  // What becomes of a fault where the call may not be made.
  static Fault Deny(Fault fault);
  std::optional<Fault> Unreachable(size_t site, const Call& call);
  SimTime Latency(const Call& call);
  bool Reachable(const std::string& from, const std::string& to) const;
  void AfterList();
  bool InTree(const Call& call) const { return trees_.contains(call.store); }
  size_t FirstOperator() const { return scenario_.collectors.size() + scenario_.workers.size(); }
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
  SimRandom operator_;
  SimRandom hadoop_;
  fibers::Scheduler scheduler_;
  Outcome outcome_;
  const WallTime start_;
  SimClock cluster_clock_;
  LeaseServer lease_server_;
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
  std::vector<Incident> denied_;
  std::vector<Incident> servers_;                        // of HDFS, that do not do all they should
  std::map<std::pair<std::string, int64_t>, int> cuts_;  // by host and which way
  struct Death {
    uint64_t calls = 1;  // until it comes
    SimTime down_for{};
    bool power_cut = false;
    bool tree_cut = false;
  };
  std::map<const Machine*, Death> deaths_;
  std::map<const Machine*, bool> power_cut_;  // before it starts again
  std::map<const Machine*, SimTime> down_until_;
  std::vector<int> cut_sites_;                          // by site: how many incidents cut it off
  std::vector<std::optional<SimTime>> minority_since_;  // by site, everybody awake
  std::map<std::string, size_t> sites_of_hosts_;
  std::map<std::string, size_t> numbers_of_clusters_;
  std::vector<OperatorMemory> memories_;  // of the operators
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

}  // namespace databus::sim
