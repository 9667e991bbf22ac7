#include "cli/demo/services.h"

#include <fmt/format.h>

#include <csignal>
#include "cli/installation.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kStartWithin{120};
constexpr std::chrono::seconds kStopWithin{120};
constexpr Milliseconds kLookEvery{50};

}  // namespace

DemoServices::DemoServices(const DemoSite& site, std::string program, const Clock& clock)
    : site_(site), program_(std::move(program)), clock_(clock) {}

Status DemoServices::StartAll(Seams& seams, StopFlag& stop) {
  for (const auto* services : {&site_.workers, &site_.collectors}) {
    for (const DemoService& service : *services) DATABUS_RETURN_IF_ERROR(Start(service.name));
  }
  return WaitUntilReady(seams, stop);
}

Status DemoServices::WaitUntilReady(Seams& seams, StopFlag& stop) const {
  std::map<std::string, std::unique_ptr<Storage>> trees;
  for (const ClusterSpec& cluster : site_.topology.clusters) {
    DATABUS_ASSIGN_OR_RETURN(trees[cluster.name], OpenCluster(seams, site_.topology, cluster.name));
  }
  const BootTime deadline = clock_.Boot() + kStartWithin;
  for (;;) {
    std::string missing;
    for (const auto& [cluster, tree] : trees) {
      if (!ReadClusterId(*tree).ok()) missing = cluster;
    }
    for (const DemoService& collector : site_.collectors) {
      const auto connected =
          seams.network.Connect({.host = "127.0.0.1",
                                 .port = collector.port,
                                 .deadline = clock_.Boot() + std::chrono::seconds(1)});
      if (!connected.ok()) missing = collector.name;
    }
    if (missing.empty()) return Status::Ok();
    DATABUS_RETURN_IF_ERROR(Check());
    if (clock_.Boot() > deadline) {
      return {Code::kUnavailable, fmt::format("{} was not ready in time; see {}", missing,
                                              paths::Join(site_.root, "log"))};
    }
    if (stop.SleepUntil(clock_, clock_.Boot() + kLookEvery)) return {Code::kStopped, "stopped"};
  }
}

Status DemoServices::Start(const std::string& name) {
  const DemoService& service = *site_.Find(name);
  DATABUS_ASSIGN_OR_RETURN(
      Child child,
      Child::Start(program_, {service.command, "--config", service.config}, site_.LogFile(name)));
  running_.emplace(name, std::move(child));
  return Status::Ok();
}

Status DemoServices::Kill(const std::string& name) {
  const auto found = running_.find(name);
  if (found == running_.end()) return {Code::kNotFound, name + " does not run"};
  ::kill(found->second.pid(), SIGKILL);
  const auto end = found->second.Wait();
  running_.erase(found);
  return end.status();
}

Result<ProcessUse> DemoServices::Use(const std::string& name) const {
  const auto found = running_.find(name);
  if (found == running_.end()) return {Code::kNotFound, name + " does not run"};
  return UseOf(found->second.pid());
}

std::vector<std::string> DemoServices::Running() const {
  std::vector<std::string> names;
  for (const auto& [name, child] : running_) names.push_back(name);
  return names;
}

Status DemoServices::Check() const {
  for (const auto& [name, child] : running_) {
    if (child.Running()) continue;
    return {Code::kUnavailable,
            fmt::format("{} ended by itself; see {}", name, site_.LogFile(name))};
  }
  return Status::Ok();
}

Status DemoServices::StopAll() {
  for (const auto& [name, child] : running_) child.Terminate();
  const BootTime deadline = clock_.Boot() + kStopWithin;
  StopFlag never;
  Status status;
  for (auto& [name, child] : running_) {
    while (child.Running() && clock_.Boot() < deadline) {
      never.SleepUntil(clock_, clock_.Boot() + kLookEvery);
    }
    if (child.Running()) ::kill(child.pid(), SIGKILL);
    const auto end = child.Wait();
    if (end.ok() && end->exit_code == 0) continue;
    status = Status(Code::kUnavailable,
                    fmt::format("{} did not stop cleanly (exit {}); see {}", name,
                                end.ok() ? end->exit_code : -1, site_.LogFile(name)));
  }
  running_.clear();
  return status;
}

}  // namespace databus
