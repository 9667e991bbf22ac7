#include "collector/deliver/name_guard.h"

#include <fmt/format.h>

#include <utility>

#include "cluster/paths.h"
#include "telemetry/facts.h"
#include "telemetry/heartbeat.h"

namespace databus {

Status NameGuard::Check() {
  if (clear_) return Status::Ok();
  const std::string path = paths::StatusFile(process_);
  Result<std::string> content = cluster_.ReadFile(path);
  if (content.code() == Code::kNotFound) {
    clear_ = true;
    return Status::Ok();
  }
  // Also where it may not be read: that is nobody's name taken.
  if (!content.ok()) return {Code::kUnavailable, content.status().ToString()};
  // One that cannot be read is watched all the same: somebody writes it or does not.
  Heartbeat other;
  told_.reset();
  if (auto decoded = DecodeHeartbeat(*content, path); decoded.ok()) {
    other = *std::move(decoded);
    told_ = ReadToldSpools(other);
  }
  if (other.facts.value(facts::kIncarnation, "") == incarnation_) {
    clear_ = true;
    return Status::Ok();
  }
  const BootTime now = clock_.Boot();
  if (!watched_) watched_ = Watched{*content, now};
  if (watched_->content != *content) {
    watched_ = Watched{*content, now};
    return Status(Code::kRefused,
                  fmt::format("{} runs already on host {}, process {}, with another spool: two "
                              "collectors must not have one name",
                              process_, other.host, other.pid));
  }
  if (now - watched_->since < kWatch) {
    return Status(Code::kUnavailable,
                  fmt::format("watching whether another {} (host {}, process {}) is alive",
                              process_, other.host, other.pid));
  }
  clear_ = true;
  return Status::Ok();
}

}  // namespace databus
