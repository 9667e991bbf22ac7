#include "failover/mirror_reader.h"

#include <gmock/gmock.h>

#include "commit/test_minutes.h"
#include "failover/newest_reader.h"

namespace databus::failover {
namespace {

using testing::HasSubstr;
using Depth = Scope::Mirrored::Depth;

constexpr int kStreams = 10;
constexpr int kMinutes = 20;

class MirrorReaderTest : public testing::Test {
 protected:
  MirrorReaderTest() { trees_.Close(trees_.first, kMinutes); }

  // What is found of all streams.
  std::vector<SeenMirror> Read(uint64_t budget, Depth depth = Depth::kAll) {
    std::vector<SeenMirror> seen(trees_.streams.size());
    std::vector<MirrorReader::Wanted> wanted;
    for (size_t i = 0; i < seen.size(); ++i) {
      seen[i].newest = seen[i].primary_newest = newest_;
      wanted.push_back({trees_.streams[i], depth, &seen[i]});
    }
    reader_.Read({trees_.counted_here, trees_.counted_there}, TwoTrees::kGroup, wanted, budget);
    return seen;
  }

  TwoTrees trees_{kStreams};
  Minute newest_ = trees_.first + (kMinutes - 1);
  MirrorReader reader_;
};

TEST_F(MirrorReaderTest, EachManifestIsReadOnceHoweverManyStreamsTheGroupHas) {
  for (const SeenMirror& seen : Read(2'000)) {
    EXPECT_EQ(seen.why_unknown, "");
    EXPECT_EQ(seen.differs, std::nullopt) << seen.difference;
    EXPECT_EQ(seen.compared, uint64_t{kMinutes});
  }
  EXPECT_EQ(trees_.Count(Verb::kOpen), 2U * kMinutes);
  // From now on the newest one, and no look for the oldest ones.
  const uint64_t calls = trees_.plan.calls();
  EXPECT_EQ(Read(2'000)[0].compared, uint64_t{kMinutes});
  EXPECT_EQ(trees_.Count(Verb::kOpen), 2U * kMinutes + 2);
  EXPECT_LE(trees_.plan.calls() - calls, 6U);
}

TEST_F(MirrorReaderTest, ALookReadsNoMoreThanItMaySaysHowFarItIsAndGoesOn) {
  int looks = 0;
  for (uint64_t opened = 0;; opened = trees_.Count(Verb::kOpen)) {
    const std::vector<SeenMirror> seen = Read(10);
    ASSERT_LE(trees_.Count(Verb::kOpen) - opened, 12U);
    ASSERT_LE(++looks, 5);
    if (seen[0].Known()) break;
    for (const SeenMirror& each : seen) {
      EXPECT_FALSE(each.Known());
      EXPECT_EQ(each.differs, std::nullopt);
      EXPECT_THAT(each.why_unknown, HasSubstr(fmt::format("compared up to {}, {} minutes are left",
                                                          (trees_.first + (5 * looks - 1)).ToIso(),
                                                          kMinutes - 5 * looks)));
    }
  }
  EXPECT_EQ(looks, 4);
  for (const SeenMirror& each : Read(10)) EXPECT_EQ(each.compared, uint64_t{kMinutes});
}

TEST_F(MirrorReaderTest, WhatMayNotBeReadIsUnknownAndNeverEqual) {
  EXPECT_THAT(Read(0)[0].why_unknown, HasSubstr("compared up to nothing, 20 minutes are left"));
  // The newest minute is always compared where only that is asked for.
  EXPECT_TRUE(Read(0, Depth::kNewest)[0].Known());
}

TEST_F(MirrorReaderTest, ADifferenceIsFoundInTheMinuteThatHasIt) {
  const Minute minute = trees_.first + 13;
  ASSERT_TRUE(trees_.here.Remove(paths::Manifest(View::kMerged, 3, minute, "dc1")).ok());
  trees_.CloseOne(trees_.here, "dc1", minute, 2);
  EXPECT_FALSE(Read(10)[0].Known());
  EXPECT_FALSE(Read(10)[0].Known());
  for (const SeenMirror& seen : Read(10)) {
    EXPECT_EQ(seen.differs, minute);
    EXPECT_EQ(seen.difference, "a.gz is not the same file at the mirror");
  }
}

// Manifests outlive the minutes, but not for ever; what the original published has none.
TEST_F(MirrorReaderTest, WhatOneSidePurgesMeanwhileIsNoDifference) {
  EXPECT_FALSE(Read(10)[0].Known());
  for (int i = 0; i < 10; ++i) {
    const Minute minute = trees_.first + i;
    trees_.Purge(trees_.here, minute);
    ASSERT_TRUE(trees_.here.Remove(paths::Manifest(View::kMerged, 3, minute, "dc1")).ok());
  }
  const std::vector<SeenMirror> seen = Read(2'000);
  EXPECT_EQ(seen[0].why_unknown, "");
  EXPECT_EQ(seen[0].differs, std::nullopt) << seen[0].difference;
}

TEST_F(MirrorReaderTest, MinutesThatWereSetAsideAreComparedAgain) {
  EXPECT_TRUE(Read(2'000)[0].Known());
  const Minute minute = trees_.first + 10;
  ASSERT_TRUE(trees_.here.Remove(paths::Manifest(View::kMerged, 3, minute, "dc1")).ok());
  trees_.CloseOne(trees_.here, "dc1", minute, 2);
  const Minute newest = newest_;
  newest_ = minute;
  EXPECT_EQ(Read(2'000)[0].differs, minute);
  newest_ = newest;
  EXPECT_EQ(Read(2'000)[0].differs, minute);
}

TEST_F(MirrorReaderTest, AManifestThatCannotBeReadIsUnknownForTheStreamsConcerned) {
  trees_.plan.Add({.verb = Verb::kOpen,
                   .store_part = "there",
                   .times = FaultRule::kAlways,
                   .fault = Fault::RequestLost()});
  for (const SeenMirror& seen : Read(2'000)) {
    EXPECT_THAT(seen.why_unknown, HasSubstr("lost"));
    EXPECT_EQ(seen.differs, std::nullopt);
  }
}

class NewestReaderTest : public testing::Test {
 protected:
  NewestReaderTest() { trees_.Close(trees_.first, 1); }
  std::optional<Minute> Read(WallTime now) { return *reader_.Read(trees_.counted_here, "s0", now); }
  uint64_t CallsOf(WallTime now) {
    const uint64_t before = trees_.plan.calls();
    EXPECT_TRUE(Read(now).has_value());
    return trees_.plan.calls() - before;
  }

  TwoTrees trees_{1};
  const WallTime now_ = trees_.first.Start();
  NewestReader reader_;
};

TEST_F(NewestReaderTest, OneCallIsEnoughWithinAnHour) {
  EXPECT_EQ(CallsOf(now_), 5U);
  EXPECT_EQ(CallsOf(now_), 1U);
  trees_.Close(trees_.first + 1, 1);
  EXPECT_EQ(Read(now_), trees_.first + 1);
  EXPECT_EQ(CallsOf(now_), 1U);
}

// What it would miss decides a cut.
TEST_F(NewestReaderTest, NothingIsConcludedFromAClockThatIsWrong) {
  for (const std::chrono::minutes wrong : {std::chrono::minutes(-61), std::chrono::minutes(-6),
                                           std::chrono::minutes(6), std::chrono::minutes(61)}) {
    EXPECT_EQ(CallsOf(now_ + wrong), 5U);
    EXPECT_EQ(CallsOf(now_ + wrong), 5U);
  }
}

TEST_F(NewestReaderTest, TheNextHourIsSeenWhenItComesOrAClockMayBeAhead) {
  EXPECT_EQ(Read(now_), trees_.first);
  const Minute next = *Minute::ParseIso("2031-05-06T11:01Z");
  trees_.Close(next, 1);
  EXPECT_EQ(Read(next.Start() - std::chrono::minutes(5)), next);
  EXPECT_EQ(CallsOf(next.Start()), 1U);
}

TEST_F(NewestReaderTest, WhatIsSetAsideIsNotTheNewestAnyMore) {
  const Minute next = *Minute::ParseIso("2031-05-06T11:01Z");
  trees_.Close(next, 1);
  EXPECT_EQ(Read(next.Start()), next);
  trees_.Purge(trees_.here, next);
  EXPECT_EQ(Read(next.Start()), trees_.first);
}

}  // namespace
}  // namespace databus::failover
