// What is stuck or was set aside, for status and log: each problem once, with since when and what
// happens next. It goes when whoever raised it stops raising it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/sync.h"
#include "telemetry/heartbeat.h"

namespace databus {

// Thread-safe.
class ProblemBoard {
 public:
  explicit ProblemBoard(const Clock& clock) : clock_(clock) {}

  // `topic` names the place ("merge group 3"); a new text under a known topic keeps its since.
  void Raise(const std::string& topic, const std::string& what, const std::string& next);
  void Clear(const std::string& topic);
  // For what happened once and needs a look: kept until the process ends, the newest 50.
  void Report(const std::string& what, const std::string& next);

  // Raises or clears a topic for things that are named: raised while there are any.
  void RaiseEach(const std::string& topic, const std::vector<std::string>& whats,
                 const std::string& next);

  std::vector<Problem> List() const;

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, Problem> standing_;
  std::map<std::string, BootTime> logged_;
  std::vector<Problem> reported_;
};

}  // namespace databus
