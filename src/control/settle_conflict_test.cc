#include "control/settle_conflict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

TopologyEpoch First() {
  StoredTopology first;
  first.topology = *ParseTopology(
      R"(<databus><defaults><rootdir>/databus</rootdir></defaults>
  <cluster name="dc1" hdfsurl="file:///a" jturl="local" jobqueuename="default"/>
</databus>)",
      "databus.xml");
  return TopologyEpoch::Of(first);
}

SharedEpoch After(const TopologyEpoch& epoch, const std::string& author) {
  return std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(epoch.stored.Next(author)));
}

TEST(SettleConflict, TheSettlementIsTheNewestAndFollowsAllThatAnybodyCanObey) {
  const TopologyEpoch first = First();
  const SharedEpoch here = After(first, "here");
  const SharedEpoch before = After(first, "before there");  // a cluster that is away obeys it
  const SharedEpoch there = After(*before, "there");
  for (const SharedEpoch& chosen : {here, there}) {
    StoredTopology next = chosen->stored.Next("choice");
    SettleConflict({there, here}, *chosen, next);
    EXPECT_EQ(next.epoch, 4U);
    for (const TopologyEpoch& epoch : {first, *here, *before, *there}) {
      EXPECT_TRUE(next.Follows(epoch.digest)) << epoch.stored.author;
    }
  }
}

Topology TwoClusters(const std::string& primary, const std::string& mirror) {
  const std::string text = fmt::format(
      R"(<databus>
  <defaults><rootdir>/databus</rootdir></defaults>
  <stream name="orders">
    <destination><name>{}</name><primary>true</primary></destination>
    <destination><name>{}</name></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file:///a" jturl="local" jobqueuename="default"/>
  <cluster name="dc2" hdfsurl="file:///b" jturl="local" jobqueuename="default"/>
</databus>)",
      primary, mirror);
  return *ParseTopology(text, "databus.xml");
}

// Without it the mirrors would never be compared with the primary that stays what it was.
TEST(SettleConflict, AStreamThatTheOtherSideHadMovedBeginsAnEraWhicheverIsChosen) {
  const auto cut = Minute::ParseIso("2031-05-06T10:04Z");
  StoredTopology stays;
  stays.topology = TwoClusters("dc2", "dc1");
  const auto here = std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(stays));
  StoredTopology moved = here->stored.Next("failover");
  moved.topology = TwoClusters("dc1", "dc2");
  moved.topology.streams[0].cut = cut;
  const auto there = std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(moved));
  const SharedEpoch other = After(*here, "other");

  StoredTopology next = other->stored.Next("choice");
  SettleConflict({there, other}, *other, next);
  EXPECT_EQ(next.topology.streams[0].Primary(), "dc2");
  EXPECT_EQ(next.topology.streams[0].cut, std::nullopt) << "nobody published before dc2";
  EXPECT_EQ(next.topology.streams[0].settled, next.epoch);

  next = there->stored.Next("choice");
  SettleConflict({there, other}, *there, next);
  EXPECT_EQ(next.topology.streams[0].cut, cut);
  EXPECT_EQ(next.topology.streams[0].settled, next.epoch);
}

// The failover that froze it can neither go on from the settlement nor undo it.
TEST(SettleConflict, NothingStaysFrozen) {
  StoredTopology base;
  base.topology = TwoClusters("dc2", "dc1");
  const TopologyEpoch first = TopologyEpoch::Of(base);
  StoredTopology frozen = first.stored.Next("fence");
  frozen.topology.streams[0].publication = Publication::kFrozen;
  const auto here = std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(frozen));
  const SharedEpoch there = After(first, "there");
  for (const SharedEpoch& chosen : {here, there}) {
    StoredTopology next = chosen->stored.Next("choice");
    SettleConflict({there, here}, *chosen, next);
    EXPECT_EQ(next.topology.streams[0].publication, Publication::kOpen);
  }
}

TEST(SettleConflict, AStreamOnWhichBothAgreeGoesOnAsItWas) {
  StoredTopology stays;
  stays.topology = TwoClusters("dc2", "dc1");
  const TopologyEpoch first = TopologyEpoch::Of(stays);
  const SharedEpoch here = After(first, "here");
  const SharedEpoch there = After(first, "there");
  StoredTopology next = here->stored.Next("choice");
  SettleConflict({there, here}, *here, next);
  EXPECT_EQ(next.topology.streams[0].settled, 0U);
}

// Both had taken it from a third cluster, or one of them earlier.
TEST(SettleConflict, AnotherCutIsAnotherEraToo) {
  const auto early = Minute::ParseIso("2031-05-06T10:04Z");
  const auto late = Minute::ParseIso("2031-05-06T10:09Z");
  StoredTopology base;
  base.topology = TwoClusters("dc2", "dc1");
  const TopologyEpoch first = TopologyEpoch::Of(base);
  StoredTopology one = first.stored.Next("one");
  one.topology.streams[0].cut = early;
  StoredTopology other = first.stored.Next("other");
  other.topology.streams[0].cut = late;
  const auto here = std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(one));
  const auto there = std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(other));
  StoredTopology next = here->stored.Next("choice");
  SettleConflict({there, here}, *here, next);
  EXPECT_EQ(next.topology.streams[0].cut, early);
  EXPECT_EQ(next.topology.streams[0].settled, next.epoch);
}

TEST(SettleConflict, ASideThatHadSettledAConflictItselfLeavesNothingBehind) {
  const TopologyEpoch first = First();
  const SharedEpoch a = After(first, "a");
  const SharedEpoch b = After(first, "b");
  const SharedEpoch c = After(first, "c");
  StoredTopology settled = b->stored.Next("b, not a");
  SettleConflict({a, b}, *b, settled);
  const auto there = std::make_shared<const TopologyEpoch>(TopologyEpoch::Of(settled));
  StoredTopology next = c->stored.Next("c, not b");
  SettleConflict({there, c}, *c, next);
  for (const SharedEpoch& epoch : {a, b, c, there}) EXPECT_TRUE(next.Follows(epoch->digest));
}

}  // namespace
}  // namespace databus
