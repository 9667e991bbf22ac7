#include "storage/hdfs/upkeep.h"

namespace databus::hdfs {
Upkeep::~Upkeep() {
  stop_.Stop();
  thread_.Join();
}

void Upkeep::Add(Kept& kept) {
  MutexLock lock(mutex_);
  all_.insert(&kept);
  if (started_) return;
  started_ = true;
  thread_ = Thread("hdfs-upkeep", [this] { Run(); });
}

void Upkeep::Remove(Kept& kept) {
  MutexLock lock(mutex_);
  all_.erase(&kept);
  while (current_ == &kept) changed_.Wait(lock);
}

void Upkeep::Run() {
  while (!stop_.SleepUntil(clock_, clock_.Boot() + interval_)) {
    MutexLock lock(mutex_);
    const std::set<Kept*> all = all_;
    for (Kept* kept : all) {
      if (!all_.contains(kept)) continue;
      current_ = kept;
      lock.Unlock();
      kept->Keep();
      lock.Lock();
      current_ = nullptr;
      changed_.NotifyAll();
    }
  }
}

}  // namespace databus::hdfs
