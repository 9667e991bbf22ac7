#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lease/tree_lease.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TreeLeaseTest : public ::testing::Test {
 protected:
  struct Worker {
    Worker(TreeLeaseTest& test, const std::string& name)
        : storage(test.memory_, plan), lease(storage, test.clock_, *test.random_, {name}) {}
    bool Held() { return lease.Held(View::kLocal, 0); }

    FaultPlan plan;
    FaultStorage storage;
    TreeLease lease;
  };

  TreeLeaseTest() {
    for (const std::string& dir :
         {std::string(paths::Parent(paths::Tmp())), paths::Tmp(), paths::Leases()}) {
      EXPECT_TRUE(memory_.MakeDir(dir).ok());
    }
  }
  std::vector<std::string> Records() {
    std::vector<std::string> names;
    for (const DirEntry& entry : *memory_.List(paths::Leases())) names.push_back(entry.name);
    return names;
  }
  static void Tick(Worker& worker) {
    const Status ticked = worker.lease.Tick();
    EXPECT_TRUE(ticked.ok()) << ticked.ToString();
  }

  ManualClock clock_{WallTime{}};
  MemoryStorage memory_{clock_};
  std::unique_ptr<Random> random_ = SeededRandom(1);
};

TEST_F(TreeLeaseTest, TheFirstTakesItAndTheSecondSaysWhoHasIt) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  Tick(b);
  EXPECT_TRUE(a.Held());
  EXPECT_FALSE(b.Held());
  EXPECT_EQ(b.lease.Holder(), "a");
}

TEST_F(TreeLeaseTest, AHolderThatRenewsIsNeverTakenOver) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  for (int i = 0; i < 50; ++i) {
    Tick(a);
    Tick(b);
    EXPECT_TRUE(a.Held());
    EXPECT_FALSE(b.Held());
    clock_.Advance(seconds(3));
  }
}

TEST_F(TreeLeaseTest, ASilentHolderIsTakenOverAfterTheTimeoutAndSeesItLost) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  Tick(b);
  clock_.Advance(seconds(9));
  Tick(b);
  EXPECT_FALSE(b.Held());
  clock_.Advance(seconds(1));
  EXPECT_FALSE(a.Held()) << "before anybody could have taken it";
  Tick(b);
  EXPECT_TRUE(b.Held());
  EXPECT_EQ(a.lease.Tick().code(), Code::kStale);
  EXPECT_FALSE(a.Held());
  Tick(a);
  EXPECT_EQ(a.lease.Holder(), "b");
}

// The wait begins when the record was last seen, which is when the tree answered, not when asked.
TEST_F(TreeLeaseTest, ASlowAnswerDoesNotShortenTheWait) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  b.plan.Add({.verb = Verb::kList, .fault = Fault::Delayed([&] {
                                     clock_.Advance(seconds(9));
                                     Tick(a);
                                   })});
  Tick(b);
  clock_.Advance(seconds(5));
  Tick(b);
  EXPECT_TRUE(a.Held());
  EXPECT_FALSE(b.Held());
}

TEST_F(TreeLeaseTest, AHolderThatIsCertainlyGoneIsTakenOverAtOnce) {
  Worker a(*this, "a");
  TreeLease b(memory_, clock_, *random_,
              {"b", seconds(10), [](const std::string& holder) { return holder == "a"; }});
  Tick(a);
  ASSERT_TRUE(b.Tick().ok());
  EXPECT_TRUE(b.Held(View::kLocal, 0));
}

TEST_F(TreeLeaseTest, AReleasedLeaseIsTakenAtOnceAndNumbersGoOnRising) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  Tick(a);
  ASSERT_TRUE(a.lease.Release().ok());
  EXPECT_FALSE(a.Held());
  EXPECT_THAT(Records(), ElementsAre("3"));
  Tick(b);
  EXPECT_TRUE(b.Held());
  EXPECT_THAT(Records(), ElementsAre("4"));
}

TEST_F(TreeLeaseTest, ReleasingWhatWasTakenOverMeanwhileHarmsNobody) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  Tick(b);
  clock_.Advance(seconds(10));
  Tick(b);
  EXPECT_TRUE(a.lease.Release().ok());
  Tick(b);
  EXPECT_TRUE(b.Held());
  EXPECT_TRUE(memory_.List(paths::Tmp())->empty());
}

// Whoever places a number that the holder's renewals have passed takes nothing.
TEST_F(TreeLeaseTest, ASlowTakerDoesNotDisturbTheHolder) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  Tick(b);
  clock_.Advance(seconds(10));
  b.plan.Add({.verb = Verb::kRename, .fault = Fault::Delayed([&] {
                                       Tick(a);
                                       Tick(a);
                                       Tick(a);
                                     })});
  Tick(b);
  EXPECT_FALSE(b.Held());
  EXPECT_TRUE(a.Held());
  Tick(a);
  EXPECT_TRUE(a.Held());
}

TEST_F(TreeLeaseTest, OfTwoTakersAtMostOneHoldsHoweverTheyInterleave) {
  uint64_t interleavings = 0;
  for (uint64_t n = 1;; ++n) {
    Worker dead(*this, "dead");
    Worker a(*this, "a");
    Worker b(*this, "b");
    clock_.Advance(seconds(30));
    static_cast<void>(dead.lease.Tick());
    Tick(a);
    Tick(b);
    clock_.Advance(seconds(30));
    a.plan.Add({.number = a.plan.calls() + n, .fault = Fault::Delayed([&] {
                                                Tick(b);
                                                ++interleavings;
                                              })});
    const uint64_t before = interleavings;
    static_cast<void>(a.lease.Tick());
    EXPECT_FALSE(a.Held() && b.Held()) << n;
    // Whatever happened, one of them holds it in the end, and goes on holding it.
    for (int i = 0; i < 10; ++i) {
      static_cast<void>(a.lease.Tick());
      static_cast<void>(b.lease.Tick());
      EXPECT_FALSE(a.Held() && b.Held()) << n;
      clock_.Advance(seconds(3));
    }
    EXPECT_TRUE(a.Held() || b.Held()) << n;
    if (interleavings == before) break;
  }
  EXPECT_GE(interleavings, 5U);
}

// Both ways of losing an answer, at every call of a renewal whose own answer was lost. The holder
// may lose the lease for a moment, but it gets it back by itself, and nobody else has it meanwhile.
TEST_F(TreeLeaseTest, ALostAnswerAtAnyCallCostsNoTakeOver) {
  uint64_t lost = 0;
  for (const Fault& fault : {Fault::AnswerLost(), Fault::RequestLost()}) {
    for (uint64_t n = 1; n <= 12; ++n) {
      Worker a(*this, "a" + std::to_string(lost));
      Worker b(*this, "b" + std::to_string(lost));
      Tick(a);
      Tick(b);
      a.plan.Add({.verb = Verb::kRename, .fault = Fault::AnswerLost()});
      a.plan.Add({.number = a.plan.calls() + 1 + n, .fault = fault});
      for (int i = 0; i < 8; ++i) {
        clock_.Advance(seconds(2));
        static_cast<void>(a.lease.Tick());
        Tick(b);
        EXPECT_FALSE(b.Held()) << n;
      }
      EXPECT_TRUE(a.Held()) << n;
      EXPECT_EQ(b.lease.Holder(), a.lease.Holder());
      ASSERT_TRUE(a.lease.Release().ok());
      ++lost;
    }
  }
}

// A full disk says nothing about who holds it.
TEST_F(TreeLeaseTest, ARenewalThatIsRefusedGivesNothingUpBeforeTheTimeout) {
  for (const Code code : {Code::kNoSpace, Code::kRefused}) {
    Worker a(*this, "a");
    Tick(a);
    a.plan.Add({.verb = Verb::kRename, .fault = Fault::Refused(code)});
    EXPECT_EQ(a.lease.Tick().code(), code);
    EXPECT_TRUE(a.Held());
    clock_.Advance(seconds(2));
    Tick(a);
    EXPECT_TRUE(a.Held());
    ASSERT_TRUE(a.lease.Release().ok());
  }
}

// The holder cannot know whether its renewals arrive, so it stops in time.
TEST_F(TreeLeaseTest, AHolderThatGetsNoAnswersStopsBeforeAnybodyTakesOver) {
  Worker a(*this, "a");
  Worker b(*this, "b");
  Tick(a);
  Tick(b);
  a.plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(seconds(2));
    EXPECT_FALSE(a.lease.Tick().ok());
    Tick(b);
    EXPECT_FALSE(a.Held() && b.Held());
  }
  EXPECT_TRUE(b.Held());
}

TEST_F(TreeLeaseTest, ForeignNamesAndUnreadableRecordsAreWaitedForAndThenTakenOver) {
  ASSERT_TRUE(memory_.WriteFile(paths::Join(paths::Leases(), "7"), "scribble").ok());
  ASSERT_TRUE(memory_.WriteFile(paths::Join(paths::Leases(), "0012"), "scribble").ok());
  ASSERT_TRUE(memory_.WriteFile(paths::Join(paths::Leases(), "notes"), "scribble").ok());
  ASSERT_TRUE(memory_.MakeDir(paths::Join(paths::Leases(), "8")).ok());
  Worker a(*this, "a");
  Tick(a);
  EXPECT_FALSE(a.Held());
  EXPECT_EQ(a.lease.Holder(), "unreadable");
  clock_.Advance(seconds(10));
  Tick(a);
  EXPECT_TRUE(a.Held());
  EXPECT_THAT(Records(), ElementsAre("0012", "9", "notes"));
}

TEST_F(TreeLeaseTest, ATreeThatDoesNotAnswerIsNoReasonToHold) {
  Worker a(*this, "a");
  a.plan.Add({.verb = Verb::kList, .fault = Fault::RequestLost()});
  const Status ticked = a.lease.Tick();
  EXPECT_EQ(ticked.code(), Code::kUnavailable);
  EXPECT_THAT(ticked.message(), HasSubstr("list"));
  EXPECT_FALSE(a.Held());
  EXPECT_EQ(a.lease.Holder(), "nobody");
}

}  // namespace
}  // namespace databus
