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

INSTANTIATE_TEST_SUITE_P(Calls, OriginalsMinuteTest, ::testing::Values(Verb::kOpen, Verb::kRead));

}  // namespace
}  // namespace databus
