#include "cli/monitor.h"

#include <utility>

namespace databus {

Status Monitor::Open(int port) {
  if (port == 0) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(http_,
                           HttpEndpoint::Start(port, {.metrics = [this] { return Expose(); },
                                                      .why_not_ready = [this] { return Why(); }}));
  return Status::Ok();
}

void Monitor::Serve(std::function<void(Metrics&)> refresh, WhyNotReady why_not_ready) {
  MutexLock lock(mutex_);
  if (refresh) metrics_ = std::make_unique<Metrics>();
  refresh_ = std::move(refresh);
  why_not_ready_ = std::move(why_not_ready);
}

std::string Monitor::Expose() {
  MutexLock lock(mutex_);
  if (refresh_) refresh_(*metrics_);
  return metrics_->Expose();
}

std::optional<std::string> Monitor::Why() {
  MutexLock lock(mutex_);
  return why_not_ready_ ? why_not_ready_() : "starting";
}

}  // namespace databus
