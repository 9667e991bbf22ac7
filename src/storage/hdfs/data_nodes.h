// The data nodes of a cluster: how to reach one, connections that can be used again, and which have
// failed lately: what one read or write has learned about a data node serves all others.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/sync.h"
#include "storage/hdfs/socket.h"
#include "storage/hdfs/wire/block.pb.h"

namespace databus::hdfs {

// Thread-safe.
class DataNodes {
 public:
  enum class Addressing : uint8_t { kByIp, kByName };
  struct Options {
    Addressing addressing = Addressing::kByIp;
    // Addresses in place of the names or IPs by which the name node knows its data nodes.
    std::map<std::string, std::string> hosts{};
    Milliseconds connect{10'000};
    std::shared_ptr<Hurry> hurry{};  // null: there never is any
  };
  DataNodes(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

  // kUnavailable, with what to do about it, when it cannot be reached; then it is suspected.
  Result<Socket> Connect(const wire::DatanodeInfo& node);

  // A connection on which a read has ended well, if there is one. The data node closes it after
  // four seconds, so it may be found closed.
  std::optional<Socket> TakeIdle(const wire::DatanodeInfo& node);
  void GiveIdle(const wire::DatanodeInfo& node, Socket socket);

  enum class Failure : uint8_t {
    kSilence,  // it was waited for, and nothing came
    kOther,    // it has said no, or closed: that costs no time
  };
  // It has failed: new blocks should not be put there for a while, and others are read from first.
  void Suspect(const wire::DatanodeInfo& node, Failure failure = Failure::kOther);
  std::vector<wire::DatanodeInfo> Suspects();

  enum class Standing : uint8_t {
    kGood,
    kSuspected,
    kSilent,  // suspected; who asked it now would just wait in vain, as others have a moment ago
  };
  Standing StandingOf(const wire::DatanodeInfo& node);
  // False: it is silent, or was, and another one is asking it right now. After true it is asked,
  // and Heard() or Suspect() follows.
  bool MayAsk(const wire::DatanodeInfo& node);
  // It has answered a read.
  void Heard(const wire::DatanodeInfo& node);
  // There is nobody else: the one that was suspected first may be tried again. A pipeline that says
  // nothing does not tell which of its nodes is at fault, so the first one blamed may be the wrong
  // one; it is the last one left that has proved it.
  void ForgetOldestSuspect();

 private:
  struct Idle {
    Socket socket;
    BootTime since;
  };
  struct Suspected {
    wire::DatanodeInfo node;
    BootTime until;
    BootTime silent_until;
    bool was_silent = false;  // and has not answered since then
    bool is_asked = false;    // by one, while all others go elsewhere
  };
  Endpoint EndpointOf(const wire::DatanodeInfo& node) const;

  const Options options_;
  const Clock& clock_;
  Mutex mutex_;                                    // guards what follows
  std::map<std::string, std::vector<Idle>> idle_;  // by the node's identity
  std::map<std::string, Suspected> suspects_;
};

}  // namespace databus::hdfs
