#include "base/fibers.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>

namespace databus::fibers {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10;

Scheduler* current = nullptr;

// Exceptions in flight belong to a fiber, not to the thread (Itanium C++ ABI, 2.2.2).
struct Exceptions {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  static Exceptions& OfThread() { return *reinterpret_cast<Exceptions*>(abi::__cxa_get_globals()); }
};

boost::context::pooled_fixedsize_stack& Stacks() {
  static boost::context::pooled_fixedsize_stack stacks(kStackBytes);
  return stacks;
}

}  // namespace

struct Fiber {
  uint64_t id = 0;
  size_t slot = 0;
  std::string name;
  Process* process = nullptr;
  boost::context::fiber inside;   // where it goes on
  boost::context::fiber outside;  // where the scheduler goes on
  Exceptions exceptions;
  uint64_t wait = 0;  // no two waits of any fibers have the same
  bool ready = false;
  bool ended = false;
  std::vector<Fiber*> joiners;
};

Scheduler::Scheduler(Random& random) : random_(random) { current = this; }

Scheduler::~Scheduler() {
  for (const auto& fiber : slots_) {
    if (fiber == nullptr) continue;
    std::fprintf(stderr, "simulation: fiber %s of %s is left\n", fiber->name.c_str(),
                 fiber->process->name.c_str());
    std::abort();
  }
  current = nullptr;
}

Scheduler* Scheduler::Current() { return current; }

std::shared_ptr<Fiber> Scheduler::Spawn(std::string name, Process* process,
                                        std::function<void()> body) {
  auto fiber = std::make_shared<Fiber>();
  fiber->id = next_id_++;
  fiber->name = std::move(name);
  fiber->process = process != nullptr ? process : running_->process;
  ++fiber->process->fibers;
  Fiber* const self = fiber.get();
  fiber->inside = boost::context::fiber(
      std::allocator_arg, Stacks(),
      [this, self, body = std::move(body)](boost::context::fiber&& outside) mutable {
        self->outside = std::move(outside);
        try {
          ThrowIfDead();
          body();
        } catch (const Crash&) {
          Kill(*self->process);
        }
        body = nullptr;
        self->ended = true;
        return std::move(self->outside);
      });
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
  }
  fiber->slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[fiber->slot] = fiber;
  Wake(*fiber);
  return fiber;
}

void Scheduler::Wake(Fiber& fiber) {
  if (fiber.ready || fiber.ended) return;
  fiber.ready = true;
  fiber.wait = next_wait_++;
  ready_.push_back(&fiber);
}

void Scheduler::SetTimer(Fiber& fiber, SimTime at) {
  timers_.push({at, next_timer_++, fiber.slot, fiber.wait});
}

bool Scheduler::IsStale(const Timer& timer) const {
  const Fiber* const fiber = slots_[timer.slot].get();
  return fiber == nullptr || fiber->wait != timer.wait;
}

bool Scheduler::IsAloneUntil(SimTime until) {
  if (!ready_.empty() || until > until_ || running_->process->paused_until > until) return false;
  while (!timers_.empty() && IsStale(timers_.top())) timers_.pop();
  return (timers_.empty() || timers_.top().at > until) && !(*stop_)();
}

void Scheduler::Kill(Process& process) {
  if (process.dead) return;
  process.dead = true;
  process.paused_until = {};
  for (const auto& fiber : slots_) {
    if (fiber == nullptr || fiber->process != &process || fiber.get() == running_) continue;
    Wake(*fiber);
  }
}

bool Scheduler::FireTimers(SimTime until) {
  while (!timers_.empty() && timers_.top().at <= until) {
    const Timer timer = timers_.top();
    timers_.pop();
    if (IsStale(timer)) continue;
    now_ = std::max(now_, timer.at);
    Wake(*slots_[timer.slot]);
    return true;
  }
  return false;
}

void Scheduler::Resume(Fiber& fiber) {
  running_ = &fiber;
  ++switches_;
  Exceptions& of_thread = Exceptions::OfThread();
  std::swap(of_thread, fiber.exceptions);
  fiber.inside = std::move(fiber.inside).resume();
  std::swap(of_thread, fiber.exceptions);
  running_ = nullptr;
  if (!fiber.ended) return;
  --fiber.process->fibers;
  for (Fiber* const joiner : fiber.joiners) Wake(*joiner);
  free_slots_.push_back(fiber.slot);
  slots_[fiber.slot] = nullptr;  // the last of it, perhaps
}

bool Scheduler::RunOne() {
  while (!ready_.empty()) {
    const size_t choice = ready_.size() == 1 ? 0 : random_.Below(ready_.size());
    Fiber& fiber = *ready_[choice];
    std::swap(ready_[choice], ready_.back());
    ready_.pop_back();
    fiber.ready = false;
    if (fiber.process->paused_until > now_) {
      SetTimer(fiber, fiber.process->paused_until);
      continue;
    }
    Resume(fiber);
    return true;
  }
  return false;
}

void Scheduler::RunUntil(SimTime until, const std::function<bool()>& stop) {
  until_ = until;
  stop_ = &stop;
  while (!stop()) {
    if (RunOne()) continue;
    if (!FireTimers(until)) break;
    // All that are due at this moment compete.
    while (!timers_.empty() && timers_.top().at <= now_ && FireTimers(now_)) continue;
  }
  if (!stop()) now_ = std::max(now_, until);
}

Process* Scheduler::running_process() const {
  return running_ != nullptr ? running_->process : nullptr;
}
std::string_view Scheduler::running_name() const {
  return running_ != nullptr ? std::string_view(running_->name) : "";
}
uint64_t Scheduler::running_id() const { return running_ != nullptr ? running_->id : 0; }

void Scheduler::Block(std::optional<SimTime> deadline) {
  Fiber& self = *running_;
  if (self.process->dead) {
    Wake(self);  // nobody may be left to wake it: it goes round until what it waits for is there
  } else if (deadline) {
    SetTimer(self, *deadline);
  }
  self.outside = std::move(self.outside).resume();
}

void Scheduler::ThrowIfDead() const {
  if (running_ != nullptr && running_->process->dead && std::uncaught_exceptions() == 0) {
    throw Crash{};
  }
}

void Scheduler::Sleep(SimTime duration) {
  if (running_->process->dead) return ThrowIfDead();
  const SimTime deadline = now_ + duration;
  if (IsAloneUntil(deadline)) {  // the same as what follows, without two switches
    now_ = deadline;
    return;
  }
  do {
    Block(deadline);
    ThrowIfDead();
  } while (now_ < deadline && !running_->process->dead);
}

void Scheduler::Join(Fiber& fiber) {
  while (!fiber.ended) {
    fiber.joiners.push_back(running_);
    Block(std::nullopt);
    std::erase(fiber.joiners, running_);
  }
}

}  // namespace databus::fibers
