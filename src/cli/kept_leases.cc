#include "cli/kept_leases.h"

#include "telemetry/log.h"

namespace databus {

std::shared_ptr<Lease> KeptLeases::Of(const LeaseRequest& request) {
  MutexLock lock(mutex_);
  used_.insert(request.cluster);
  std::shared_ptr<Lease>& lease = leases_[request.cluster];
  if (lease == nullptr) lease = make_(request);
  return lease;
}

void KeptLeases::BeginLife() {
  MutexLock lock(mutex_);
  used_.clear();
}

void KeptLeases::SkipUnused() {
  MutexLock lock(mutex_);
  for (const auto& [cluster, lease] : leases_) {
    if (used_.contains(cluster)) continue;
    const Status skipped = lease->Skip();
    if (!skipped.ok()) LogInfo("worker", "lease not given up", {{"why", skipped}});
  }
}

}  // namespace databus
