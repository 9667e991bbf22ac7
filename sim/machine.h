// One machine with one process on it, which is started, dies, sleeps and is started again. Put
// together as main() does: RunCollector, RunWorker, or an operator's commands, over seams of the
// world.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/sync.h"
#include "cli/compose.h"
#include "sim/clock.h"
#include "sim/group_leases.h"
#include "sim/network.h"
#include "sim/watched_tree.h"
#include "storage/disk/memory_disk.h"
#include "storage/fault/fault_plan.h"

namespace databus::sim {

enum class ServiceKind : uint8_t { kCollector, kWorker, kOperator };

struct MachineSetup {
  ServiceKind kind = ServiceKind::kCollector;
  std::string host;
  size_t site = 0;
  std::string config;
  std::string topology_xml;
};

class Machine;

// What a machine needs of its world.
struct MachineSeams {
  fibers::Scheduler& scheduler;
  Fabric& fabric;
  Random& random;  // the product's
  Checker& checker;
  const std::map<std::string, std::unique_ptr<MemoryStorage>>& trees;
  LeaseServer& lease_server;
  // Before each storage and disk call: lets time pass and says what goes wrong.
  std::function<Fault(Machine&, const Call&)> on_call;
  std::function<void()> after_list;
  // What somebody types at an operator's machine; returns when all is done.
  std::function<void(Machine&, Seams&)> operate;
  // The process has ended, by itself or by death.
  std::function<void(Machine&, const std::string& why)> on_end;
};

class Machine {
 public:
  Machine(MachineSetup setup, MachineSeams seams, WallTime start);
  ~Machine();

  // REQUIRES: Gone().
  void Start();
  // Asks it to stop, as TERM does; at an operator's machine the command that runs.
  void Stop();
  // Of a command: what Stop is to call, as long as what it answers is kept.
  std::shared_ptr<void> ListenForStop(std::function<void()> stop);
  void Kill();
  // No fiber of its process is left.
  bool Gone() const { return process_ == nullptr || process_->fibers == 0; }
  bool Running() const { return !Gone() && !process_->dead; }
  void Pause(fibers::SimTime until) { process_->paused_until = until; }
  // REQUIRES: Gone().
  void PowerCut(Random& random) { disk_.PowerCut(random); }
  // From the next start on `tree` is where `cluster` should be.
  void Mount(const std::string& cluster, const std::string& tree) { mounts_[cluster] = tree; }
  std::string MountedAt(const std::string& cluster) const {
    const auto mount = mounts_.find(cluster);
    return mount == mounts_.end() ? cluster : mount->second;
  }
  // From the next start on it works every so many seconds, if that is not less often than before.
  void Reconfigure(int64_t seconds);

  const MachineSetup& setup() const { return setup_; }
  int64_t pid() const { return pid_; }
  SimClock& clock() { return clock_; }
  MemoryDisk& disk() { return disk_; }
  const fibers::Process* process() const { return process_.get(); }
  Network& network() { return *network_; }

 private:
  Status Run(Seams& seams);
  std::string ConfigFile() const { return setup_.host + ".conf"; }

  MachineSetup setup_;
  const MachineSeams seams_;
  SimClock clock_;
  MemoryDisk disk_;
  std::unique_ptr<Network> network_;
  std::map<std::string, std::string> mounts_;  // those that are wrong, perhaps
  int64_t pid_ = 100;

  // Of the present process; kept until the next one starts.
  std::unique_ptr<fibers::Process> process_;
  std::unique_ptr<StopFlag> stop_;
  std::weak_ptr<std::function<void()>> stop_command_;
  ReloadFlag reload_;
  std::unique_ptr<FaultPlan> plan_;
  std::unique_ptr<Disk> faulty_disk_;
  std::map<std::string, std::unique_ptr<WatchedTree>> ways_;
};

}  // namespace databus::sim
