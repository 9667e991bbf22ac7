// What the services of a worker did, for heartbeat, metrics and tests.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/minute.h"
#include "base/sync.h"
#include "cluster/paths.h"

namespace databus {

// One hop of one stream: "local", "merge", "mirror".
struct HopStats {
  uint64_t files = 0;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t duplicates = 0;  // files that were already there and were not published again
  WallTime newest;          // when the newest file became visible
};

// Thread-safe.
class RunStats {
 public:
  void AddFile(const std::string& hop, const std::string& stream, uint64_t messages, uint64_t bytes,
               WallTime now) {
    MutexLock lock(mutex_);
    HopStats& stats = hops_[{hop, stream}];
    ++stats.files;
    stats.messages += messages;
    stats.bytes += bytes;
    stats.newest = now;
  }
  void AddDuplicate(const std::string& hop, const std::string& stream) {
    MutexLock lock(mutex_);
    ++hops_[{hop, stream}].duplicates;
  }
  void AddRun() {
    MutexLock lock(mutex_);
    ++runs_;
  }
  uint64_t Runs() const {
    MutexLock lock(mutex_);
    return runs_;
  }
  // Another one has taken over what this process was at.
  void SetFenced(BootTime now) {
    MutexLock lock(mutex_);
    fenced_ = now;
  }
  std::optional<BootTime> Fenced() const {
    MutexLock lock(mutex_);
    return fenced_;
  }
  void SetQueue(const std::string& queue, uint64_t entries) {
    MutexLock lock(mutex_);
    queues_[queue] = entries;
  }

  // P30: a frozen stream's last minute, closed here for good; or that it never had one.
  void SetFrozen(const std::string& stream, std::optional<Minute> last) {
    MutexLock lock(mutex_);
    frozen_[stream] = last;
  }
  // Whoever publishes next may know better.
  void ForgetFrozen() {
    MutexLock lock(mutex_);
    frozen_.clear();
  }
  std::map<std::string, std::optional<Minute>> Frozen() const {
    MutexLock lock(mutex_);
    return frozen_;
  }

  // P32: what is being done about a mirrored stream whose minutes are not as at its primary; empty:
  // nothing any more.
  void SetDivergent(const std::string& stream, const std::string& what) {
    MutexLock lock(mutex_);
    if (what.empty()) {
      divergent_.erase(stream);
    } else {
      divergent_[stream] = what;
    }
  }
  void ForgetDivergent() {
    MutexLock lock(mutex_);
    divergent_.clear();
  }
  std::map<std::string, std::string> Divergent() const {
    MutexLock lock(mutex_);
    return divergent_;
  }

  // P28: why an own stream is not published at present; empty: it is.
  void SetWaiting(const std::string& stream, const std::string& why) {
    MutexLock lock(mutex_);
    if (why.empty()) {
      waiting_.erase(stream);
    } else {
      waiting_[stream] = why;
    }
  }
  void ForgetWaiting() {
    MutexLock lock(mutex_);
    waiting_.clear();
  }
  std::map<std::string, std::string> Waiting() const {
    MutexLock lock(mutex_);
    return waiting_;
  }

  // P34: files of a source and a group that are to be merged here and cannot be fetched.
  void SetMissed(const std::string& source, Group group, uint64_t files) {
    MutexLock lock(mutex_);
    missed_[{source, group}] = files;
  }
  // By source, of the groups that `counts` says.
  std::map<std::string, uint64_t> Missed(const std::function<bool(Group)>& counts) const {
    MutexLock lock(mutex_);
    std::map<std::string, uint64_t> all;
    for (const auto& [of, files] : missed_) all[of.first] += counts(of.second) ? files : 0;
    return all;
  }

  using Key = std::pair<std::string, std::string>;  // hop, stream
  using Totals = std::map<Key, HopStats>;
  Totals Hops() const {
    MutexLock lock(mutex_);
    return hops_;
  }
  // What was counted before, in the same process. REQUIRES: nothing is counted here yet.
  void GoOnFrom(Totals totals) {
    MutexLock lock(mutex_);
    hops_ = std::move(totals);
  }
  std::map<std::string, uint64_t> Queues() const {
    MutexLock lock(mutex_);
    return queues_;
  }

 private:
  mutable Mutex mutex_;
  uint64_t runs_ = 0;
  Totals hops_;
  std::map<std::string, uint64_t> queues_;
  std::map<std::string, std::optional<Minute>> frozen_;
  std::map<std::string, std::string> divergent_;
  std::optional<BootTime> fenced_;
  std::map<std::string, std::string> waiting_;
  std::map<std::pair<std::string, Group>, uint64_t> missed_;
};

}  // namespace databus
