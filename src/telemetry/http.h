// The HTTP endpoint of a process, for monitoring; on 127.0.0.1 only, since it asks nobody who he
// is.
//   /metrics  everything counted, in the Prometheus text format
//   /healthz  200 while the process lives
//   /readyz   200 "ready", or 503 and what it waits for
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"

namespace databus {

class HttpEndpoint {
 public:
  // Both are called from the endpoint's threads.
  struct Sources {
    std::function<std::string()> metrics;
    // Nothing when ready, else why not, in one line.
    std::function<std::optional<std::string>()> why_not_ready;
  };

  // Listens; answers requests when it returns. Port 0 picks a free one. kRefused, naming port and
  // setting, when the port is taken.
  static Result<std::unique_ptr<HttpEndpoint>> Start(int port, Sources sources);
  ~HttpEndpoint();

  int port() const;

 private:
  struct State;
  explicit HttpEndpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace databus
