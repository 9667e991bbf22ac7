#include "tests/hdfs/call_proxy.h"

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/hdfs/wire/rpc.pb.h"
#include "storage/hdfs/wire_format.h"
#include "tests/hdfs/proxy_sockets.h"
#include "tests/torture/loopback.h"

namespace databus {
namespace {

constexpr size_t kHelloBytes = 7;

std::optional<std::string> ReadBytes(const Fd& from, size_t count) {
  std::string bytes(count, '\0');
  for (size_t have = 0; have < count;) {
    const ssize_t got = ::recv(from.get(), bytes.data() + have, count - have, 0);
    if (got <= 0) return std::nullopt;
    have += static_cast<size_t>(got);
  }
  return bytes;
}

// With its length in front.
std::optional<std::string> ReadFrame(const Fd& from) {
  auto length = ReadBytes(from, 4);
  if (!length) return std::nullopt;
  const auto rest = ReadBytes(from, hdfs::LoadBigEndian32(length->data()));
  if (!rest) return std::nullopt;
  return *length + *rest;
}

template <typename Header>
int64_t CallIdOf(std::string_view frame) {
  frame.remove_prefix(4);
  Header header;
  const bool whole = hdfs::TakeDelimited(frame, header, 1u << 20) == hdfs::Taken::kWhole;
  return whole ? static_cast<int64_t>(static_cast<int32_t>(header.call_id())) : -1;
}

}  // namespace

Result<std::unique_ptr<CallProxy>> CallProxy::Start(uint16_t target) {
  DATABUS_ASSIGN_OR_RETURN(LoopbackListener listener, ListenOnLoopback(0));
  return std::unique_ptr<CallProxy>(new CallProxy(std::move(listener.fd), listener.port, target));
}

CallProxy::CallProxy(Fd listener, uint16_t port, uint16_t target)
    : listener_(std::move(listener)), port_(port), target_(target) {
  acceptor_ = Thread("call-proxy", [this] { Accept(); });
}

CallProxy::~CallProxy() {
  ends_ = true;
  End(listener_);
  acceptor_.Join();
  EndAll();
  for (Link& link : links_) {
    link.up.Join();
    link.down.Join();
  }
}

void CallProxy::Begin(Plan plan) {
  MutexLock lock(mutex_);
  plan_ = std::move(plan);
  calls_ = 0;
  answer_to_cut_ = -1;
  shut_out_ = false;
}

uint64_t CallProxy::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

void CallProxy::ShutOut() {
  {
    MutexLock lock(mutex_);
    shut_out_ = true;
  }
  EndAll();
}

void CallProxy::Accept() {
  while (!ends_) {
    Fd client = AcceptFrom(listener_);
    if (!client.open()) continue;
    MutexLock lock(mutex_);
    if (shut_out_ || ends_) continue;
    Fd server = ConnectTo(target_);
    if (!server.open()) continue;
    Link& link = links_.emplace_back();
    link.client = std::move(client);
    link.server = std::move(server);
    link.up = Thread("calls", [this, &link] { CarryCalls(link); });
    link.down = Thread("answers", [this, &link] { CarryAnswers(link); });
  }
}

void CallProxy::EndAll() {
  MutexLock lock(mutex_);
  for (const Link& link : links_) {
    End(link.client);
    End(link.server);
  }
}

bool CallProxy::Judge(std::string_view frame) {
  Plan plan;
  {
    MutexLock lock(mutex_);
    if (++calls_ != plan_.number) return true;
    plan = plan_;
  }
  if (plan.on_call) plan.on_call();
  if (plan.passes) return true;
  MutexLock lock(mutex_);
  shut_out_ = plan.then == Plan::Then::kIsShutOut;
  if (plan.cut == CallCut::kBefore) return false;
  answer_to_cut_ = CallIdOf<hdfs::wire::RpcRequestHeader>(frame);
  return true;
}

void CallProxy::CarryCalls(Link& link) {
  const auto hello = ReadBytes(link.client, kHelloBytes);
  auto frame = hello ? ReadFrame(link.client) : std::nullopt;  // of the connection, no call
  if (frame && SendAll(link.server, *hello + *frame)) {
    while ((frame = ReadFrame(link.client))) {
      MutexLock turn(turn_);
      if (!Judge(*frame)) {
        EndAll();
        break;
      }
      if (!SendAll(link.server, *frame)) break;
    }
  }
  End(link.client);
  End(link.server);
}

void CallProxy::CarryAnswers(Link& link) {
  while (const auto frame = ReadFrame(link.server)) {
    const int64_t id = CallIdOf<hdfs::wire::RpcResponseHeader>(*frame);
    CallCut cut;
    std::function<void()> on_answer;
    {
      MutexLock lock(mutex_);
      cut = answer_to_cut_ >= 0 && id == answer_to_cut_ ? plan_.cut : CallCut::kBefore;
      if (cut != CallCut::kBefore) {
        answer_to_cut_ = -1;
        on_answer = plan_.on_answer;
      }
    }
    if (on_answer) on_answer();
    if (cut == CallCut::kBefore) {
      if (!SendAll(link.client, *frame)) break;
      continue;
    }
    if (cut == CallCut::kHalfAnswer) {
      SendAll(link.client, std::string_view(*frame).substr(0, frame->size() / 2));
    }
    EndAll();
    break;
  }
  // A client that is kept at a call sleeps: it does not hear meanwhile that the server has died.
  MutexLock turn(turn_);
  End(link.client);
  End(link.server);
}

}  // namespace databus
