// Kills a worker at every storage call of local, merge and mirror, and loses the answer of every
// call, while events arrive, a minute ends, and another worker takes over in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using Settled = Installation::Settled;

// One story: deliveries on both sides, a minute's boundary, more deliveries. `dc1` and `dc2` are
// the workers that may die; whoever is dead is replaced by a fresh process.
class Story {
 public:
  Story() { Restart(dc1_, "dc1"), Restart(dc2_, "dc2"); }

  WorkerProcess& dc1() { return *dc1_; }
  WorkerProcess& dc2() { return *dc2_; }

  // Answers the violations seen after any step.
  std::vector<std::string> Run() {
    for (const std::string stream : {"clicks", "views", "orders"}) {
      world.Deliver("dc1", stream, "c1");
      world.Deliver("dc2", stream, "c3");
    }
    Rounds(2);
    for (const std::string stream : {"clicks", "views", "orders"}) {
      world.Deliver("dc1", stream, "c2");
      world.Deliver("dc1", stream, "c1");
      world.Deliver("dc2", stream, "c4");
    }
    Rounds(1);
    world.clock.Advance(seconds(40));  // into the next minute
    Rounds(2);
    world.Deliver("dc1", "clicks", "c1");
    world.Deliver("dc2", "orders", "c4");
    Rounds(2);
    return seen_;
  }

  // No more faults: everything must arrive. After a death the lease has to run out first.
  std::vector<std::string> Settle() {
    dc1().plan.Clear();
    dc2().plan.Clear();
    for (int i = 0; i < 20; ++i) {
      Round();
      world.clock.Advance(seconds(1));
    }
    Check(Settled::kYes);
    return seen_;
  }

  Installation world;

 private:
  void Rounds(int count) {
    for (int i = 0; i < count; ++i) {
      Round();
      world.clock.Advance(seconds(1));
      Check(Settled::kNo);
    }
  }

  void Round() {
    StepOrRestart(dc1_, "dc1");
    StepOrRestart(dc2_, "dc2");
  }

  void StepOrRestart(std::unique_ptr<WorkerProcess>& process, const std::string& cluster) {
    try {
      process->Step();
    } catch (const Crash&) {
      Check(Settled::kNo);
      Restart(process, cluster);
    }
  }

  void Restart(std::unique_ptr<WorkerProcess>& process, const std::string& cluster) {
    process = std::make_unique<WorkerProcess>(world, std::vector<std::string>{cluster}, ++pid_);
  }

  void Check(Settled settled) {
    const auto found = world.Violations(settled);
    seen_.insert(seen_.end(), found.begin(), found.end());
    const auto changed = ClosedMinutesThatChanged();
    seen_.insert(seen_.end(), changed.begin(), changed.end());
  }

  // G4: a minute after which a later one stands is as it was when first seen so.
  std::vector<std::string> ClosedMinutesThatChanged() {
    std::vector<std::string> changed;
    for (const std::string cluster : {"dc1", "dc2"}) {
      for (const View view : {View::kLocal, View::kMerged}) {
        std::map<std::string, std::map<std::string, std::set<std::string>>> minutes;
        for (const SeenFile& file : world.Files(cluster, view)) {
          minutes[file.stream][file.minute].insert(file.name);
        }
        for (const auto& [stream, by_minute] : minutes) {
          for (auto it = by_minute.begin(); std::next(it) != by_minute.end(); ++it) {
            const std::string key = cluster + std::string(ViewName(view)) + stream + it->first;
            const auto [known, fresh] = closed_.try_emplace(key, it->second);
            if (!fresh && known->second != it->second) changed.push_back("changed: " + key);
          }
        }
      }
    }
    return changed;
  }

  std::unique_ptr<WorkerProcess> dc1_;
  std::unique_ptr<WorkerProcess> dc2_;
  int64_t pid_ = 0;
  std::vector<std::string> seen_;
  std::map<std::string, std::set<std::string>> closed_;
};

enum class Victim : uint8_t { kDc1, kDc2 };

uint64_t CountCalls(Victim victim) {
  Story story;
  EXPECT_THAT(story.Run(), IsEmpty());
  EXPECT_THAT(story.Settle(), IsEmpty());
  return (victim == Victim::kDc1 ? story.dc1() : story.dc2()).plan.calls();
}

// Runs the story once per call number with this fault at it.
void ForEveryCall(Victim victim, const Fault& fault, uint64_t stride) {
  const uint64_t calls = CountCalls(victim);
  ASSERT_GT(calls, 500u);
  for (uint64_t number = 1; number <= calls; number += stride) {
    Story story;
    WorkerProcess& process = victim == Victim::kDc1 ? story.dc1() : story.dc2();
    process.plan.Add({.number = number, .fault = fault});
    std::vector<std::string> violations = story.Run();
    if (violations.empty()) violations = story.Settle();
    ASSERT_THAT(violations, IsEmpty()) << "call " << number << " of " << calls;
  }
}

TEST(WorkerCrashTest, KilledBeforeAnyCallOfLocalAndMerge) {
  ForEveryCall(Victim::kDc1, Fault::CrashBefore(), 1);
}
TEST(WorkerCrashTest, KilledAfterAnyCallOfLocalAndMerge) {
  ForEveryCall(Victim::kDc1, Fault::CrashAfter(), 1);
}
TEST(WorkerCrashTest, KilledBeforeAnyCallOfMirror) {
  ForEveryCall(Victim::kDc2, Fault::CrashBefore(), 1);
}
TEST(WorkerCrashTest, KilledAfterAnyCallOfMirror) {
  ForEveryCall(Victim::kDc2, Fault::CrashAfter(), 1);
}
TEST(WorkerCrashTest, TheAnswerOfAnyCallIsLostAfterItTookEffect) {
  ForEveryCall(Victim::kDc1, Fault::AnswerLost(), 1);
  ForEveryCall(Victim::kDc2, Fault::AnswerLost(), 1);
}
TEST(WorkerCrashTest, AnyCallIsLost) {
  ForEveryCall(Victim::kDc1, Fault::RequestLost(), 1);
  ForEveryCall(Victim::kDc2, Fault::RequestLost(), 1);
}
TEST(WorkerCrashTest, TheDiskIsFullAtAnyCall) {
  ForEveryCall(Victim::kDc1, Fault::Full(), 1);
  ForEveryCall(Victim::kDc2, Fault::Full(), 1);
}

// P2-P4: while the holder sleeps in the middle of any call, another process takes over and
// finishes; then the sleeper wakes up and goes on.
TEST(WorkerCrashTest, AHolderThatSleepsThroughATakeOverMakesNothingVisible) {
  const uint64_t calls = CountCalls(Victim::kDc1);
  for (uint64_t number = 1; number <= calls; number += 3) {
    Story story;
    auto other = std::make_shared<WorkerProcess>(story.world, std::vector<std::string>{"dc1"}, 99);
    story.dc1().plan.Add({.number = number, .fault = Fault::Delayed([&story, other] {
                                              for (int i = 0; i < 14; ++i) {
                                                other->of().Prepare().ok();
                                                other->Step();
                                                story.world.clock.Advance(seconds(1));
                                              }
                                            })});
    std::vector<std::string> violations = story.Run();
    for (int i = 0; i < 20 && violations.empty(); ++i) {
      other->Step();
      story.world.clock.Advance(seconds(1));
    }
    if (violations.empty()) violations = story.Settle();
    ASSERT_THAT(violations, IsEmpty()) << "asleep in call " << number << " of " << calls;
  }
}

}  // namespace
}  // namespace databus
