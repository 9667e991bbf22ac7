#include "base/sync.h"

#ifndef DATABUS_SIM
#include <pthread.h>
#endif

namespace databus {

#ifndef DATABUS_SIM
Thread::Thread(std::string name, std::function<void()> body)
    : thread_([name = std::move(name), body = std::move(body)] {
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        body();
      }) {}
#endif

void StopFlag::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

bool StopFlag::Stopped() const {
  MutexLock lock(mutex_);
  return stopped_;
}

bool StopFlag::SleepUntil(const Clock& clock, BootTime deadline) {
  MutexLock lock(mutex_);
  while (!stopped_ && clock.Boot() < deadline) changed_.WaitUntil(lock, clock, deadline);
  return stopped_;
}

}  // namespace databus
