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

// With another stream of the group of clicks that dc1 publishes.
Topology WithVisits() {
  Topology topology = TestTopology();
  StreamSpec visits = *topology.FindStream("clicks");
  visits.name = "visits";
  EXPECT_EQ(GroupOf("visits", 2), GroupOf("clicks", 2));
  topology.streams.push_back(visits);
  return topology;
}

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
  void Deny(const std::string& path, Verb verb) {
    site_.of("dc1").plan.Add(
        {.verb = verb, .path_part = path, .times = FaultRule::kAlways, .fault = Fault::Denied()});
  }
  // Events of both, and the minute ends; so many times.
  void PassMinutes(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string stream : {"clicks", "visits"}) {
        site_.world.Deliver("dc1", stream, stream == "clicks" ? "c1" : "c2");
      }
      site_.Step(6);
      site_.world.clock.Advance(std::chrono::minutes(1));
      site_.Step(4);
    }
  }
  // What was merged of what collectors delivered.
  size_t Delivered(const std::string& stream) {
    const auto files = site_.world.Files("dc1", View::kMerged);
    return static_cast<size_t>(std::ranges::count_if(files, [&](const SeenFile& file) {
      return file.stream == stream && !file.name.starts_with("old-");
    }));
  }
  std::vector<std::string> Epochs() {
    return *site_.world.at("dc1").ListNames(paths::Staging(View::kMerged, GroupOf("clicks", 2)));
  }
  // While what is denied is: only clicks waits. Then nothing is missing, or there twice.
  void ExpectOnlyClicksWaits() {
    const size_t clicks = Delivered("clicks");
    const size_t visits = Delivered("visits");
    PassMinutes(2);
    const auto epochs = Epochs();
    PassMinutes(3);
    EXPECT_EQ(Epochs(), epochs) << "it is looked at, and nothing is taken over for that";
    EXPECT_EQ(Delivered("clicks"), clicks);
    EXPECT_EQ(Delivered("visits"), visits + 5) << site_.Problems("dc1");
    EXPECT_THAT(site_.Problems("dc1"), HasSubstr("the stream waits, the others go on"));
    EXPECT_THAT(site_.Problems("dc1"), HasSubstr("by plan"));
    EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("streams of this group wait")));
    const auto problems = site_.of("dc1").of().ListProblems();
    EXPECT_TRUE(std::ranges::any_of(problems, [](const Problem& problem) {
      return problem.streams == std::vector<std::string>{"clicks"};
    }));

    site_.of("dc1").plan.Clear();
    site_.world.clock.Advance(std::chrono::minutes(1));
    site_.Step(10);
    PassMinutes(1);
    EXPECT_EQ(Delivered("clicks"), clicks + 6);
    EXPECT_EQ(Delivered("visits"), visits + 6);
    EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("the stream waits")));
    EXPECT_GE(site_.world.Newest("dc1", "clicks"), Minute::Of(site_.world.clock.Wall()) + -2);
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
  Site site_{WithVisits()};
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

TEST_P(OriginalsMinuteTest, WhereNoneMayBeReadOnlyItsStreamWaits) {
  Deny(paths::MinuteDir(View::kMerged, "clicks", minute_) + "/", GetParam());
  ExpectOnlyClicksWaits();
}

// Wherever that one stands among those that may not be read: what gives no answer now may yet tell.
TEST_P(OriginalsMinuteTest, WhereOneGivesNoAnswerTheGroupWaits) {
  for (const std::string silent : {"old-1", "old-2", "old-3"}) {
    site_.Stop("dc1");
    site_.Start("dc1");
    for (const std::string collector : {"old-1", "old-2", "old-3"}) {
      const std::string path = PathOf(minute_, collector);
      collector == silent ? LoseBlocks(path) : Deny(path, GetParam());
    }
    EXPECT_EQ(MergeOneMore(), 0U) << silent;
    EXPECT_THAT(site_.Problems("dc1"), HasSubstr("nothing of the group is merged")) << silent;
    EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("the stream waits"))) << silent;
    site_.of("dc1").plan.Clear();
    site_.Step(6);
  }
}

TEST_P(OriginalsMinuteTest, WhereItMayNotBeListedOnlyItsStreamWaits) {
  Deny(paths::MinuteDir(View::kMerged, "clicks", minute_), Verb::kList);
  ExpectOnlyClicksWaits();
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
