// TERM, INT and HUP as calls. For commands that have something to finish before they end, or
// something to read again; all others die of these signals as programs do.
#pragma once

#include <csignal>
#include <functional>

#include "base/sync.h"

namespace databus {

// From now on HUPs of this process wait until a SignalWatch that reloads is there, which then hears
// of them. For a service that reloads, first thing in main(): an early HUP must not kill it.
void HoldHangUps();

// From its construction to its destruction TERM and INT call `on_stop`, on a thread of its own,
// once; the next one ends the process at once, with 128 + the signal's number. Every HUP calls
// `on_reload`, if there is one. Construct it before any other thread of the command: threads
// inherit the blocked signals.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void()> on_stop, std::function<void()> on_reload = {});
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void Watch();
  void OnSignal(int number);

  const std::function<void()> on_stop_;
  const std::function<void()> on_reload_;
  sigset_t signals_;
  bool told_to_stop_ = false;
  int signals_fd_ = -1;
  int end_fd_ = -1;
  Thread thread_;
};

}  // namespace databus
