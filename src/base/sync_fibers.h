// base/sync.h for the `sim` preset: the same names over fibers (base/fibers.h). Outside of a
// simulation, where there is but one thread, locks are free and nothing can be waited for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fibers.h"

namespace databus {

class Mutex {
 public:
  void Lock();
  void Unlock();

 private:
  friend class CondVar;
  bool locked_ = false;
  std::vector<fibers::Fiber*> waiting_;
};

class MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) : mutex_(mutex) { Lock(); }
  ~MutexLock() {
    if (held_) Unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  void Unlock() {
    held_ = false;
    mutex_.Unlock();
  }
  void Lock() {
    mutex_.Lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = false;
};

class CondVar {
 public:
  void Wait(MutexLock& lock) { WaitFor(lock, std::nullopt); }
  bool WaitUntil(MutexLock& lock, const Clock& clock, BootTime deadline);
  void NotifyOne();
  void NotifyAll();

 private:
  void WaitFor(MutexLock& lock, std::optional<fibers::SimTime> deadline);
  std::vector<fibers::Fiber*> waiting_;
};

class Thread {
 public:
  Thread() = default;
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept {
    Join();
    fiber_ = std::move(other.fiber_);
    return *this;
  }
  ~Thread() { Join(); }
  void Join();

 private:
  std::shared_ptr<fibers::Fiber> fiber_;
};

}  // namespace databus
