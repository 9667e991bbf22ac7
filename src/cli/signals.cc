#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <utility>

namespace databus {

void HoldHangUps() {
  sigset_t hang_up;
  sigemptyset(&hang_up);
  sigaddset(&hang_up, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &hang_up, nullptr);
}

SignalWatch::SignalWatch(std::function<void()> on_stop, std::function<void()> on_reload)
    : on_stop_(std::move(on_stop)), on_reload_(std::move(on_reload)) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  if (on_reload_) sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  signals_fd_ = signalfd(-1, &signals_, SFD_CLOEXEC);
  end_fd_ = eventfd(0, EFD_CLOEXEC);
  thread_ = Thread("signals", [this] { Watch(); });
}

SignalWatch::~SignalWatch() {
  eventfd_write(end_fd_, 1);
  thread_.Join();
  close(signals_fd_);
  close(end_fd_);
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

void SignalWatch::Watch() {
  for (;;) {
    pollfd fds[] = {{signals_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
    if (poll(fds, std::size(fds), -1) < 0) continue;
    if ((fds[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (read(signals_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    OnSignal(static_cast<int>(info.ssi_signo));
  }
}

void SignalWatch::OnSignal(int number) {
  if (number == SIGHUP) return on_reload_();
  if (told_to_stop_) _exit(128 + number);
  told_to_stop_ = true;
  on_stop_();
}

}  // namespace databus
