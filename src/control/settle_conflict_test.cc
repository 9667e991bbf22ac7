#include "control/settle_conflict.h"

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
