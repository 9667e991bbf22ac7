// The last minute of the original system, when one of its files cannot be read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/minute_tree.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

// A minute that the original has left, before the one that was open when dc1 began.
class OriginalsMinuteTest : public ::testing::TestWithParam<Verb> {
 protected:
  void SetUp() override {
    Storage& tree = site_.world.at("dc1");
    for (const Minute minute : {minute_, minute_.Next()}) {
      const std::string dir = paths::MinuteDir(View::kMerged, "clicks", minute);
      ASSERT_TRUE(EnsureDirsBelow(tree, paths::ViewRoot(View::kMerged), dir).ok());
      for (const std::string collector : {"old-1", "old-2", "old-3"}) {
        ASSERT_TRUE(tree.WriteFile(PathOf(minute, collector), collector).ok());
      }
    }
    site_.Start("dc1");
    site_.Minutes(2);
    ASSERT_THAT(*OldestManifest(tree, View::kMerged, GroupOf("clicks", 2), ""),
                Optional(minute_.Next()));
    site_.Stop("dc1");
    site_.Start("dc1");
  }
  void LoseBlocks(const std::string& path) {
    site_.of("dc1").plan.Add({.verb = GetParam(),
                              .path_part = path,
                              .times = FaultRule::kAlways,
                              .fault = Fault::Refused(Code::kUnavailable)});
  }
  static std::string PathOf(Minute minute, const std::string& collector) {
    const PublishedFileName name{collector, {"clicks", minute, 0, true}};
    return paths::MinuteFile(View::kMerged, "clicks", minute, name.ToString());
  }
  size_t MergeOneMore() {
    const size_t before = Merged();
    site_.world.Deliver("dc1", "clicks", "c9");
    site_.Step(6);
    return Merged() - before;
  }
  size_t Merged() {
    size_t files = 0;
    for (const auto& [minute, names] : site_.Names("dc1")) {
      if (minute.starts_with("clicks")) files += names.size();
    }
    return files;
  }

  static inline const Minute minute_ = *Minute::ParseIso("2031-05-06T10:40Z");
  Site site_;
};

TEST_P(OriginalsMinuteTest, AFileThatCannotBeReadHoldsNothingUpWhereAnotherTells) {
  LoseBlocks(PathOf(minute_, "old-1"));
  EXPECT_EQ(MergeOneMore(), 1U);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("old-1-clicks"));
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("is taken for the original's"));
}

TEST_P(OriginalsMinuteTest, WhereNoneCanBeReadTheStatusTellsWhatWaitsForWhich) {
  LoseBlocks(paths::MinuteDir(View::kMerged, "clicks", minute_) + "/");
  EXPECT_EQ(MergeOneMore(), 0U);
  EXPECT_THAT(site_.Problems("dc1"),
              HasSubstr("nothing of the group is merged before it is known what lies in "
                        "2031-05-06T10:40Z of clicks"));
  site_.of("dc1").plan.Clear();
  site_.Step(6);
  EXPECT_EQ(MergeOneMore(), 1U);
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("nothing of the group is merged")));
}

// As a mirror has it in its first minute, beside files of the original's collectors, when it
// becomes the primary; the line of it is still in its queue.
class SealedBesideTest : public OriginalsMinuteTest {
 protected:
  void SetUp() override {
    OriginalsMinuteTest::SetUp();
    site_.Stop("dc1");
    site_.Start("dc2");
    site_.Step(3);
    for (const SeenFile& file : site_.world.Files("dc2", View::kLocal)) {
      if (file.stream != "clicks") continue;
      name_ = file.name;
      path_ = paths::MinuteFile(View::kMerged, "clicks", minute_, name_);
      ASSERT_TRUE(site_.world.at("dc1").WriteFile(path_, file.content).ok());
      break;
    }
    ASSERT_FALSE(name_.empty());
    site_.Start("dc1");
    LoseBlocks(path_);
    site_.Step(10);
  }
  int Shown() {
    int shown = 0;
    for (const auto& [minute, names] : site_.Names("dc1")) shown += names.contains(name_) ? 1 : 0;
    return shown;
  }
  std::string name_;
  std::string path_;
};

TEST_P(SealedBesideTest, WhatMayBePublishedWaitsUntilThatCanBeRead) {
  EXPECT_EQ(Shown(), 1);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr(path_ + " may be "));
  EXPECT_GE(MergeOneMore(), 1U) << "the others go on";
  site_.of("dc1").plan.Clear();
  site_.world.clock.Advance(std::chrono::minutes(1));
  site_.Step(10);
  EXPECT_EQ(Shown(), 1);
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr(" may be ")));
}

TEST_P(SealedBesideTest, WhatMayBePublishedIsWhenThatWasRemoved) {
  ASSERT_TRUE(site_.world.at("dc1").Remove(path_).ok());
  site_.of("dc1").plan.Clear();
  site_.world.clock.Advance(std::chrono::minutes(1));
  site_.Step(10);
  EXPECT_EQ(Shown(), 1);
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr(" may be ")));
}

INSTANTIATE_TEST_SUITE_P(Calls, SealedBesideTest, ::testing::Values(Verb::kOpen, Verb::kRead));
INSTANTIATE_TEST_SUITE_P(Calls, OriginalsMinuteTest, ::testing::Values(Verb::kOpen, Verb::kRead));

}  // namespace
}  // namespace databus
