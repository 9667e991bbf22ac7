// A stretch of network that can be cut: forwards TCP connections to one port of this machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/sync.h"
#include "net/tcp_socket.h"

namespace databus {

// After every cut but kHold the connections that lived through it are reset.
enum class Cut : uint8_t {
  kNone,
  kReset,       // connections are reset at once, and new ones too
  kHold,        // nothing passes, either way; what waits passes afterwards
  kSilent,      // nothing passes, either way
  kNoRequests,  // one way only: answers still pass
  kNoAnswers,   // the other way: requests still pass, and take effect
  kHalfOpen,    // the server's side ends, the client is not told
};
inline constexpr uint64_t kCuts = 7;
std::string_view CutName(Cut cut);

// Set may be called from any thread.
class Proxy {
 public:
  static Result<std::unique_ptr<Proxy>> Start(uint16_t target);
  ~Proxy();

  uint16_t port() const { return port_; }
  void Set(Cut cut) { wanted_ = cut; }
  void SetAndWait(Cut cut);

 private:
  struct Flow {  // one direction: what was read and not yet written
    std::string waiting;
    bool ended = false;
  };
  struct Link {
    Fd client;
    Fd server;
    Flow up;
    Flow down;
  };
  Proxy(Fd listener, uint16_t port, uint16_t target);
  void Run();
  void Change(Cut to);
  void Accept();
  // False: the connection is over.
  bool Forward(Link& link) const;
  bool Passes(bool up) const;

  const Fd listener_;
  const uint16_t port_;
  const uint16_t target_;
  std::atomic<Cut> wanted_{Cut::kNone};
  std::atomic<Cut> cut_{Cut::kNone};  // written by the thread
  std::list<Link> links_;             // the thread's
  StopFlag stop_;
  Thread thread_;
};

}  // namespace databus
