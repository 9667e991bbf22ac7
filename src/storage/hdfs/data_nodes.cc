#include "storage/hdfs/data_nodes.h"

#include <algorithm>
#include <utility>

namespace databus::hdfs {
namespace {

constexpr std::chrono::seconds kIdleMost{3};  // a data node keeps them for 4 s
constexpr size_t kIdleNodeMost = 16;
constexpr std::chrono::minutes kSuspectedFor{3};
// One that has said nothing is asked again after this time, which is about what a wait for it
// takes.
constexpr std::chrono::seconds kSilentFor{60};
// More than it takes to connect and wait for an answer, by default.
constexpr std::chrono::minutes kAskedFor{2};

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

Result<Socket> DataNodes::Connect(const wire::DatanodeInfo& node) {
  const Endpoint endpoint = EndpointOf(node);
  const BootTime deadline = clock_.Boot() + options_.connect;
  Result<Socket> socket = Socket::Connect(endpoint, clock_, deadline, options_.hurry);
  if (socket.ok()) return socket;
  Suspect(node, clock_.Boot() >= deadline ? Failure::kSilence : Failure::kOther);
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

void DataNodes::Suspect(const wire::DatanodeInfo& node, Failure failure) {
  MutexLock lock(mutex_);
  const BootTime now = clock_.Boot();
  Suspected& suspect = suspects_[node.id().uuid()];
  suspect.node = node;
  suspect.until = now + kSuspectedFor;
  if (failure == Failure::kSilence) {
    suspect.was_silent = true;
    suspect.silent_until = now + kSilentFor;
  } else if (suspect.is_asked) {
    suspect.silent_until = now;  // that is an answer, too
  }
  suspect.is_asked = false;
}

bool DataNodes::MayAsk(const wire::DatanodeInfo& node) {
  MutexLock lock(mutex_);
  const auto suspect = suspects_.find(node.id().uuid());
  const BootTime now = clock_.Boot();
  if (suspect == suspects_.end() || now >= suspect->second.until) return true;
  if (!suspect->second.was_silent) return true;
  if (now < suspect->second.silent_until) return false;
  suspect->second.silent_until = now + kAskedFor;
  suspect->second.is_asked = true;
  return true;
}

DataNodes::Standing DataNodes::StandingOf(const wire::DatanodeInfo& node) {
  MutexLock lock(mutex_);
  const auto suspect = suspects_.find(node.id().uuid());
  const BootTime now = clock_.Boot();
  if (suspect == suspects_.end() || now >= suspect->second.until) return Standing::kGood;
  return now < suspect->second.silent_until ? Standing::kSilent : Standing::kSuspected;
}

void DataNodes::Heard(const wire::DatanodeInfo& node) {
  MutexLock lock(mutex_);
  const auto suspect = suspects_.find(node.id().uuid());
  if (suspect == suspects_.end()) return;
  suspect->second.silent_until = clock_.Boot();
  suspect->second.was_silent = false;
  suspect->second.is_asked = false;
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
