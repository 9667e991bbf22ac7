// A configuration that takes another's place while the collector runs.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/sync.h"
#include "collector/config/scribe_conf.h"

namespace databus {

using ConfigSnapshot = std::shared_ptr<const CollectorConfig>;

// The configuration in force. Whoever works by it takes the snapshot once for a piece of work (a
// read's frames, a round of delivery) and keeps to it until that is done. Thread-safe.
class ConfigInForce {
 public:
  explicit ConfigInForce(CollectorConfig config)
      : config_(std::make_shared<const CollectorConfig>(std::move(config))) {}

  ConfigSnapshot Get() const {
    MutexLock lock(mutex_);
    return config_;
  }
  void Set(CollectorConfig config) {
    auto next = std::make_shared<const CollectorConfig>(std::move(config));
    MutexLock lock(mutex_);
    config_.swap(next);
  }

 private:
  mutable Mutex mutex_;
  ConfigSnapshot config_;
};

// The URL of the one cluster tree that stores deliver into; empty: none does. kInvalid, naming file
// and line: they differ.
Result<std::string> CollectorCluster(const CollectorConfig& config);

// What a collector is for as long as its process lives. A configuration without stores that deliver
// into a cluster says nothing about it, so its messages can go another way for a while.
struct RunningCollector {
  std::string host;
  std::string name;
  std::string cluster;  // CollectorCluster at the start
};

// Whether `next` can take the place of `now` in a running collector. kInvalid: something differs
// that only a restart changes; one line for each, as of ParseScribeConf.
Status CheckReload(const CollectorConfig& now, const CollectorConfig& next,
                   const RunningCollector& running);

}  // namespace databus
