#include "commit/staged_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "commit/cluster_id.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

constexpr Group kGroup = 3;

class StagedWalkTest : public testing::Test {
 protected:
  static std::string At(const std::string& name) {
    return paths::Join(paths::Staging(View::kLocal, kGroup), name);
  }
  void Put(const std::string& name) {
    ASSERT_TRUE(EnsureDirsBelow(tree_, "", std::string(paths::Parent(At(name)))).ok());
    ASSERT_TRUE(tree_.WriteFile(At(name), "x").ok());
  }
  void Move(const std::string& from, const std::string& to) {
    ASSERT_TRUE(tree_.Rename(At(from), At(to)).ok());
  }
  // The visited paths, without what they have in common.
  std::vector<std::string> Walk(Status* status = nullptr) {
    std::vector<std::string> visited;
    const Status walked = WalkStaged(seen_, View::kLocal, kGroup, [&](const StagedFile& file) {
      visited.push_back(file.path.substr(At("x").size() - 1));
      return Status::Ok();
    });
    if (status != nullptr) *status = walked;
    return visited;
  }
  // Before the first listing of `name`, once.
  void BeforeListing(const std::string& name, std::function<void()> happens) {
    plan_.SetCallback([this, path = At(name), happens, done = false](const Call& call) mutable {
      if (done || call.verb != Verb::kList || call.path != path) return Fault();
      done = true;
      happens();
      return Fault();
    });
  }

  ManualClock clock_{WallTime(std::chrono::hours(24))};
  MemoryStorage tree_{clock_, "memory:dc1"};
  FaultPlan plan_;
  FaultStorage seen_{tree_, plan_};
};

TEST_F(StagedWalkTest, NothingIsStagedWhereNobodyHasEverWorked) {
  Status status;
  EXPECT_THAT(Walk(&status), IsEmpty());
  EXPECT_TRUE(status.ok());
}

// A holder that recovers what it has taken over may be asleep for long: all that is still on its
// way there lies in directories inside its own.
TEST_F(StagedWalkTest, WhatAnEpochHasTakenOverIsVisitedAtEveryDepth) {
  Put("7/record-1.0");
  Put("7/r5/c1~c1~clicks-2031-05-06-10-04_00001");
  Put("7/r5/r2/record-3.0");
  Put("4.fenced/f9");
  EXPECT_THAT(Walk(), ElementsAre("4.fenced/f9", "7/r5/r2/record-3.0",
                                  "7/r5/c1~c1~clicks-2031-05-06-10-04_00001", "7/record-1.0"));
}

TEST_F(StagedWalkTest, WhatComesOutOfATakenDirectoryMeanwhileIsVisited) {
  Put("7/r5/record-3.0");
  Put("7/r5/r2/record-1.0");
  BeforeListing("7/r5", [this] {
    Move("7/r5/record-3.0", "7/record-8.0");
    Move("7/r5/r2", "7/r2");  // brought to one level
  });
  EXPECT_THAT(Walk(), UnorderedElementsAre("7/record-8.0", "7/r2/record-1.0"));
}

TEST_F(StagedWalkTest, ATakeOverMeanwhileIsToldOrSeen) {
  Put("5/record-1.0");
  BeforeListing("5", [this] {
    ASSERT_TRUE(tree_.MakeDir(At("6")).ok());
    Move("5", "6/r5");
  });
  Status status;
  EXPECT_THAT(Walk(&status), IsEmpty());
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(Walk(), IsSupersetOf({std::string("6/r5/record-1.0")}));
}

}  // namespace
}  // namespace databus
