// Carries batches to one other collector: keeps a connection while it is wanted, finds out who the
// receiver is, sends one hand-over after the other, several batches under way at a time.
//
// Works on a thread of its own, so that a receiver that is slow or silent holds up nothing else; or
// by hand, by Step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "cluster/route.h"
#include "collector/deliver/retry.h"
#include "net/entry_list.h"
#include "net/network.h"

namespace databus {

struct CourierSettings {
  std::chrono::milliseconds timeout{5'000};  // to connect, and for an answer
  Retry retry;
};

// The batches of one hand-over that are not acknowledged yet.
struct CourierLoad {
  uint64_t intent = 0;
  std::string peer{};  // nobody else gets it
  uint64_t sender = 0;
  uint64_t first = 0;  // the number of batches[0]; 0: without numbers
  std::vector<EntryList> batches{};
};

enum class CourierOutcome : uint8_t {
  kKept,     // all batches are durable at the receiver
  kNotKept,  // those that were not acknowledged are certainly not there
  kUnknown,  // nobody knows about the first that was not acknowledged, and those behind it
};
struct CourierReport {
  uint64_t intent = 0;
  CourierOutcome outcome = CourierOutcome::kUnknown;
  uint64_t acknowledged = 0;  // the first so many batches
};

class Courier {
 public:
  struct Seams {
    Network& network;
    const Clock& clock;
    Random& random;
    std::string self;  // our own incarnation: nobody hands over to himself
    // Called when there is something new to look at; must not block.
    std::function<void()> wake;
  };
  Courier(const Seams& seams, Endpoint receiver, const CourierSettings& settings);
  ~Courier();

  // A thread of its own from now on.
  void Start();
  // One round of work, when there is no thread. Returns when the next is due.
  BootTime Step();

  // --- from the delivering thread ---
  const Endpoint& receiver() const { return receiver_; }
  void Configure(const CourierSettings& settings);
  // The connection is held for a while longer.
  void Want();
  // A pause after a failure is over.
  void Hurry();
  // The receiver's incarnation, empty when it is of another make; nothing while it is not reached,
  // or does not take messages.
  std::optional<std::string> Peer() const;
  // Busy: a load was given, and its report was not taken.
  bool busy() const;
  // REQUIRES: Peer() and not busy.
  void Give(CourierLoad load);
  std::optional<CourierReport> TakeReport();
  // Why the receiver does not take messages; empty while it does.
  std::string trouble() const;

 private:
  // What one connection has under way.
  struct Trip {
    uint64_t acknowledged = 0;
    uint64_t unanswered = 0;
    bool refused = false;
    std::string why;
  };

  void Run();
  // Not empty: there is nothing to do before that time.
  std::optional<BootTime> Idle();
  // Sends the load and reports.
  void Deliver(const CourierLoad& load);
  void CheckConnection();
  Status Connect();
  // The next frame; kUnavailable when there is none in time, kStopped at the end.
  Result<std::string> Receive(BootTime give_up);
  CourierOutcome Carry(const CourierLoad& load, Trip& trip);
  Status SendWindow(const CourierLoad& load, Trip& trip);
  Status TakeAnswer(Trip& trip);
  void Report(const CourierLoad& load, CourierOutcome outcome, uint64_t acknowledged);
  void Fail(const std::string& why);
  CourierSettings settings() const;

  const Seams seams_;
  const Endpoint receiver_;
  // Of the working thread.
  std::unique_ptr<FrameClient> connection_;

  mutable Mutex mutex_;  // guards what follows
  CondVar changed_;
  CourierSettings settings_;
  bool poked_ = false;  // there may be something to do
  bool end_ = false;
  BootTime wanted_until_{};
  BootTime not_before_{};
  std::optional<std::string> peer_;
  std::string trouble_;
  std::shared_ptr<const CourierLoad> load_;
  std::optional<CourierReport> report_;

  StopFlag stop_;
  Thread thread_;
};

}  // namespace databus
