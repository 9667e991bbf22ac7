// What stands behind base/sync.h in the `sim` preset: processes and threads of a simulated world,
// as fibers on one thread. A fiber runs until it blocks; then the scheduler runs another one that
// is ready, drawn at random, or lets time pass until the next one is. So the same random numbers
// give the same run.
//
// Death: Kill marks a process. Each of its fibers ends by a Crash that is thrown where it waits
// (Pause, Wait, Sleep; never Lock or Join, which destructors may call). While an exception unwinds
// nothing is thrown again.
//
// Not thread-safe; one scheduler at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "base/crash.h"
#include "base/random.h"

namespace databus::fibers {

// Since the world began.
using SimTime = std::chrono::nanoseconds;

struct Fiber;

// Fibers that live and die together.
struct Process {
  std::string name;
  bool dead = false;
  SimTime paused_until{0};  // its fibers do not run before
  int fibers = 0;           // that have not ended
};

class Scheduler {
 public:
  // `random` decides the order and must outlive it.
  explicit Scheduler(Random& random);
  // REQUIRES: no fiber is left (KillAll).
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // The one that exists; null outside of a simulation.
  static Scheduler* Current();

  // Of `process`, which must outlive the fiber; null: that of the running fiber.
  std::shared_ptr<Fiber> Spawn(std::string name, Process* process, std::function<void()> body);
  void Kill(Process& process);

  // From outside of fibers: runs until nothing is ready before `until`, and time is `until`. Stops
  // early, after a fiber's turn, when `stop` answers true.
  void RunUntil(SimTime until, const std::function<bool()>& stop);

  SimTime now() const { return now_; }
  uint64_t switches() const { return switches_; }

  // All that follows is called by fibers.
  Process* running_process() const;
  std::string_view running_name() const;
  uint64_t running_id() const;
  // Time passes for this fiber. Throws Crash when its process dies meanwhile.
  void Sleep(SimTime duration);
  void Join(Fiber& fiber);

  // For locks and conditions: waits until woken or `deadline`; may wake spuriously, and does when
  // the process dies. Throws nothing.
  void Block(std::optional<SimTime> deadline);
  void Wake(Fiber& fiber);
  Fiber* running() const { return running_; }
  // Throws Crash if the running fiber's process is dead and nothing unwinds.
  void ThrowIfDead() const;

 private:
  struct Timer {
    SimTime at;
    uint64_t order;  // equal times in the order they were set
    size_t slot;     // of the fiber
    uint64_t wait;   // that it ends; the slot has another one by now: stale
    bool operator>(const Timer& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  void SetTimer(Fiber& fiber, SimTime at);
  bool IsStale(const Timer& timer) const;
  // Whether nothing would run before `until` but the running fiber: then time may pass at once.
  bool IsAloneUntil(SimTime until);
  bool RunOne();
  void Resume(Fiber& fiber);
  bool FireTimers(SimTime until);

  Random& random_;
  SimTime now_{0};
  uint64_t next_id_ = 1;
  uint64_t next_timer_ = 1;
  uint64_t next_wait_ = 1;
  uint64_t switches_ = 0;
  SimTime until_{0};                             // of RunUntil
  const std::function<bool()>* stop_ = nullptr;  // of RunUntil
  Fiber* running_ = nullptr;
  std::vector<std::shared_ptr<Fiber>> slots_;  // those that have not ended; null: free
  std::vector<size_t> free_slots_;
  std::vector<Fiber*> ready_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
};

}  // namespace databus::fibers
