#include "commit/minute_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "commit/manifest.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Minute At(std::string_view iso) { return *Minute::ParseIso(iso); }

class MinuteTreeTest : public ::testing::Test {
 protected:
  MinuteTreeTest() { EXPECT_TRUE(memory_.MakeDir(root_).ok()); }
  void Make(const std::string& path) {
    const Status made = EnsureDirsBelow(memory_, root_, paths::Join(root_, path));
    EXPECT_TRUE(made.ok()) << made.ToString();
  }
  void MakeFile(const std::string& path) {
    Make(std::string(paths::Parent(path)));
    EXPECT_TRUE(memory_.WriteFile(paths::Join(root_, path), "").ok());
  }
  std::vector<Minute> All() { return *ListMinutes(memory_, root_, kFirstMinute, kLastMinute); }

  const std::string root_ = "root";
  MemoryStorage memory_;
};

TEST_F(MinuteTreeTest, ListsMinutesOverEveryBorderInOrder) {
  for (const char* path :
       {"2031/01/01/00/00", "2030/12/31/23/59", "2030/12/31/23/58", "2030/09/30/10/00"}) {
    Make(path);
  }
  EXPECT_THAT(All(), ElementsAre(At("2030-09-30T10:00Z"), At("2030-12-31T23:58Z"),
                                 At("2030-12-31T23:59Z"), At("2031-01-01T00:00Z")));
  EXPECT_EQ(*NewestMinute(memory_, root_), At("2031-01-01T00:00Z"));
  EXPECT_EQ(*OldestMinute(memory_, root_), At("2030-09-30T10:00Z"));
  EXPECT_THAT(*ListMinutes(memory_, root_, At("2030-12-31T23:59Z"), At("2031-01-01T00:00Z")),
              ElementsAre(At("2030-12-31T23:59Z"), At("2031-01-01T00:00Z")));
  EXPECT_THAT(*ListMinutes(memory_, root_, At("2031-01-01T00:01Z"), kLastMinute), IsEmpty());
  EXPECT_THAT(*ListMinutes(memory_, root_, At("2031-01-01T00:00Z"), At("2030-01-01T00:00Z")),
              IsEmpty());
}

TEST_F(MinuteTreeTest, ForeignNamesAndImpossibleDatesAreSkipped) {
  Make("2031/05/06/10/04");
  for (const char* path :
       {"2031/02/31/10/04", "2031/04/31/00/00", "2031/13/01/00/00", "2031/05/06/24/00",
        "2031/05/06/10/60", "2031/05/06/10/4", "2031/05/06/10/004", "2031/05/06/10/_tmp",
        "2031/5/06/10/04", "1969/01/01/00/00", "hello/05/06/10/04", "2031/05/06/10/+4",
        "2032/05/06/10", "2033", "2031/05/06/10/05 "}) {
    Make(path);
  }
  for (const char* path : {"2034/05/06/10/04", "2031/05/06/11", "2031/06", "2035"}) MakeFile(path);
  EXPECT_THAT(All(), ElementsAre(At("2031-05-06T10:04Z")));
  EXPECT_EQ(*NewestMinute(memory_, root_), At("2031-05-06T10:04Z"));
  EXPECT_EQ(*OldestMinute(memory_, root_), At("2031-05-06T10:04Z"));
}

TEST_F(MinuteTreeTest, AnEmptyOrMissingTreeHasNoMinutes) {
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(*NewestMinute(memory_, "nowhere"), std::nullopt);
  EXPECT_THAT(*ListMinutes(memory_, "nowhere", kFirstMinute, kLastMinute), IsEmpty());
}

// P9, absent and unknown: a tree that does not answer has no newest minute that anybody could know.
TEST_F(MinuteTreeTest, AListingThatIsUnknownMakesTheAnswerUnknown) {
  Make("2031/05/06/10/04");
  for (uint64_t n = 1; n <= 5; ++n) {
    FaultPlan plan;
    FaultStorage storage(memory_, plan);
    plan.Add({.number = n, .fault = Fault::RequestLost()});
    EXPECT_EQ(NewestMinute(storage, root_).code(), Code::kUnavailable) << n;
  }
}

// A wrong ACL: what may not be read is not empty.
TEST_F(MinuteTreeTest, ADirectoryThatMayNotBeReadMakesTheAnswerUnknown) {
  Make("2031/05/06/10/04");
  for (const char* part : {"root", "root/2031", "root/2031/05/06/10"}) {
    FaultPlan plan;
    FaultStorage storage(memory_, plan);
    plan.Add({.verb = Verb::kList, .path_part = part, .fault = Fault::Refused(Code::kRefused)});
    EXPECT_EQ(ListMinutes(storage, root_, kFirstMinute, kLastMinute).code(), Code::kRefused)
        << part;
  }
}

TEST_F(MinuteTreeTest, AFileInTheWayIsPassedOver) {
  Make("2031/05/06/10/04");
  MakeFile("2031/05/07");
  EXPECT_THAT(All(), ElementsAre(At("2031-05-06T10:04Z")));
  EXPECT_THAT(*ListMinutes(memory_, "root/2031/05/07", kFirstMinute, kLastMinute), IsEmpty());
}

TEST_F(MinuteTreeTest, ARangeListsOnlyTheDirectoriesThatOverlapIt) {
  for (const char* path :
       {"2030/01/01/00/00", "2031/05/06/10/04", "2031/05/06/11/04", "2031/06/06/10/04"}) {
    Make(path);
  }
  FaultPlan plan;
  FaultStorage storage(memory_, plan);
  EXPECT_THAT(*ListMinutes(storage, root_, At("2031-05-06T10:00Z"), At("2031-05-06T10:59Z")),
              ElementsAre(At("2031-05-06T10:04Z")));
  EXPECT_EQ(plan.calls(), 5U);
}

TEST(ManifestTreeTest, EachPrimaryHasItsOwnManifestsAndDirectoriesAreNone) {
  MemoryStorage memory;
  ASSERT_TRUE(EnsureServiceDirs(memory).ok());
  const Minute first = At("2031-05-06T10:04Z");
  const auto write = [&](Minute minute, const std::string& primary) {
    const std::string path = paths::Manifest(View::kMerged, 3, minute, primary);
    ASSERT_TRUE(EnsureDirsBelow(memory, "system", std::string(paths::Parent(path))).ok());
    Manifest manifest{View::kMerged, 3, minute, primary, {{"clicks", {}}}};
    ASSERT_TRUE(memory.WriteFile(path, manifest.Encode()).ok());
  };
  write(first, "");
  write(first + 1, "");
  write(first + 1, "dc2");
  write(first + 2, "dc-3");
  ASSERT_TRUE(memory.MakeDir(paths::Manifest(View::kMerged, 3, first + 5, "")).ok());
  ASSERT_TRUE(memory.WriteFile(paths::Manifest(View::kMerged, 3, first + 6, "") + "-", "").ok());
  const auto list = [&](std::string_view primary) {
    return *ListManifests(memory, View::kMerged, 3, primary, kFirstMinute, kLastMinute);
  };
  EXPECT_THAT(list(""), ElementsAre(first, first + 1));
  EXPECT_THAT(list("dc2"), ElementsAre(first + 1));
  EXPECT_THAT(list("dc-3"), ElementsAre(first + 2));
  EXPECT_THAT(list("dc4"), IsEmpty());
  EXPECT_EQ(*NewestManifest(memory, View::kMerged, 3, ""), first + 1);
  EXPECT_EQ(*OldestManifest(memory, View::kMerged, 3, ""), first);
  EXPECT_EQ(*NewestManifest(memory, View::kMerged, 4, ""), std::nullopt);
  EXPECT_EQ(ReadManifest(memory, View::kMerged, 3, first + 1, "dc2")->primary, "dc2");
  EXPECT_EQ(ReadManifest(memory, View::kMerged, 3, first, "dc2").code(), Code::kNotFound);
}

}  // namespace
}  // namespace databus
