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

struct Fiber : std::enable_shared_from_this<Fiber> {
  uint64_t id = 0;
  std::string name;
  Process* process = nullptr;
  boost::context::fiber inside;   // where it goes on
  boost::context::fiber outside;  // where the scheduler goes on
  Exceptions exceptions;
  uint64_t wait = 0;  // counts its waits
  bool ready = false;
  bool ended = false;
  std::vector<Fiber*> joiners;
};

Scheduler::Scheduler(Random& random) : random_(random) { current = this; }

Scheduler::~Scheduler() {
  if (!fibers_.empty()) {
    std::fprintf(stderr, "simulation: %zu fibers left, the first is %s of %s\n", fibers_.size(),
                 fibers_[0]->name.c_str(), fibers_[0]->process->name.c_str());
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
  fibers_.push_back(fiber);
  Wake(*fiber);
  return fiber;
}

void Scheduler::Wake(Fiber& fiber) {
  if (fiber.ready || fiber.ended) return;
  fiber.ready = true;
  ++fiber.wait;
  ready_.push_back(&fiber);
}

void Scheduler::SetTimer(Fiber& fiber, SimTime at) {
  timers_.push({at, next_timer_++, fiber.weak_from_this(), fiber.wait});
}

void Scheduler::Kill(Process& process) {
  if (process.dead) return;
  process.dead = true;
  process.paused_until = {};
  for (const auto& fiber : fibers_) {
    if (fiber->process == &process && fiber.get() != running_) Wake(*fiber);
  }
}

bool Scheduler::FireTimers(SimTime until) {
  while (!timers_.empty() && timers_.top().at <= until) {
    const Timer timer = timers_.top();
    timers_.pop();
    const std::shared_ptr<Fiber> fiber = timer.fiber.lock();
    if (fiber == nullptr || fiber->ended || fiber->wait != timer.wait) continue;
    now_ = std::max(now_, timer.at);
    Wake(*fiber);
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
  const auto place =
      std::ranges::find_if(fibers_, [&](const auto& one) { return one.get() == &fiber; });
  std::swap(*place, fibers_.back());
  fibers_.pop_back();
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
