#include "sim/machine.h"

#include <algorithm>

#include "storage/disk/fault_disk.h"
#include "storage/fault/fault_storage.h"

namespace databus::sim {

Machine::Machine(MachineSetup setup, MachineSeams seams, WallTime start)
    : setup_(std::move(setup)),
      seams_(std::move(seams)),
      clock_(seams_.scheduler, start),
      network_(seams_.fabric.Of(setup_.host, clock_)) {}

Machine::~Machine() = default;

void Machine::Kill() {
  if (process_ != nullptr) seams_.scheduler.Kill(*process_);
}

void Machine::Stop() {
  if (setup_.kind != ServiceKind::kOperator) return stop_->Stop();
  if (const auto stop = stop_command_.lock()) (*stop)();
}

std::shared_ptr<void> Machine::ListenForStop(std::function<void()> stop) {
  auto kept = std::make_shared<std::function<void()>>(std::move(stop));
  stop_command_ = kept;
  return kept;
}

void Machine::Start() {
  ++pid_;
  ways_.clear();
  process_ = std::make_unique<fibers::Process>();
  process_->name = setup_.host;
  stop_ = std::make_unique<StopFlag>();
  plan_ = std::make_unique<FaultPlan>(FaultPlan::Trace::kNone);
  plan_->SetCallback([this](const Call& call) { return seams_.on_call(*this, call); });
  faulty_disk_ = std::make_unique<FaultDisk>(disk_, *plan_);
  seams_.scheduler.Spawn("main", process_.get(), [this] {
    const auto open = [this](const std::string& url,
                             const std::string&) -> Result<std::unique_ptr<Storage>> {
      // file:///dc1, or file:///dc1/databus
      const std::string name = MountedAt(url.substr(8, url.find('/', 8) - 8));
      auto& way = ways_[name];
      if (way == nullptr) {
        way = std::make_unique<WatchedTree>(*seams_.trees.at(name), name, seams_.checker,
                                            seams_.after_list);
      }
      return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(*way, *plan_));
    };
    Seams seams{.clock = clock_,
                .random = seams_.random,
                .disk = *faulty_disk_,
                .network = *network_,
                .open_storage = open,
                .create_root = [](const std::string&, const std::string&) { return Status::Ok(); },
                .read_file = [this](const std::string& path) -> Result<std::string> {
                  return path == ConfigFile() ? setup_.config : setup_.topology_xml;
                },
                .host = setup_.host,
                .pid = pid_,
                .zookeeper_lease =
                    [this](const std::string&, const LeaseRequest& request) {
                      return seams_.lease_server.LeaseFor(request, clock_);
                    }};
    seams_.on_end(*this, Run(seams).ToString());
  });
}

void Machine::Reconfigure(int64_t seconds) {
  const bool collector = setup_.kind == ServiceKind::kCollector;
  const std::string key = collector ? "rotate_period=" : "databus.worker.run_interval_ms=";
  const size_t at = setup_.config.find(key) + key.size();
  const size_t length = setup_.config.find_first_not_of("0123456789", at) - at;
  const int64_t present = std::stoll(setup_.config.substr(at, length));
  const int64_t wanted = collector ? seconds : seconds * 1'000;
  setup_.config.replace(at, length, std::to_string(std::min(present, wanted)));
}

Status Machine::Run(Seams& seams) {
  if (setup_.kind == ServiceKind::kOperator) {
    seams_.operate(*this, seams);
    return Status::Ok();
  }
  const ConfigText config{ConfigFile(), setup_.config};
  if (setup_.kind == ServiceKind::kCollector) return RunCollector(seams, config, *stop_, reload_);
  return RunWorker(seams, config, {}, *stop_);
}

}  // namespace databus::sim
