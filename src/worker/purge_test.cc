// What is purged, and what waits, after a change of primary (P26, P32).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/minute_tree.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// dc1 goes on for a while though nobody hears of it, then its worker is gone.
class PurgeAfterSwapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.Start("dc1");
    site_.Start("dc2");
    site_.Minutes(2);
    stale_ = site_.TakeUnheard();
  }

  Site site_;
  std::unique_ptr<WorkerProcess> stale_;
};

// Else what it never had of the primary's would look as if it had been purged here, and the primary
// would wait for ever until it is.
TEST_F(PurgeAfterSwapTest, WhatIsNotComparedYetIsNotPurged) {
  site_.Swap("dc1", "dc2", "dc2");
  stale_->of().Finish();
  const auto before = site_.Names("dc1");
  site_.world.clock.Advance(hours(7));
  site_.Start("dc1");  // the primary has not begun
  site_.Step(20);
  const auto after = site_.Names("dc1");
  for (const auto& [minute, names] : before) {
    if (minute.starts_with("orders")) continue;
    EXPECT_TRUE(after.contains(minute)) << minute;
  }
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("is to be compared with dc2 first"));
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("bring dc2 back, or see what it waits for"));
  site_.Start("dc2");
  site_.Step(20);
  site_.world.clock.Advance(hours(1));  // the next purge
  site_.Step(20);
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("is to be compared")));
  for (const std::string stream : {"clicks", "views"}) {
    const std::string root = paths::Stream(View::kMerged, stream);
    EXPECT_EQ(*OldestMinute(site_.world.at("dc1"), root),
              *OldestMinute(site_.world.at("dc2"), root));
  }
}

// A topology names it as a destination no longer: nobody compares it, ever, and nobody needs it.
TEST_F(PurgeAfterSwapTest, WhatIsNoCopyAnyMoreGoesByItsAge) {
  site_.world.clock.Advance(hours(1));
  for (int i = 0; i < 20; ++i) {
    if (i == 14) site_.world.Deliver("dc1", "clicks", "c5");  // the lease is taken anew
    stale_->Step();
    site_.world.clock.Advance(seconds(1));
  }
  stale_->of().Finish();
  const std::string root = paths::Stream(View::kMerged, "clicks");
  const Minute first = **OldestMinute(site_.world.at("dc1"), root);
  ASSERT_GE(site_.world.Newest("dc1", "clicks"), first + 60) << "more than an hour";
  site_.Swap("dc1", "dc2", "dc2");
  for (StreamSpec& stream : site_.world.topology.streams) {
    if (stream.Primary() != "dc2") continue;
    std::erase_if(stream.destinations, [](const auto& to) { return to.cluster == "dc1"; });
  }
  site_.world.clock.Advance(hours(7));
  site_.Start("dc1");
  site_.Step(20);
  EXPECT_FALSE(OldestMinute(site_.world.at("dc1"), root)->has_value()) << "nothing comes after it";
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("to be compared")));
}

// What it holds may be set aside still.
TEST_F(PurgeAfterSwapTest, WhatADestinationHoldsCountsOnlyWhenItWasCompared) {
  site_.Swap("dc1", "dc2", "dc2");
  stale_->of().Finish();
  site_.Start("dc2");
  const auto oldest = [&] {
    return **OldestMinute(site_.world.at("dc2"), paths::Stream(View::kLocal, "clicks"));
  };
  site_.Step(20);
  const Minute first = oldest();
  const auto pass_hours = [&](int count) {
    for (int i = 0; i < count; ++i) {
      site_.world.clock.Advance(hours(1));
      site_.Step(20);
    }
  };
  pass_hours(7);
  EXPECT_EQ(oldest(), first);
  EXPECT_THAT(site_.Problems("dc2"), HasSubstr("dc1 has not been brought through"));
  site_.Start("dc1");
  pass_hours(2);
  EXPECT_GT(oldest(), first);
}

// Whether anybody needs an hour is not known: that is no reason to tell of it for an hour.
TEST_F(PurgeAfterSwapTest, APurgeThatCouldNotAskComesAgainInAMinuteOrTwo) {
  site_.Swap("dc1", "dc2", "dc2");
  stale_->of().Finish();
  site_.world.clock.Advance(hours(7));
  site_.Start("dc1");
  site_.CutOff("dc1", "dc2");
  site_.Step(20);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("dc2 cannot be asked"));
  site_.of("dc1").plan.Clear();
  for (int i = 0; i < 2; ++i) {
    site_.world.clock.Advance(minutes(1));
    site_.Step(10);
  }
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("dc2 cannot be asked")));
}

}  // namespace
}  // namespace databus
