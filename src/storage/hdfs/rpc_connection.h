// One connection to a name node, shared by all who have calls for it.
//
// Calls are pipelined: any number may be on their way, and answers come in any order. There is no
// thread behind it: of those who wait for an answer one reads for all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "base/sync.h"
#include "storage/hdfs/errors.h"
#include "storage/hdfs/socket.h"

namespace databus::hdfs {

// The name node's memory of answers knows a call by these two. Whoever sends a call again after its
// answer was lost, on whatever connection, sends the same key, and no other call ever has it.
struct CallKey {
  std::string client_id;  // 16 bytes
  int32_t call_id = 0;    // not negative
};

// One call on its way, and its answer.
struct RpcExchange {
  CallKey key;
  std::string_view method;
  std::string_view request{};  // the message, delimited
  int32_t retry_count = 0;     // how often it was sent before

  bool sent = false;      // wholly or in part: it may be executed
  bool answered = false;  // then `error`, or else `body`
  std::optional<RemoteError> error{};
  std::string body{};  // the answering message, delimited
};

struct RpcIdentity {
  std::string user;
  std::string client_id;  // 16 bytes
};

// Thread-safe.
class RpcConnection {
 public:
  // kUnavailable: nobody listens there, or not in time. That a connection stands says nothing about
  // who is at the other end.
  static Result<std::shared_ptr<RpcConnection>> Open(const Endpoint& endpoint,
                                                     const RpcIdentity& identity,
                                                     const Clock& clock, BootTime deadline,
                                                     std::shared_ptr<Hurry> hurry = nullptr);
  // Use Open.
  RpcConnection(Socket socket, std::string name, const Clock& clock);

  // Sends all calls and waits for all answers. Ok: each was answered, with an error maybe. Else the
  // reason why this connection is of no more use; some may have been answered.
  //   kUnavailable  broken, or silent for `patience`
  //   other codes   certain, and the same on any other connection: Kerberos wanted, no name node
  Status Run(std::span<RpcExchange> calls, Milliseconds patience);

  // False when it is broken, or the peer has closed it meanwhile.
  bool Usable();

 private:
  Status SendSome(std::span<RpcExchange> calls, Milliseconds patience);
  Status WaitFor(const RpcExchange& call, Milliseconds patience);
  void Forget(std::span<RpcExchange> calls);
  // All that need the mutex.
  void Break(Status why);
  void TakeFrames();
  void TakeAnswer(std::string_view frame);

  const Clock& clock_;
  const std::string name_;
  Mutex sending_;  // one sends at a time; taken before mutex_
  Socket socket_;  // its receiving half belongs to who set reading_

  Mutex mutex_;  // guards what follows
  CondVar changed_;
  bool reading_ = false;
  bool heard_ = false;  // an answer has been understood
  Status broken_;
  std::map<int32_t, RpcExchange*> waiting_;
};

}  // namespace databus::hdfs
