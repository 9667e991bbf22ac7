// The processes under torture: killed, paused, and started again by a supervisor that restarts what
// ends, as systemd would.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "cli/bench/child.h"
#include "tests/torture/installation.h"

namespace databus {

// Whatever still runs is killed by the destructor. One thread.
class Processes {
 public:
  using Log = std::function<void(const std::string& text)>;
  Processes(const Installation& installation, const Clock& clock, Log log);

  struct State {
    const TortureProcess* what = nullptr;
    std::optional<Child> child = std::nullopt;           // nothing: it is down
    BootTime start_at{};                                 // when it is down
    std::optional<BootTime> continue_at = std::nullopt;  // when it is paused
    std::string taken_from = {};  // the lease's record when it was paused, if it held the lease
  };

  Status StartAll();
  // kill -9; started again after `down`.
  Status Kill(State& state, Milliseconds down);
  void Pause(State& state, Milliseconds length);
  // Starts and continues what is due, and what ended by itself. Not ok: something died of a signal
  // that nobody sent.
  Status Supervise();
  // Everything runs from here on.
  Status Mend();
  // Restarts collectors whose heartbeat says that their disk is retired (P21): what they ask for,
  // and what a health check of /readyz does.
  Status RestartRetired();
  // TERM to all. Not ok: one does not end by itself, or not with 0.
  Status StopAll();

  std::vector<State>& all() { return all_; }
  // Whether it holds its cluster's lease now.
  bool Holds(const State& state) const;
  uint64_t takeovers() const { return takeovers_; }  // while the holder was paused
  uint64_t retired() const { return retired_; }      // collectors restarted for it
  uint64_t own_ends() const { return own_ends_; }    // with an exit code, under faults

 private:
  Status Start(State& state);
  void Continue(State& state);
  std::string LeaseOf(const std::string& cluster) const;

  const Installation& installation_;
  const Clock& clock_;
  const Log log_;
  std::vector<State> all_;
  uint64_t takeovers_ = 0;
  uint64_t own_ends_ = 0;
  uint64_t retired_ = 0;
};

}  // namespace databus
