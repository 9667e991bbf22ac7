#include "base/sync_fibers.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace databus {
namespace {

using fibers::Fiber;
using fibers::Scheduler;

Scheduler& RunningScheduler(const char* what) {
  Scheduler* const scheduler = Scheduler::Current();
  if (scheduler != nullptr && scheduler->running() != nullptr) return *scheduler;
  std::fprintf(stderr, "simulation: %s outside of a fiber\n", what);
  std::abort();
}

}  // namespace

void Mutex::Lock() {
  while (locked_) {
    Scheduler& scheduler = RunningScheduler("a lock is waited for");
    Fiber* const self = scheduler.running();
    waiting_.push_back(self);
    scheduler.Block(std::nullopt);
    std::erase(waiting_, self);
  }
  locked_ = true;
}

void Mutex::Unlock() {
  locked_ = false;
  for (Fiber* const fiber : waiting_) Scheduler::Current()->Wake(*fiber);
}

void CondVar::WaitFor(MutexLock& lock, std::optional<fibers::SimTime> deadline) {
  Scheduler& scheduler = RunningScheduler("a condition is waited for");
  Fiber* const self = scheduler.running();
  waiting_.push_back(self);
  lock.Unlock();
  scheduler.Block(deadline);
  std::erase(waiting_, self);
  lock.Lock();
  scheduler.ThrowIfDead();
}

bool CondVar::WaitUntil(MutexLock& lock, const Clock& clock, BootTime deadline) {
  const auto left = deadline - clock.Boot();
  if (left <= left.zero()) return false;
  const fibers::SimTime until = RunningScheduler("a condition is waited for").now() + left;
  WaitFor(lock, until);
  return Scheduler::Current()->now() < until;
}

void CondVar::NotifyOne() {
  if (!waiting_.empty()) Scheduler::Current()->Wake(*waiting_.front());
}

void CondVar::NotifyAll() {
  for (Fiber* const fiber : waiting_) Scheduler::Current()->Wake(*fiber);
}

Thread::Thread(std::string name, std::function<void()> body)
    : fiber_(RunningScheduler("a thread is started")
                 .Spawn(std::move(name), nullptr, std::move(body))) {}

void Thread::Join() {
  if (fiber_ != nullptr) RunningScheduler("a thread is joined").Join(*fiber_);
  fiber_.reset();
}

}  // namespace databus
