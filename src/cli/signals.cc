#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <utility>

namespace databus {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

SignalWatch::SignalWatch(std::function<void()> on_stop) : on_stop_(std::move(on_stop)) {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  end_fd_ = eventfd(0, EFD_CLOEXEC);
  thread_ = Thread("signals", [this] { Watch(); });
}

SignalWatch::~SignalWatch() {
  eventfd_write(end_fd_, 1);
  thread_.Join();
  close(signals_fd_);
  close(end_fd_);
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void SignalWatch::Watch() {
  enum class Seen { kNone, kOne } seen = Seen::kNone;
  for (;;) {
    pollfd fds[] = {{signals_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
    if (poll(fds, std::size(fds), -1) < 0) continue;
    if ((fds[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (read(signals_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    if (seen == Seen::kOne) _exit(128 + static_cast<int>(info.ssi_signo));
    seen = Seen::kOne;
    on_stop_();
  }
}

}  // namespace databus
