#include "commit/epoch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/cluster_id.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using ::testing::ElementsAre;

class EpochTest : public ::testing::Test {
 protected:
  struct Taker {
    explicit Taker(EpochTest& test) : storage(test.memory_, plan), random(*test.random_) {}
    Result<TakenEpoch> Take() { return TakeEpoch(storage, random, View::kLocal, 0); }

    FaultPlan plan;
    FaultStorage storage;
    Random& random;
  };

  EpochTest() { EXPECT_TRUE(EnsureServiceDirs(memory_).ok()); }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const DirEntry& entry : *memory_.List(paths::Staging(View::kLocal, 0))) {
      names.push_back(entry.name);
    }
    return names;
  }
  bool IsLive(uint64_t epoch) {
    return memory_.Stat(paths::EpochStaging(View::kLocal, 0, epoch)).ok();
  }

  MemoryStorage memory_;
  std::unique_ptr<Random> random_ = SeededRandom(1);
};

TEST_F(EpochTest, EachTakerGetsOneMoreAndFencesTheOlder) {
  Taker a(*this);
  EXPECT_EQ(a.Take()->epoch, 1U);
  EXPECT_EQ(a.Take()->epoch, 2U);
  const auto third = a.Take();
  EXPECT_EQ(third->epoch, 3U);
  EXPECT_THAT(third->fenced, ElementsAre(1U, 2U));
  EXPECT_THAT(Names(), ElementsAre("1.fenced", "2.fenced", "3"));
}

TEST_F(EpochTest, AFencedNameAloneKeepsNumbersRising) {
  ASSERT_TRUE(
      EnsureDirsBelow(memory_, paths::Tmp(), paths::FencedStaging(View::kLocal, 0, 41)).ok());
  Taker a(*this);
  EXPECT_EQ(a.Take()->epoch, 42U);
}

// Somebody's directory, by chance or by spite: counting on would begin at 0 again, for ever.
TEST_F(EpochTest, ANumberThatHasNoneAfterItIsRefusedByName) {
  Taker taker(*this);
  ASSERT_TRUE(taker.Take().ok());
  const std::string last = "18446744073709551615";
  ASSERT_TRUE(memory_.MakeDir(paths::Join(paths::Staging(View::kLocal, 0), last)).ok());
  const Status refused = taker.Take().status();
  EXPECT_EQ(refused.code(), Code::kRefused);
  EXPECT_NE(refused.message().find(last), std::string::npos) << refused.message();
}

TEST_F(EpochTest, AFencedHolderCanNeitherRenameNorCreateNorMakeDirectories) {
  Taker a(*this);
  const uint64_t epoch = a.Take()->epoch;
  const std::string own = paths::EpochStaging(View::kLocal, 0, epoch);
  ASSERT_TRUE(memory_.WriteFile(paths::Join(own, "f1"), "x").ok());
  ASSERT_TRUE(a.Take().ok());
  EXPECT_EQ(memory_.Rename(paths::Join(own, "f1"), "streams_local/f1").code(), Code::kNotFound);
  EXPECT_EQ(memory_.WriteFile(paths::Join(own, "f2"), "x").code(), Code::kNotFound);
  EXPECT_EQ(memory_.MakeDir(paths::Join(own, "d3")).code(), Code::kNotFound);
  EXPECT_EQ(memory_.Rename("data", paths::Join(own, "c4")).code(), Code::kNotFound);
}

// G8: of all that believe to hold an epoch, one has a staging directory of its own.
TEST_F(EpochTest, TwoTakersNeverGetTheSameNumberHoweverTheyInterleave) {
  uint64_t interleavings = 0;
  for (const Fault::Kind kind :
       {Fault::Kind::kDelayed, Fault::Kind::kRequestLost, Fault::Kind::kAnswerLost}) {
    for (uint64_t n = 1;; ++n) {
      Taker a(*this);
      Taker b(*this);
      Result<TakenEpoch> of_b(Code::kStopped, "");
      // b takes the epoch in the middle of a's call, and takes a second one before a's next.
      uint64_t hit = 0;
      a.plan.SetCallback([&](const Call& call) {
        if (call.number == n) {
          hit = 1;
          if (kind == Fault::Kind::kDelayed) of_b = b.Take();
          return Fault{.kind = kind};
        }
        if (call.number == n + 1 && kind != Fault::Kind::kDelayed) of_b = b.Take();
        return Fault{};
      });
      const auto of_a = a.Take();
      if (hit == 0) break;
      ++interleavings;
      if (of_a.ok() && of_b.ok()) {
        EXPECT_NE(of_a->epoch, of_b->epoch) << n;
        EXPECT_NE(IsLive(of_a->epoch), IsLive(of_b->epoch)) << n;
      }
      const auto next = b.Take();
      ASSERT_TRUE(next.ok()) << next.status().ToString();
    }
  }
  EXPECT_GE(interleavings, 20U);
}

// The number that a slow taker asks for may have been used and fenced meanwhile.
TEST_F(EpochTest, ASlowTakerOfANumberThatWasUsedMeanwhileStopsAndBlocksNobody) {
  Taker slow(*this);
  Taker other(*this);
  ASSERT_EQ(other.Take()->epoch, 1U);
  slow.plan.Add({.verb = Verb::kRename, .fault = Fault::Delayed([&] {
                                          // Takers do not remove a directory that they do not see
                                          // yet.
                                          ASSERT_EQ(other.Take()->epoch, 2U);
                                        })});
  // The directory of the slow one was removed as a dead taker's.
  EXPECT_FALSE(slow.Take().ok());

  // The same, but its directory is not seen: the number 2 stands a second time, beside 2.fenced.
  ASSERT_EQ(other.Take()->epoch, 3U);
  ASSERT_TRUE(memory_.MakeDir(paths::EpochStaging(View::kLocal, 0, 2)).ok());
  const auto next = other.Take();
  ASSERT_TRUE(next.ok()) << next.status().ToString();
  EXPECT_EQ(next->epoch, 4U);
  EXPECT_FALSE(IsLive(2));
}

TEST_F(EpochTest, ATakerThatSeesAHigherEpochStops) {
  Taker slow(*this);
  Taker other(*this);
  // Between making its own and listing.
  bool named = false;
  slow.plan.SetCallback([&](const Call& call) {
    if (named && call.verb == Verb::kList) {
      named = false;
      EXPECT_TRUE(other.Take().ok());
    }
    if (call.verb == Verb::kRename) named = true;
    return Fault{};
  });
  EXPECT_EQ(slow.Take().code(), Code::kStale);
}

TEST_F(EpochTest, AFaultAtAnyCallLeavesATreeInWhichTheNextTakerSucceeds) {
  for (const Fault& fault : {Fault::AnswerLost(), Fault::RequestLost(), Fault::Full(),
                             Fault::CrashBefore(), Fault::CrashAfter()}) {
    for (uint64_t n = 1; n <= 12; ++n) {
      Taker first(*this);
      first.plan.Add({.number = n, .fault = fault});
      try {
        static_cast<void>(first.Take());
      } catch (const Crash&) {
      }
      Taker second(*this);
      const auto taken = second.Take();
      ASSERT_TRUE(taken.ok()) << taken.status().ToString();
      EXPECT_TRUE(IsLive(taken->epoch));
      for (const std::string& name : Names()) EXPECT_FALSE(name.starts_with("new-")) << name;
    }
  }
}

}  // namespace
}  // namespace databus
