// What is wrong at present, for status, heartbeats and fb303: each problem under a key, from its
// first report until it is solved. Thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/sync.h"
#include "telemetry/heartbeat.h"

namespace databus {

class ProblemList {
 public:
  explicit ProblemList(const Clock& clock) : clock_(clock) {}

  // Keeps the time of the first report of `key`; logs when the problem is new or says something
  // else.
  void Report(const std::string& key, std::string what, std::string next);
  void Solved(const std::string& key);
  // The oldest first.
  std::vector<Problem> List() const;

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, Problem> problems_;  // guarded by mutex_
};

}  // namespace databus
