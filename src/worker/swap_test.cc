// A stream's primary changes: planned, unplanned, there and back, with a former primary that comes
// back, sleeps, or dies in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/cluster_id.h"
#include "commit/eras.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"
#include "control/epoch_store.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::Pair;
using ::testing::SizeIs;
using Settled = Installation::Settled;

const std::vector<std::string> kMoving = {"clicks", "views"};

class SwapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.Start("dc1");
    site_.Start("dc2");
    site_.Minutes(2);
    ASSERT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  }
  // Everything that was delivered is everywhere once, and both clusters are equal.
  void ExpectSettled() {
    site_.Step(15);
    site_.world.clock.Advance(minutes(11));  // the next scans and passes
    site_.Step(20);
    EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  }
  // A later epoch in a cluster's tree, which no worker obeys.
  static constexpr uint64_t kLater = 7;
  void StoreLater(const std::string& cluster) {
    StoredTopology stored;
    stored.topology = site_.world.topology;
    stored.epoch = kLater;
    ASSERT_TRUE(
        StoreEpoch(site_.world.at(cluster), SystemRandom(), TopologyEpoch::Of(stored)).ok());
  }
  Eras ErasAt(const std::string& cluster, const std::string& stream) {
    return *ReadEras(site_.world.at(cluster), GroupOf(stream, 2));
  }

  // How often dc2 has looked for its own eras.
  size_t ErasListed() {
    size_t times = 0;
    for (const Call& call : site_.of("dc2").plan.trace()) {
      if (call.verb == Verb::kList && call.store == "dc2:" && call.path == paths::Eras()) ++times;
    }
    return times;
  }

  Site site_;
};

TEST_F(SwapTest, APlannedSwapMovesThePrimaryAndSetsNothingAside) {
  const auto before = site_.Names("dc1");
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(3);
  ExpectSettled();
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
  const auto after = site_.Names("dc1");
  for (const auto& [minute, names] : before) EXPECT_EQ(after.at(minute), names) << minute;
  for (const std::string& stream : kMoving) {
    const Era era = EraOf(*site_.world.topology.FindStream(stream));
    EXPECT_EQ(ErasAt("dc1", stream).streams.at(stream), era);
    EXPECT_EQ(ErasAt("dc2", stream).streams.at(stream), era);
    EXPECT_GT(site_.world.Newest("dc2", stream), *era.cut);
  }
}

// Such lines are left when a primary comes back: what they name went away as divergent.
TEST_F(SwapTest, ALineOfAFileThatIsGoneLeavesTheOpenMinuteAlone) {
  site_.world.Deliver("dc1", "clicks", "cdc1");
  site_.Step(6);
  const Minute open = site_.world.Newest("dc2", "clicks");
  const std::string dir = paths::MinuteDir(View::kMerged, "clicks", open);
  ASSERT_EQ(site_.world.at("dc2").List(dir)->size(), 1U);
  const std::string gone = paths::MinuteFile(View::kMerged, "clicks", open + -1, "gone.gz");
  const paths::QueueEntryName entry{GroupOf("clicks", 2), 1, 4711};
  ASSERT_TRUE(site_.world.at("dc1")
                  .WriteFile(paths::Join(paths::Mirrors("dc2"), entry.ToString()),
                             "file:///dc1/databus/" + gone + "\n")
                  .ok());
  site_.Step(6);
  EXPECT_THAT(site_.Divergent("dc2"), IsEmpty());
  EXPECT_EQ(site_.world.at("dc2").List(dir)->size(), 1U);
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("gone.gz"))) << "nobody need do anything";
  const auto left =
      site_.world.at("dc1").Stat(paths::Join(paths::Mirrors("dc2"), entry.ToString()));
  EXPECT_EQ(left.code(), Code::kNotFound);
}

// Counters never go back, or whoever reads them would take the files that follow for none.
TEST_F(SwapTest, WhatWasCountedIsCountedOnUnderTheNextEpoch) {
  site_.world.Deliver("dc1", "clicks", "cdc1");
  site_.Step(6);
  const auto merged = [&] {
    return site_.of("dc1").of().stats().Hops()[{"merge", "clicks"}].files;
  };
  const uint64_t before = merged();
  ASSERT_GT(before, 0U);
  site_.of("dc1").Obey(site_.world.topology);
  EXPECT_EQ(merged(), before);
  site_.world.Deliver("dc1", "clicks", "cdc1");
  site_.Step(6);
  EXPECT_EQ(merged(), before + 1);
}

// P13: an epoch of the topology is no restart of the clock.
TEST_F(SwapTest, AStepThatIsNotBelievedIsNotUnderTheNextEpoch) {
  const Minute before = Minute::Of(site_.world.clock.Wall());
  site_.world.clock.StepWall(std::chrono::hours(1));
  site_.world.Deliver("dc1", "clicks", "c5");
  site_.Step(3);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("the clock stepped by 3600 s"));
  site_.of("dc1").Obey(site_.world.topology);
  site_.Step(2);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("the clock stepped by 3600 s"));
  EXPECT_LE(site_.world.Newest("dc1", "clicks"), before);
}

TEST_F(SwapTest, NothingIsPublishedIntoAMinuteUpToTheCut) {
  site_.Freeze("dc1");
  std::map<std::string, Minute> cuts;
  for (const std::string& stream : kMoving) cuts[stream] = site_.world.Newest("dc1", stream) + 3;
  site_.world.topology = Moved(site_.world.topology, "dc1", "dc2", cuts);
  site_.Obey();
  const auto before = site_.Names("dc2");
  site_.world.Deliver("dc2", "clicks", "cdc2");
  site_.Step(4);
  for (const auto& [minute, names] : site_.Names("dc2")) {
    if (before.contains(minute) || !minute.starts_with("clicks")) continue;
    EXPECT_EQ(minute, "clicks " + cuts.at("clicks").Next().ToIso());
  }
  site_.Minutes(6);
  ExpectSettled();
}

TEST_F(SwapTest, ThereAndBackAgain) {
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(3);
  site_.Freeze("dc2");
  site_.Swap("dc2", "dc1", "dc2");
  site_.Minutes(3);
  ExpectSettled();
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
  EXPECT_THAT(site_.Divergent("dc2"), IsEmpty());
}

TEST_F(SwapTest, AFreezeThatIsTakenBackLeavesNoHoleAtTheMirror) {
  site_.Freeze("dc1");
  site_.Minutes(3);
  for (StreamSpec& stream : site_.world.topology.streams) {
    stream.publication = Publication::kOpen;
  }
  site_.Obey();
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("was closed here before")));
}

// Its only minute of clicks is one that it was copying still; by its own stream it is further.
TEST(FirstMinuteTest, WhatWasCopiedAfterTheCutAndNotClosedIsNotMergedAgain) {
  Site site;
  site.Start("dc1");
  site.Start("dc2");
  site.world.Deliver("dc1", "clicks", "cdc1");
  site.Step(3);
  ASSERT_THAT(site.world.Files("dc2", View::kMerged), SizeIs(1));
  site.CutOff("dc2", "dc1");
  site.Stop("dc1");
  site.world.clock.Advance(minutes(3));
  site.world.Deliver("dc2", "orders", "cdc2");
  site.Step(3);
  // Nobody had seen that minute when the failover was planned.
  site.world.topology = Moved(site.world.topology, "dc1", "dc2", {{"clicks", kFirstMinute.Next()}});
  site.Obey();
  site.Step(3);
  site.Start("dc1");
  site.Minutes(2);
  site.Step(15);
  EXPECT_THAT(site.world.Violations(Settled::kYes), IsEmpty());
}

// The same where a manifest of its own is younger than that minute. What is older than all
// manifests is of the original system, but for this. By a failover, of which nobody had seen that
// minute when it was planned, or by hand.
class OlderThanManifestsTest : public ::testing::TestWithParam<std::optional<Minute>> {};

TEST_P(OlderThanManifestsTest, AMirrorsFirstMinuteIsNotMergedAgainAndIsDescribed) {
  Site site;
  site.Start("dc1");
  site.Start("dc2");
  site.world.Deliver("dc1", "clicks", "cdc1");
  site.Step(3);
  ASSERT_THAT(site.world.Files("dc2", View::kMerged), SizeIs(1));
  const Minute first = site.world.Newest("dc2", "clicks");
  site.CutOff("dc2", "dc1");
  site.Stop("dc1");
  for (int i = 0; i < 2; ++i) {
    site.world.clock.Advance(minutes(3));
    site.world.Deliver("dc2", "orders", "cdc2");
    site.Step(3);
  }
  const Group group = GroupOf("clicks", 2);
  ASSERT_EQ(GroupOf("orders", 2), group);
  const auto oldest = OldestManifest(site.world.at("dc2"), View::kMerged, group, "");
  ASSERT_THAT(*oldest, Optional(Gt(first)));
  std::map<std::string, Minute> cuts;
  if (GetParam()) cuts["clicks"] = *GetParam();
  site.world.topology = Moved(site.world.topology, "dc1", "dc2", cuts);
  site.Obey();
  site.Step(3);
  MinuteContent content(site.world.at("dc2"), View::kMerged, group);
  EXPECT_TRUE(content.Described("clicks", first)->has_value());
  site.Obey();  // a process that knows only what the tree tells
  site.Start("dc1");
  site.Minutes(2);
  site.world.clock.Advance(minutes(11));  // all is looked at again
  site.Step(20);
  EXPECT_THAT(site.world.Violations(Settled::kYes), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Swaps, OlderThanManifestsTest,
                         ::testing::Values(std::optional(kFirstMinute), std::nullopt));

// A minute of the mirror was closed without clicks, which had to wait at its primary then (P28).
class UnnamedTest : public SwapTest {
 protected:
  void SetUp() override {
    SwapTest::SetUp();
    site_.Freeze("dc1");
  }
  void LeaveOut(Minute minute) {
    MemoryStorage& tree = site_.world.at("dc2");
    auto manifest = ReadManifest(tree, View::kMerged, kGroup, minute, "dc1");
    ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
    ASSERT_EQ(manifest->streams.erase("clicks"), 1U);
    ASSERT_TRUE(
        tree.Replace(paths::Manifest(View::kMerged, kGroup, minute, "dc1"), manifest->Encode())
            .ok());
    ASSERT_FALSE(IsDescribed(minute));
  }
  bool IsDescribed(Minute minute) {
    MinuteContent content(site_.world.at("dc2"), View::kMerged, kGroup);
    return content.Described("clicks", minute)->has_value();
  }
  Minute Newest() { return site_.world.Newest("dc2", "clicks"); }

  static inline const Group kGroup = GroupOf("clicks", 2);
};

TEST_F(UnnamedTest, WhatNoManifestNamesIsNotMergedAgainAndIsDescribed) {
  const Minute minute = Newest() + -1;
  LeaveOut(minute);
  site_.Swap("dc1", "dc2", "dc1");
  site_.Minutes(3);
  ExpectSettled();
  EXPECT_TRUE(IsDescribed(minute));
}

// Else a former primary could not tell that it is as at the new one, and would set it aside.
TEST_F(UnnamedTest, TheLastMinuteIsDescribedBeforeTheEraBeginsThoughNoMirrorAnswers) {
  const Minute minute = Newest();
  LeaveOut(minute);
  site_.Swap("dc1", "dc2", "dc1");
  site_.CutOff("dc2", "dc1");
  site_.Step(6);
  EXPECT_EQ(ErasAt("dc2", "clicks").streams.at("clicks").cut, minute);
  EXPECT_TRUE(IsDescribed(minute));
  site_.of("dc2").plan.Clear();
  site_.Minutes(3);
  ExpectSettled();
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
}

TEST_F(SwapTest, WhatAnotherProcessHasEndedIsNotToldOfAnyMore) {
  site_.Freeze("dc1");
  site_.Stop("dc2");
  site_.Swap("dc1", "dc2", "dc1");
  site_.Step(3);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("dc2 has not begun to publish clicks"));
  const auto sleeper = site_.Take("dc1");
  site_.world.clock.Advance(minutes(2));  // its lease runs out
  site_.Start("dc2");
  site_.Start("dc1");
  site_.Step(20);
  EXPECT_THAT(site_.Problems("dc1"), IsEmpty());
  site_.Stop("dc1");
  for (int i = 0; i < 5; ++i) {
    sleeper->Step();
    site_.Step();
  }
  EXPECT_THAT(sleeper->of().stats().Divergent(), IsEmpty());
  for (const Problem& problem : sleeper->of().ListProblems()) {
    EXPECT_THAT(problem.what, Not(HasSubstr("has not begun")));
  }
}

// However many hours and streams are to be purged: who mirrors them knows in what eras they are.
TEST_F(SwapTest, APurgeOfAMirrorDoesNotReadTheErasAgain) {
  for (int i = 0; i < 4; ++i) {
    site_.world.clock.Advance(hours(1));
    site_.Step(14);  // after such a pause the lease is taken anew
    site_.Minutes(1);
  }
  const auto is_due = [&](Minute oldest) {
    return *OldestMinute(site_.world.at("dc2"), paths::Stream(View::kMerged, "clicks")) > oldest;
  };
  const Minute first =
      **OldestMinute(site_.world.at("dc2"), paths::Stream(View::kMerged, "clicks"));
  site_.world.clock.Advance(hours(9));
  size_t asked = 0;
  for (int i = 0; i < 30 && !is_due(first + 180); ++i) {
    const size_t before = ErasListed();
    site_.Step();
    asked = ErasListed() - before;
  }
  ASSERT_TRUE(is_due(first + 180)) << "four hours of two streams went";
  EXPECT_LE(asked, 2U) << "by the purge of the local streams, once for each group";
}

// P35
TEST_F(SwapTest, AMirrorWhoseMinutesAreAllOlderThanThePrimarysPurgesThemFirst) {
  site_.Freeze("dc1");
  site_.Stop("dc1");
  site_.Swap("dc1", "dc2", "dc1");
  site_.world.clock.Advance(minutes(95));
  site_.Step(14);  // after such a pause the lease is taken anew
  MemoryStorage& primary = site_.world.at("dc2");
  const auto oldest_at = [&](const std::string& cluster, const std::string& stream) {
    return *OldestMinute(site_.world.at(cluster), paths::Stream(View::kMerged, stream));
  };
  for (const std::string& stream : kMoving) {
    const Minute first = *oldest_at("dc2", stream);
    for (const Minute hour : {first, first + 60}) {
      ASSERT_TRUE(RemoveTree(primary, paths::Hour(View::kMerged, stream, hour)).ok());
    }
    ASSERT_GT(*oldest_at("dc2", stream), site_.world.Newest("dc1", stream).Next());
  }
  site_.Start("dc1");
  site_.Step(20);
  EXPECT_THAT(site_.world.Violations(Settled::kNo), IsEmpty());
  for (const std::string& stream : kMoving) {
    EXPECT_EQ(oldest_at("dc1", stream), oldest_at("dc2", stream));
    EXPECT_GE(site_.world.Newest("dc1", stream), site_.world.Newest("dc2", stream) + -1);
  }
}

// dc1 goes on for a while though nobody hears of it, then its worker is gone.
class UnplannedTest : public SwapTest {
 protected:
  void SetUp() override {
    SwapTest::SetUp();
    stale_ = site_.TakeUnheard();
  }
  // dc2 is the primary, and cannot reach dc1.
  void FailOver() {
    site_.Swap("dc1", "dc2", "dc2");
    site_.Start("dc2");
    site_.CutOff("dc2", "dc1");
    for (int i = 0; i < 14; ++i) site_.Step();  // the lease of the one that was stopped
    for (int i = 0; i < 3; ++i) {
      for (const std::string stream : {"clicks", "views", "orders"}) {
        site_.world.Deliver("dc2", stream, "cdc2");
      }
      site_.Step(6);
      site_.world.clock.Advance(minutes(1));
    }
  }
  void ComeBack() {
    stale_->of().Finish();
    site_.of("dc2").plan.Clear();
    site_.Start("dc1");
  }

  std::unique_ptr<WorkerProcess> stale_;
};

TEST_F(UnplannedTest, WhatTheOldPrimaryPublishedIsSetAsideAndSalvaged) {
  FailOver();
  const auto stale = site_.Names("dc1");
  ComeBack();
  site_.Step(10);
  EXPECT_THAT(site_.Divergent("dc1"), Not(IsEmpty()));
  ExpectSettled();
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), IsEmpty());
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("divergent")));
}

TEST_F(UnplannedTest, AFactAndAProblemSaySoWhileItLasts) {
  FailOver();
  ComeBack();
  site_.of("dc1").plan.Add({.verb = Verb::kRename,
                            .path_part = paths::DivergentRoot(),
                            .times = FaultRule::kAlways,
                            .fault = Fault::RequestLost()});
  site_.Step(14);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("not as at dc2"));
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), Not(IsEmpty()));
  site_.of("dc1").plan.Clear();
  ExpectSettled();
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), IsEmpty());
}

// The queue lines of files that dc1 had merged are gone: only the set difference finds them.
TEST_F(UnplannedTest, FilesThatNoQueueNamesAreMergedOnce) {
  FailOver();
  const auto lines = site_.world.at("dc1").List(paths::Consumers("dc1"));
  ASSERT_TRUE(!lines.ok() || lines->empty()) << "the old primary had taken them";
  ComeBack();
  ExpectSettled();
  const auto files = site_.world.Files("dc2", View::kMerged);
  EXPECT_THAT(std::count_if(files.begin(), files.end(),
                            [](const SeenFile& file) { return file.name.starts_with("c5-"); }),
              6);
}

TEST_F(UnplannedTest, ARecordOfTheDemotedEpochIsUndone) {
  stale_->Step();  // closes the minutes that are over
  site_.world.Deliver("dc1", "clicks", "c6");
  stale_->plan.SetCallback([](const Call& call) {
    const bool merged_record = call.verb == Verb::kRename &&
                               call.to.starts_with("system/tmp/streams/") &&
                               call.to.find("/record-") != std::string::npos;
    return merged_record ? Fault::CrashAfter() : Fault{};
  });
  EXPECT_THROW(stale_->Step(), Crash);
  FailOver();
  site_.of("dc2").plan.Clear();
  site_.Start("dc1");
  site_.Step(14);  // the lease of the one that died
  EXPECT_THAT(site_.Divergent("dc1"), Contains(HasSubstr("/c6-clicks-")));
  ExpectSettled();
}

// The old primary's worker is dead, its tree is not: it is a mirror that has more.
TEST_F(UnplannedTest, WhatAMirrorHasBeyondTheNewPrimaryIsCopiedToTheSamePath) {
  const auto stale = site_.Names("dc1");
  stale_->of().Finish();
  site_.Swap("dc1", "dc2", "dc1");
  site_.Start("dc2");
  site_.Step(3);
  for (const auto& [minute, names] : site_.Names("dc2")) {
    if (minute.starts_with("orders")) continue;
    EXPECT_EQ(stale.at(minute), names) << minute;
  }
  EXPECT_EQ(site_.world.Newest("dc1", "clicks"), site_.world.Newest("dc2", "clicks"));
  site_.Start("dc1");
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
}

// Both had merged one file into the same minute, and one of them more.
TEST_F(UnplannedTest, WhatTheOldPrimaryHasPurgedComesAgainWithWhatItLacks) {
  site_.Swap("dc1", "dc2", "dc2");
  site_.Start("dc2");
  site_.CutOff("dc2", "dc1");
  site_.Step(14);  // the lease of the one that was stopped
  const Minute minute = Minute::Of(site_.world.clock.Wall()).Next();
  site_.world.clock.Advance(minute.Start() - site_.world.clock.Wall());
  site_.world.Deliver("dc1", "clicks", "c7");
  stale_->Step();
  stale_->Step();
  site_.of("dc2").plan.Clear();
  site_.Step(40);
  stale_->plan.Clear();  // it mirrors orders, of the same group
  for (int i = 0; i < 2; ++i) {
    site_.world.clock.Advance(minutes(1));
    site_.world.Deliver("dc2", "orders", "c8");
    site_.Step(4);
    for (int step = 0; step < 4; ++step) stale_->Step();
  }
  const std::string place = "clicks " + minute.ToIso();
  ASSERT_EQ(site_.Names("dc1").at(place).size(), 1U);
  ASSERT_GT(site_.Names("dc2").at(place).size(), 1U);
  ASSERT_TRUE(RemoveTree(site_.world.at("dc1"), paths::Stream(View::kMerged, "clicks")).ok());
  ComeBack();
  site_.Step(20);
  EXPECT_EQ(site_.Names("dc1").at(place), site_.Names("dc2").at(place));
}

// It was away for the change before, and what it has was published apart: of what the other one has
// merged meanwhile, some lies in other minutes here.
TEST_F(UnplannedTest, WhoMissedAChangeCopiesNothingPathForPathWhenItIsThePrimaryAgain) {
  FailOver();
  site_.of("dc2").plan.Clear();
  site_.Step(4);  // it salvages what dc1 had merged
  stale_->of().Finish();
  site_.Swap("dc2", "dc1", "dc2");
  site_.Start("dc1");
  site_.Minutes(2);
  ExpectSettled();
}

TEST_F(UnplannedTest, AHolderThatSleptOverTheSwapMakesNothingVisible) {
  FailOver();
  site_.of("dc2").plan.Clear();
  site_.Start("dc1");  // beside the one that sleeps, whose lease runs out
  site_.Step(20);
  stale_->plan.Clear();
  site_.world.Deliver("dc1", "clicks", "c6");
  for (int i = 0; i < 5; ++i) {
    stale_->Step();
    site_.Step();
  }
  ExpectSettled();
}

// P30: the holder before it has frozen streams by an epoch that it slept over.
TEST_F(SwapTest, WhoTakesOverPublishesNothingByATopologyBeforeTheStoredOne) {
  StoreLater("dc1");
  const Minute newest = site_.world.Newest("dc1", "clicks");
  site_.Start("dc1");
  site_.world.Deliver("dc1", "clicks", "c5");
  site_.Minutes(3);
  EXPECT_EQ(site_.world.Newest("dc1", "clicks"), newest);
  ASSERT_TRUE(site_.world.at("dc1").Remove(paths::TopologyFile(kLater)).ok());
  ExpectSettled();
}

// Its new primary obeys the epoch that makes this cluster a mirror, and has queued for it, before
// it obeys that itself: what it takes for a line from before it was the primary is wanted.
TEST_F(SwapTest, WhatWasQueuedByALaterTopologyIsLeftInTheQueue) {
  StoreLater("dc2");
  const Minute open = site_.world.Newest("dc1", "clicks");
  const paths::QueueEntryName entry{GroupOf("clicks", 2), 1, 4711};
  const std::string path = paths::Join(paths::Mirrors("dc1"), entry.ToString());
  const std::string line = paths::MinuteFile(View::kMerged, "clicks", open, "new.gz");
  ASSERT_TRUE(site_.world.at("dc2").WriteFile(path, "file:///dc2/databus/" + line + "\n").ok());
  site_.Step(3);
  EXPECT_TRUE(site_.world.at("dc2").Stat(path).ok());
  ASSERT_TRUE(site_.world.at("dc2").Remove(paths::TopologyFile(kLater)).ok());
  site_.Step(3);
  EXPECT_EQ(site_.world.at("dc2").Stat(path).code(), Code::kNotFound);
  ExpectSettled();
}

// clicks waits when dc1 is alone.
class AloneTest : public SwapTest {
 protected:
  void SetUp() override {
    for (StreamSpec& stream : site_.world.topology.streams) {
      if (stream.name == "clicks") stream.when_alone = WhenAlone::kWait;
    }
    SwapTest::SetUp();
    site_.CutOff("dc1", "dc2");
  }
  FaultPlan& Plan() { return site_.of("dc1").plan; }
  void DeliverBoth() {
    for (const std::string& stream : kMoving) site_.world.Deliver("dc1", stream, "c5");
  }
  size_t Merged(const std::string& stream) {
    const auto files = site_.world.Files("dc1", View::kMerged);
    return static_cast<size_t>(std::count_if(files.begin(), files.end(), [&](const SeenFile& file) {
      return file.stream == stream && file.name.starts_with("c5-");
    }));
  }
};

TEST_F(AloneTest, AStreamThatWaitsIsPublishedAgainWithoutHolesWhenTheOthersAnswer) {
  DeliverBoth();
  site_.Step(3);
  EXPECT_EQ(Merged("clicks"), 1U) << "the other cluster was read a moment ago";
  site_.world.clock.Advance(kAloneAfter);
  for (int i = 0; i < 3; ++i) {
    DeliverBoth();
    site_.Step(12);
    site_.world.clock.Advance(minutes(1));
  }
  EXPECT_EQ(Merged("clicks"), 1U);
  EXPECT_EQ(Merged("views"), 4U) << "the policy is the stream's";
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("clicks is not published: dc1 has read 1 of 2"));
  EXPECT_THAT(site_.of("dc1").of().stats().Waiting(), SizeIs(1));
  site_.of("dc1").plan.Clear();
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.of("dc1").of().stats().Waiting(), IsEmpty());
}

TEST_F(AloneTest, AProcessThatStartsAloneHasReadNobody) {
  site_.Stop("dc1");
  site_.Start("dc1");
  site_.CutOff("dc1", "dc2");
  DeliverBoth();
  site_.Step(3);
  EXPECT_EQ(Merged("clicks"), 0U);
  EXPECT_EQ(Merged("views"), 1U);
}

// That it answers as itself does not say whether it has heard of another primary.
TEST_F(AloneTest, AClusterCountsOnlyWhenItsTopologyWasRead) {
  Plan().Clear();
  Plan().Add({.store_part = "dc2:",
              .path_part = paths::TopologyRoot(),
              .times = FaultRule::kAlways,
              .fault = Fault::RequestLost()});
  site_.world.clock.Advance(kAloneAfter);
  DeliverBoth();
  site_.Step(12);
  EXPECT_EQ(Merged("clicks"), 0U);
  EXPECT_EQ(Merged("views"), 1U);
}

// However lately it did not know of it.
TEST_F(AloneTest, AClusterThatKnowsANewerTopologyDoesNotCount) {
  Plan().Clear();
  site_.Step(2);
  ASSERT_THAT(site_.of("dc1").of().stats().Waiting(), IsEmpty());
  StoredTopology next;
  next.topology = site_.world.topology;
  next = next.Next("failover");
  ASSERT_TRUE(StoreEpoch(site_.world.at("dc2"), *site_.world.random, TopologyEpoch::Of(next)).ok());
  DeliverBoth();
  site_.Step(2);
  EXPECT_EQ(Merged("clicks"), 0U);
  EXPECT_EQ(Merged("views"), 1U);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("dc2 (has stored topology epoch 2, 1 is obeyed"));
}

TEST_F(AloneTest, AClusterThatHasOurTopologyOrTheOneBeforeCounts) {
  Plan().Clear();
  ASSERT_TRUE(
      StoreEpoch(site_.world.at("dc2"), *site_.world.random, Obeyed(site_.world.topology)->epoch)
          .ok());
  site_.world.clock.Advance(kAloneAfter);
  DeliverBoth();
  site_.Step(12);
  EXPECT_EQ(Merged("clicks"), 1U);
}

TEST_F(AloneTest, AClusterThatIsConfirmedToBeAloneGoesOn) {
  site_.alone = "dc1";
  site_.Stop("dc1");
  site_.Start("dc1");
  site_.CutOff("dc1", "dc2");
  DeliverBoth();
  site_.Step(3);
  EXPECT_EQ(Merged("clicks"), 1U);
}

// Its last minute is closed without it then, and stays what it is.
TEST_F(AloneTest, AStreamThatWaitsIsFrozenOnlyWhenAManifestNamesItsLastMinute) {
  const auto frozen = [this] { return site_.of("dc1").of().stats().Frozen(); };
  Plan().Clear();
  DeliverBoth();
  site_.Step(3);
  ASSERT_EQ(Merged("clicks"), 1U);
  for (StreamSpec& stream : site_.world.topology.streams) {
    if (stream.Primary() == "dc1") stream.publication = Publication::kFrozen;
  }
  site_.Obey();
  site_.CutOff("dc1", "dc2");
  site_.Step(3);
  EXPECT_THAT(frozen(), ElementsAre(Pair("views", Optional(site_.world.Newest("dc1", "views")))));
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("clicks is not published: dc1 has read 1 of 2"));
  const Minute last = site_.world.Newest("dc1", "clicks");
  MinuteContent before(site_.world.at("dc1"), View::kMerged, GroupOf("clicks", 2));
  EXPECT_FALSE((*before.Described(last))->contains("clicks"));
  Plan().Clear();
  site_.Step(3);
  EXPECT_EQ(frozen().at("clicks"), last);
  MinuteContent after(site_.world.at("dc1"), View::kMerged, GroupOf("clicks", 2));
  EXPECT_TRUE((*after.Described(last))->contains("clicks"));
  EXPECT_EQ(site_.world.Newest("dc1", "clicks"), last);
}

// Between the last look and any move of a commit the process sleeps for too long.
TEST_F(AloneTest, ThePauseIsNoticedBeforeEachRename) {
  site_.of("dc1").plan.Add(
      {.verb = Verb::kRename,
       .path_part = "/record-",
       .times = FaultRule::kAlways,
       .fault = Fault::Delayed([this] { site_.world.clock.Advance(kAloneAfter + seconds(1)); })});
  site_.world.Deliver("dc1", "clicks", "c5");
  site_.Step(3);
  EXPECT_EQ(Merged("clicks"), 0U);
  site_.of("dc1").plan.Clear();
  site_.Step(20);
  EXPECT_EQ(Merged("clicks"), 1U);
  site_.Minutes(1);
  ExpectSettled();
}

}  // namespace
}  // namespace databus
