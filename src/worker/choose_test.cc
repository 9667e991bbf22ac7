// Two sides of a cut network that each gave the streams another primary, both of which went on, and
// an operator who chooses one of them (P27): of either nothing is lost or doubled, and the mirrors
// are as the chosen primary. And queue lines that lie where nobody takes them any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/settle_conflict.h"
#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::minutes;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Settled = Installation::Settled;

// As `orders` alone goes to another primary.
Topology OrdersAt(Topology topology, const std::string& primary, std::optional<Minute> cut) {
  for (StreamSpec& stream : topology.streams) {
    if (stream.name != "orders") continue;
    for (DestinationSpec& destination : stream.destinations) {
      destination.role = destination.cluster == primary ? Role::kPrimary : Role::kMirror;
    }
    if (cut) stream.cut = cut;
  }
  return topology;
}

class ChooseTest : public ::testing::Test {
 protected:
  explicit ChooseTest(Topology topology = TestTopology()) : site_(std::move(topology)) {}
  void SetUp() override {
    for (const ClusterSpec& cluster : site_.world.topology.clusters) {
      names_.push_back(cluster.name);
      site_.Start(cluster.name);
    }
    site_.Minutes(2);
    ASSERT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  }
  void CutOff(const std::string& one, const std::string& other) {
    site_.CutOff(one, other);
    site_.CutOff(other, one);
  }
  // Each side goes on by its own topology, as far as it reaches.
  void GoOnApart(const Topology& at_dc1, const Topology& at_dc2) {
    at_dc1_ = at_dc1;
    at_dc2_ = at_dc2;
    site_.of("dc1").Obey(at_dc1);
    site_.of("dc2").Obey(at_dc2);
    site_.Minutes(4);
  }
  // The network is whole again.
  void Choose(const std::string& side) {
    StoredTopology base;
    base.topology = site_.world.topology;
    const StoredTopology before = base;
    const auto make = [&](const Topology& topology, const std::string& author) {
      StoredTopology next = TopologyEpoch::Of(before).stored.Next(author);
      next.topology = topology;
      return std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(std::move(next)));
    };
    const SharedEpoch dc1 = make(at_dc1_, "dc1");
    const SharedEpoch dc2 = make(at_dc2_, "dc2");
    const TopologyEpoch& chosen = side == "dc1" ? *dc1 : *dc2;
    StoredTopology next = chosen.stored.Next("choice");
    SettleConflict({dc1, dc2}, chosen, next);
    site_.world.topology = next.topology;
    for (const std::string& name : names_) {
      site_.of(name).plan.Clear();
      site_.of(name).Obey(site_.world.topology);
    }
  }
  // Everything that was delivered is everywhere once, and nothing lies where it should not.
  void ExpectSettled(const std::string& loser) {
    site_.Step(12);
    EXPECT_THAT(site_.Divergent(loser), Contains(HasSubstr("/orders/")));
    site_.Minutes(2);
    site_.Step(15);
    site_.world.clock.Advance(minutes(11));  // the next scans and passes
    site_.Step(20);
    EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
    for (const std::string& name : names_) {
      const auto set_aside = site_.world.at(name).List(paths::Quarantine(View::kMerged, "orders"));
      EXPECT_TRUE(!set_aside.ok() || set_aside->empty()) << name << ": " << set_aside->size();
      for (const std::string& reader : names_) {
        EXPECT_THAT(Entries(name, paths::Mirrors(reader)), IsEmpty());
        EXPECT_THAT(Entries(name, paths::Consumers(reader)), IsEmpty());
      }
      EXPECT_THAT(site_.Problems(name), IsEmpty()) << name;
      EXPECT_THAT(site_.of(name).of().stats().Divergent(), IsEmpty()) << name;
    }
  }
  std::vector<std::string> Entries(const std::string& cluster, const std::string& queue) {
    std::vector<std::string> names;
    const auto entries = site_.world.at(cluster).List(queue);
    for (const DirEntry& entry : entries.ok() ? *entries : std::vector<DirEntry>()) {
      names.push_back(cluster + ": " + paths::Join(queue, entry.name));
    }
    return names;
  }

  Site site_;
  std::vector<std::string> names_;
  Topology at_dc1_;
  Topology at_dc2_;
};

// dc2 stays the primary on its side; dc1 takes it over.
class StayingTest : public ChooseTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void Part() {
    CutOff("dc1", "dc2");
    const Topology base = site_.world.topology;
    GoOnApart(OrdersAt(base, "dc1", site_.world.Newest("dc1", "orders")), base);
  }
  std::string Loser() const { return GetParam() == "dc1" ? "dc2" : "dc1"; }
};
INSTANTIATE_TEST_SUITE_P(Choose, StayingTest, ::testing::Values("dc1", "dc2"));

TEST_P(StayingTest, NothingOfEitherSideIsLostOrDoubled) {
  Part();
  Choose(GetParam());
  ExpectSettled(Loser());
}

// It has a cut already, from an earlier change.
TEST_P(StayingTest, NorWhereThePrimaryHadAnOlderCut) {
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(3);
  for (StreamSpec& stream : site_.world.topology.streams) {
    if (stream.name == "orders") stream.cut = site_.world.Newest("dc2", "orders") + -2;
  }
  site_.Obey();
  site_.Minutes(2);
  ASSERT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  Part();
  Choose(GetParam());
  ExpectSettled(Loser());
}

// The other side is ahead: its cut, and its minutes, lie after all that dc2 has published.
TEST_P(StayingTest, NorWhereTheOtherSideMovedItTwice) {
  CutOff("dc1", "dc2");
  const Topology base = site_.world.topology;
  site_.world.clock.Advance(minutes(1));
  GoOnApart(OrdersAt(base, "dc1", site_.world.Newest("dc1", "orders")), base);
  at_dc1_ = OrdersAt(base, "dc1", site_.world.Newest("dc1", "orders"));
  site_.of("dc1").Obey(at_dc1_);
  site_.Stop("dc2");
  site_.Minutes(3);
  site_.Start("dc2");
  Choose(GetParam());
  ExpectSettled(Loser());
}

// A mirror that was killed between its last change and the word that it had made it.
TEST_P(StayingTest, NorWhereTheOtherSideHadNotSaidYetThatItBegan) {
  site_.of("dc1").plan.Add({.verb = Verb::kRename,
                            .path_part = paths::Eras(),
                            .times = FaultRule::kAlways,
                            .fault = Fault::RequestLost()});
  Part();
  Choose(GetParam());
  site_.Minutes(2);
  site_.Step(15);
  site_.world.clock.Advance(minutes(11));
  site_.Step(20);
  EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
}

// Nothing was ever published when the network was cut; dc1 takes orders over and publishes first.
// Then dc2 is made the primary again by force, and never had what dc1 has before its first minute.
class FirstMinutesTest : public ChooseTest {
 protected:
  explicit FirstMinutesTest(Topology topology = TestTopology()) : ChooseTest(std::move(topology)) {}
  void SetUp() override {
    names_ = {"dc1", "dc2"};
    for (const std::string& name : names_) site_.Start(name);
    site_.Step(2);
    CutOff("dc1", "dc2");
    const Topology base = site_.world.topology;
    site_.of("dc1").Obey(OrdersAt(base, "dc1", kFirstMinute.Next()));
    PublishAt("dc1");
    first_ = site_.world.Newest("dc1", "orders");
    for (int i = 0; i < 2; ++i) Idle();
    PublishAt("dc2");
  }
  void PublishAt(const std::string& cluster) {
    site_.world.Deliver("dc1", "orders", "cdc1");
    site_.world.Deliver(cluster, "orders", "c" + cluster);
    Idle();
  }
  void Idle() {
    site_.Step(6);
    site_.world.clock.Advance(minutes(1));
    site_.Step(4);
  }
  void ForceBack() {
    const Topology& base = site_.world.topology;
    site_.world.topology = OrdersAt(base, "dc2", site_.world.Newest("dc2", "orders"));
    for (const std::string name : {"dc1", "dc2"}) {
      site_.of(name).plan.Clear();
      site_.of(name).Obey(site_.world.topology);
    }
  }
  // By a choice, which moves no cut.
  void ChooseBack() {
    const Topology& base = site_.world.topology;
    at_dc1_ = OrdersAt(base, "dc1", kFirstMinute.Next());
    at_dc2_ = base;
    Choose("dc2");
  }
  void ExpectBack() {
    site_.Step(15);
    site_.Minutes(2);
    site_.world.clock.Advance(minutes(11));
    site_.Step(20);
    EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
    EXPECT_GT(site_.world.Files("dc1", View::kMerged).front().minute, first_.ToIso());
  }

  Minute first_;
};

TEST_F(FirstMinutesTest, WhatThePrimaryNeverHadIsSetAsideThoughItIsOlder) {
  ForceBack();
  ExpectBack();
}

// Minutes without events, which are the same on both sides, come after it, and stay.
TEST_F(FirstMinutesTest, AlsoBeforeMinutesThatAreEqual) {
  for (int i = 0; i < 2; ++i) Idle();
  ForceBack();
  ExpectBack();
}

Topology KeptForAnHour() {
  Topology topology = TestTopology();
  for (StreamSpec& stream : topology.streams) {
    for (SourceSpec& source : stream.sources) source.retention = std::chrono::hours(1);
    for (DestinationSpec& to : stream.destinations) to.retention = std::chrono::hours(1);
  }
  return topology;
}

// By its age alone all might have been purged at the primary.
class FirstMinutesOfAnHourTest : public FirstMinutesTest {
 protected:
  FirstMinutesOfAnHourTest() : FirstMinutesTest(KeptForAnHour()) {}
};

TEST_F(FirstMinutesOfAnHourTest, WhatThePrimaryNeverHadIsSetAsideThoughItIsOlder) {
  ChooseBack();
  ExpectBack();
}

// dc3 is the primary, and is lost.
Topology ThreeClusters() {
  Topology topology = TestTopology();
  ClusterSpec third = topology.clusters.back();
  third.name = "dc3";
  third.url = "file:///dc3";
  topology.clusters.push_back(third);
  for (StreamSpec& stream : topology.streams) {
    if (stream.name != "orders") continue;
    for (DestinationSpec& destination : stream.destinations) destination.role = Role::kMirror;
    DestinationSpec primary = stream.destinations.back();
    primary.cluster = "dc3";
    primary.role = Role::kPrimary;
    stream.destinations.push_back(primary);
  }
  return topology;
}

class ThirdTest : public ChooseTest, public ::testing::WithParamInterface<std::string> {
 protected:
  ThirdTest() : ChooseTest(ThreeClusters()) {}
};
INSTANTIATE_TEST_SUITE_P(Choose, ThirdTest, ::testing::Values("dc1", "dc2"));

TEST_P(ThirdTest, NothingIsLostOrDoubledWhereBothHadTakenItWithDifferentCuts) {
  CutOff("dc1", "dc2");
  CutOff("dc2", "dc3");
  site_.Minutes(2);  // dc1 gets more of dc3
  CutOff("dc1", "dc3");
  const Topology base = site_.world.topology;
  const Minute at_dc1 = site_.world.Newest("dc1", "orders");
  const Minute at_dc2 = site_.world.Newest("dc2", "orders");
  ASSERT_GT(at_dc1, at_dc2);
  GoOnApart(OrdersAt(base, "dc1", at_dc1), OrdersAt(base, "dc2", at_dc2));
  Choose(GetParam());
  ExpectSettled(GetParam() == "dc1" ? "dc2" : "dc1");
}

// dc1 publishes clicks and views, dc2 orders.
class QueueTest : public ChooseTest {
 protected:
  void Put(const std::string& queue, const std::string& path) {
    const paths::QueueEntryName name{GroupOf("clicks", 2), 1, 4711};
    ASSERT_TRUE(site_.world.at("dc1")
                    .WriteFile(paths::Join(queue, name.ToString()), "file:///dc1/databus/" + path)
                    .ok());
  }
  void NextScan() {
    site_.world.clock.Advance(minutes(11));
    site_.Step(20);
  }
};

TEST_F(QueueTest, WhatIsSaidOfALineForAnotherConsumerEndsWithIt) {
  const Minute minute = site_.world.Newest("dc1", "clicks");
  Put(paths::Consumers("dc2"), paths::MinuteFile(View::kLocal, "clicks", minute, "x.gz"));
  site_.Step(2);
  EXPECT_THAT(site_.Problems("dc2"), HasSubstr("does not merge at dc2"));
  NextScan();
  EXPECT_THAT(Entries("dc1", paths::Consumers("dc2")), IsEmpty());
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("does not merge")));
}

// It may come back: then its files are merged, as far as they are still there.
TEST_F(QueueTest, ALineOfAStreamThatIsNotThereWaitsAndIsSaidToBeOfNone) {
  const Minute minute = site_.world.Newest("dc1", "clicks");
  std::string other = "removed";
  while (GroupOf(other, 2) != GroupOf("clicks", 2)) other += "x";
  Put(paths::Consumers("dc2"), paths::MinuteFile(View::kLocal, other, minute, "x.gz"));
  site_.Step(2);
  EXPECT_THAT(site_.Problems("dc2"), AllOf(HasSubstr("names files of " + other + ", which "),
                                           HasSubstr(" does not have")));
  NextScan();
  EXPECT_THAT(Entries("dc1", paths::Consumers("dc2")), Not(IsEmpty()));
}

TEST_F(QueueTest, ALineOfAStreamThatIsNotMirroredIsDropped) {
  const Minute minute = site_.world.Newest("dc1", "clicks");
  std::string other = "removed";
  while (GroupOf(other, 2) != GroupOf("clicks", 2)) other += "x";
  Put(paths::Mirrors("dc2"), paths::MinuteFile(View::kMerged, other, minute, "x.gz"));
  site_.Step(2);
  EXPECT_THAT(site_.Problems("dc2"), HasSubstr("does not mirror at dc2"));
  NextScan();
  EXPECT_THAT(Entries("dc1", paths::Mirrors("dc2")), IsEmpty());
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("does not mirror")));
}

// Another worker here may have written it by an epoch that this one does not obey yet.
TEST_F(QueueTest, NothingIsDroppedByAnEpochThatIsNotTheNewest) {
  Storage& dc1 = site_.world.at("dc1");
  ASSERT_TRUE(EnsureDirsBelow(dc1, "", paths::TopologyRoot()).ok());
  ASSERT_TRUE(dc1.WriteFile(paths::TopologyFile(99), "newer").ok());
  std::string other = "added";
  while (GroupOf(other, 2) != GroupOf("clicks", 2)) other += "x";
  const Minute minute = site_.world.Newest("dc1", "clicks");
  Put(paths::Mirrors("dc2"), paths::MinuteFile(View::kMerged, other, minute, "x.gz"));
  NextScan();
  EXPECT_THAT(Entries("dc1", paths::Mirrors("dc2")), Not(IsEmpty()));
  ASSERT_TRUE(dc1.Remove(paths::TopologyFile(99)).ok());
  NextScan();
  EXPECT_THAT(Entries("dc1", paths::Mirrors("dc2")), IsEmpty());
}

// Of a record that was undone no line is left (P33), and its reader may be another one by now.
TEST_F(QueueTest, AnEntryWithoutLinesGoes) {
  site_.Stop("dc1");  // its reader, which would take it
  const std::string entry =
      paths::Join(paths::Mirrors("dc1"), paths::QueueEntryName{0, 1, 4711}.ToString());
  ASSERT_TRUE(site_.world.at("dc2").WriteFile(entry, "").ok());
  NextScan();
  EXPECT_FALSE(site_.world.at("dc2").Stat(entry).ok());
}

// Roles that were changed by hand, before topologies were stored: the queue is all there is.
TEST_F(QueueTest, ALineOfAStreamWithoutAnEraStays) {
  const Minute minute = site_.world.Newest("dc1", "orders");
  Put(paths::Mirrors("dc2"), paths::MinuteFile(View::kMerged, "orders", minute, "x.gz"));
  Put(paths::Mirrors("dc1"), paths::MinuteFile(View::kMerged, "orders", minute, "x.gz"));
  NextScan();
  EXPECT_THAT(Entries("dc1", paths::Mirrors("dc1")), Not(IsEmpty()));
}

// Lines of one entry of which some are dropped: the others are read.
TEST_F(QueueTest, TheOtherLinesOfAnEntryStay) {
  const Minute minute = site_.world.Newest("dc1", "clicks");
  site_.Stop("dc2");
  Put(paths::Mirrors("dc2"), paths::MinuteFile(View::kMerged, "removed", minute, "x.gz") +
                                 "\nfile:///dc1/databus/" +
                                 paths::MinuteFile(View::kMerged, "clicks", minute, "x.gz"));
  NextScan();
  const auto left = site_.world.at("dc1").List(paths::Mirrors("dc2"));
  std::string all;
  for (const DirEntry& entry : *left) {
    all += *site_.world.at("dc1").ReadFile(paths::Join(paths::Mirrors("dc2"), entry.name));
  }
  EXPECT_THAT(all, HasSubstr("/clicks/"));
  EXPECT_THAT(all, Not(HasSubstr("/removed/")));
}

}  // namespace
}  // namespace databus
