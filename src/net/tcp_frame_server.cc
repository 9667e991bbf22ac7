#include "net/tcp_frame_server.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace databus {
namespace {

using namespace std::chrono_literals;

// Names in epoll for what is no connection; connections begin behind them.
constexpr uint64_t kListenerName = 0;
constexpr uint64_t kWakeName = 1;
constexpr ConnectionId kFirstConnection = 2;

constexpr int kEventsMax = 256;
constexpr int kAcceptsPerRoundMax = 64;
constexpr int kTickMs = 500;
// How long a peer may take to fetch its last answers.
constexpr auto kLinger = 2s;
// A large frame may make no progress for so long while others wait for its room.
constexpr auto kStall = 30s;

void EpollAdd(int epoll, int fd, uint64_t name, uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = name}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

Status BindError(const SocketAddress& address, int error) {
  const Code code = error == EADDRINUSE ? Code::kExists : Code::kRefused;
  return ErrnoStatus(code, fmt::format("listen on [{}]:{}", address.Ip(), address.Port()), error);
}

Result<TcpFrameServer::Listening> Bind(const SocketAddress& address) {
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return BindError(address, errno);
  const int on = 1, off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd.get(), address.get(), address.size) != 0) return BindError(address, errno);
  if (::listen(fd.get(), SOMAXCONN) != 0) return BindError(address, errno);
  SocketAddress bound;
  bound.size = sizeof bound.bytes;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound.bytes), &bound.size);
  return TcpFrameServer::Listening{std::move(fd), bound.Port()};
}

}  // namespace

Result<std::unique_ptr<FrameServer>> TcpFrameServer::Listen(const ListenOptions& options,
                                                            const Clock& clock) {
  DATABUS_ASSIGN_OR_RETURN(SocketAddress address, ParseAddress(options.bind_address, options.port));
  Fd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.open() && options.bind_address == "::") {  // a machine without IPv6
    DATABUS_ASSIGN_OR_RETURN(address, ParseAddress("0.0.0.0", options.port));
  }
  DATABUS_ASSIGN_OR_RETURN(Listening listening, Bind(address));
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll.open() || !wake.open()) return ErrnoStatus(Code::kRefused, "epoll", errno);
  return std::unique_ptr<FrameServer>(std::make_unique<TcpFrameServer>(
      options, clock, std::move(listening), std::move(epoll), std::move(wake)));
}

TcpFrameServer::TcpFrameServer(const ListenOptions& options, const Clock& clock,
                               Listening listening, Fd epoll, Fd wake)
    : options_(options),
      clock_(clock),
      listener_(std::move(listening.socket)),
      port_(listening.port),
      epoll_(std::move(epoll)),
      wake_(std::make_shared<const Fd>(std::move(wake))),
      buffers_(std::make_shared<ReceiveBuffers>(wake_)),
      next_id_(kFirstConnection) {
  EpollAdd(epoll_.get(), wake_->get(), kWakeName, EPOLLIN);
}

TcpFrameServer::~TcpFrameServer() { Shutdown(clock_.Boot()); }

void TcpFrameServer::Start(FrameHandler& handler) {
  handler_ = &handler;
  if (listener_.open()) EpollAdd(epoll_.get(), listener_.get(), kListenerName, EPOLLIN);
  io_ = Thread("net-io", [this] { Loop(); });
}

// Lets `ask` change the inbox and sees to it that the IO thread looks into it.
template <typename Ask>
void TcpFrameServer::Tell(Ask&& ask) {
  bool told_before;
  {
    MutexLock lock(mutex_);
    ask(inbox_);
    told_before = std::exchange(inbox_.told, true);
  }
  if (!told_before) ::eventfd_write(wake_->get(), 1);
}

void TcpFrameServer::Send(std::vector<Reply> replies) {
  Tell([&](Inbox& inbox) {
    if (inbox.replies.empty()) {
      inbox.replies = std::move(replies);
    } else {
      std::move(replies.begin(), replies.end(), std::back_inserter(inbox.replies));
    }
  });
}

void TcpFrameServer::CloseConnection(ConnectionId connection) {
  Tell([&](Inbox& inbox) { inbox.closes.push_back(connection); });
}

void TcpFrameServer::SetLimits(const FrameLimits& limits) {
  Tell([&](Inbox& inbox) { inbox.limits = limits; });
}

void TcpFrameServer::StopAccepting() {
  Tell([](Inbox& inbox) { inbox.told_to = std::max(inbox.told_to, ToldTo::kStopAccepting); });
}

void TcpFrameServer::Shutdown(BootTime deadline) {
  Tell([&](Inbox& inbox) {
    inbox.told_to = ToldTo::kShutDown;
    inbox.deadline = deadline;
  });
  io_.Join();
  listener_.Close();
}

FrameServerStats TcpFrameServer::Stats() const {
  MutexLock lock(stats_mutex_);
  FrameServerStats stats = stats_;
  stats.pending_bytes_now = buffers_->held();
  return stats;
}

void TcpFrameServer::Count(uint64_t FrameServerStats::* field, uint64_t by) {
  MutexLock lock(stats_mutex_);
  stats_.*field += by;
}

void TcpFrameServer::Loop() {
  std::array<epoll_event, kEventsMax> events;
  do {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsMax, WaitMs());
    for (int i = 0; i < count; ++i) {
      const uint64_t name = events[i].data.u64;
      if (name == kListenerName) {
        AcceptAll();
      } else if (name == kWakeName) {
        eventfd_t ignored;
        ::eventfd_read(wake_->get(), &ignored);
      } else if (const auto found = connections_.find(name); found != connections_.end()) {
        OnEvent(*found->second, events[i].events);
      }
    }
    TakeInbox();
    if (full_ && !Full()) ResumeReading();
  } while (Tick());
  while (!connections_.empty()) Remove(*connections_.begin()->second);
  chunk_.reset();
}

int TcpFrameServer::WaitMs() const {
  const bool later =
      lingering_ > 0 || accept_rests_ || !large_waiting_.empty() || told_to_ == ToldTo::kShutDown;
  if (!later) return -1;
  if (told_to_ != ToldTo::kShutDown) return kTickMs;
  const auto left = std::chrono::ceil<Milliseconds>(shutdown_deadline_ - clock_.Boot()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, kTickMs));
}

// What time brings. False when the loop is over.
bool TcpFrameServer::Tick() {
  if (lingering_ == 0 && !accept_rests_ && large_waiting_.empty()) {
    if (told_to_ != ToldTo::kShutDown) return true;
    return !connections_.empty() && clock_.Boot() < shutdown_deadline_;
  }
  const BootTime now = clock_.Boot();
  if (accept_rests_ && listener_.open()) {
    accept_rests_ = false;
    EpollAdd(epoll_.get(), listener_.get(), kListenerName, EPOLLIN);
  }
  if (lingering_ > 0) {
    std::vector<ConnectionId> over;
    for (const auto& [id, connection] : connections_) {
      if (connection->phase == Phase::kLingering && connection->linger_until <= now) {
        over.push_back(id);
      }
    }
    for (const ConnectionId id : over) Remove(*connections_.at(id));
  }
  if (!large_waiting_.empty()) CloseStalled(now);
  if (told_to_ != ToldTo::kShutDown) return true;
  return !connections_.empty() && now < shutdown_deadline_;
}

void TcpFrameServer::TakeLimits(const FrameLimits& limits) {
  options_.frame_bytes_max = limits.frame_bytes_max;
  options_.connections_max = limits.connections_max;
  for (const auto& [id, connection] : connections_) {
    connection->SetFrameBytesMax(limits.frame_bytes_max);
  }
}

void TcpFrameServer::TakeInbox() {
  Inbox inbox;
  {
    MutexLock lock(mutex_);
    inbox = std::exchange(inbox_, {});
    // What the server was told to do stays told.
    inbox_.told_to = inbox.told_to;
    inbox_.deadline = inbox.deadline;
  }
  if (inbox.limits) TakeLimits(*inbox.limits);
  std::vector<ConnectionId> touched;
  for (const Reply& reply : inbox.replies) {
    const auto found = connections_.find(reply.connection);
    if (found == connections_.end()) continue;
    if (touched.empty() || touched.back() != reply.connection) touched.push_back(reply.connection);
    found->second->Answer(reply.payload);
  }
  for (const ConnectionId id : inbox.closes) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    EndReading(*found->second, Phase::kFlushing);
    touched.push_back(id);
  }
  if (inbox.told_to > told_to_) {
    told_to_ = inbox.told_to;
    listener_.Close();
    if (told_to_ == ToldTo::kShutDown) {
      for (const auto& [id, connection] : connections_) {
        EndReading(*connection, Phase::kAnswering);
        touched.push_back(id);
      }
    }
  }
  if (told_to_ == ToldTo::kShutDown) shutdown_deadline_ = inbox.deadline;
  for (const ConnectionId id : touched) {
    const auto found = connections_.find(id);
    if (found != connections_.end()) SendTo(*found->second);
  }
}

void TcpFrameServer::AcceptAll() {
  for (int i = 0; i < kAcceptsPerRoundMax; ++i) {
    SocketAddress peer;
    peer.size = sizeof peer.bytes;
    Fd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer.bytes), &peer.size,
                    SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.open()) {
      Admit(std::move(fd), peer);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
      accept_rests_ = true;
      return;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // Anything else is about the one peer that has gone away meanwhile.
  }
}

void TcpFrameServer::Admit(Fd fd, const SocketAddress& peer) {
  const ConnectionId id = next_id_++;
  if (connections_.size() >= options_.connections_max ||
      handler_->OnOpen(id, peer.Ip()) == Admission::kRefuse) {
    Count(&FrameServerStats::connections_refused);
    return;
  }
  SetConnectionOptions(fd.get());
  EpollAdd(epoll_.get(), fd.get(), id, EPOLLIN);
  auto connection = std::make_unique<TcpConnection>(id, std::move(fd), options_.frame_bytes_max);
  connection->interest = EPOLLIN;
  connection->progress = clock_.Boot();
  connections_.emplace(id, std::move(connection));
  Count(&FrameServerStats::connections_accepted);
  Count(&FrameServerStats::connections_now);
}

void TcpFrameServer::OnEvent(TcpConnection& connection, uint32_t events) {
  if ((events & EPOLLIN) != 0 && ReadFrom(connection) == Outlook::kGone) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0) {
    return Remove(connection);  // answers would not arrive any more
  }
  if ((events & EPOLLOUT) != 0) SendTo(connection);
}

TcpFrameServer::Outlook TcpFrameServer::ReadFrom(TcpConnection& connection) {
  if (connection.phase == Phase::kLingering) {
    if (connection.Discard()) return Outlook::kStays;
    Remove(connection);
    return Outlook::kGone;
  }
  if (!MayRead(connection)) return Outlook::kStays;
  if (Full()) {
    Watch(connection);
    return Outlook::kStays;
  }
  if (chunk_ == nullptr || chunk_used_ > chunk_->size() / 2) {
    chunk_ = buffers_->Chunk();
    chunk_used_ = 0;
  }
  const size_t reserved = connection.large_reserved();
  TcpConnection::Read read = connection.ReadOnce(chunk_, chunk_used_);
  if (connection.large_reserved() < reserved) {
    large_reserved_ -= reserved;
    GrantLarge();
  }
  return AfterRead(connection, read);
}

TcpFrameServer::Outlook TcpFrameServer::AfterRead(TcpConnection& connection,
                                                  TcpConnection::Read& read) {
  if (read.bytes > 0) {
    connection.progress = clock_.Boot();
    MutexLock lock(stats_mutex_);
    stats_.bytes_in += read.bytes;
    stats_.frames_in += read.frames.size();
  }
  if (!read.frames.empty()) handler_->OnFrames(connection.id(), std::move(read.frames));
  if (read.oversized != 0) {
    Count(&FrameServerStats::frames_oversized);
    connection.last_words =
        handler_->OnOversized(connection.id(), connection.head(), read.oversized);
    EndReading(connection, Phase::kAnswering);
    return SendTo(connection);
  }
  if (read.outcome == TcpConnection::ReadOutcome::kEnd ||
      read.outcome == TcpConnection::ReadOutcome::kBroken) {
    if (connection.in_frame()) Count(&FrameServerStats::frames_truncated);
    if (read.outcome == TcpConnection::ReadOutcome::kBroken) {
      Remove(connection);
      return Outlook::kGone;
    }
    // The peer may have closed its own direction only and still want its answers.
    connection.peer_ended = true;
    EndReading(connection, Phase::kAnswering);
    return SendTo(connection);
  }
  if (connection.large_wanted() > 0) AskForLarge(connection);
  Watch(connection);
  return Outlook::kStays;
}

// Sends what there is, and takes the next step towards the end when all is sent.
TcpFrameServer::Outlook TcpFrameServer::SendTo(TcpConnection& connection) {
  if (connection.phase == Phase::kAnswering && !connection.unanswered()) {
    connection.phase = Phase::kFlushing;
    if (!connection.last_words.empty()) connection.Append(connection.last_words);
  }
  uint64_t sent = 0;
  const TcpConnection::WriteOutcome outcome = connection.Write(sent);
  Count(&FrameServerStats::bytes_out, sent);
  const bool over =
      outcome == TcpConnection::WriteOutcome::kAll && connection.phase == Phase::kFlushing;
  if (outcome == TcpConnection::WriteOutcome::kBroken || (over && connection.peer_ended)) {
    Remove(connection);
    return Outlook::kGone;
  }
  if (over) {
    ::shutdown(connection.fd(), SHUT_WR);
    connection.phase = Phase::kLingering;
    connection.linger_until = clock_.Boot() + kLinger;
    ++lingering_;
  }
  Watch(connection);
  return Outlook::kStays;
}

void TcpFrameServer::EndReading(TcpConnection& connection, Phase phase) {
  if (connection.phase == Phase::kLingering) return;
  connection.phase = std::max(connection.phase, phase);
  FreeLarge(connection);
}

void TcpFrameServer::Remove(TcpConnection& connection) {
  FreeLarge(connection);
  if (connection.phase == Phase::kLingering) --lingering_;
  const ConnectionId id = connection.id();
  connections_.erase(id);
  Count(&FrameServerStats::connections_now, static_cast<uint64_t>(-1));
  handler_->OnClose(id);
}

// Gives up the unfinished frame and its room.
void TcpFrameServer::FreeLarge(TcpConnection& connection) {
  const size_t reserved = connection.large_reserved();
  if (connection.large_wanted() > 0) std::erase(large_waiting_, connection.id());
  connection.DropUnfinished();
  large_reserved_ -= reserved;
  if (reserved > 0) GrantLarge();
}

void TcpFrameServer::AskForLarge(TcpConnection& connection) {
  large_waiting_.push_back(connection.id());
  GrantLarge();
}

// First come, first served; one may always go on, however large it is.
void TcpFrameServer::GrantLarge() {
  while (!large_waiting_.empty()) {
    TcpConnection& first = *connections_.at(large_waiting_.front());
    const size_t wanted = first.large_wanted();
    if (large_reserved_ > 0 && large_reserved_ + wanted > options_.total_pending_bytes_max) return;
    large_waiting_.pop_front();
    large_reserved_ += wanted;
    first.GiveLarge(buffers_->Large(wanted));
    Watch(first);
  }
}

void TcpFrameServer::CloseStalled(BootTime now) {
  std::vector<ConnectionId> stalled;
  for (const auto& [id, connection] : connections_) {
    const bool readable = (connection->interest & EPOLLIN) != 0;
    if (connection->large_reserved() > 0 && readable && connection->progress + kStall <= now) {
      stalled.push_back(id);
    }
  }
  for (const ConnectionId id : stalled) {
    Count(&FrameServerStats::frames_stalled);
    Remove(*connections_.at(id));
  }
}

bool TcpFrameServer::MayRead(const TcpConnection& connection) const {
  if (connection.phase == Phase::kLingering) return true;
  const uint64_t most = options_.connection_pending_bytes_max;
  return connection.phase == Phase::kOpen && connection.large_wanted() == 0 &&
         connection.unanswered_bytes() < most && connection.unsent_bytes() < most;
}

// Brings what epoll watches for in line with what this connection may do.
void TcpFrameServer::Watch(TcpConnection& connection) {
  const bool read = MayRead(connection) && (!full_ || connection.phase == Phase::kLingering);
  const uint32_t wanted = (read ? EPOLLIN : 0u) | (connection.unsent_bytes() > 0 ? EPOLLOUT : 0u);
  if (wanted == connection.interest) return;
  if ((wanted & ~connection.interest & EPOLLIN) != 0) connection.progress = clock_.Boot();
  connection.interest = wanted;
  epoll_event event{.events = wanted, .data = {.u64 = connection.id()}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd(), &event);
}

// Whether the handler holds too much. Then the next buffer that comes back wakes the loop.
bool TcpFrameServer::Full() {
  if (buffers_->held() < options_.total_pending_bytes_max) return false;
  chunk_.reset();  // it would count as long as it is ours
  buffers_->AskToBeWoken();
  if (buffers_->held() < options_.total_pending_bytes_max) return false;
  if (!std::exchange(full_, true)) Count(&FrameServerStats::reads_paused);
  return true;
}

void TcpFrameServer::ResumeReading() {
  full_ = false;
  for (const auto& [id, connection] : connections_) Watch(*connection);
}

}  // namespace databus
