// What a service shows over HTTP while it runs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/sync.h"
#include "telemetry/http.h"
#include "telemetry/metrics.h"

namespace databus {

// The HTTP endpoint of a service: opened before the service starts, so that a port in use is found
// before anything happens; knows the service from Serve on.
class Monitor {
 public:
  using WhyNotReady = std::function<std::optional<std::string>()>;

  // Nothing is opened when `port` is 0.
  Status Open(int port);
  // Replaces what was served before. Nothing that was replaced is called afterwards. A service
  // counts from nothing, and so do the metrics, as after a restart.
  void Serve(std::function<void(Metrics&)> refresh, WhyNotReady why_not_ready);
  // Before the service goes away.
  void Close() { http_.reset(); }

 private:
  std::string Expose();
  std::optional<std::string> Why();

  Mutex mutex_;  // guards what follows
  std::unique_ptr<Metrics> metrics_ = std::make_unique<Metrics>();
  std::function<void(Metrics&)> refresh_;
  WhyNotReady why_not_ready_;
  std::unique_ptr<HttpEndpoint> http_;
};

}  // namespace databus
