#include "storage/fault/fault_storage.h"

#include <gmock/gmock.h>

#include "storage/contract.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FaultStorageTest : public testing::Test {
 protected:
  std::vector<std::string> Trace() const {
    std::vector<std::string> lines;
    for (const Call& call : plan_.trace()) lines.push_back(call.ToString());
    return lines;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto entries = memory_.List("");
    for (const DirEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }

  MemoryStorage memory_;
  FaultPlan plan_;
  FaultStorage storage_{memory_, plan_};
};

TEST_F(FaultStorageTest, EveryCallIsCountedAndRecorded) {
  ASSERT_TRUE(storage_.WriteFile("f", "x").ok());
  ASSERT_TRUE(storage_.MakeDir("d").ok());
  ASSERT_TRUE(storage_.Rename("f", "d/f").ok());
  ASSERT_TRUE(storage_.Stat("d").ok());
  ASSERT_TRUE(storage_.List("d").ok());
  ASSERT_TRUE((*storage_.Open("d/f"))->Read(0, 1).ok());
  ASSERT_TRUE(storage_.Replace("g", "x").ok());
  ASSERT_TRUE(storage_.Remove("g").ok());
  EXPECT_THAT(Trace(),
              ElementsAre("1 create memory: f", "2 append memory: f", "3 finish memory: f",
                          "4 make-dir memory: d", "5 rename memory: f to d/f", "6 stat memory: d",
                          "7 list memory: d", "8 open memory: d/f", "9 read memory: d/f",
                          "10 replace memory: g", "11 remove memory: g"));
  EXPECT_EQ(plan_.calls(), 11u);
}

TEST_F(FaultStorageTest, BatchIsAsManyCallsAsItems) {
  static_cast<void>(storage_.MakeDirs(std::vector<std::string>{"a", "b", "c"}));
  EXPECT_THAT(Trace(),
              ElementsAre("1 make-dir memory: a", "2 make-dir memory: b", "3 make-dir memory: c"));
}

TEST_F(FaultStorageTest, FilesWrittenTogetherFailOneByOne) {
  plan_.Add({.verb = Verb::kAppend, .path_part = "a", .fault = Fault::Torn(1, Code::kNoSpace)});
  plan_.Add({.path_part = "c", .fault = Fault::CrashBefore()});
  EXPECT_THROW(static_cast<void>(storage_.WriteFiles(
                   std::vector<SmallFile>{{"a", "xx"}, {"b", "xx"}, {"c", "xx"}})),
               Crash);
  EXPECT_THAT(Trace(),
              ElementsAre("1 create memory: a", "2 append memory: a", "3 create memory: b",
                          "4 append memory: b", "5 finish memory: b", "6 create memory: c"));
  EXPECT_EQ(memory_.ReadFile("a").value(), "x");
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

TEST_F(FaultStorageTest, SmallFileIsReadByOneCall) {
  ASSERT_TRUE(memory_.WriteFile("f", "x").ok());
  ASSERT_TRUE(memory_.WriteFile("g", "").ok());
  EXPECT_EQ(storage_.ReadFile("f").value(), "x");
  EXPECT_EQ(storage_.ReadFile("g").value(), "");
  EXPECT_THAT(Trace(), ElementsAre("1 open memory: f", "2 read memory: f", "3 open memory: g",
                                   "4 read memory: g"));
}

TEST_F(FaultStorageTest, LateCallIsMadeWhenItsCallerHasGivenUp) {
  ASSERT_TRUE(memory_.WriteFile("f", "x").ok());
  std::optional<Call> late;
  plan_.SetCallback([&](const Call& call) {
    late = call;
    return Fault::Late();
  });
  EXPECT_EQ(storage_.Rename("f", "g").code(), Code::kUnavailable);
  EXPECT_THAT(Names(), ElementsAre("f"));
  ASSERT_TRUE(late);
  EXPECT_TRUE(MakeLate(memory_, *late).ok());
  EXPECT_THAT(Names(), ElementsAre("g"));
  EXPECT_EQ(storage_.Replace("h", "bytes").code(), Code::kUnavailable);
  EXPECT_TRUE(MakeLate(memory_, *late).ok());
  EXPECT_EQ(memory_.ReadFile("h").value(), "bytes");
  EXPECT_EQ(storage_.Create("i").code(), Code::kUnavailable);
  EXPECT_TRUE(MakeLate(memory_, *late).ok());
  EXPECT_EQ(memory_.ReadFile("i").value(), "");
  EXPECT_EQ(storage_.Remove("h").code(), Code::kUnavailable);
  EXPECT_TRUE(MakeLate(memory_, *late).ok());
  EXPECT_THAT(Names(), ElementsAre("g", "i"));
  EXPECT_EQ(storage_.MakeDir("d").code(), Code::kUnavailable);
  EXPECT_TRUE(MakeLate(memory_, *late).ok());
  EXPECT_EQ(MakeLate(memory_, *late).code(), Code::kExists);
}

TEST_F(FaultStorageTest, RefusedCallIsNotDone) {
  plan_.Add({.verb = Verb::kMakeDir, .fault = Fault::Refused(Code::kRefused)});
  EXPECT_EQ(storage_.MakeDir("a").code(), Code::kRefused);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FaultStorageTest, FullIsNoSpace) {
  plan_.Add({.verb = Verb::kCreate, .fault = Fault::Full()});
  EXPECT_EQ(storage_.WriteFile("f", "x").code(), Code::kNoSpace);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FaultStorageTest, LostAnswerIsDoneAndUnknown) {
  plan_.Add({.verb = Verb::kRename, .fault = Fault::AnswerLost()});
  ASSERT_TRUE(storage_.MakeDir("a").ok());
  EXPECT_EQ(storage_.Rename("a", "b").code(), Code::kUnavailable);
  EXPECT_THAT(Names(), ElementsAre("b"));
}

TEST_F(FaultStorageTest, LostRequestIsNotDoneAndUnknown) {
  plan_.Add({.verb = Verb::kRename, .fault = Fault::RequestLost()});
  ASSERT_TRUE(storage_.MakeDir("a").ok());
  EXPECT_EQ(storage_.Rename("a", "b").code(), Code::kUnavailable);
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(FaultStorageTest, ReadingCallsFailToo) {
  ASSERT_TRUE(storage_.WriteFile("f", "x").ok());
  const auto reader = storage_.Open("f");
  ASSERT_TRUE(reader.ok());
  plan_.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  EXPECT_EQ(storage_.Stat("f").code(), Code::kUnavailable);
  EXPECT_EQ(storage_.List("").code(), Code::kUnavailable);
  EXPECT_EQ(storage_.Open("f").code(), Code::kUnavailable);
  EXPECT_EQ((*reader)->Read(0, 1).code(), Code::kUnavailable);
}

TEST_F(FaultStorageTest, DelayedCallRunsTheHookFirst) {
  plan_.Add({.verb = Verb::kStat,
             .fault = Fault::Delayed([this] { ASSERT_TRUE(memory_.MakeDir("a").ok()); })});
  EXPECT_TRUE(storage_.Stat("a").ok());
}

TEST_F(FaultStorageTest, TornAppendLeavesAPrefix) {
  plan_.Add({.verb = Verb::kAppend, .fault = Fault::Torn(3, Code::kNoSpace)});
  EXPECT_EQ(storage_.WriteFile("f", "0123456789").code(), Code::kNoSpace);
  EXPECT_EQ(memory_.ReadFile("f").value(), "012");
}

TEST_F(FaultStorageTest, FlippedReadIsOneBitWrong) {
  ASSERT_TRUE(storage_.WriteFile("f", "aaa").ok());
  plan_.Add({.verb = Verb::kRead, .fault = Fault::Flipped(1)});
  EXPECT_EQ(storage_.ReadFile("f").value(), "a`a");
  EXPECT_EQ(storage_.ReadFile("f").value(), "aaa");
}

TEST_F(FaultStorageTest, CrashBeforeHasNoEffectAndCrashAfterHas) {
  plan_.Add({.path_part = "a", .fault = Fault::CrashBefore()});
  EXPECT_THROW(static_cast<void>(storage_.MakeDir("a")), Crash);
  EXPECT_THAT(Names(), IsEmpty());

  FaultPlan next_life;
  FaultStorage again(memory_, next_life);
  next_life.Add({.path_part = "a", .fault = Fault::CrashAfter()});
  EXPECT_THROW(static_cast<void>(again.MakeDir("a")), Crash);
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(FaultStorageTest, CrashTornLeavesAPrefix) {
  plan_.Add({.verb = Verb::kAppend, .fault = Fault::CrashTorn(4)});
  EXPECT_THROW(static_cast<void>(storage_.WriteFile("f", "0123456789")), Crash);
  EXPECT_EQ(memory_.ReadFile("f").value(), "0123");
}

TEST_F(FaultStorageTest, CrashHitsBetweenTheItemsOfABatch) {
  plan_.Add({.number = 2, .fault = Fault::CrashAfter()});
  EXPECT_THROW(static_cast<void>(storage_.MakeDirs(std::vector<std::string>{"a", "b", "c"})),
               Crash);
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

TEST_F(FaultStorageTest, DeadProcessMakesNoCalls) {
  auto writer = storage_.Create("f");
  ASSERT_TRUE(writer.ok());
  plan_.Kill();
  EXPECT_THROW(static_cast<void>(storage_.MakeDir("a")), Crash);
  EXPECT_THROW(static_cast<void>(storage_.Stat("f")), Crash);
  EXPECT_THROW(static_cast<void>((*writer)->Append("x")), Crash);
  EXPECT_THROW(static_cast<void>((*writer)->Finish()), Crash);
  EXPECT_EQ(plan_.calls(), 1u);
  EXPECT_THAT(Names(), ElementsAre("f"));
  EXPECT_EQ(memory_.ReadFile("f").value(), "");
}

TEST_F(FaultStorageTest, KilledWhileDelayedIsNotDone) {
  plan_.Add({.fault = Fault::Delayed([this] { plan_.Kill(); })});
  EXPECT_THROW(static_cast<void>(storage_.MakeDir("a")), Crash);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FaultStorageTest, DestructorsOfTheDeadProcessDoNothingAndDoNotThrow) {
  Code seen = Code::kOk;
  struct CleansUp {
    Storage& storage;
    Code& seen;
    ~CleansUp() { seen = storage.MakeDir("cleanup").code(); }
  };
  plan_.Add({.path_part = "a", .fault = Fault::CrashAfter()});
  try {
    const CleansUp cleans_up{storage_, seen};
    static_cast<void>(storage_.MakeDir("a"));
    FAIL() << "did not crash";
  } catch (const Crash&) {
    EXPECT_EQ(seen, Code::kUnavailable);
  }
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(FaultStorageTest, RuleMatchesAllThatIsGivenAndIsSpent) {
  plan_.Add({.verb = Verb::kMakeDir,
             .store_part = "memory",
             .path_part = "clicks",
             .times = 2,
             .fault = Fault::Full()});
  plan_.Add({.store_part = "elsewhere", .times = FaultRule::kAlways, .fault = Fault::Full()});
  EXPECT_TRUE(storage_.MakeDir("orders").ok());
  EXPECT_TRUE(storage_.WriteFile("clicks", "").ok());
  EXPECT_EQ(storage_.MakeDir("clicks1").code(), Code::kNoSpace);
  EXPECT_EQ(storage_.MakeDir("clicks2").code(), Code::kNoSpace);
  EXPECT_TRUE(storage_.MakeDir("clicks3").ok());
}

TEST_F(FaultStorageTest, RuleMatchesTheTargetOfARename) {
  plan_.Add({.path_part = "streams", .fault = Fault::AnswerLost()});
  ASSERT_TRUE(storage_.MakeDir("a").ok());
  EXPECT_EQ(storage_.Rename("a", "streams").code(), Code::kUnavailable);
}

TEST_F(FaultStorageTest, CallbackDecidesBeforeTheRules) {
  plan_.Add({.times = FaultRule::kAlways, .fault = Fault::Full()});
  plan_.SetCallback(
      [](const Call& call) { return call.number == 2 ? Fault::Refused(Code::kRefused) : Fault{}; });
  EXPECT_EQ(storage_.MakeDir("a").code(), Code::kNoSpace);
  EXPECT_EQ(storage_.MakeDir("a").code(), Code::kRefused);
  plan_.Clear();
  EXPECT_TRUE(storage_.MakeDir("a").ok());
}

TEST_F(FaultStorageTest, StoresOfOneProcessShareNumbersAndDeath) {
  MemoryStorage other_memory(SystemClock(), "memory:dc2");
  FaultStorage other(other_memory, plan_);
  ASSERT_TRUE(storage_.MakeDir("a").ok());
  ASSERT_TRUE(other.MakeDir("a").ok());
  EXPECT_THAT(Trace(), ElementsAre("1 make-dir memory: a", "2 make-dir memory:dc2 a"));
  plan_.Add({.number = 3, .fault = Fault::CrashBefore()});
  EXPECT_THROW(static_cast<void>(storage_.MakeDir("b")), Crash);
  EXPECT_THROW(static_cast<void>(other.MakeDir("b")), Crash);
}

TEST_F(FaultStorageTest, EveryVerbHasItsOwnName) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Verb::kLockDir); ++i) {
    names.insert(VerbName(static_cast<Verb>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Verb::kLockDir) + 1);
}

// MemoryStorage itself, where the contract suite cannot look.
TEST(MemoryStorageTest, ModificationTimesAreThoseOfItsClock) {
  ManualClock clock(WallTime(Milliseconds(1000)));
  MemoryStorage storage(clock);
  ASSERT_TRUE(storage.WriteFile("f", "").ok());
  clock.StepWall(Milliseconds(-600));
  ASSERT_TRUE(storage.WriteFile("g", "").ok());
  EXPECT_EQ(storage.Stat("f")->modified, WallTime(Milliseconds(1000)));
  EXPECT_EQ(storage.Stat("g")->modified, WallTime(Milliseconds(400)));
  EXPECT_EQ(storage.Stat("")->modified, WallTime(Milliseconds(400)));
}

}  // namespace
}  // namespace databus
