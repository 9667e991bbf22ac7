#include "commit/cluster_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using ::testing::HasSubstr;

TEST(ClusterIdTest, IsWrittenOnceAndReadBack) {
  MemoryStorage storage;
  const auto random = SeededRandom(1);
  const auto made = InitializeTree(storage, *random, 8);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->id.size(), 32U);
  EXPECT_EQ(made->groups, 8U);
  EXPECT_EQ(*ReadClusterId(storage), *made);
  // Again, with another wish: what stands, stands.
  EXPECT_EQ(*InitializeTree(storage, *random, 4), *made);
  EXPECT_TRUE(storage.List(paths::Tmp())->size() == 3) << "nothing but local/, streams/, data/";
}

TEST(ClusterIdTest, AFaultAtAnyCallOfTheInitialisationIsHealedByRepeatingIt) {
  const auto random = SeededRandom(1);
  uint64_t calls = 0;
  for (const Fault& fault : {Fault::CrashBefore(), Fault::CrashAfter(), Fault::CrashTorn(5),
                             Fault::AnswerLost(), Fault::RequestLost()}) {
    for (uint64_t n = 1;; ++n) {
      MemoryStorage memory;
      FaultPlan plan;
      FaultStorage storage(memory, plan);
      plan.Add({.number = n, .fault = fault});
      try {
        static_cast<void>(InitializeTree(storage, *random, 8));
      } catch (const Crash&) {
      }
      const bool has_id = ReadClusterId(memory).ok();
      // Not yet a cluster, and not taken for somebody else's tree.
      if (!has_id) {
        ASSERT_EQ(*LookAtTree(memory), TreeState::kEmpty) << n;
      }
      const auto made = InitializeTree(memory, *random, 8);
      ASSERT_TRUE(made.ok()) << n << ": " << made.status().ToString();
      EXPECT_EQ(*ReadClusterId(memory), *made);
      if (plan.calls() < n) break;
      ++calls;
    }
  }
  EXPECT_GE(calls, 100U);
}

TEST(ClusterIdTest, TwoThatInitialiseAtOnceAgree) {
  const auto random = SeededRandom(1);
  for (uint64_t n = 1;; ++n) {
    MemoryStorage memory;
    FaultPlan plan;
    FaultStorage storage(memory, plan);
    Result<ClusterIdentity> other(Code::kStopped, "");
    plan.Add({.number = n,
              .fault = Fault::Delayed([&] { other = InitializeTree(memory, *random, 8); })});
    const auto made = InitializeTree(storage, *random, 8);
    if (plan.calls() < n) break;
    ASSERT_TRUE(made.ok()) << n << ": " << made.status().ToString();
    EXPECT_EQ(*made, *other) << n;
  }
}

TEST(ClusterIdTest, ATreeWithoutIdOrWithAnotherIsUnreachable) {
  MemoryStorage storage;
  EXPECT_EQ(ReadClusterId(storage).code(), Code::kNotFound);
  EXPECT_EQ(CheckClusterId(storage, "").code(), Code::kUnavailable);
  const auto unmounted = CheckClusterId(storage, "abc");
  EXPECT_EQ(unmounted.code(), Code::kUnavailable);
  EXPECT_THAT(unmounted.status().message(), HasSubstr("is the disk mounted?"));
  const auto made = InitializeTree(storage, *SeededRandom(1), 8);
  EXPECT_EQ(*CheckClusterId(storage, made->id), *made);
  EXPECT_EQ(*CheckClusterId(storage, ""), *made);
  const auto other = CheckClusterId(storage, "abc");
  EXPECT_EQ(other.code(), Code::kUnavailable);
  EXPECT_THAT(other.status().message(), HasSubstr(made->id));
}

TEST(ClusterIdTest, ADamagedIdIsNeitherAbsentNorAnotherOne) {
  MemoryStorage storage;
  ASSERT_TRUE(EnsureServiceDirs(storage).ok());
  ASSERT_TRUE(storage.WriteFile(paths::ClusterId(), "databus-cluster 1\nid").ok());
  EXPECT_EQ(CheckClusterId(storage, "abc").code(), Code::kCorrupt);
  EXPECT_EQ(CheckClusterId(storage, "").code(), Code::kCorrupt);
}

TEST(ClusterIdTest, ATreeWithAnythingOfSomebodysIsForeign) {
  for (const char* name : {"data", "streams_local", "hello"}) {
    MemoryStorage storage;
    EXPECT_EQ(*LookAtTree(storage), TreeState::kEmpty);
    ASSERT_TRUE(storage.WriteFile(name, "").ok());
    EXPECT_EQ(*LookAtTree(storage), TreeState::kForeign) << name;
  }
  MemoryStorage storage;
  ASSERT_TRUE(EnsureServiceDirs(storage).ok());
  EXPECT_EQ(*LookAtTree(storage), TreeState::kEmpty);
  ASSERT_TRUE(storage.MakeDir(paths::DataStream("clicks")).ok());
  EXPECT_EQ(*LookAtTree(storage), TreeState::kForeign);
}

TEST(ClusterIdTest, AFileInTheWayOfADirectoryIsNamed) {
  MemoryStorage storage;
  ASSERT_TRUE(storage.WriteFile("data", "").ok());
  const Status made = EnsureServiceDirs(storage);
  EXPECT_EQ(made.code(), Code::kRefused);
  EXPECT_THAT(made.message(), HasSubstr("data is not a directory"));
}

}  // namespace
}  // namespace databus
