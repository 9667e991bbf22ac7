#include "storage/hdfs/upkeep.h"

#include <gtest/gtest.h>

#include <atomic>

namespace databus::hdfs {
namespace {

using namespace std::chrono_literals;

class Counting final : public Kept {
 public:
  void Keep() override {
    MutexLock lock(mutex_);
    ++kept_;
    changed_.NotifyAll();
  }
  void Await(int times) {
    MutexLock lock(mutex_);
    while (kept_ < times) changed_.Wait(lock);
  }
  int kept() {
    MutexLock lock(mutex_);
    return kept_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int kept_ = 0;
};

TEST(UpkeepTest, LooksAfterWhatWasAddedUntilItIsRemoved) {
  Upkeep upkeep(SystemClock(), 1ms);
  Counting first;
  Counting second;
  upkeep.Add(first);
  upkeep.Add(second);
  first.Await(2);
  second.Await(2);
  upkeep.Remove(first);
  const int before = first.kept();
  second.Await(second.kept() + 2);
  EXPECT_EQ(first.kept(), before);
  upkeep.Remove(second);
}

TEST(UpkeepTest, EndsAtOnceAlsoWhenItWaits) {
  Upkeep upkeep(SystemClock());
  Counting kept;
  upkeep.Add(kept);
  upkeep.Remove(kept);
}

}  // namespace
}  // namespace databus::hdfs
