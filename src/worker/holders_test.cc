// Several processes hold one cluster's lease in turn, and one of them sleeps in the middle: what it
// remembers when it wakes up is not what is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include <fmt/format.h>

#include "commit/manifest.h"
#include "commit/minute_content.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::IsEmpty;
using Settled = Installation::Settled;

const Group kGroup = GroupOf("clicks", 2);

bool IsRecord(const Call& call) {
  return call.verb == Verb::kRename &&
         call.to.starts_with(fmt::format("system/tmp/streams/{}/", kGroup)) &&
         call.to.find("/record-") != std::string::npos;
}

// dc2 becomes the primary of clicks, and is that of orders, of the same group. Its worker has built
// its index without dc1, which does not answer it, and falls asleep; another one reaches dc1,
// copies what that has merged, begins the era, and dies.
TEST(HoldersTest, WhatAnotherHolderCopiedForANewEraIsNotMergedAgain) {
  Site site;
  site.Start("dc1");
  site.Start("dc2");
  site.Minutes(2);
  site.CutOff("dc1", "dc2");
  site.CutOff("dc2", "dc1");
  for (int i = 0; i < 3; ++i) {
    site.world.Deliver("dc1", "clicks", "c5");
    site.world.Deliver("dc2", "orders", "c5");
    site.Step(4);
    site.world.clock.Advance(minutes(1));
  }
  site.Step(4);
  site.Take("dc1")->of().Finish();
  site.Swap("dc1", "dc2", "dc1");
  site.CutOff("dc2", "dc1");
  site.world.clock.Advance(minutes(2));

  WorkerProcess other(site.world, {"dc2"}, 99, site.world.topology, AdoptTree::kNo, "");
  bool dead = false;
  other.plan.SetCallback([&](const Call& call) {
    if (dead) return Fault::RequestLost();
    dead = call.verb == Verb::kRename && call.to.starts_with(paths::Eras());
    return Fault{};
  });
  bool slept = false;
  site.of("dc2").plan.SetCallback([&](const Call& call) {
    if (slept || !IsRecord(call)) return Fault{};
    slept = true;
    return Fault::Delayed([&] {
      site.world.clock.Advance(minutes(3));
      for (int i = 0; i < 40 && !dead; ++i) {
        other.Step();
        site.world.clock.Advance(seconds(1));
      }
    });
  });
  for (int i = 0; i < 6 && !slept; ++i) {
    site.of("dc2").Step();
    site.world.clock.Advance(seconds(1));
  }
  ASSERT_TRUE(slept && dead);
  site.of("dc2").plan.Clear();
  site.world.clock.Advance(minutes(3));
  site.Step(40);
  site.Start("dc1");
  site.Minutes(2);
  site.Step(15);
  site.world.clock.Advance(minutes(11));  // the next scans and passes
  site.Step(20);
  EXPECT_THAT(site.world.Violations(Settled::kYes), IsEmpty());
}

// clicks has to wait at dc1 when its minute ends, which is closed without it; dc2, the mirror, has
// a part of it.
class LeftOutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (StreamSpec& stream : site_.world.topology.streams) {
      if (stream.name == "clicks") stream.when_alone = WhenAlone::kWait;
    }
    site_.Start("dc1");
    site_.Start("dc2");
    site_.Minutes(2);
    site_.PlannedSwap("dc1", "dc2");  // so that eras are written down
    site_.Minutes(2);
    site_.PlannedSwap("dc2", "dc1");
    site_.Minutes(2);
    site_.Step(15);
    ASSERT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());

    site_.world.Deliver("dc1", "clicks", "c5");
    site_.Step(4);
    minute_ = site_.world.Newest("dc1", "clicks");
    site_.of("dc2").plan.Add({.verb = Verb::kOpen,
                              .store_part = "dc1:",
                              .path_part = "streams/clicks",
                              .times = FaultRule::kAlways,
                              .fault = Fault::RequestLost()});
    site_.world.Deliver("dc1", "clicks", "c6");
    site_.Step(4);
    site_.CutOff("dc1", "dc2");
    site_.world.clock.Advance(
        std::max<Milliseconds>(kAloneAfter, minute_->End() - site_.world.clock.Wall()));
    Step("dc1", 2);
    ASSERT_EQ(FilesAtDc2(), 1U);
  }
  void Step(const std::string& cluster, int times) {
    for (int i = 0; i < times; ++i) {
      site_.of(cluster).Step();
      site_.world.clock.Advance(seconds(1));
    }
  }
  size_t FilesAtDc2() {
    return site_.world.at("dc2").List(paths::MinuteDir(View::kMerged, "clicks", *minute_))->size();
  }
  // dc1 may go on; all that dc2 lacks can be fetched.
  void GoOn() {
    site_.of("dc1").plan.Clear();
    site_.world.Deliver("dc1", "clicks", "c7");
    Step("dc1", 4);
    ASSERT_EQ(site_.world.Newest("dc1", "clicks"), minute_->Next());
    site_.of("dc2").plan.Clear();
  }
  void ExpectTheRestComesFirst() {
    for (int i = 0; i < 6; ++i) {
      Step("dc2", 1);
      const bool began = site_.world.Newest("dc2", "clicks") > *minute_;
      EXPECT_FALSE(began && FilesAtDc2() < 2) << "the next minute begins before the rest of it";
    }
    EXPECT_EQ(FilesAtDc2(), 2U);
  }

  Site site_;
  std::optional<Minute> minute_;
};

TEST_F(LeftOutTest, TheRestComesBeforeTheNextMinute) {
  Step("dc2", 1);  // it closes its copy
  GoOn();
  ExpectTheRestComesFirst();
}

TEST_F(LeftOutTest, TheRestComesFirstThoughTheCloserWasNotTold) {
  const std::string copy = paths::Manifest(View::kMerged, kGroup, *minute_, "dc1");
  site_.of("dc2").plan.SetCallback([&, closing = false, lost = false](const Call& call) mutable {
    if (call.verb == Verb::kRename && call.to == copy) closing = true;
    const bool now =
        closing && call.verb == Verb::kRemove && call.path.find("record-") != std::string::npos;
    return now && !std::exchange(lost, true) ? Fault::AnswerLost() : Fault{};
  });
  Step("dc2", 1);
  GoOn();
  ExpectTheRestComesFirst();
}

// Could not tell is not "no".
TEST_F(LeftOutTest, TheRestComesFirstThoughALookAtTheManifestsFails) {
  Step("dc2", 1);
  GoOn();
  const std::string hour(paths::Parent(paths::Manifest(View::kMerged, kGroup, *minute_, "dc1")));
  for (int nth = 1; nth <= 12; ++nth) {
    site_.Stop("dc2");
    site_.Start("dc2");
    site_.of("dc2").plan.SetCallback([&, seen = 0](const Call& call) mutable {
      const bool is = call.store.starts_with("dc2") && call.verb == Verb::kList &&
                      call.path == hour && ++seen == nth;
      return is ? Fault::RequestLost() : Fault{};
    });
    Step("dc2", 1);
    const bool began = site_.world.Newest("dc2", "clicks") > *minute_;
    ASSERT_FALSE(began && FilesAtDc2() < 2) << nth;
    if (FilesAtDc2() == 2) break;
  }
  site_.of("dc2").plan.Clear();
  ExpectTheRestComesFirst();
}

}  // namespace
}  // namespace databus
