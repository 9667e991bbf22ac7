// One session with ZooKeeper, as a lease needs it: asynchronous calls, one at a time, over the
// client library, whose threads bring answers and events.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

struct _zhandle;  // of <zookeeper/zookeeper.h>

namespace databus {

class ZooKeeperSession {
 public:
  enum class State : uint8_t {
    kConnecting,  // no server answers now; the session may live or not
    kConnected,
    kOver,  // expired or refused: it never comes back
  };
  enum class Outcome : uint8_t {
    kDone,
    kNoNode,
    kExists,
    kLost,     // UNKNOWN: no answer, it may have been done
    kRefused,  // certainly not done
  };
  struct Answer {
    Outcome outcome = Outcome::kLost;
    std::string why;                 // not kDone: in the library's words
    std::string text;                // Read: the data; Create: the node's path
    std::vector<std::string> names;  // List
  };
  using Then = std::function<void(const Answer&)>;
  enum class Event : uint8_t { kState, kChildren };
  enum class Kind : uint8_t { kPersistent, kEphemeralSequential };

  // `servers` is "h1:2181,h2:2181", with "/chroot" after the last or not. kUnavailable: no name of
  // a server could be looked up. `on_event` is called by threads of the library, and so are the
  // `Then` of calls; none may destroy the session.
  static Result<std::unique_ptr<ZooKeeperSession>> Begin(const std::string& servers,
                                                         Milliseconds timeout,
                                                         std::function<void(Event)> on_event);
  // Ends the session, if a server can be told; nothing is called any more afterwards. May not be
  // destroyed under a lock that `on_event` or a `Then` needs.
  ~ZooKeeperSession();

  State state() const { return state_; }
  // As agreed with the server; before that as wished.
  Milliseconds timeout() const;

  // REQUIRES of all: no other call is under way. What cannot be sent is answered at once, kLost.
  void Create(const std::string& path, const std::string& data, Kind kind, Then then);
  // The names of a node's children; an event tells when they have changed after that.
  void List(const std::string& path, Then then);
  void Read(const std::string& path, Then then);
  // A write, so that the answer comes from a majority of the servers.
  void Write(const std::string& path, const std::string& data, Then then);
  void Delete(const std::string& path, Then then);

 private:
  struct Calls;  // what the library calls
  explicit ZooKeeperSession(std::function<void(Event)> on_event);
  void Sent(int code);
  void Answered(int code, Answer answer);

  const std::function<void(Event)> on_event_;
  std::atomic<State> state_{State::kConnecting};
  std::atomic<_zhandle*> handle_{nullptr};
  Then pending_;  // of the call that is under way
};

}  // namespace databus
