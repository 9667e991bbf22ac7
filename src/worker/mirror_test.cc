// What a mirror does about things in its tree that are not the primary's.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/manifest.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Property;
using ::testing::SizeIs;
using Settled = Installation::Settled;

constexpr std::string_view kStart = "2031-05-06T10:58Z";

class MirrorTest : public ::testing::Test {
 protected:
  void Step(int times) {
    for (int i = 0; i < times; ++i) {
      dc1_.Step();
      if (dc2_ != nullptr) dc2_->Step();
      world_.clock.Advance(seconds(1));
    }
  }
  void DeliverAll() {
    for (const std::string stream : {"clicks", "views"}) world_.Deliver("dc1", stream, "c1");
  }
  void CloseMinute() {
    world_.clock.Advance(minutes(1));
    Step(6);
  }
  void MakeDirs(const std::string& dir) {
    ASSERT_TRUE(EnsureDirsBelow(tree_, paths::ViewRoot(View::kMerged), dir).ok());
  }
  // What was set aside of clicks or of nobody knows which stream, with the reasons.
  std::vector<std::string> SetAside() {
    std::vector<std::string> names;
    for (const std::string stream : {"clicks", "unknown"}) {
      const auto entries = tree_.List(paths::Quarantine(View::kMerged, stream));
      if (!entries.ok()) continue;
      for (const DirEntry& entry : *entries) names.push_back(entry.name);
    }
    return names;
  }
  std::string Problems() { return dc2_->Problems(); }
  size_t FilesHere(const std::string& stream) {
    const auto files = world_.Files("dc2", View::kMerged);
    return static_cast<size_t>(std::count_if(
        files.begin(), files.end(), [&](const SeenFile& file) { return file.stream == stream; }));
  }
  void RestartMirror() {
    dc2_->of().Finish();
    dc2_ = std::make_unique<WorkerProcess>(world_, std::vector<std::string>{"dc2"}, 3);
  }

  Installation world_;
  MemoryStorage& tree_ = world_.at("dc2");
  WorkerProcess dc1_{world_, {"dc1"}, 1};
  std::unique_ptr<WorkerProcess> dc2_ =
      std::make_unique<WorkerProcess>(world_, std::vector<std::string>{"dc2"}, 2);
  const Minute start_ = *Minute::ParseIso(kStart);
  const std::string minute_dir_ = paths::MinuteDir(View::kMerged, "clicks", start_);
};

TEST_F(MirrorTest, AFileWhereAMinuteMustBeIsSetAsideBeforeAnythingIsCopied) {
  MakeDirs(std::string(paths::Parent(minute_dir_)));
  ASSERT_TRUE(tree_.WriteFile(minute_dir_, "in the way").ok());
  DeliverAll();
  Step(4);
  CloseMinute();
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(SetAside(), SizeIs(2)) << "it, and its reason: no copies";
  EXPECT_THAT(Problems(), HasSubstr("was where a directory of minutes must be"));
}

TEST_F(MirrorTest, AFileWhereAnHourMustBeIsSetAsideToo) {
  const std::string hour(paths::Parent(minute_dir_));
  MakeDirs(std::string(paths::Parent(hour)));
  ASSERT_TRUE(tree_.WriteFile(hour, "in the way").ok());
  DeliverAll();
  Step(4);
  CloseMinute();
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(SetAside(), SizeIs(2));
}

TEST_F(MirrorTest, ADirectoryWithTheNameOfAFileIsSetAside) {
  dc1_.Step();
  DeliverAll();
  dc1_.Step();
  for (const SeenFile& file : world_.Files("dc1", View::kMerged)) {
    if (file.stream == "clicks") MakeDirs(paths::Join(minute_dir_, file.name));
  }
  Step(4);
  CloseMinute();
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(SetAside(), SizeIs(2));
}

TEST_F(MirrorTest, AFileWithOtherBytesIsSetAsideAndFetchedAgain) {
  DeliverAll();
  Step(4);
  ASSERT_EQ(FilesHere("clicks"), 1U);
  const std::string path = paths::MinuteFile(View::kMerged, "clicks", start_,
                                             world_.Files("dc2", View::kMerged)[0].name);
  ASSERT_TRUE(tree_.Remove(path).ok());
  ASSERT_TRUE(tree_.WriteFile(path, "wrong").ok());
  RestartMirror();  // who takes over reads what is there
  CloseMinute();
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  ASSERT_THAT(SetAside(), SizeIs(2));
  const std::string aside = paths::Join(paths::Quarantine(View::kMerged, "clicks"), SetAside()[0]);
  EXPECT_EQ(*tree_.ReadFile(aside), "wrong");
  EXPECT_THAT(*tree_.ReadFile(aside + ".reason"), HasSubstr("has length 5"));
  EXPECT_EQ(*NewestManifest(tree_, View::kMerged, GroupOf("clicks", 2), "dc1"), start_);
}

TEST_F(MirrorTest, WhatCannotBeMovedAwayBlocksItsStreamAndIsTriedOnceAMinute) {
  MakeDirs(std::string(paths::Parent(minute_dir_)));
  ASSERT_TRUE(tree_.WriteFile(minute_dir_, "in the way").ok());
  dc2_->plan.Add({.verb = Verb::kRename,
                  .path_part = minute_dir_,
                  .times = FaultRule::kAlways,
                  .fault = Fault::Refused(Code::kRefused)});
  DeliverAll();
  Step(30);
  EXPECT_EQ(FilesHere("views"), 1U) << "the other stream goes on";
  EXPECT_THAT(SetAside(), IsEmpty());
  EXPECT_THAT(Problems(), HasSubstr("dc2 mirror stream clicks"));
  const auto tries = [&] {
    const auto trace = dc2_->plan.trace();
    return std::count_if(trace.begin(), trace.end(), [&](const Call& call) {
      return call.verb == Verb::kRename && call.path == minute_dir_;
    });
  };
  EXPECT_EQ(tries(), 1);
  dc2_->plan.Clear();
  world_.clock.Advance(minutes(1));
  Step(15);
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(Problems(), Not(HasSubstr("dc2 mirror stream clicks")));
}

TEST_F(MirrorTest, FilesThatAreRefusedTheirPlaceAreFetchedAgainAMinuteLater) {
  dc2_->plan.Add({.verb = Verb::kRename,
                  .path_part = minute_dir_ + "/",
                  .times = FaultRule::kAlways,
                  .fault = Fault::Refused(Code::kRefused)});
  DeliverAll();
  Step(30);
  EXPECT_EQ(FilesHere("views"), 1U);
  EXPECT_THAT(SetAside(), IsEmpty());
  EXPECT_THAT(Problems(), HasSubstr("dc2 mirror stream clicks"));
  dc2_->plan.Clear();
  world_.clock.Advance(minutes(1));
  Step(15);
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

TEST_F(MirrorTest, AFileThatIsNotWhatThePrimarysManifestPromisesIsNotTaken) {
  dc2_ = nullptr;
  DeliverAll();
  Step(2);
  CloseMinute();
  MemoryStorage& primary = world_.at("dc1");
  const auto files = world_.Files("dc1", View::kMerged);
  const auto clicks = std::find_if(files.begin(), files.end(),
                                   [](const SeenFile& file) { return file.stream == "clicks"; });
  const std::string path = paths::MinuteFile(View::kMerged, "clicks", start_, clicks->name);
  ASSERT_TRUE(primary.Remove(path).ok());
  ASSERT_TRUE(primary.WriteFile(path, "another").ok());
  dc2_ = std::make_unique<WorkerProcess>(world_, std::vector<std::string>{"dc2"}, 2);
  Step(4);
  EXPECT_EQ(FilesHere("clicks"), 0U);
  EXPECT_EQ(FilesHere("views"), 1U);
  EXPECT_THAT(Problems(), HasSubstr("differs from the manifest"));
  ASSERT_TRUE(primary.Remove(path).ok());
  ASSERT_TRUE(primary.WriteFile(path, clicks->content).ok());
  world_.clock.Advance(minutes(1));
  Step(15);
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

TEST_F(MirrorTest, AFileTooManyIsSetAsideAndTheMinuteCloses) {
  DeliverAll();
  Step(4);
  ASSERT_EQ(FilesHere("clicks"), 1U);
  const std::string path = paths::MinuteFile(View::kMerged, "clicks", start_, "part-0.gz");
  ASSERT_TRUE(tree_.WriteFile(path, "somebody's").ok());
  RestartMirror();  // who takes over reads what is there
  CloseMinute();
  EXPECT_THAT(Problems(), HasSubstr("is not in the minute that dc1 has closed"));
  EXPECT_THAT(SetAside(), SizeIs(2)) << "it, and its reason";
  for (int i = 0; i < 3; ++i) {
    DeliverAll();
    CloseMinute();
  }
  EXPECT_EQ(FilesHere("clicks"), 4U);
  EXPECT_THAT(world_.Violations(Settled::kNo), IsEmpty());
}

TEST_F(MirrorTest, AFileTooManyThatWasRemovedStopsNothing) {
  DeliverAll();
  Step(4);
  const std::string path = paths::MinuteFile(View::kMerged, "clicks", start_, "part-0.gz");
  ASSERT_TRUE(tree_.WriteFile(path, "somebody's").ok());
  RestartMirror();
  Step(15);  // it has taken over and knows the file
  ASSERT_TRUE(tree_.Remove(path).ok());
  CloseMinute();
  EXPECT_THAT(SetAside(), IsEmpty());
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

TEST_F(MirrorTest, AFileThatMayNotBeReadIsNotTakenForAWrongOne) {
  DeliverAll();
  Step(4);
  ASSERT_EQ(FilesHere("clicks"), 1U);
  RestartMirror();
  dc2_->plan.Add({.verb = Verb::kOpen,
                  .store_part = tree_.Describe(),
                  .path_part = minute_dir_ + "/",
                  .times = FaultRule::kAlways,
                  .fault = Fault::Refused(Code::kRefused)});
  CloseMinute();
  CloseMinute();
  EXPECT_THAT(SetAside(), IsEmpty());
  EXPECT_EQ(FilesHere("clicks"), 1U);
  EXPECT_THAT(Problems(), HasSubstr("clicks"));
  dc2_->plan.Clear();
  CloseMinute();
  CloseMinute();
  EXPECT_THAT(SetAside(), IsEmpty());
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

// The mirror has the file: in a manifest without it, it would be one too many.
TEST_F(MirrorTest, AFileThatThePrimaryCannotReadAtATakeOverIsInItsMinutesManifest) {
  DeliverAll();
  Step(4);
  ASSERT_EQ(FilesHere("clicks"), 1U);
  dc1_.of().Finish();
  WorkerProcess again{world_, {"dc1"}, 9};
  again.plan.Add({.verb = Verb::kOpen,
                  .path_part = minute_dir_ + "/",
                  .times = 1,
                  .fault = Fault::Refused(Code::kRefused)});
  for (int i = 0; i < 10; ++i) {
    DeliverAll();
    for (int k = 0; k < 8; ++k) {
      if (k == 4) world_.clock.Advance(minutes(1));
      again.Step();
      dc2_->Step();
      world_.clock.Advance(seconds(1));
    }
  }
  EXPECT_EQ(FilesHere("clicks"), 11U);
  EXPECT_THAT(SetAside(), IsEmpty());
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

}  // namespace
}  // namespace databus
