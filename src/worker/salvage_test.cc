// Salvage after a failover (P34), and what becomes of divergent minutes: files that cannot be
// fetched, streams that wait, clusters that go away in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/eras.h"
#include "commit/recover.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using Settled = Installation::Settled;

// dc1 published for a while what nobody mirrored; then its worker died, and dc2 is the primary, and
// reads dc1's tree.
class SalvageTest : public ::testing::Test {
 protected:
  // dc2 cannot list what dc1 has published.
  void HideManifestsOfClicks() {
    site_.of("dc2").plan.Add({.store_part = "dc1:",
                              .path_part = paths::ManifestRoot(View::kLocal, GroupOf("clicks", 2)),
                              .times = FaultRule::kAlways,
                              .fault = Fault::RequestLost()});
  }
  void SetUp() override {
    site_.Start("dc1");
    site_.Start("dc2");
    site_.Minutes(2);
    site_.Stop("dc2");
    site_.CutOff("dc1", "dc2");
    for (int i = 0; i < 3; ++i) {
      for (const std::string stream : {"clicks", "views"}) {
        site_.world.Deliver("dc1", stream, "c5");
      }
      site_.Step(4);
      site_.world.clock.Advance(minutes(1));
    }
    site_.Stop("dc1");
    Change();
    site_.Swap("dc1", "dc2", CutOf());
  }
  // Whose newest minutes are the last ones before dc2's.
  virtual std::string CutOf() { return "dc2"; }
  // What else is in the topology that dc2 takes over by.
  virtual void Change() {}
  void RunOn() {
    site_.Step(20);
    site_.world.clock.Advance(minutes(11));  // the next scans and passes
    site_.Step(20);
  }
  // The files that dc1 has published locally and nobody had mirrored.
  std::vector<SeenFile> Alone(const std::string& stream) {
    std::vector<SeenFile> files = site_.world.Files("dc1", View::kLocal);
    std::erase_if(files, [&](const SeenFile& file) {
      return file.stream != stream || !file.name.starts_with("c5-");
    });
    return files;
  }
  size_t Merged(const std::string& stream, const std::string& collector = "c5-") {
    const auto files = site_.world.Files("dc2", View::kMerged);
    return static_cast<size_t>(std::count_if(files.begin(), files.end(), [&](const SeenFile& file) {
      return file.stream == stream && file.name.starts_with(collector);
    }));
  }
  Eras ErasAt(const std::string& cluster, const std::string& stream) {
    return *ReadEras(site_.world.at(cluster), GroupOf(stream, 2));
  }
  void ExpectSettled() {
    RunOn();
    EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  }

  Site site_;
};

TEST_F(SalvageTest, AFileThatCannotBeFetchedHoldsUpNoOtherAndIsTriedAgain) {
  site_.Start("dc2");
  const std::string bad = Alone("clicks").front().name;
  site_.of("dc2").plan.Add({.verb = Verb::kOpen,
                            .store_part = "dc1:",
                            .path_part = bad,
                            .times = FaultRule::kAlways,
                            .fault = Fault::RequestLost()});
  RunOn();
  EXPECT_EQ(Merged("clicks"), 2U);
  EXPECT_EQ(Merged("views"), 3U);
  EXPECT_THAT(site_.Problems("dc2"),
              HasSubstr("cannot be fetched, or are refused here: 1; streams_local/clicks/"));
  EXPECT_THAT(site_.of("dc2").of().Missed(), Contains(Pair("dc1", 1U)));
  const Eras eras = ErasAt("dc2", "clicks");
  EXPECT_EQ(eras.missed.at("dc1").size(), 1U);
  EXPECT_TRUE(eras.salvaged.contains({"dc1", "clicks"})) << "gone on with from there";
  // A process that knows nothing but what is in the tree.
  site_.Stop("dc2");
  site_.Start("dc2");
  RunOn();
  EXPECT_EQ(Merged("clicks"), 3U);
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("cannot be fetched")));
  EXPECT_THAT(ErasAt("dc2", "clicks").missed, IsEmpty());
}

// Nobody else notices: it has answered before and after.
TEST_F(SalvageTest, ASourceThatIsSilentForAMomentIsLookedThroughSoonAfterIt) {
  site_.Start("dc2");
  HideManifestsOfClicks();
  site_.Step(20);
  EXPECT_EQ(Merged("clicks"), 0U);
  site_.of("dc2").plan.Clear();
  site_.Step(40);
  EXPECT_EQ(Merged("clicks"), 3U);
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("salvage")));
}

// What was owed then is not forgotten with the epoch.
TEST_F(SalvageTest, APassThatANewEpochEndsBeginsAnew) {
  site_.Start("dc2");
  HideManifestsOfClicks();
  site_.Step(20);
  site_.of("dc2").plan.Clear();
  site_.of("dc2").Obey(site_.world.topology);
  site_.Step(5);
  EXPECT_EQ(Merged("clicks"), 3U);
}

// Minutes that no manifest describes are read file by file.
TEST_F(SalvageTest, AFileOfAnOpenMinuteThatCannotBeReadHoldsUpNoOther) {
  site_.Start("dc2");
  ASSERT_TRUE(
      RemoveTree(site_.world.at("dc1"), paths::ManifestRoot(View::kLocal, GroupOf("clicks", 2)))
          .ok());
  const std::string bad = Alone("clicks").front().name;
  site_.of("dc2").plan.Add({.verb = Verb::kOpen,
                            .store_part = "dc1:",
                            .path_part = bad,
                            .times = FaultRule::kAlways,
                            .fault = Fault::Refused(Code::kRefused)});
  RunOn();
  EXPECT_EQ(Merged("clicks"), 2U);
  site_.of("dc2").plan.Clear();
  RunOn();
  EXPECT_EQ(Merged("clicks"), 3U);
}

// Minutes were closed without the stream, which had to wait (P11): what lies in them counts.
TEST_F(SalvageTest, WhatAManifestDoesNotNameIsReadFromItsMinute) {
  Storage& tree = site_.world.at("dc1");
  const Group group = GroupOf("clicks", 2);
  const auto all = ListManifests(tree, View::kLocal, group, "", kFirstMinute, kLastMinute);
  ASSERT_TRUE(all.ok());
  ASSERT_FALSE(all->empty());
  for (const Minute minute : *all) {
    auto manifest = ReadManifest(tree, View::kLocal, group, minute, "");
    ASSERT_TRUE(manifest.ok());
    manifest->streams.erase("clicks");
    ASSERT_TRUE(
        tree.Replace(paths::Manifest(View::kLocal, group, minute, ""), manifest->Encode()).ok());
  }
  site_.Start("dc2");
  RunOn();
  EXPECT_EQ(Merged("clicks"), 3U);
}

// It would look like a cluster that holds nothing.
TEST_F(SalvageTest, NothingIsConcludedFromATreeThatGoesAwayInTheMiddle) {
  site_.Start("dc2");
  bool gone = false;
  site_.of("dc2").plan.SetCallback([&](const Call& call) {
    if (!call.store.starts_with("dc1:")) return Fault{};
    gone = gone || call.path.starts_with("system/divergent") ||
           (call.verb == Verb::kOpen && call.path.starts_with("streams_local/"));
    return gone ? Fault::Refused(Code::kNotFound) : Fault{};
  });
  site_.Step(3);
  EXPECT_TRUE(gone);
  EXPECT_FALSE(ErasAt("dc2", "clicks").salvaged.contains({"dc1", "clicks"}));
  site_.of("dc2").plan.Clear();
  site_.Start("dc1");
  ExpectSettled();
}

TEST_F(SalvageTest, WhatIsDivergentGoesIntoTheTrashWhenItIsMerged) {
  site_.Start("dc2");
  site_.Step(3);
  site_.Start("dc1");
  site_.Step(10);
  EXPECT_THAT(site_.Divergent("dc1"), Not(IsEmpty()));
  ExpectSettled();
  site_.world.clock.Advance(hours(1));  // the next purge
  site_.Step(20);
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
  EXPECT_TRUE(site_.world.at("dc1")
                  .Stat(paths::Join(paths::TrashHour(site_.world.clock.Wall()), "divergent"))
                  .ok());
  EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
}

TEST_F(SalvageTest, WhatIsDivergentAndNotMergedIsKept) {
  site_.Start("dc2");
  const std::string bad = Alone("clicks").front().name;
  site_.of("dc2").plan.Add({.verb = Verb::kOpen,
                            .store_part = "dc1:",
                            .path_part = bad,
                            .times = FaultRule::kAlways,
                            .fault = Fault::Refused(Code::kRefused)});
  site_.Step(3);
  site_.Start("dc1");
  RunOn();
  site_.world.clock.Advance(hours(1));
  site_.Step(20);
  EXPECT_THAT(site_.Divergent("dc1"), UnorderedElementsAre(HasSubstr(bad)));
  site_.world.clock.Advance(hours(6));
  site_.Step(20);
  EXPECT_THAT(site_.Divergent("dc1"), UnorderedElementsAre(HasSubstr(bad)));
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("is past the retention limit"));
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("it is kept; looked at again at"));
}

// Each file is read once, not in every pass.
TEST_F(SalvageTest, ADivergentFileIsReadOnceForAllPasses) {
  site_.Start("dc2");
  site_.Step(3);
  site_.Start("dc1");
  RunOn();
  ASSERT_THAT(site_.Divergent("dc1"), Not(IsEmpty()));
  site_.of("dc2").Obey(site_.world.topology);
  uint64_t reads = 0;
  site_.of("dc2").plan.SetCallback([&](const Call& call) {
    if (call.verb == Verb::kOpen && call.path.starts_with(paths::DivergentRoot())) ++reads;
    return Fault{};
  });
  RunOn();
  EXPECT_EQ(reads, 0U);
}

// A process that starts asks for no more than what each file says that it is.
TEST_F(SalvageTest, OfADivergentFileThatIsMergedOnlyTheHeaderIsRead) {
  site_.Start("dc2");
  site_.Step(3);
  site_.Start("dc1");
  RunOn();
  const size_t files = site_.Divergent("dc1").size();
  ASSERT_GT(files, 0U);
  site_.Stop("dc2");
  site_.Start("dc2");
  std::map<Verb, size_t> calls;
  site_.of("dc2").plan.SetCallback([&](const Call& call) {
    if (call.path.starts_with(paths::DivergentRoot())) ++calls[call.verb];
    return Fault{};
  });
  RunOn();
  EXPECT_EQ(calls[Verb::kOpen], files);
  EXPECT_EQ(calls[Verb::kRead], files) << "none up to its end";
}

// clicks waits while dc2 cannot tell whether it is the primary; orders, of the same group, does
// not.
class WaitingTest : public SalvageTest {
 protected:
  void Change() override {
    ASSERT_EQ(GroupOf("clicks", 2), GroupOf("orders", 2));
    for (StreamSpec& stream : site_.world.topology.streams) {
      if (stream.name == "clicks") stream.when_alone = WhenAlone::kWait;
      if (stream.name == "orders") stream.cut = site_.world.Newest("dc2", "orders");
    }
  }
  void StartDc2Unsure() {
    site_.Start("dc2");
    site_.of("dc2").plan.Add({.store_part = "dc1:",
                              .path_part = paths::TopologyRoot(),
                              .times = FaultRule::kAlways,
                              .fault = Fault::RequestLost()});
  }
};

TEST_F(WaitingTest, AStreamThatDoesNotWaitIsSalvagedAndTheOtherOneLater) {
  // A file that no queue names.
  site_.world.Deliver("dc1", "orders", "c6");
  site_.Start("dc1");
  site_.CutOff("dc1", "dc2");
  site_.Step(14);
  site_.Stop("dc1");
  MemoryStorage& dc1 = site_.world.at("dc1");
  for (const DirEntry& line : *dc1.List(paths::Consumers("dc2"))) {
    ASSERT_TRUE(dc1.Remove(paths::Join(paths::Consumers("dc2"), line.name)).ok());
  }
  StartDc2Unsure();
  RunOn();
  EXPECT_EQ(Merged("orders", "c6-"), 1U);
  EXPECT_EQ(Merged("clicks"), 0U);
  EXPECT_FALSE(ErasAt("dc2", "clicks").streams.contains("clicks"));
  site_.of("dc2").plan.Clear();
  RunOn();
  EXPECT_EQ(Merged("clicks"), 3U);
}

// dc1 mirrors clicks and orders from dc2.
TEST_F(WaitingTest, AMirrorGoesOnWithTheStreamsOfTheGroupThatDoNotWait) {
  StartDc2Unsure();
  site_.Start("dc1");
  for (int i = 0; i < 3; ++i) {
    site_.world.Deliver("dc2", "orders", "c8");
    site_.world.Deliver("dc2", "clicks", "c8");
    site_.Step(8);
    site_.world.clock.Advance(minutes(1));
  }
  site_.Step(10);
  EXPECT_EQ(Merged("orders", "c8-"), 3U);
  EXPECT_EQ(Merged("clicks", "c8-"), 0U);
  const auto mirrored = site_.world.Files("dc1", View::kMerged);
  EXPECT_EQ(std::count_if(mirrored.begin(), mirrored.end(),
                          [](const SeenFile& file) { return file.name.starts_with("c8-orders-"); }),
            3);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("dc2 has not begun to publish clicks"));
  site_.of("dc2").plan.Clear();
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), IsEmpty());
}

// The primary closes minutes without the stream, of which the mirror has got files already.
TEST_F(WaitingTest, AStreamThatBeginsToWaitInTheMiddleOfAMinuteStopsNoMirror) {
  site_.Start("dc2");
  site_.Start("dc1");
  site_.Minutes(3);
  ExpectSettled();
  for (int round = 0; round < 2; ++round) {
    site_.world.Deliver("dc2", "clicks", "c8");
    site_.world.Deliver("dc2", "orders", "c8");
    site_.Step(3);
    site_.of("dc2").plan.Add({.store_part = "dc1:",
                              .path_part = paths::TopologyRoot(),
                              .times = FaultRule::kAlways,
                              .fault = Fault::RequestLost()});
    site_.world.clock.Advance(minutes(2));
    site_.world.Deliver("dc2", "orders", "c8");
    site_.Step(14);
    site_.world.clock.Advance(minutes(1));
    site_.Step(6);
    EXPECT_THAT(site_.of("dc2").of().stats().Waiting(),
                Contains(Pair("clicks", HasSubstr("less"))));
    const auto mirrored = site_.world.Files("dc1", View::kMerged);
    EXPECT_EQ(
        std::count_if(mirrored.begin(), mirrored.end(),
                      [](const SeenFile& file) { return file.name.starts_with("c8-orders-"); }),
        2 * (round + 1));
    site_.of("dc2").plan.Clear();
    site_.Minutes(2);
    ExpectSettled();
  }
}

// A disk that is unmounted looks like a tree that holds nothing.
class GoneTest : public SalvageTest {
 protected:
  // The cluster's tree is gone for the process from the first look at `path` on.
  void Unmount(const std::string& process, const std::string& cluster, const std::string& path) {
    site_.of(process).plan.SetCallback([this, cluster, path](const Call& call) {
      if (!call.store.starts_with(cluster + ":")) return Fault{};
      gone_ = gone_ || call.path.starts_with(path);
      return gone_ ? Fault::Refused(Code::kNotFound) : Fault{};
    });
  }
  bool gone_ = false;
};

TEST_F(GoneTest, AMirrorSetsNothingAsideWhenThePrimaryGoesAwayInTheMiddle) {
  site_.Start("dc2");
  site_.Step(3);
  const auto before = site_.Names("dc1");
  site_.Start("dc1");
  Unmount("dc1", "dc2", "streams/clicks");
  site_.Step(5);
  EXPECT_TRUE(gone_);
  EXPECT_EQ(site_.Names("dc1"), before);
  EXPECT_FALSE(ErasAt("dc1", "clicks").streams.contains("clicks"));
  site_.of("dc1").plan.Clear();
  ExpectSettled();
}

// dc1 is a mirror that has more than the new primary.
class MirrorGoneTest : public GoneTest {
 protected:
  std::string CutOf() override { return "dc1"; }
};

TEST_F(MirrorGoneTest, ANewPrimaryDoesNotBeginWhileAMirrorGoesAway) {
  const auto at_dc1 = site_.Names("dc1");
  site_.Start("dc2");
  Unmount("dc2", "dc1", "streams/clicks");
  site_.Step(1);
  EXPECT_TRUE(gone_);
  site_.of("dc2").plan.Clear();
  site_.Step(3);
  for (const auto& [minute, names] : site_.Names("dc2")) {
    if (!minute.starts_with("clicks")) continue;
    EXPECT_EQ(at_dc1.at(minute), names) << minute;
  }
  EXPECT_EQ(site_.world.Newest("dc1", "clicks"), site_.world.Newest("dc2", "clicks"));
}

// Both have a minute of the original's, and dc2 in it what may be one of the files that dc1 alone
// has.
class OriginalsSalvageTest : public SalvageTest {
 protected:
  void SetUp() override {
    for (const char* cluster : {"dc1", "dc2"}) {
      Storage& tree = site_.world.at(cluster);
      for (const Minute minute : {minute_, minute_.Next()}) {
        const std::string dir = paths::MinuteDir(View::kMerged, "clicks", minute);
        ASSERT_TRUE(EnsureDirsBelow(tree, paths::ViewRoot(View::kMerged), dir).ok());
        for (const std::string collector : {"old-1", "old-2"}) {
          const PublishedFileName name{collector, {"clicks", minute, 0, true}};
          const std::string path =
              paths::MinuteFile(View::kMerged, "clicks", minute, name.ToString());
          ASSERT_TRUE(tree.WriteFile(path, collector).ok());
        }
      }
    }
    SalvageTest::SetUp();
  }
  void Change() override {
    const SeenFile alone = Alone("clicks").front();
    name_ = alone.name;
    path_ = paths::MinuteFile(View::kMerged, "clicks", minute_, name_);
    ASSERT_TRUE(site_.world.at("dc2").WriteFile(path_, alone.content).ok());
  }

  static inline const Minute minute_ = *Minute::ParseIso("2031-05-06T10:40Z");
  std::string name_;
  std::string path_;
};

TEST_F(OriginalsSalvageTest, WhatMayBeHereIsNotFetchedAgainAndAgain) {
  site_.Start("dc2");
  site_.of("dc2").plan.Add({.verb = Verb::kOpen,
                            .store_part = "dc2:",
                            .path_part = path_,
                            .times = FaultRule::kAlways,
                            .fault = Fault::Refused(Code::kUnavailable)});
  RunOn();
  RunOn();
  EXPECT_GE(Merged("clicks"), 2U) << "the others are salvaged";
  EXPECT_THAT(site_.Problems("dc2"), HasSubstr("may be this file, and cannot be read"));
  const auto trace = site_.of("dc2").plan.trace();
  EXPECT_EQ(std::ranges::count_if(trace,
                                  [&](const Call& call) {
                                    return call.verb == Verb::kOpen && call.store == "dc1:" &&
                                           call.path.ends_with("/" + name_);
                                  }),
            0);
}

}  // namespace
}  // namespace databus
