#include "tests/torture/proxy.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "tests/torture/loopback.h"

namespace databus {
namespace {

constexpr int kNoticeMs = 20;
constexpr std::array<std::string_view, kCuts> kNames = {
    "none", "reset", "hold", "silent", "no requests", "no answers", "half open"};

void Reset(Fd& fd) {
  if (!fd.open()) return;
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd.Close();
}

bool WouldBlock() { return errno == EAGAIN || errno == EINTR; }

// False: one side is gone.
template <typename Flow>
bool Pump(const Fd& from, const Fd& to, Flow& flow) {
  std::array<char, 65'536> buffer;
  if (flow.waiting.empty() && !flow.ended) {
    const ssize_t got = ::recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && !WouldBlock()) return false;
    if (got > 0) flow.waiting.assign(buffer.data(), static_cast<size_t>(got));
    if (got == 0) {
      flow.ended = true;
      ::shutdown(to.get(), SHUT_WR);
    }
  }
  if (flow.waiting.empty()) return true;
  const ssize_t sent =
      ::send(to.get(), flow.waiting.data(), flow.waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return WouldBlock();
  flow.waiting.erase(0, static_cast<size_t>(sent));
  return true;
}

}  // namespace

std::string_view CutName(Cut cut) { return kNames[static_cast<size_t>(cut)]; }

Result<std::unique_ptr<Proxy>> Proxy::Start(uint16_t target) {
  DATABUS_ASSIGN_OR_RETURN(LoopbackListener listener, ListenOnLoopback(SOCK_NONBLOCK));
  return std::unique_ptr<Proxy>(new Proxy(std::move(listener.fd), listener.port, target));
}

Proxy::Proxy(Fd listener, uint16_t port, uint16_t target)
    : listener_(std::move(listener)), port_(port), target_(target) {
  thread_ = Thread("proxy", [this] { Run(); });
}

Proxy::~Proxy() {
  stop_.Stop();
  thread_.Join();
}

void Proxy::SetAndWait(Cut cut) {
  Set(cut);
  StopFlag never;
  const Clock& clock = SystemClock();
  while (cut_ != cut) never.SleepUntil(clock, clock.Boot() + Milliseconds(1));
}

bool Proxy::Passes(bool up) const {
  switch (cut_) {
    case Cut::kNone: return true;
    case Cut::kNoRequests: return !up;
    case Cut::kNoAnswers: return up;
    default: return false;
  }
}

void Proxy::Run() {
  while (!stop_.Stopped()) {
    std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      const auto watch = [&](const Fd& from, const Fd& to, const Flow& flow, bool up) {
        if (!Passes(up)) return;
        if (!flow.waiting.empty()) {
          polled.push_back({to.get(), POLLOUT, 0});
        } else if (!flow.ended) {
          polled.push_back({from.get(), POLLIN, 0});
        }
      };
      watch(link.client, link.server, link.up, true);
      watch(link.server, link.client, link.down, false);
    }
    ::poll(polled.data(), polled.size(), kNoticeMs);
    if (const Cut wanted = wanted_; wanted != cut_) Change(wanted);
    Accept();
    for (auto link = links_.begin(); link != links_.end();) {
      if (Forward(*link)) {
        ++link;
        continue;
      }
      Reset(link->client);
      Reset(link->server);
      link = links_.erase(link);
    }
  }
}

void Proxy::Change(Cut to) {
  const Cut from = cut_.exchange(to);
  for (auto link = links_.begin(); link != links_.end();) {
    if (to == Cut::kHalfOpen) Reset(link->server);
    const bool over = to == Cut::kReset || (from != Cut::kNone && from != Cut::kHold);
    if (over) {
      Reset(link->client);
      Reset(link->server);
    }
    link = over ? links_.erase(link) : std::next(link);
  }
}

void Proxy::Accept() {
  for (;;) {
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.open()) return;
    Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress address = Loopback(target_);
    if (cut_ == Cut::kReset || ::connect(server.get(), address.get(), address.size) != 0) {
      Reset(client);
      continue;
    }
    links_.push_back(
        {.client = std::move(client), .server = std::move(server), .up = {}, .down = {}});
  }
}

bool Proxy::Forward(Link& link) const {
  if (!link.server.open()) return true;  // half open until the cut ends
  if (Passes(true) && !Pump(link.client, link.server, link.up)) return false;
  if (Passes(false) && !Pump(link.server, link.client, link.down)) return false;
  return !link.up.ended || !link.down.ended;
}

}  // namespace databus
