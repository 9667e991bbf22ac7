#include "collector/service/peer_gate.h"

#include "telemetry/log.h"

namespace databus {
namespace {

constexpr std::chrono::minutes kTellEvery{1};

}  // namespace

Admission PeerGate::Judge(const CollectorConfig& config, const std::optional<IpAddress>& peer) {
  if (!config.allow) return Admission::kAdmit;
  return peer && config.allow->Contains(*peer) ? Admission::kAdmit : Admission::kRefuse;
}

void PeerGate::Refused(const CollectorConfig& config, std::string_view peer) {
  ++refused_;
  if (!IsToTell(std::string(peer))) return;
  LogWarning(
      "collector", "connection refused: databus.collector.allow does not hold the peer",
      {{"peer", peer},
       {"config", config.file},
       {"next", "if it may connect, add its address to databus.collector.allow and send HUP"}});
}

bool PeerGate::IsToTell(const std::string& peer) {
  const BootTime now = clock_.Boot();
  MutexLock lock(mutex_);
  const auto known = told_.find(peer);
  if (known != told_.end() && now - known->second < kTellEvery) return false;
  if (known == told_.end() && told_.size() >= kToldMax) {
    std::erase_if(told_, [&](const auto& one) { return now - one.second >= kTellEvery; });
    if (told_.size() >= kToldMax) return false;
  }
  told_[peer] = now;
  return true;
}

}  // namespace databus
