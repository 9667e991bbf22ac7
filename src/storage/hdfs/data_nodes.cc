#include "storage/hdfs/data_nodes.h"

#include <algorithm>
#include <utility>

namespace databus::hdfs {
namespace {

constexpr std::chrono::seconds kIdleMost{3};  // a data node keeps them for 4 s
constexpr size_t kIdleNodeMost = 16;
constexpr std::chrono::minutes kSuspectedFor{3};

}  // namespace

Endpoint DataNodes::EndpointOf(const wire::DatanodeInfo& node) const {
  const wire::DatanodeId& id = node.id();
  std::string host = options_.addressing == Addressing::kByName ? id.host_name() : id.ip();
  for (const std::string& name : {id.host_name(), id.ip()}) {
    const auto at = options_.hosts.find(name);
    if (at != options_.hosts.end()) host = at->second;
  }
  return {std::move(host), static_cast<uint16_t>(id.transfer_port())};
}

Result<Socket> DataNodes::Connect(const wire::DatanodeInfo& node) const {
  const Endpoint endpoint = EndpointOf(node);
  Result<Socket> socket =
      Socket::Connect(endpoint, clock_, clock_.Boot() + options_.connect, options_.hurry);
  if (socket.ok()) return socket;
  return {Code::kUnavailable, "data node " + socket.status().message() +
                                  " (the name node knows it as " + node.id().host_name() + ", " +
                                  node.id().ip() + ")"};
}

std::optional<Socket> DataNodes::TakeIdle(const wire::DatanodeInfo& node) {
  MutexLock lock(mutex_);
  std::vector<Idle>& idle = idle_[node.id().uuid()];
  while (!idle.empty()) {
    Idle last = std::move(idle.back());
    idle.pop_back();
    if (clock_.Boot() - last.since < kIdleMost && last.socket.Quiet()) {
      return std::move(last.socket);
    }
  }
  return std::nullopt;
}

void DataNodes::GiveIdle(const wire::DatanodeInfo& node, Socket socket) {
  MutexLock lock(mutex_);
  std::vector<Idle>& idle = idle_[node.id().uuid()];
  // The oldest comes first.
  while (!idle.empty() &&
         (clock_.Boot() - idle.front().since >= kIdleMost || idle.size() >= kIdleNodeMost)) {
    idle.erase(idle.begin());
  }
  idle.push_back({std::move(socket), clock_.Boot()});
}

void DataNodes::Suspect(const wire::DatanodeInfo& node) {
  MutexLock lock(mutex_);
  suspects_[node.id().uuid()] = {node, clock_.Boot() + kSuspectedFor};
}

std::vector<wire::DatanodeInfo> DataNodes::Suspects() {
  MutexLock lock(mutex_);
  std::vector<wire::DatanodeInfo> nodes;
  std::erase_if(suspects_,
                [&](const auto& suspect) { return clock_.Boot() >= suspect.second.until; });
  nodes.reserve(suspects_.size());
  for (const auto& [uuid, suspect] : suspects_) nodes.push_back(suspect.node);
  return nodes;
}

void DataNodes::ForgetOldestSuspect() {
  MutexLock lock(mutex_);
  const auto oldest = std::min_element(
      suspects_.begin(), suspects_.end(),
      [](const auto& a, const auto& b) { return a.second.until < b.second.until; });
  if (oldest != suspects_.end()) suspects_.erase(oldest);
}

}  // namespace databus::hdfs
