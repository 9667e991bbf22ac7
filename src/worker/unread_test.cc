// Whoever takes a group over and cannot read what one stream has (a right is missing, a file is
// damaged) lets that stream wait: nobody knows what it holds. The others of its group go on, and
// all is published once when it can be read.
#include <algorithm>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/names.h"
#include "commit/eras.h"
#include "commit/minute_content.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::minutes;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using Settled = Installation::Settled;

// "visits" in the place of "views", so that all streams are of one group.
Topology OfOneGroup() {
  Topology topology = TestTopology();
  for (StreamSpec& stream : topology.streams) {
    if (stream.name == "views") stream.name = "visits";
  }
  return topology;
}

// At whose tree it cannot be read: where its sources deliver, at its primary, at its mirror.
struct Place {
  std::string cluster;
  View view;
};

// What of the stream cannot be read.
enum class What : uint8_t { kStream, kMinute, kFile, kDamagedFile };

class UnreadTest : public ::testing::TestWithParam<std::tuple<int, What>> {
 protected:
  UnreadTest() : site_(OfOneGroup()) {
    site_.Start("dc1");
    site_.Start("dc2");
    for (const StreamSpec& stream : world().topology.streams) {
      EXPECT_EQ(GroupOf(stream.name, 2), 0U);
    }
    Deliver();
    site_.Step(5);
    open_ = Minute::Of(world().clock.Wall());
  }

  Installation& world() { return site_.world; }
  static Place PlaceOf() {
    switch (std::get<0>(GetParam())) {
      case 0: return {"dc1", View::kLocal};
      case 1: return {"dc1", View::kMerged};
      default: return {"dc2", View::kMerged};
    }
  }
  void Deliver() {
    world().Deliver("dc1", "clicks", "c1");
    world().Deliver("dc1", "visits", "c2");
    world().Deliver("dc1", "orders", "c3");
    world().Deliver("dc2", "clicks", "c4");
    world().Deliver("dc2", "visits", "c5");
    world().Deliver("dc2", "orders", "c6");
  }
  // The worker of the place is another one from here on, which cannot read clicks there.
  void TakeOver() {
    const std::string& cluster = PlaceOf().cluster;
    site_.Stop(cluster);
    site_.Start(cluster);
    Deny();
  }
  void Deny() {
    const auto [cluster, view] = PlaceOf();
    const std::string top = paths::Stream(view, "clicks");
    const std::string minute = paths::MinuteDir(view, "clicks", open_);
    site_.of(cluster).plan.SetCallback([=, store = cluster + ":"](const Call& call) -> Fault {
      if (call.store != store) return {};
      const bool lists = call.verb == Verb::kList;
      const bool is_file = call.verb == Verb::kOpen && call.path.starts_with(minute + "/");
      switch (std::get<1>(GetParam())) {
        case What::kStream: return lists && call.path.starts_with(top) ? Fault::Denied() : Fault{};
        case What::kMinute: return lists && call.path == minute ? Fault::Denied() : Fault{};
        case What::kFile: return is_file ? Fault::Denied() : Fault{};
        case What::kDamagedFile: return is_file ? Fault::Refused(Code::kCorrupt) : Fault{};
      }
      return {};
    });
  }
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      Deliver();
      site_.Step(6);
      world().clock.Advance(minutes(1));
      site_.Step(4);
    }
  }
  void Mend() {
    site_.of(PlaceOf().cluster).plan.Clear();
    world().clock.Advance(minutes(1));
    site_.Step(20);
  }
  size_t FilesOf(const std::string& stream) {
    const auto [cluster, view] = PlaceOf();
    const auto files = world().Files(cluster, view);
    return static_cast<size_t>(std::ranges::count(files, stream, &SeenFile::stream));
  }

  Site site_;
  Minute open_{0};
};
INSTANTIATE_TEST_SUITE_P(Place, UnreadTest,
                         ::testing::Combine(::testing::Values(0, 1, 2),
                                            ::testing::Values(What::kStream, What::kMinute,
                                                              What::kFile, What::kDamagedFile)));

TEST_P(UnreadTest, OnlyItsStreamWaits) {
  TakeOver();
  const size_t before = FilesOf("clicks");
  const size_t of_others = FilesOf("visits");
  Minutes(1);
  EXPECT_EQ(FilesOf("clicks"), before);
  Minutes(3);
  const size_t each = PlaceOf().view == View::kLocal ? 1 : 2;  // sources
  // A mirror may have the newest minute still before it.
  EXPECT_GE(FilesOf("visits"), of_others + 3 * each) << site_.Problems(PlaceOf().cluster);
  EXPECT_THAT(world().Violations(Settled::kNo), IsEmpty());

  Mend();
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
  EXPECT_GT(world().Newest("dc1", "clicks"), Minute::Of(world().clock.Wall()) + -2);
}

TEST_P(UnreadTest, ItIsToldUntilItIsMended) {
  TakeOver();
  site_.Step(3);
  const std::string& cluster = PlaceOf().cluster;
  EXPECT_THAT(site_.Problems(cluster), HasSubstr("the stream waits, the others go on"));
  EXPECT_THAT(site_.Problems(cluster), HasSubstr("by plan"));
  const auto problems = site_.of(cluster).of().ListProblems();
  EXPECT_TRUE(std::ranges::any_of(problems, [](const Problem& problem) {
    return problem.streams == std::vector<std::string>{"clicks"};
  }));
  EXPECT_THAT(site_.Problems(cluster), Not(HasSubstr("streams of this group wait")));
  Mend();
  EXPECT_THAT(site_.Problems(cluster), Not(HasSubstr("the stream waits")));
  EXPECT_THAT(site_.Problems(cluster), Not(HasSubstr("by plan")));
}

// The stream is frozen while it cannot be read: its last minute is not acknowledged before.
using UnreadAtThePrimaryTest = UnreadTest;
INSTANTIATE_TEST_SUITE_P(What, UnreadAtThePrimaryTest,
                         ::testing::Combine(::testing::Values(1),
                                            ::testing::Values(What::kStream, What::kMinute,
                                                              What::kFile, What::kDamagedFile)));

TEST_P(UnreadAtThePrimaryTest, ItIsNotFrozenBeforeItIsRead) {
  for (StreamSpec& stream : world().topology.streams) {
    if (stream.Primary() == "dc1") stream.publication = Publication::kFrozen;
  }
  site_.Obey();
  Deny();
  Minutes(2);
  EXPECT_THAT(site_.of("dc1").of().stats().Frozen(), Not(Contains(Key("clicks"))));
  EXPECT_THAT(site_.of("dc1").of().stats().Frozen(), Contains(Key("visits")));
  Mend();
  EXPECT_THAT(site_.of("dc1").of().stats().Frozen(), Contains(Pair("clicks", open_)));
}

// Nobody tells the mirror of what is described then, and nothing follows it.
TEST_P(UnreadAtThePrimaryTest, AMirrorFindsTheLastMinuteOfAFrozenStream) {
  for (StreamSpec& stream : world().topology.streams) {
    if (stream.Primary() == "dc1") stream.publication = Publication::kFrozen;
  }
  site_.Obey();
  Deny();
  Minutes(2);
  site_.of("dc1").plan.Clear();
  world().clock.Advance(minutes(1));
  MemoryStorage& tree = world().at("dc1");
  for (int i = 0; i < 30; ++i) {
    site_.of("dc1").Step();
    for (const DirEntry& entry : *tree.List(paths::Mirrors("dc2"))) {
      ASSERT_TRUE(tree.Remove(paths::Join(paths::Mirrors("dc2"), entry.name)).ok());
    }
    site_.of("dc2").Step();
    world().clock.Advance(std::chrono::seconds(1));
  }
  MinuteContent content(world().at("dc2"), View::kMerged, 0);
  const auto described = content.Described("clicks", open_);
  ASSERT_TRUE(described.ok());
  EXPECT_TRUE(described->has_value());
}

// Whoever becomes the primary and cannot read what it has mirrored begins no era of that.
using UnreadAtTheMirrorTest = UnreadTest;
INSTANTIATE_TEST_SUITE_P(What, UnreadAtTheMirrorTest,
                         ::testing::Combine(::testing::Values(2),
                                            ::testing::Values(What::kStream)));

TEST_P(UnreadAtTheMirrorTest, ANewPrimaryGoesOnWithTheOthers) {
  Minutes(1);
  site_.PlannedSwap("dc1", "dc2");
  Deny();
  const size_t before = FilesOf("clicks");
  const size_t of_others = FilesOf("visits");
  Minutes(3);
  EXPECT_EQ(FilesOf("clicks"), before);
  EXPECT_GT(FilesOf("visits"), of_others + 3);
  Mend();
  world().clock.Advance(minutes(11));  // the next pass of the salvage
  site_.Step(20);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
}

using UnreadMergedTest = UnreadTest;
INSTANTIATE_TEST_SUITE_P(Place, UnreadMergedTest,
                         ::testing::Combine(::testing::Values(1, 2),
                                            ::testing::Values(What::kStream, What::kMinute,
                                                              What::kFile, What::kDamagedFile)));

TEST_P(UnreadMergedTest, NothingOfItIsPurged) {
  const auto [cluster, view] = PlaceOf();
  world().clock.Advance(std::chrono::hours(3));
  site_.Step(20);  // after such a pause the lease is taken anew
  Deliver();
  site_.Step(6);
  const auto newest = NewestMinute(world().at(cluster), paths::Stream(view, "clicks"));
  ASSERT_TRUE(newest.ok() && *newest);
  open_ = **newest;
  const size_t before = FilesOf("clicks");
  const size_t of_others = FilesOf("visits");
  for (const char* each : {"dc1", "dc2"}) site_.Stop(each);
  world().clock.Advance(std::chrono::hours(24 * 4));
  for (const char* each : {"dc1", "dc2"}) site_.Start(each);
  Deny();
  site_.Step(10);
  EXPECT_EQ(FilesOf("clicks"), before);
  EXPECT_LT(FilesOf("visits"), of_others);
}

// dc1 was the primary, comes back, and has to be compared with dc2, where it may not list clicks.
// The others go on, and then it may, but not read a file that it lacks.
class UnreadAtTheNewPrimaryTest : public ::testing::TestWithParam<What> {
 protected:
  UnreadAtTheNewPrimaryTest() : site_(OfOneGroup()) {
    site_.Start("dc1");
    site_.Start("dc2");
    Minutes(2);
    stale_ = site_.TakeUnheard();
    site_.Swap("dc1", "dc2", "dc2");
    site_.Start("dc2");
    site_.CutOff("dc2", "dc1");
    site_.Step(14);  // the lease of the one that was stopped
    Minutes(3);
    stale_->of().Finish();
    site_.of("dc2").plan.Clear();
    site_.Start("dc1");
    Deny(What::kStream);
  }
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string cluster : {"dc1", "dc2"}) {
        for (const std::string stream : {"clicks", "visits"}) {
          site_.world.Deliver(cluster, stream, stream == "clicks" ? "c1" : "c2");
        }
      }
      site_.Step(6);
      site_.world.clock.Advance(minutes(1));
      site_.Step(4);
    }
  }
  // The directory of the first minute of clicks of which dc1 lacks a file.
  std::string Lacking() {
    std::set<std::string> here;
    for (const SeenFile& file : site_.world.Files("dc1", View::kMerged)) {
      here.insert(file.minute + file.name);
    }
    for (const SeenFile& file : site_.world.Files("dc2", View::kMerged)) {
      if (file.stream != "clicks" || here.contains(file.minute + file.name)) continue;
      return paths::MinuteDir(View::kMerged, "clicks", *Minute::ParseIso(file.minute));
    }
    ADD_FAILURE() << "it lacks none";
    return "";
  }
  void Deny(What what) {
    const std::string top = paths::Stream(View::kMerged, "clicks");
    const std::string minute = Lacking();
    site_.of("dc1").plan.SetCallback([=](const Call& call) -> Fault {
      if (call.store != "dc2:") return {};
      const bool lists = call.verb == Verb::kList && call.path.starts_with(top);
      const bool opens = call.verb == Verb::kOpen && call.path.starts_with(minute + "/");
      switch (what) {
        case What::kFile: return opens ? Fault::Denied() : Fault{};
        case What::kDamagedFile: return opens ? Fault::Refused(Code::kCorrupt) : Fault{};
        default: return lists ? Fault::Denied() : Fault{};
      }
    });
  }
  void Mend() {
    site_.of("dc1").plan.Clear();
    site_.world.clock.Advance(minutes(1));
    Minutes(2);
    site_.world.clock.Advance(minutes(11));  // the next pass of the salvage
    site_.Step(20);
    EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
    EXPECT_FALSE(Tells());
    EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), Not(Contains(Key("clicks"))));
  }
  size_t CountOf(const std::string& stream) {
    const auto files = site_.world.Files("dc1", View::kMerged);
    return static_cast<size_t>(std::ranges::count(files, stream, &SeenFile::stream));
  }
  bool Tells() {
    const auto problems = site_.of("dc1").of().ListProblems();
    return std::ranges::any_of(problems, [](const Problem& problem) {
      return problem.streams == std::vector<std::string>{"clicks"} &&
             problem.what.find("dc2") != std::string::npos &&
             problem.next.find("the stream waits, the others go on") != std::string::npos;
    });
  }
  void ExpectOthersGoOn() {
    const size_t clicks = CountOf("clicks");
    const size_t visits = CountOf("visits");
    Minutes(4);
    EXPECT_EQ(CountOf("clicks"), clicks);
    EXPECT_GE(CountOf("visits"), visits + 6) << site_.Problems("dc1");
    EXPECT_GE(site_.world.Newest("dc1", "visits"), Minute::Of(site_.world.clock.Wall()) + -3);
    EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), Contains(Key("clicks")));
    EXPECT_TRUE(Tells()) << site_.Problems("dc1");
    EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("streams of this group wait")));
  }

  Site site_;
  std::unique_ptr<WorkerProcess> stale_;
};
INSTANTIATE_TEST_SUITE_P(What, UnreadAtTheNewPrimaryTest,
                         ::testing::Values(What::kStream, What::kFile, What::kDamagedFile));

TEST_P(UnreadAtTheNewPrimaryTest, OnlyItsStreamIsNotCompared) {
  Minutes(1);
  ExpectOthersGoOn();
  Deny(GetParam());
  Minutes(1);
  ExpectOthersGoOn();
  Mend();
}

TEST_P(UnreadAtTheNewPrimaryTest, WhoTakesOverMeanwhileFindsWhatItLacks) {
  Minutes(2);
  Deny(GetParam());
  Minutes(2);
  site_.Stop("dc1");
  site_.Start("dc1");
  Minutes(1);
  Mend();
}

// The same of a file that is new, in a minute that the others close without it.
using UncopiedTest = UnreadAtTheNewPrimaryTest;
INSTANTIATE_TEST_SUITE_P(What, UncopiedTest, ::testing::Values(What::kFile, What::kDamagedFile));

TEST_P(UncopiedTest, ItsStreamWaitsAlone) {
  site_.of("dc1").plan.Clear();
  Minutes(2);
  EXPECT_FALSE(Tells());
  site_.Stop("dc1");
  Minutes(2);
  site_.Start("dc1");
  Deny(GetParam());
  Minutes(2);
  ExpectOthersGoOn();
  site_.Stop("dc1");
  site_.Start("dc1");
  Deny(GetParam());
  Minutes(1);
  Mend();
}

// The primary may not read an older minute that no manifest names: it was copied without clicks,
// which had to wait at its primary then (P28). What lies there must not be merged again.
class UnreadUnnamedTest : public ::testing::TestWithParam<What> {
 protected:
  UnreadUnnamedTest() : site_(OfOneGroup()) {
    site_.Start("dc1");
    site_.Start("dc2");
    Minutes(3);
    site_.Freeze("dc1");
    const Minute unnamed = site_.world.Newest("dc2", "clicks") + -1;
    MemoryStorage& tree = site_.world.at("dc2");
    auto manifest = *ReadManifest(tree, View::kMerged, 0, unnamed, "dc1");
    EXPECT_EQ(manifest.streams.erase("clicks"), 1U);
    EXPECT_TRUE(
        tree.Replace(paths::Manifest(View::kMerged, 0, unnamed, "dc1"), manifest.Encode()).ok());
    dir_ = paths::MinuteDir(View::kMerged, "clicks", unnamed);
    EXPECT_THAT(*tree.List(dir_), Not(IsEmpty()));
    site_.Swap("dc1", "dc2", "dc1");
    site_.of("dc2").plan.SetCallback([dir = dir_](const Call& call) -> Fault {
      if (call.store != "dc2:") return {};
      const bool lists = call.verb == Verb::kList && call.path == dir;
      const bool opens = call.verb == Verb::kOpen && call.path.starts_with(dir + "/");
      switch (GetParam()) {
        case What::kMinute: return lists ? Fault::Denied() : Fault{};
        case What::kFile: return opens ? Fault::Denied() : Fault{};
        default: return opens ? Fault::Refused(Code::kCorrupt) : Fault{};
      }
    });
  }
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string stream : {"clicks", "visits"}) {
        site_.world.Deliver("dc1", stream, stream == "clicks" ? "c1" : "c2");
        site_.world.Deliver("dc2", stream, stream == "clicks" ? "c1" : "c2");
      }
      site_.Step(6);
      site_.world.clock.Advance(minutes(1));
      site_.Step(4);
    }
  }
  size_t CountOf(const std::string& stream) {
    const auto files = site_.world.Files("dc2", View::kMerged);
    return static_cast<size_t>(std::ranges::count(files, stream, &SeenFile::stream));
  }
  bool HasBegun(const std::string& stream) {
    return ReadEras(site_.world.at("dc2"), 0)->HasBegun(*site_.world.topology.FindStream(stream));
  }

  Site site_;
  std::string dir_;
};
INSTANTIATE_TEST_SUITE_P(What, UnreadUnnamedTest,
                         ::testing::Values(What::kMinute, What::kFile, What::kDamagedFile));

TEST_P(UnreadUnnamedTest, OnlyItsStreamWaits) {
  site_.Step(3);
  const size_t clicks = CountOf("clicks");
  const size_t visits = CountOf("visits");
  Minutes(3);
  EXPECT_EQ(CountOf("clicks"), clicks);
  EXPECT_EQ(CountOf("visits"), visits + 6) << site_.Problems("dc2");
  EXPECT_FALSE(HasBegun("clicks"));
  EXPECT_TRUE(HasBegun("visits"));
  EXPECT_THAT(site_.Problems("dc2"), HasSubstr("the stream waits, the others go on"));
  EXPECT_THAT(site_.Problems("dc2"), HasSubstr(dir_));
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("streams of this group wait")));
  site_.Obey();  // who takes over knows no more
  site_.of("dc2").plan.Clear();
  site_.world.clock.Advance(minutes(1));
  Minutes(2);
  site_.world.clock.Advance(minutes(11));
  site_.Step(20);
  EXPECT_TRUE(HasBegun("clicks"));
  EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("the stream waits")));
}

}  // namespace
}  // namespace databus
