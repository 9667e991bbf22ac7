// Threads, locks and waiting. The only door to them: product code uses these names and nothing of
// <thread>, <mutex> or <condition_variable>. Here they are the standard ones, at no cost. The `sim`
// preset compiles the same product sources against fibers behind the same names (sync_fibers.h), so
// that a simulated process runs on one thread in an order that a seed decides
// (docs/decisions/0001).
//
// Rules that make this possible: a thread is always owned and joined; every wait either has a
// deadline or is ended by Notify; nothing blocks outside these calls and the seams (Clock, Storage,
// Disk, net).
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"

#ifdef DATABUS_SIM
#include "base/sync_fibers.h"
#else
#include <condition_variable>
#include <mutex>
#include <thread>

namespace databus {

class Mutex {
 public:
  void Lock() { mutex_.lock(); }
  void Unlock() { mutex_.unlock(); }

 private:
  friend class CondVar;
  friend class MutexLock;
  std::mutex mutex_;
};

class MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) : lock_(mutex.mutex_) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // For work that must be done without the lock in the middle of a scope.
  void Unlock() { lock_.unlock(); }
  void Lock() { lock_.lock(); }

 private:
  friend class CondVar;
  std::unique_lock<std::mutex> lock_;
};

class CondVar {
 public:
  // Waits for a Notify; may wake spuriously. Callers loop over their condition.
  void Wait(MutexLock& lock) { cv_.wait(lock.lock_); }
  // The same, until `deadline` at the latest. False when the deadline has passed.
  bool WaitUntil(MutexLock& lock, const Clock& clock, BootTime deadline) {
    const auto left = deadline - clock.Boot();
    if (left <= left.zero()) return false;
    return cv_.wait_for(lock.lock_, left) == std::cv_status::no_timeout;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

// Runs `body` until it returns; the destructor joins.
class Thread {
 public:
  Thread() = default;
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept {
    Join();
    thread_ = std::move(other.thread_);
    return *this;
  }
  ~Thread() { Join(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

}  // namespace databus
#endif

namespace databus {

// A flag that is raised once and can be waited for: how every loop of a service stops.
class StopFlag {
 public:
  void Stop();
  bool Stopped() const;
  // Sleeps until `deadline` or until stopped; true when stopped.
  bool SleepUntil(const Clock& clock, BootTime deadline);

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopped_ = false;
};

}  // namespace databus
