#include "sim/network.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "base/sync.h"

namespace databus::sim {
namespace {

using fibers::SimTime;

struct Frames {
  std::deque<std::pair<SimTime, std::string>> queue;  // when each arrives
  bool closed = false;                                // by the sender; seen after the queue

  void Push(SimTime due, std::string bytes) {
    if (!queue.empty()) due = std::max(due, queue.back().first);
    queue.emplace_back(due, std::move(bytes));
  }
};

}  // namespace

// One connection; both ends hold it.
struct Connection {
  ConnectionId id = 0;
  std::string client;
  std::string server;
  Frames to_server;
  Frames to_client;
  bool dead = false;        // nothing arrives any more, and nobody is told
  uint64_t unanswered = 0;  // frames that the handler has
  bool opened = false;      // the handler knows it
  CondVar client_wakes;
};

class SimServer final : public FrameServer {
 public:
  SimServer(Fabric& fabric, std::string host, uint16_t port, const Clock& clock)
      : fabric_(fabric), host_(std::move(host)), port_(port), clock_(clock) {}
  ~SimServer() override { Shutdown(BootTime{}); }

  void Start(FrameHandler& handler) override {
    handler_ = &handler;
    io_ = Thread("net-io", [this] { Loop(); });
  }
  uint16_t port() const override { return port_; }
  void Send(std::vector<Reply> replies) override;
  void CloseConnection(ConnectionId connection) override;
  void SetLimits(const FrameLimits&) override {}  // here nothing is too long or too many
  void StopAccepting() override { fabric_.listening_.erase({host_, port_}); }
  void Shutdown(BootTime deadline) override;
  FrameServerStats Stats() const override { return {}; }

  // The client's side.
  void Accept(const std::shared_ptr<Connection>& connection) {
    MutexLock lock(mutex_);
    connections_[connection->id] = connection;
    wakes_.NotifyAll();
  }
  void Wake() { wakes_.NotifyAll(); }
  Mutex& mutex() { return mutex_; }

 private:
  enum class Turn : uint8_t { kIdle, kWorked };
  void Loop();
  Turn Serve(MutexLock& lock, const std::shared_ptr<Connection>& connection, SimTime now);
  void Forget(MutexLock& lock, const std::shared_ptr<Connection>& connection);
  bool AllAnswered() const {
    return std::ranges::all_of(connections_,
                               [](const auto& one) { return one.second->unanswered == 0; });
  }

  Fabric& fabric_;
  const std::string host_;
  const uint16_t port_;
  const Clock& clock_;
  FrameHandler* handler_ = nullptr;
  Mutex mutex_;  // guards what follows, and its connections
  CondVar wakes_;
  CondVar answered_;
  std::map<ConnectionId, std::shared_ptr<Connection>> connections_;
  bool reading_ = true;
  bool ended_ = false;
  Thread io_;
};

void SimServer::Forget(MutexLock& lock, const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection->id);
  connection->to_client.closed = true;
  connection->client_wakes.NotifyAll();
  if (!connection->opened) return;
  lock.Unlock();
  handler_->OnClose(connection->id);
  lock.Lock();
}

SimServer::Turn SimServer::Serve(MutexLock& lock, const std::shared_ptr<Connection>& connection,
                                 SimTime now) {
  Connection& one = *connection;
  if (!one.opened) {
    lock.Unlock();
    const Admission admission = handler_->OnOpen(one.id, one.client);
    lock.Lock();
    if (admission == Admission::kRefuse) {
      Forget(lock, connection);
      return Turn::kWorked;
    }
    one.opened = true;
  }
  std::vector<Frame> frames;
  auto& queue = one.to_server.queue;
  while (reading_ && !one.dead && !queue.empty() && queue.front().first <= now) {
    frames.push_back(Frame::Copy(queue.front().second));
    queue.pop_front();
  }
  if (!frames.empty()) {
    one.unanswered += frames.size();
    lock.Unlock();
    fabric_.rules_.on_call();
    handler_->OnFrames(one.id, std::move(frames));
    lock.Lock();
    return Turn::kWorked;
  }
  if (one.to_server.closed && queue.empty() && !one.dead) {
    Forget(lock, connection);
    return Turn::kWorked;
  }
  return Turn::kIdle;
}

void SimServer::Loop() {
  MutexLock lock(mutex_);
  while (!ended_) {
    const SimTime now = fabric_.scheduler_.now();
    Turn turn = Turn::kIdle;
    SimTime next = now + std::chrono::hours(1);
    const auto connections = connections_;
    for (const auto& [id, connection] : connections) {
      if (Serve(lock, connection, now) == Turn::kWorked) turn = Turn::kWorked;
      const auto& queue = connection->to_server.queue;
      if (!connection->dead && reading_ && !queue.empty()) {
        next = std::min(next, queue.front().first);
      }
    }
    if (turn == Turn::kWorked || ended_) continue;
    wakes_.WaitUntil(lock, clock_, clock_.Boot() + (next - now));
  }
}

void SimServer::Send(std::vector<Reply> replies) {
  fabric_.rules_.on_call();
  MutexLock lock(mutex_);
  for (Reply& reply : replies) {
    const auto place = connections_.find(reply.connection);
    if (place == connections_.end()) continue;
    Connection& connection = *place->second;
    if (connection.unanswered > 0) --connection.unanswered;
    if (reply.payload.empty()) continue;
    if (!fabric_.rules_.reachable(host_, connection.client)) connection.dead = true;
    if (connection.dead) continue;
    connection.to_client.Push(fabric_.scheduler_.now() + fabric_.rules_.latency(),
                              std::move(reply.payload));
    connection.client_wakes.NotifyAll();
  }
  answered_.NotifyAll();
}

void SimServer::CloseConnection(ConnectionId id) {
  MutexLock lock(mutex_);
  const auto place = connections_.find(id);
  if (place == connections_.end()) return;
  place->second->to_server.closed = true;
  place->second->to_server.queue.clear();
  wakes_.NotifyAll();
}

void SimServer::Shutdown(BootTime deadline) {
  StopAccepting();
  {
    MutexLock lock(mutex_);
    reading_ = false;
    while (!AllAnswered() && clock_.Boot() < deadline) {
      answered_.WaitUntil(lock, clock_, deadline);
    }
    ended_ = true;
    wakes_.NotifyAll();
  }
  io_.Join();
  MutexLock lock(mutex_);
  while (!connections_.empty()) {
    const auto connection = connections_.begin()->second;
    Forget(lock, connection);
  }
}

class SimClient final : public FrameClient {
 public:
  SimClient(Fabric& fabric, const Clock& clock, std::shared_ptr<Connection> connection,
            uint16_t port)
      : fabric_(fabric), clock_(clock), connection_(std::move(connection)), port_(port) {}

  ~SimClient() override {
    connection_->to_server.closed = true;
    if (SimServer* const server = Server()) server->Wake();
  }

  Status Send(std::span<const std::string_view> frames, BootTime /*deadline*/) override {
    fabric_.rules_.on_call();
    if (connection_->to_client.closed) return Broken();
    if (fabric_.rules_.breaks()) {
      connection_->to_server.closed = true;
      connection_->to_client.closed = true;
      return Broken();
    }
    if (!fabric_.rules_.reachable(connection_->client, connection_->server)) {
      connection_->dead = true;
    }
    const SimTime due = fabric_.scheduler_.now() + fabric_.rules_.latency();
    for (const std::string_view frame : frames) {
      if (!connection_->dead) connection_->to_server.Push(due, std::string(frame));
    }
    if (SimServer* const server = Server()) server->Wake();
    return Status::Ok();
  }

  Result<std::optional<std::string>> Receive(BootTime deadline) override {
    fabric_.rules_.on_call();
    MutexLock lock(mutex_);
    auto& queue = connection_->to_client.queue;
    while (true) {
      const SimTime now = fabric_.scheduler_.now();
      if (!queue.empty() && queue.front().first <= now) {
        std::string frame = std::move(queue.front().second);
        queue.pop_front();
        return std::optional<std::string>(std::move(frame));
      }
      if (queue.empty() && connection_->to_client.closed && !connection_->dead) return Broken();
      BootTime until = deadline;
      if (!queue.empty()) until = std::min(until, clock_.Boot() + (queue.front().first - now));
      if (clock_.Boot() >= deadline) return std::optional<std::string>();
      connection_->client_wakes.WaitUntil(lock, clock_, until);
    }
  }

 private:
  Status Broken() const {
    return {Code::kUnavailable, connection_->server + ": the connection broke"};
  }
  // Null when it is gone, or another one has its place.
  SimServer* Server() const {
    const auto place = fabric_.listening_.find({connection_->server, port_});
    return place == fabric_.listening_.end() ? nullptr : place->second;
  }

  Fabric& fabric_;
  const Clock& clock_;
  const std::shared_ptr<Connection> connection_;
  const uint16_t port_;
  Mutex mutex_;
};

class SimNetwork final : public Network {
 public:
  SimNetwork(Fabric& fabric, std::string host, const Clock& clock)
      : fabric_(fabric), host_(std::move(host)), clock_(clock) {}

  Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options) override {
    fabric_.rules_.on_call();
    const std::pair<std::string, uint16_t> place{host_, options.port};
    if (fabric_.listening_.contains(place)) return Status(Code::kExists, "the port is taken");
    auto server = std::make_unique<SimServer>(fabric_, host_, options.port, clock_);
    fabric_.listening_[place] = server.get();
    return std::unique_ptr<FrameServer>(std::move(server));
  }

  Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options) override {
    fabric_.rules_.on_call();
    if (!fabric_.rules_.reachable(host_, options.host) ||
        !fabric_.rules_.reachable(options.host, host_)) {
      StopFlag never;
      never.SleepUntil(clock_, options.deadline);
      return Status(Code::kUnavailable, options.host + ": no answer");
    }
    const auto place = fabric_.listening_.find({options.host, options.port});
    if (place == fabric_.listening_.end()) {
      return Status(Code::kUnavailable, options.host + ": nobody listens");
    }
    auto connection = std::make_shared<Connection>();
    connection->id = fabric_.next_id_++;
    connection->client = host_;
    connection->server = options.host;
    place->second->Accept(connection);
    return std::unique_ptr<FrameClient>(
        std::make_unique<SimClient>(fabric_, clock_, std::move(connection), options.port));
  }

 private:
  Fabric& fabric_;
  const std::string host_;
  const Clock& clock_;
};

std::unique_ptr<Network> Fabric::Of(const std::string& host, const Clock& clock) {
  return std::make_unique<SimNetwork>(*this, host, clock);
}

}  // namespace databus::sim
