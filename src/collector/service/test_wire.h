// For tests: a network in memory, on one thread. Every call of a client is one of its machine's
// fault plan.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cluster/route.h"
#include "net/network.h"
#include "storage/fault/fault_plan.h"

namespace databus::testing_redirect {

// Who listens where. A server's answers are made by `pump`, which runs after each delivery.
struct Wire {
  struct Socket {
    FrameHandler* handler = nullptr;
    std::function<void()> pump;
    std::map<ConnectionId, std::deque<std::string>> answers;
    std::set<ConnectionId> closed;
  };
  std::map<std::string, std::shared_ptr<Socket>> listening;  // by "host:port"
  std::set<std::string> cut_off;                             // hosts that nobody reaches
  ConnectionId last = 0;
  ManualClock* clock = nullptr;  // who waits for an answer that does not come lets time pass
};

class WireServer final : public FrameServer {
 public:
  WireServer(Wire& wire, std::string name, uint16_t port)
      : wire_(wire), name_(std::move(name)), port_(port) {
    wire_.listening[name_] = socket_;
  }
  ~WireServer() override { Shutdown({}); }
  void Start(FrameHandler& handler) override { socket_->handler = &handler; }
  uint16_t port() const override { return port_; }
  void Send(std::vector<Reply> replies) override {
    for (Reply& reply : replies) {
      if (!reply.payload.empty()) socket_->answers[reply.connection].push_back(reply.payload);
    }
  }
  void CloseConnection(ConnectionId connection) override { socket_->closed.insert(connection); }
  void SetLimits(const FrameLimits&) override {}
  void StopAccepting() override { wire_.listening.erase(name_); }
  void Shutdown(BootTime) override {
    socket_->handler = nullptr;
    const auto own = wire_.listening.find(name_);
    if (own != wire_.listening.end() && own->second == socket_) wire_.listening.erase(own);
  }
  FrameServerStats Stats() const override { return {}; }
  Wire::Socket& socket() { return *socket_; }

 private:
  Wire& wire_;
  const std::string name_;
  const uint16_t port_;
  const std::shared_ptr<Wire::Socket> socket_ = std::make_shared<Wire::Socket>();
};

class WireClient final : public FrameClient {
 public:
  WireClient(Wire& wire, FaultPlan& plan, std::string to, std::shared_ptr<Wire::Socket> socket)
      : wire_(wire), plan_(plan), to_(std::move(to)), socket_(std::move(socket)), id_(++wire.last) {
    refused_ = socket_->handler->OnOpen(id_, "127.0.0.1") == Admission::kRefuse;
  }
  ~WireClient() override {
    if (socket_->handler != nullptr && !refused_) socket_->handler->OnClose(id_);
  }
  Status Send(std::span<const std::string_view> frames, BootTime) override {
    return RunFaulty(plan_, {.verb = Verb::kAppend, .store = "net", .path = to_}, [&]() -> Status {
      if (!Whole()) return Broken();
      std::vector<Frame> copies;
      for (const std::string_view frame : frames) copies.push_back(Frame::Copy(frame));
      socket_->handler->OnFrames(id_, std::move(copies));
      if (socket_->pump) socket_->pump();
      return Status::Ok();
    });
  }
  Result<std::optional<std::string>> Receive(BootTime deadline) override {
    using Answer = Result<std::optional<std::string>>;
    return RunFaulty(plan_, {.verb = Verb::kRead, .store = "net", .path = to_}, [&]() -> Answer {
      std::deque<std::string>& answers = socket_->answers[id_];
      if (wire_.cut_off.contains(to_) || (answers.empty() && !Whole())) return Answer(Broken());
      if (answers.empty()) {
        const auto wait = std::chrono::ceil<Milliseconds>(deadline - wire_.clock->Boot());
        if (wait > wait.zero()) wire_.clock->Advance(wait);
        return std::optional<std::string>();
      }
      std::optional<std::string> answer = std::move(answers.front());
      answers.pop_front();
      return answer;
    });
  }

 private:
  bool Whole() const {
    return socket_->handler != nullptr && !refused_ && !socket_->closed.contains(id_) &&
           !wire_.cut_off.contains(to_);
  }
  static Status Broken() { return {Code::kUnavailable, "the connection broke"}; }

  Wire& wire_;
  FaultPlan& plan_;
  const std::string to_;
  const std::shared_ptr<Wire::Socket> socket_;
  const ConnectionId id_;
  bool refused_ = false;
};

// One machine's way to the wire.
class WireNetwork final : public Network {
 public:
  WireNetwork(Wire& wire, FaultPlan& plan, std::string host)
      : wire_(wire), plan_(plan), host_(std::move(host)) {}
  Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options) override {
    auto server =
        std::make_unique<WireServer>(wire_, Endpoint{host_, options.port}.ToString(), options.port);
    server->socket().pump = pump;
    return std::unique_ptr<FrameServer>(std::move(server));
  }
  Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options) override {
    const std::string to = Endpoint{options.host, options.port}.ToString();
    return RunFaulty(plan_, {.verb = Verb::kOpen, .store = "net", .path = to},
                     [&]() -> Result<std::unique_ptr<FrameClient>> {
                       const auto there = wire_.listening.find(to);
                       if (there == wire_.listening.end() || wire_.cut_off.contains(to) ||
                           there->second->handler == nullptr) {
                         return Status(Code::kUnavailable, to + ": nobody answers");
                       }
                       return std::unique_ptr<FrameClient>(
                           std::make_unique<WireClient>(wire_, plan_, to, there->second));
                     });
  }
  std::function<void()> pump;

 private:
  Wire& wire_;
  FaultPlan& plan_;
  const std::string host_;
};

}  // namespace databus::testing_redirect
