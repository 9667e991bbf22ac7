// Keeps alive what would end while its owner is busy elsewhere: a thread that looks after files
// which are being written.
#pragma once

#include <set>

#include "base/clock.h"
#include "base/sync.h"

namespace databus::hdfs {

// What wants to be looked after.
class Kept {
 public:
  virtual ~Kept() = default;
  // Called every interval from another thread. Must not wait for whoever uses it meanwhile.
  virtual void Keep() = 0;
};

// Thread-safe. The thread runs from the first Add on.
class Upkeep {
 public:
  // A data node gives up after 60 s of silence, and a lease may be taken away as soon.
  explicit Upkeep(const Clock& clock, Milliseconds interval = std::chrono::seconds(5))
      : clock_(clock), interval_(interval) {}
  ~Upkeep();

  void Add(Kept& kept);
  // When it has returned, Keep is not being called and will not be.
  void Remove(Kept& kept);

 private:
  void Run();

  const Clock& clock_;
  const Milliseconds interval_;
  StopFlag stop_;
  Mutex mutex_;  // guards what follows
  CondVar changed_;
  std::set<Kept*> all_;
  Kept* current_ = nullptr;  // Keep is being called
  bool started_ = false;
  Thread thread_;
};

}  // namespace databus::hdfs
