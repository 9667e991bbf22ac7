// Who may connect, by the allow-list in force (databus.collector.allow); counts those who may not,
// and says so in the log, once a minute for each of them.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/sync.h"
#include "collector/config/scribe_conf.h"
#include "net/cidr.h"
#include "net/frame_server.h"

namespace databus {

// Thread-safe.
class PeerGate {
 public:
  // Those who were told of within a minute are remembered up to this number; further ones are
  // counted only.
  static constexpr size_t kToldMax = 1000;

  explicit PeerGate(const Clock& clock) : clock_(clock) {}

  // Nothing, a peer whose address is not known, may connect only where everyone may.
  static Admission Judge(const CollectorConfig& config, const std::optional<IpAddress>& peer);
  // A connection was refused, or closed because it is refused now.
  void Refused(const CollectorConfig& config, std::string_view peer);

  uint64_t refused() const { return refused_; }

 private:
  bool IsToTell(const std::string& peer);

  const Clock& clock_;
  std::atomic<uint64_t> refused_{0};
  Mutex mutex_;  // guards what follows
  std::map<std::string, BootTime> told_;
};

}  // namespace databus
