#include "worker/comparison.h"

#include <gmock/gmock.h>

#include "commit/test_minutes.h"

namespace databus {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::SizeIs;

constexpr int kStreams = 10;
constexpr int kMinutes = 20;
constexpr uint64_t kMuch = 10'000;

class ComparisonTest : public testing::Test {
 protected:
  ComparisonTest() {
    trees_.Close(trees_.first, kMinutes);
    for (const std::string& stream : trees_.streams) cuts_[stream] = {};
  }
  std::optional<Comparison::ByStream> Compare(uint64_t budget) {
    auto compared = comparison_.Compare({trees_.counted_here, trees_.counted_there},
                                        TwoTrees::kGroup, cuts_, budget);
    EXPECT_TRUE(compared.ok()) << compared.status().ToString();
    return *std::move(compared);
  }

  TwoTrees trees_{kStreams};
  const Minute last_ = trees_.first + (kMinutes - 1);
  Comparison::Cuts cuts_;
  Comparison comparison_;
};

TEST_F(ComparisonTest, EachManifestIsReadOnceHoweverManyStreamsTheGroupHas) {
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(*all, SizeIs(kStreams));
  for (const auto& [stream, compared] : *all) {
    EXPECT_THAT(compared.wrong, IsEmpty());
    EXPECT_EQ(compared.equal, last_);
    EXPECT_THAT(compared.there, SizeIs(kMinutes));
  }
  EXPECT_EQ(trees_.Count(Verb::kOpen), 2U * kMinutes);
}

TEST_F(ComparisonTest, OneCallReadsNoMoreThanItMayAndTheNextGoesOn) {
  int calls = 0;
  std::optional<Comparison::ByStream> all;
  for (uint64_t opened = 0; !all; opened = trees_.Count(Verb::kOpen)) {
    ASSERT_LE(++calls, 5);
    all = Compare(10);
    ASSERT_LE(trees_.Count(Verb::kOpen) - opened, 10U);
    if (!all) {
      EXPECT_EQ(comparison_.compared_to(), trees_.first + (5 * calls - 1));
    }
  }
  EXPECT_EQ(all->at("s0").equal, last_);
  // The newest minute may be open: it is compared again.
  EXPECT_LE(trees_.Count(Verb::kOpen), 2U * kMinutes + 4);
}

TEST_F(ComparisonTest, WhatThePrimaryClosesMeanwhileIsTakenIn) {
  EXPECT_FALSE(Compare(10).has_value());
  trees_.CloseOne(trees_.there, "", last_ + 1, 1);
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s0").there, Contains(last_ + 1));
  EXPECT_THAT(all->at("s0").wrong, ElementsAre(last_ + 1));
  EXPECT_EQ(all->at("s0").equal, last_);
}

TEST_F(ComparisonTest, WhatIsNotEqualIsKnownThoughItWasComparedEarlier) {
  const Minute minute = trees_.first + 2;
  ASSERT_TRUE(trees_.here.Remove(paths::Manifest(View::kMerged, 3, minute, "dc1")).ok());
  trees_.CloseOne(trees_.here, "dc1", minute, 2);
  EXPECT_FALSE(Compare(10).has_value());
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s9").wrong, ElementsAre(minute));
  EXPECT_EQ(all->at("s9").equal, minute + -1);
}

TEST_F(ComparisonTest, MoreStreamsMayBeAskedForLater) {
  cuts_.erase("s5");
  EXPECT_FALSE(Compare(10).has_value());
  cuts_["s5"] = {};
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->at("s5").equal, last_);
  EXPECT_THAT(*all, SizeIs(kStreams));
}

// What was listed by an earlier call is no reason to call it missing now.
TEST_F(ComparisonTest, WhatIsPurgedMeanwhileIsNotCompared) {
  for (int i = 0; i < kMinutes; ++i) {  // as the original published: no manifests
    ASSERT_TRUE(
        trees_.here.Remove(paths::Manifest(View::kMerged, 3, trees_.first + i, "dc1")).ok());
    ASSERT_TRUE(trees_.there.Remove(paths::Manifest(View::kMerged, 3, trees_.first + i, "")).ok());
  }
  EXPECT_FALSE(Compare(10).has_value());
  for (int i = 0; i < 10; ++i) trees_.Purge(trees_.there, trees_.first + i);
  uint64_t budget = kMuch;
  const auto torn = comparison_.Compare({trees_.counted_here, trees_.counted_there},
                                        TwoTrees::kGroup, cuts_, budget);
  EXPECT_EQ(torn.code(), Code::kUnavailable);
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s0").there, SizeIs(kMinutes - 10));
  // The newest one may be open.
  EXPECT_THAT(all->at("s0").wrong, ElementsAre(last_));
}

// It was published here before it had been mirrored: what is older was never here, and comes first.
TEST_F(ComparisonTest, WhatBeginsLateAndNotSinceAPurgeIsWrongAsAWhole) {
  for (int i = 0; i < 3; ++i) trees_.Purge(trees_.here, trees_.first + i);
  cuts_["s0"].kept_from = trees_.first;
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->at("s0").begins_late, Compared::BeginsLate::kYes);
  EXPECT_EQ(all->at("s0").equal, std::nullopt);
  EXPECT_THAT(all->at("s0").wrong, SizeIs(kMinutes));
  EXPECT_EQ(all->at("s1").begins_late, Compared::BeginsLate::kNo);
  EXPECT_EQ(all->at("s1").equal, last_);
  EXPECT_THAT(all->at("s1").wrong, IsEmpty());
}

// The primary never had it: another one has published it before that had begun.
TEST_F(ComparisonTest, WhatIsOnlyHereIsWrongIfItCannotHaveBeenPurgedThere) {
  for (int i = 0; i < 3; ++i) {
    trees_.Purge(trees_.there, trees_.first + i);
    ASSERT_TRUE(trees_.there.Remove(paths::Manifest(View::kMerged, 3, trees_.first + i, "")).ok());
  }
  cuts_["s0"].kept_there = trees_.first + 1;
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s0").wrong, ElementsAre(trees_.first + 1, trees_.first + 2));
  EXPECT_THAT(all->at("s1").wrong, IsEmpty());
}

// The primary had it, and its retention is over: the mirror's will be, too. Where the old primary
// has published something else in the minute, that is still to be set aside.
TEST_F(ComparisonTest, WhatWasPurgedThereAfterTheCutIsRightIfItIsWhatWasThere) {
  const Minute differs = trees_.first + 2;
  ASSERT_TRUE(trees_.here.Remove(paths::Manifest(View::kMerged, 3, differs, "dc1")).ok());
  trees_.CloseOne(trees_.here, "dc1", differs, 2);
  for (int i = 0; i < 3; ++i) trees_.Purge(trees_.there, trees_.first + i);
  cuts_["s0"].cut = trees_.first;
  cuts_["s1"].cut = differs;
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s0").wrong, ElementsAre(differs));
  EXPECT_THAT(all->at("s1").wrong, IsEmpty());
}

// Though it should be there still: it was kept for a shorter time before, or taken away by hand.
TEST_F(ComparisonTest, WhatIsOnlyHereIsRightIfAManifestThereSaysThatItWasThere) {
  for (int i = 0; i < 3; ++i) trees_.Purge(trees_.there, trees_.first + i);
  cuts_["s0"].kept_there = trees_.first;
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s0").wrong, IsEmpty());
}

TEST_F(ComparisonTest, AManifestThatCannotBeReadDecidesNothing) {
  trees_.plan.Add({.verb = Verb::kOpen, .store_part = "there", .fault = Fault::RequestLost()});
  uint64_t budget = kMuch;
  const auto failed = comparison_.Compare({trees_.counted_here, trees_.counted_there},
                                          TwoTrees::kGroup, cuts_, budget);
  EXPECT_EQ(failed.code(), Code::kUnavailable);
  const auto all = Compare(kMuch);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->at("s0").wrong, IsEmpty());
}

// At either side; by which minutes it has, or by what lies in one that no manifest describes.
class UnreadComparisonTest : public ComparisonTest,
                             public testing::WithParamInterface<std::string> {
 protected:
  void Deny(Verb verb, const std::string& path, Fault fault = Fault::Denied()) {
    trees_.plan.Add({.verb = verb,
                     .store_part = GetParam(),
                     .path_part = path,
                     .times = FaultRule::kAlways,
                     .fault = std::move(fault)});
  }
  void ExpectOthers(const std::optional<Comparison::ByStream>& all) {
    ASSERT_TRUE(all.has_value());
    EXPECT_THAT(*all, SizeIs(kStreams - 1));
    EXPECT_THAT(*all, Not(Contains(Key("s3"))));
    EXPECT_EQ(all->at("s4").equal, last_);
  }
};
INSTANTIATE_TEST_SUITE_P(At, UnreadComparisonTest, testing::Values("memory:here", "memory:there"));

TEST_P(UnreadComparisonTest, AStreamThatMayNotBeListedIsNotCompared) {
  Deny(Verb::kList, paths::Stream(View::kMerged, "s3"));
  ExpectOthers(Compare(kMuch));
  const auto unread = comparison_.TakeUnread();
  ASSERT_THAT(unread, ElementsAre(Key("s3")));
  EXPECT_THAT(unread.at("s3").why.message(), HasSubstr("streams/s3"));
  EXPECT_EQ(unread.at("s3").minute, std::nullopt);
  trees_.plan.Clear();
  EXPECT_THAT(*Compare(kMuch), SizeIs(kStreams));
  EXPECT_THAT(comparison_.TakeUnread(), IsEmpty());
}

TEST_P(UnreadComparisonTest, AMinuteThatMayNotBeListedLeavesOutItsStream) {
  const Minute minute = trees_.first + 4;
  ASSERT_TRUE(trees_.here.Remove(paths::Manifest(View::kMerged, 3, minute, "dc1")).ok());
  ASSERT_TRUE(trees_.there.Remove(paths::Manifest(View::kMerged, 3, minute, "")).ok());
  Deny(Verb::kList, paths::MinuteDir(View::kMerged, "s3", minute));
  ExpectOthers(Compare(kMuch));
  const auto unread = comparison_.TakeUnread();
  ASSERT_THAT(unread, ElementsAre(Key("s3")));
  EXPECT_EQ(unread.at("s3").minute, minute);
}

TEST_P(UnreadComparisonTest, AManifestThatMayNotBeReadIsOfAll) {
  const Minute minute = trees_.first + 4;
  const std::string manifest(paths::Parent(paths::Manifest(View::kMerged, 3, minute, "")));
  Deny(Verb::kOpen, manifest);
  uint64_t budget = kMuch;
  const auto failed = comparison_.Compare({trees_.counted_here, trees_.counted_there},
                                          TwoTrees::kGroup, cuts_, budget);
  EXPECT_EQ(failed.code(), Code::kRefused);
  EXPECT_THAT(failed.status().message(), HasSubstr(manifest));
  EXPECT_THAT(comparison_.TakeUnread(), IsEmpty());
}

TEST_P(UnreadComparisonTest, AnAnswerThatDoesNotComeIsOfAll) {
  Deny(Verb::kList, paths::Stream(View::kMerged, "s3"), Fault::RequestLost());
  uint64_t budget = kMuch;
  const auto failed = comparison_.Compare({trees_.counted_here, trees_.counted_there},
                                          TwoTrees::kGroup, cuts_, budget);
  EXPECT_EQ(failed.code(), Code::kUnavailable);
}

}  // namespace
}  // namespace databus
