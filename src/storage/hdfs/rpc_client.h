// Calls to the name node of a cluster, whichever of its name nodes is the active one.
//
// A call whose answer is lost is sent again, to the same name node or to the one that is active by
// then, under the same key, so that the name node's memory of answers (its retry cache) gives the
// first answer once more. That memory may be switched off, full, or lost in a restart: so when a
// call that may have been executed is answered with a failure the second time, its outcome is
// kUnavailable, unless repeating it is harmless. An ok is an ok.
//
// Answers come from the active name node only: with more than one name node each connection begins
// with the question whether this one is active.
#pragma once

#include <google/protobuf/message_lite.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "storage/hdfs/rpc_connection.h"

namespace databus::hdfs {

// How long to go on before a call is kUnavailable.
struct Patience {
  Milliseconds connect{10'000};  // for one connection to stand
  Milliseconds answer{20'000};   // for the next of the awaited answers, on one connection
  // In all, from the first try: while no try can have been executed, and once one can. The second
  // is longer, because an unknown outcome costs the caller more than waiting; it must stay well
  // below the ten minutes for which a name node remembers answers.
  Milliseconds unsent{15'000};
  Milliseconds sent{60'000};
  // Whoever found nobody in that time has waited for all: until the cluster answers again a call
  // makes one try, and nothing is sent before the name node has answered a question within this
  // time.
  Milliseconds away{5'000};
  // Calls that come within this time after such a try are told what it was told.
  Milliseconds again{5'000};
  // For a file's blocks to be reported, when it is closed.
  Milliseconds close{60'000};
  // For a data node to take or give the next bytes. Above a slow disk's sync, and above the time
  // that data nodes have for one another (60 s and 5 s for each), so that they say who it was.
  Milliseconds transfer{75'000};
};

enum class Repeated : uint8_t {
  kHarmless,    // done twice is done once, and a failure the second time is a failure
  kRemembered,  // the name node's memory of answers makes it so; see above
};

struct RpcCall {
  std::string_view method;
  const google::protobuf::MessageLite* request = nullptr;
  google::protobuf::MessageLite* answer = nullptr;  // what to fill
  Repeated repeated = Repeated::kHarmless;
  std::string_view counted_as{};  // empty: by its method

  Status status{};  // the outcome
  // It may have been executed before the try that `answer` is the answer to.
  bool resent = false;
};

// Thread-safe. Lives on after a fork in the parent only: a child that called too would use the
// parent's keys.
class RpcClient {
 public:
  struct Options {
    std::vector<Endpoint> name_nodes;  // at least one; in no order
    std::string user;
    Patience patience;
    // Told of every call that is sent, by its method. Empty: nobody counts.
    std::function<void(std::string_view method)> on_call{};
    // Null: there never is any.
    std::shared_ptr<Hurry> hurry{};
  };
  RpcClient(Options options, const Clock& clock, Random& random);

  // Makes all calls, which must not depend on one another: they are executed in any order. Returns
  // when each has its status.
  void Run(std::span<RpcCall> calls);
  Status Run(RpcCall call);

  // "host:port", or "host:port,host:port".
  const std::string& name() const { return name_; }
  // How many calls were answered.
  uint64_t answered() const { return answered_; }
  // Whether the last call found no name node that answers.
  bool away() const { return away_; }

 private:
  struct Attempts;

  CallKey NewKey();
  std::string ClientId();
  Result<std::shared_ptr<RpcConnection>> Connection();
  Result<std::shared_ptr<RpcConnection>> Connect(const Endpoint& endpoint);
  // Lets the next one be tried where `bad` was.
  void GiveUp(const std::shared_ptr<RpcConnection>& bad);
  // What went wrong for all that are left; ok when only single calls are to be made again.
  Status TryOnce(Attempts& attempts, std::span<RpcCall> calls);
  void Count(std::string_view method) const;
  bool InHurry() const { return options_.hurry != nullptr && options_.hurry->begun(); }
  void Pause(BootTime until) const;
  // Not ok: nobody answered a moment ago.
  Status AwayAMomentAgo();
  void NoteAway(const Status& why);

  const Options options_;
  const std::string name_;
  const Clock& clock_;
  Random& random_;
  std::atomic<uint64_t> answered_{0};
  std::atomic<bool> away_{false};

  Mutex away_mutex_;  // guards the next two
  Status why_away_;
  BootTime tried_;

  Mutex key_mutex_;  // guards the next two
  std::string client_id_;
  int32_t next_call_ = 0;

  Mutex mutex_;  // guards what follows, and is held while connecting
  std::shared_ptr<RpcConnection> connection_;
  size_t current_ = 0;  // of options_.name_nodes
};

}  // namespace databus::hdfs
