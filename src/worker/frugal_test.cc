// What something that people have to mend costs until they do: no more than itself. Neither more
// calls with each run and each minute of history, nor the streams beside it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "cluster/names.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Settled = Installation::Settled;

// So many streams more, with clicks' primary and mirror.
Topology WithMore(int count) {
  Topology topology = TestTopology();
  const StreamSpec like = *topology.FindStream("clicks");
  for (int i = 0; i < count; ++i) {
    StreamSpec stream = like;
    stream.name = "s" + std::to_string(i);
    topology.streams.push_back(stream);
  }
  return topology;
}

// "visits" in the place of "views", so that all streams are of one group.
Topology OfOneGroup() {
  Topology topology = TestTopology();
  for (StreamSpec& stream : topology.streams) {
    if (stream.name == "views") stream.name = "visits";
  }
  return topology;
}

class FrugalTest : public ::testing::Test {
 protected:
  FrugalTest() {
    site_.Start("dc1");
    site_.Start("dc2");
  }

  Site site_;
};

// A file of each stream, in a minute that is closed everywhere afterwards.
void PublishOfEach(Site& site) {
  int number = 0;
  for (const StreamSpec& stream : site.world.topology.streams) {
    site.world.Deliver("dc1", stream.name, fmt::format("c{:x}", ++number));
  }
  site.Step(8);
  site.world.clock.Advance(minutes(1));
  site.Step(10);
}

// An hour that may not be removed.
class DeniedPurgeTest : public FrugalTest {
 protected:
  DeniedPurgeTest() {
    site_.Minutes(3);
    site_.of("dc1").plan.SetCallback([](const Call& call) {
      const bool out = call.verb == Verb::kRename && call.store == "dc1:" &&
                       call.path.starts_with("streams/clicks/");
      return out ? Fault::Denied() : Fault{};
    });
    for (int i = 0; i < 9; ++i) {
      site_.world.clock.Advance(hours(1));
      site_.Step(15);
    }
  }
  std::vector<Problem> Problems() { return site_.of("dc1").of().ListProblems(); }
};

TEST_F(DeniedPurgeTest, NoStreamWaitsForIt) {
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("permission denied by plan"));
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("nothing else waits for it"));
  EXPECT_THAT(Problems(), Each(Field(&Problem::streams, IsEmpty())))
      << "a failover would be refused";
}

TEST_F(DeniedPurgeTest, TheGroupIsNotTakenOverAgainForIt) {
  const auto epochs = [&] {
    std::vector<std::string> names;
    const std::string staging = paths::Staging(View::kMerged, GroupOf("clicks", 2));
    for (const DirEntry& entry : *site_.world.at("dc1").List(staging)) names.push_back(entry.name);
    return names;
  };
  const auto before = epochs();
  ASSERT_THAT(before, Not(IsEmpty()));
  for (int i = 0; i < 200; ++i) {
    site_.of("dc1").Step();
    site_.of("dc2").Step();
    site_.world.clock.Advance(seconds(1));
  }
  EXPECT_EQ(epochs(), before);
}

TEST_F(DeniedPurgeTest, ItIsForgottenWhenNothingIsDueAnyMore) {
  MemoryStorage& tree = site_.world.at("dc1");
  const auto hours_there = tree.List("streams/clicks/2031/05/06");
  ASSERT_TRUE(hours_there.ok());
  for (const DirEntry& hour : *hours_there) {
    if (hour.name >= "19") continue;
    ASSERT_TRUE(RemoveTree(tree, paths::Join("streams/clicks/2031/05/06", hour.name)).ok());
  }
  site_.world.clock.Advance(minutes(1));
  site_.Step(2);
  site_.world.clock.Advance(minutes(1));
  site_.Step(2);
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("permission denied by plan")));
}

// While a destination is away nothing that was set aside can go; once a minute that is tried.
TEST(DivergentPurgeTest, ARetryLooksAtEachStreamOnce) {
  std::map<int, uint64_t> dearest;  // by how many streams
  for (const int streams : {10, 40}) {
    Site site(WithMore(streams));
    site.Start("dc1");
    site.Start("dc2");
    PublishOfEach(site);
    MemoryStorage& tree = site.world.at("dc1");
    for (const SeenFile& file : site.world.Files("dc1", View::kMerged)) {
      if (!file.stream.starts_with("s")) continue;
      const std::string dir =
          paths::DivergentMinute("1", file.stream, *Minute::ParseIso(file.minute));
      ASSERT_TRUE(EnsureDirsBelow(tree, "", dir).ok());
      ASSERT_TRUE(tree.WriteFile(paths::Join(dir, file.name), file.content).ok());
    }
    site.CutOff("dc1", "dc2");
    site.world.clock.Advance(hours(1));
    site.Step(20);
    EXPECT_THAT(site.Problems("dc1"), HasSubstr("purge divergent"));
    for (int i = 0; i < 60; ++i) {
      const uint64_t before = site.of("dc1").plan.calls();
      site.of("dc1").of().LeaseStep();
      site.of("dc1").of().StreamsStep();
      dearest[streams] = std::max(dearest[streams], site.of("dc1").plan.calls() - before);
      site.world.clock.Advance(seconds(1));
    }
  }
  EXPECT_LT(dearest[40], 40U * 20) << "a run";
  EXPECT_LT(dearest[40], dearest[10] * 5);
}

// Where a stream has no next minute, as the topology names the cluster no more, all of it goes.
TEST_F(FrugalTest, TheNewestHourGoesByItsAgeWhereTheClusterIsNoDestination) {
  site_.Minutes(2);
  for (StreamSpec& stream : site_.world.topology.streams) {
    if (stream.name != "orders") continue;
    std::erase_if(stream.destinations, [](const auto& to) { return to.cluster == "dc1"; });
  }
  site_.Obey();
  const std::string root = paths::Stream(View::kMerged, "orders");
  site_.Step(20);
  EXPECT_TRUE(OldestMinute(site_.world.at("dc1"), root)->has_value()) << "it is not old yet";
  site_.world.clock.Advance(hours(7));
  site_.Step(20);
  EXPECT_FALSE(OldestMinute(site_.world.at("dc1"), root)->has_value());
  EXPECT_TRUE(
      OldestMinute(site_.world.at("dc1"), paths::Stream(View::kMerged, "views"))->has_value())
      << "goes on";
  EXPECT_TRUE(OldestMinute(site_.world.at("dc2"), root)->has_value());
}

class FrozenTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Site> Frozen(int streams) {
    auto site = std::make_unique<Site>(WithMore(streams));
    site->Start("dc1");
    site->Start("dc2");
    PublishOfEach(*site);
    site->Freeze("dc1");
    site->Step(30);
    site->world.clock.Advance(minutes(1));
    site->Step(30);
    return site;
  }
};

TEST_F(FrozenTest, AnIdleRunOfTheirMirrorCostsTheSameHoweverManyThereAre) {
  std::map<int, uint64_t> calls;
  for (const int streams : {10, 40}) {
    const auto site = Frozen(streams);
    const uint64_t before = site->of("dc2").plan.calls();
    for (int i = 0; i < 30; ++i) site->of("dc2").of().StreamsStep();
    calls[streams] = site->of("dc2").plan.calls() - before;
  }
  EXPECT_EQ(calls[40], calls[10]);
}

TEST_F(FrozenTest, OneThatCannotBeListedKeepsNoOtherWaiting) {
  const auto site = Frozen(4);
  site->of("dc2").plan.SetCallback([&](const Call& call) {
    const bool lists = call.verb == Verb::kList && call.store == "dc1:";
    return lists && call.path.starts_with("streams/s3") ? Fault::Denied() : Fault{};
  });
  site->Step(620);  // until it is asked after again
  const std::string staging = paths::Staging(View::kMerged, GroupOf("s3", 2));
  const auto epochs = [&] { return site->world.at("dc2").List(staging)->front().name; };
  const std::string before = epochs();
  site->Step(70);
  EXPECT_EQ(epochs(), before) << "the group is not taken over again";
  bool told = false;
  for (const Problem& problem : site->of("dc2").of().ListProblems()) {
    EXPECT_THAT(problem.streams, Each("s3")) << problem.what;
    told |= problem.what.find("permission denied by plan") != std::string::npos;
  }
  EXPECT_TRUE(told);
  site->of("dc2").plan.Clear();
  site->Step(70);
  EXPECT_THAT(site->Problems("dc2"), Not(HasSubstr("permission denied by plan")));
}

// Who publishes anew reads what was closed since; not all there ever was, because of a stream that
// waits.
TEST(UnreadIndexTest, AReopeningReadsNoHistory) {
  std::map<int, int> read;
  for (const int history : {5, 30}) {
    Site site(OfOneGroup());
    site.Start("dc1");
    site.Start("dc2");
    for (int i = 0; i < history; ++i) {
      site.world.Deliver("dc1", "clicks", "c1");
      site.world.Deliver("dc1", "visits", "c2");
      site.Step(6);
      site.world.clock.Advance(minutes(1));
      site.Step(4);
    }
    site.Stop("dc1");
    site.Start("dc1");
    int manifests = 0;
    bool lose = false;
    site.of("dc1").plan.SetCallback([&](const Call& call) -> Fault {
      if (call.store != "dc1:") return {};
      manifests +=
          call.verb == Verb::kOpen && call.path.starts_with("system/manifests/streams/") ? 1 : 0;
      if (call.verb == Verb::kList && call.path.starts_with("streams/clicks")) {
        return Fault::Denied();
      }
      const bool publishes = call.verb == Verb::kRename && call.to.starts_with("streams/visits");
      return lose && publishes ? Fault::RequestLost() : Fault{};
    });
    site.Step(6);
    EXPECT_THAT(site.Problems("dc1"), HasSubstr("permission denied by plan"));
    manifests = 0;
    for (int i = 0; i < 3; ++i) {
      site.world.Deliver("dc1", "visits", "c2");
      lose = true;
      site.Step(1);
      lose = false;
      site.Step(3);
    }
    read[history] = manifests;
    site.of("dc1").plan.Clear();
    site.world.Deliver("dc1", "clicks", "c1");
    site.world.clock.Advance(minutes(1));
    site.Step(20);
    site.world.clock.Advance(minutes(1));
    site.Step(20);
    EXPECT_THAT(site.world.Violations(Settled::kYes), IsEmpty());
  }
  EXPECT_LE(read[30], read[5] + 3);
}

// What cannot be copied of a minute is asked after once, not once for each of its files.
TEST(UncopiedFilesTest, TheirStreamIsLookedAtOnce) {
  std::map<int, int> looks;  // by how many files
  for (const int files : {3, 20}) {
    Site site(OfOneGroup());
    site.Start("dc1");
    site.Start("dc2");
    PublishOfEach(site);
    site.Stop("dc2");
    for (int i = 0; i < files; ++i) site.world.Deliver("dc1", "clicks", "c1");
    PublishOfEach(site);
    const std::string minute =
        paths::MinuteDir(View::kMerged, "clicks", site.world.Newest("dc1", "clicks"));
    site.Start("dc2");
    site.of("dc2").plan.SetCallback([&](const Call& call) -> Fault {
      if (call.store != "dc1:") return {};
      if (call.verb == Verb::kList && call.path == minute) ++looks[files];
      const bool opens = call.verb == Verb::kOpen && call.path.starts_with(minute + "/");
      return opens ? Fault::Denied() : Fault{};
    });
    site.world.Deliver("dc1", "visits", "c2");
    site.Step(6);
    site.world.clock.Advance(minutes(1));
    site.Step(10);
    EXPECT_THAT(site.Problems("dc2"), HasSubstr("the stream waits, the others go on"));
  }
  EXPECT_GT(looks[3], 0);
  EXPECT_EQ(looks[20], looks[3]);
}

}  // namespace
}  // namespace databus
