// Between a client and a name node: counts the calls that pass, and ends the connection before or
// after one of them, or in the middle of its answer. It knows frames, so a call is cut exactly
// there, whatever the timing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "base/status.h"
#include "base/sync.h"
#include "net/tcp_socket.h"

namespace databus {

// Where a connection ends.
enum class CallCut : uint8_t {
  kBefore,      // the call does not reach the name node
  kAfter,       // it does, and is answered; the client does not hear of it
  kHalfAnswer,  // the client gets the first half of the answer
};

class CallProxy {
 public:
  struct Plan {
    uint64_t number = 0;  // of the call, from 1; 0: none
    CallCut cut = CallCut::kBefore;
    // What becomes of the client afterwards.
    enum class Then : uint8_t { kMayReturn, kIsShutOut } then = Then::kMayReturn;
    // Done when the call has arrived here, before anything else; no call passes meanwhile.
    std::function<void()> on_call{};
    // Done when the name node has answered, before the client hears of it, or not; only if the cut
    // is kAfter or kHalfAnswer.
    std::function<void()> on_answer{};
    // The connection is not ended at all.
    bool passes = false;
  };

  static Result<std::unique_ptr<CallProxy>> Start(uint16_t target);
  ~CallProxy();

  uint16_t port() const { return port_; }
  // Counts from the beginning again.
  void Begin(Plan plan);
  uint64_t calls() const;
  // From now on nobody is served.
  void ShutOut();

 private:
  struct Link {
    Fd client;
    Fd server;
    Thread up;
    Thread down;
  };
  CallProxy(Fd listener, uint16_t port, uint16_t target);
  void Accept();
  void CarryCalls(Link& link);
  void CarryAnswers(Link& link);
  // What is to happen to a call that has arrived. True: it passes.
  bool Judge(std::string_view frame);
  void EndAll();

  const Fd listener_;
  const uint16_t port_;
  const uint16_t target_;
  std::atomic<bool> ends_{false};

  mutable Mutex mutex_;  // guards what follows
  Plan plan_;
  uint64_t calls_ = 0;
  int64_t answer_to_cut_ = -1;  // the id of the call
  bool shut_out_ = false;
  std::list<Link> links_;

  Mutex turn_;  // calls pass one by one
  Thread acceptor_;
};

}  // namespace databus
