// FrameServer over TCP: one IO thread around epoll.
//
// Who may touch what: everything is the IO thread's, but the inbox (mutex_) and the counts
// (stats_mutex_). Before Start and after Shutdown there is no IO thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/sync.h"
#include "net/frame_server.h"
#include "net/tcp_connection.h"

namespace databus {

class TcpFrameServer final : public FrameServer {
 public:
  // What every server starts from: a socket that listens, and where.
  struct Listening {
    Fd socket;
    uint16_t port = 0;
  };
  static Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options,
                                                     const Clock& clock);
  // Use Listen.
  TcpFrameServer(const ListenOptions& options, const Clock& clock, Listening listening, Fd epoll,
                 Fd wake);
  ~TcpFrameServer() override;

  void Start(FrameHandler& handler) override;
  uint16_t port() const override { return port_; }
  void Send(std::vector<Reply> replies) override;
  void CloseConnection(ConnectionId connection) override;
  void SetLimits(const FrameLimits& limits) override;
  void StopAccepting() override;
  void Shutdown(BootTime deadline) override;
  FrameServerStats Stats() const override;

 private:
  enum class ToldTo : uint8_t { kServe, kStopAccepting, kShutDown };
  // What other threads ask of the IO thread.
  struct Inbox {
    std::vector<Reply> replies;
    std::vector<ConnectionId> closes;
    std::optional<FrameLimits> limits;
    ToldTo told_to = ToldTo::kServe;
    BootTime deadline{};
    // The IO thread has been woken for it.
    bool told = false;
  };
  enum class Outlook : uint8_t { kStays, kGone };

  void Loop();
  // How long epoll may wait: for ever, unless something is to be done later.
  int WaitMs() const;
  bool Tick();
  void TakeInbox();
  void TakeLimits(const FrameLimits& limits);
  template <typename Ask>
  void Tell(Ask&& ask);

  void AcceptAll();
  void Admit(Fd fd, const SocketAddress& peer);
  void OnEvent(TcpConnection& connection, uint32_t events);
  Outlook ReadFrom(TcpConnection& connection);
  Outlook AfterRead(TcpConnection& connection, TcpConnection::Read& read);
  Outlook SendTo(TcpConnection& connection);
  void EndReading(TcpConnection& connection, Phase phase);
  void Remove(TcpConnection& connection);

  // Room for large frames.
  void AskForLarge(TcpConnection& connection);
  void GrantLarge();
  void FreeLarge(TcpConnection& connection);
  void CloseStalled(BootTime now);

  bool MayRead(const TcpConnection& connection) const;
  void Watch(TcpConnection& connection);
  bool Full();
  void ResumeReading();
  void Count(uint64_t FrameServerStats::* field, uint64_t by = 1);

  ListenOptions options_;  // the limits may change
  const Clock& clock_;
  Fd listener_;
  const uint16_t port_;
  const Fd epoll_;
  const std::shared_ptr<const Fd> wake_;
  const std::shared_ptr<ReceiveBuffers> buffers_;
  FrameHandler* handler_ = nullptr;

  std::unordered_map<ConnectionId, std::unique_ptr<TcpConnection>> connections_;
  ConnectionId next_id_;
  std::shared_ptr<ReceiveBuffers::Buffer> chunk_;
  size_t chunk_used_ = 0;
  // Nobody is read, because the handler holds too much.
  bool full_ = false;
  uint64_t large_reserved_ = 0;
  std::deque<ConnectionId> large_waiting_;
  size_t lingering_ = 0;
  // The system had no descriptor for a new connection: accepting rests until the next tick.
  bool accept_rests_ = false;
  ToldTo told_to_ = ToldTo::kServe;
  BootTime shutdown_deadline_;

  Mutex mutex_;
  Inbox inbox_;
  mutable Mutex stats_mutex_;
  FrameServerStats stats_;
  Thread io_;
};

}  // namespace databus
