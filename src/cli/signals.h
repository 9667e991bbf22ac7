// TERM and INT as a call. For commands that have something to finish before they end; all others
// die of these signals as programs do.
#pragma once

#include <functional>

#include "base/sync.h"

namespace databus {

// From its construction to its destruction TERM and INT call `on_stop`, on a thread of its own,
// once; the next one ends the process at once, with 128 + the signal's number. Construct it before
// any other thread of the command: threads inherit the blocked signals.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void()> on_stop);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void Watch();

  const std::function<void()> on_stop_;
  int signals_fd_ = -1;
  int end_fd_ = -1;
  Thread thread_;
};

}  // namespace databus
