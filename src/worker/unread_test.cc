// Whoever takes a group over and cannot read what one stream has (a right is missing, a file is
// damaged) lets that stream wait: nobody knows what it holds. The others of its group go on, and
// all is published once when it can be read.
#include <algorithm>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/names.h"
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

}  // namespace
}  // namespace databus
