// The wish that a service reads its configuration again: raised by a signal or a call, taken by the
// service when it gets there.
#pragma once

#include <atomic>

namespace databus {

// Thread-safe.
class ReloadFlag {
 public:
  void Ask() { asked_ = true; }
  // Whether it was asked for since the last Take. Several wishes in a row are one.
  bool Take() { return asked_.exchange(false); }

 private:
  std::atomic<bool> asked_{false};
};

}  // namespace databus
