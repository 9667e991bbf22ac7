#include "storage/hdfs/rpc_connection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/hdfs/rpc_answer.h"
#include "storage/hdfs/wire/rpc.pb.h"
#include "storage/hdfs/wire_format.h"

namespace databus::hdfs {
namespace {

constexpr char kHello[] = {'h', 'r', 'p', 'c', 9, 0, 0};  // version 9, no class, no authentication
constexpr uint32_t kProtobuf = 2;                         // of the kinds of calls
constexpr int32_t kContextCall = -3;
constexpr std::string_view kClientProtocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
// What a name node lets out at most is 128 MiB; a page of a listing has some 200 KB.
constexpr uint32_t kFrameBytesMax = 64u << 20;
// More calls on their way only wait in the name node's queue, which others use too.
constexpr size_t kWindow = 128;

void AppendHeader(const CallKey& key, int32_t retry_count, std::string& out) {
  wire::RpcRequestHeader header;
  header.set_rpc_kind(kProtobuf);
  header.set_rpc_op(0);
  header.set_call_id(key.call_id);
  header.set_client_id(key.client_id);
  header.set_retry_count(retry_count);
  AppendDelimited(header, out);
}

void AppendFrame(std::string_view frame, std::string& out) {
  AppendBigEndian32(static_cast<uint32_t>(frame.size()), out);
  out += frame;
}

std::string Greeting(const RpcIdentity& identity) {
  std::string frame;
  AppendHeader({identity.client_id, kContextCall}, -1, frame);
  wire::ConnectionContext context;
  context.mutable_user()->set_effective_user(identity.user);
  context.set_protocol(std::string(kClientProtocol));
  AppendDelimited(context, frame);
  std::string out(kHello, sizeof kHello);
  AppendFrame(frame, out);
  return out;
}

void AppendCall(const RpcExchange& call, std::string& out) {
  std::string frame;
  AppendHeader(call.key, call.retry_count, frame);
  wire::RequestHeader header;
  header.set_method(std::string(call.method));
  header.set_protocol(std::string(kClientProtocol));
  header.set_protocol_version(1);
  AppendDelimited(header, frame);
  frame += call.request;
  AppendFrame(frame, out);
}

}  // namespace

Result<std::shared_ptr<RpcConnection>> RpcConnection::Open(const Endpoint& endpoint,
                                                           const RpcIdentity& identity,
                                                           const Clock& clock, BootTime deadline,
                                                           std::shared_ptr<Hurry> hurry) {
  DATABUS_ASSIGN_OR_RETURN(Socket socket,
                           Socket::Connect(endpoint, clock, deadline, std::move(hurry)));
  DATABUS_RETURN_IF_ERROR(
      socket.Send(Greeting(identity), deadline).WithContext(endpoint.ToString()));
  return std::make_shared<RpcConnection>(std::move(socket), endpoint.ToString(), clock);
}

RpcConnection::RpcConnection(Socket socket, std::string name, const Clock& clock)
    : clock_(clock), name_(std::move(name)), socket_(std::move(socket)) {}

bool RpcConnection::Usable() {
  MutexLock lock(mutex_);
  // While somebody reads, that one notices. An idle connection that has something to say is ending.
  if (broken_.ok() && !reading_ && waiting_.empty() && !socket_.Quiet()) {
    Break({Code::kUnavailable, name_ + ": the peer closed the idle connection"});
  }
  return broken_.ok();
}

Status RpcConnection::Run(std::span<RpcExchange> calls, Milliseconds patience) {
  // Nobody may answer to what is no longer there, however this ends.
  class Registration {
   public:
    Registration(RpcConnection& connection, std::span<RpcExchange> calls)
        : connection_(connection), calls_(calls) {}
    Registration(const Registration&) = delete;
    ~Registration() { connection_.Forget(calls_); }

   private:
    RpcConnection& connection_;
    const std::span<RpcExchange> calls_;
  };
  const Registration registration(*this, calls);
  size_t sent = 0;
  Status status;
  for (size_t i = 0; i < calls.size() && status.ok(); ++i) {
    if (sent <= i) {
      const auto some = calls.subspan(sent, std::min(kWindow, calls.size() - sent));
      status = SendSome(some, patience);
      sent += some.size();
    }
    if (status.ok()) status = WaitFor(calls[i], patience);
  }
  return status;
}

Status RpcConnection::SendSome(std::span<RpcExchange> calls, Milliseconds patience) {
  std::string bytes;
  for (RpcExchange& call : calls) AppendCall(call, bytes);
  MutexLock turn(sending_);
  {
    MutexLock lock(mutex_);
    if (!broken_.ok()) return broken_;
    for (RpcExchange& call : calls) {
      call.sent = true;
      waiting_[call.key.call_id] = &call;
    }
  }
  const Status sent = socket_.Send(bytes, clock_.Boot() + patience);
  if (sent.ok()) return sent;
  MutexLock lock(mutex_);
  // What the server said before it closed says more than that it did: a reader may find it.
  if (broken_.ok() && !reading_) {
    const auto arrived = socket_.Fill(clock_.Boot());
    if (arrived.ok()) TakeFrames();
  }
  Break(sent.WithContext(name_));
  return broken_;
}

Status RpcConnection::WaitFor(const RpcExchange& call, Milliseconds patience) {
  const BootTime deadline = clock_.Boot() + patience;
  MutexLock lock(mutex_);
  while (!call.answered && broken_.ok()) {
    if (clock_.Boot() >= deadline) {
      Break({Code::kUnavailable, fmt::format("{}: no answer in {} ms", name_, patience.count())});
    } else if (reading_) {
      changed_.WaitUntil(lock, clock_, deadline);
    } else {
      reading_ = true;
      lock.Unlock();
      const Result<Arrival> arrived = socket_.Fill(deadline);
      lock.Lock();
      reading_ = false;
      if (!arrived.ok()) {
        Break(arrived.status().WithContext(name_));
      } else {
        TakeFrames();
      }
      changed_.NotifyAll();
    }
  }
  return call.answered ? Status::Ok() : broken_;
}

void RpcConnection::Forget(std::span<RpcExchange> calls) {
  MutexLock lock(mutex_);
  for (const RpcExchange& call : calls) {
    const auto at = waiting_.find(call.key.call_id);
    if (at != waiting_.end() && at->second == &call) waiting_.erase(at);
  }
}

void RpcConnection::Break(Status why) {
  if (!broken_.ok()) return;
  broken_ = std::move(why);
  socket_.Shutdown();
  changed_.NotifyAll();
}

void RpcConnection::TakeFrames() {
  while (broken_.ok()) {
    const std::string_view bytes = socket_.Received();
    if (bytes.size() < 4) return;
    if (!heard_ && bytes.starts_with("HTTP")) {
      Break({Code::kRefused, name_ + " answers in HTTP: that is a web port; hdfs:// needs the RPC "
                                     "port, as fs.defaultFS has it (often 8020)"});
      return;
    }
    const uint32_t length = LoadBigEndian32(bytes.data());
    if (length > kFrameBytesMax) {
      Break({Code::kUnavailable,
             fmt::format("{}: an answer of {} bytes: no name node of Hadoop 3, or damaged", name_,
                         length)});
      return;
    }
    if (bytes.size() - 4 < length) return;
    TakeAnswer(bytes.substr(4, length));
    socket_.Take(4 + length);
  }
}

void RpcConnection::TakeAnswer(std::string_view frame) {
  auto answer = ParseAnswer(frame);
  if (!answer.ok()) {
    Break(answer.status().WithContext(name_));
    return;
  }
  if (answer->kind == RpcAnswer::Kind::kFatal) {
    Break(StatusOf(*answer->error).WithContext(name_));
    return;
  }
  const auto at = waiting_.find(answer->call_id);
  if (at == waiting_.end()) {
    Break({Code::kUnavailable,
           fmt::format("{}: an answer to a call {} that nobody made", name_, answer->call_id)});
    return;
  }
  heard_ = true;
  RpcExchange& call = *at->second;
  waiting_.erase(at);
  call.error = std::move(answer->error);
  call.body = answer->body;
  call.answered = true;
}

}  // namespace databus::hdfs
