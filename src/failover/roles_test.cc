#include "failover/roles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/mode_circles.h"
#include "failover/test_model.h"

namespace databus::failover {
namespace {

using testing::ElementsAre;

const StreamSpec& Stream(const StoredTopology& stored, const std::string& name) {
  return *stored.topology.FindStream(name);
}

std::string ModeOf(const StoredTopology& stored, const std::string& cluster,
                   const std::string& stream) {
  const ModeRule* const rule = stored.FindMode(cluster, stream);
  if (rule == nullptr) return "deliver";
  return std::string(DeliveryModeName(rule->mode)) + (rule->to.empty() ? "" : " " + rule->to);
}

StoredTopology SwappedAway(const StoredTopology& base) {
  const RoleChange change = TakeAway(base, "dc1", "dc2", {});
  return Swapped(base, change, {{"clicks", kTestMinute}, {"views", std::nullopt}}, "swap");
}

TEST(RolesTest, OnlyWhatThePrimaryHadMovesAndItIsNoSourceAnyMore) {
  const RoleChange change = TakeAway(TestBase(), "dc1", "dc2", {});
  EXPECT_THAT(change.Moving(), ElementsAre("clicks", "views"));
  const StoredTopology after = SwappedAway(TestBase());
  EXPECT_EQ(Stream(after, "clicks").Primary(), "dc2");
  EXPECT_THAT(Stream(after, "clicks").Mirrors(), ElementsAre("dc1", "dc3"));
  EXPECT_EQ(Stream(after, "orders").Primary(), "dc2");
  EXPECT_EQ(Stream(after, "logs").Primary(), "dc3");
  for (const StreamSpec& stream : after.topology.streams) EXPECT_FALSE(stream.HasSource("dc1"));
}

TEST(RolesTest, WhoReceivesTheMessagesOfTheOnlySourceBecomesOne) {
  const StoredTopology after = SwappedAway(TestBase());
  ASSERT_EQ(Stream(after, "logs").sources.size(), 1U);
  EXPECT_EQ(Stream(after, "logs").sources[0].cluster, "dc2");
  EXPECT_EQ(Stream(after, "logs").sources[0].retention, std::chrono::hours(24));
}

TEST(RolesTest, TheCutIsStoredAndRetentionsStay) {
  StoredTopology base = TestBase();
  const Minute older = kTestMinute + (-100);
  base.topology.streams[1].cut = older;
  const StoredTopology after = SwappedAway(base);
  EXPECT_EQ(Stream(after, "clicks").cut, kTestMinute);
  EXPECT_EQ(Stream(after, "views").cut, older) << "it had no minute: what was before still holds";
  EXPECT_EQ(after.topology.MergedRetention("dc1", "clicks"), std::chrono::hours(48));
  EXPECT_EQ(after.topology.MergedRetention("dc2", "clicks"), std::chrono::hours(72));
}

TEST(RolesTest, WhileItSpoolsAllOfTheSiteIsKeptAndElsewhereWhatMoves) {
  StoredTopology base = TestBase();
  base.modes = {{"dc1", "logs", DeliveryMode::kRedirect, "dc3"},
                {"dc3", "clicks", DeliveryMode::kRedirect, "dc2"},
                {"dc3", "logs", DeliveryMode::kRedirect, "dc2"}};
  const StoredTopology spooling = Spooling(base, TakeAway(base, "dc1", "dc2", {}), "spool");
  for (const char* stream : {"clicks", "views", "orders", "logs", "unknown"}) {
    EXPECT_EQ(ModeOf(spooling, "dc1", stream), "spool") << stream;
  }
  EXPECT_EQ(ModeOf(spooling, "dc2", "clicks"), "spool");
  EXPECT_EQ(ModeOf(spooling, "dc3", "clicks"), "spool");
  EXPECT_EQ(ModeOf(spooling, "dc2", "orders"), "deliver");
  EXPECT_EQ(ModeOf(spooling, "dc3", "logs"), "redirect dc2") << "none of its business";
}

TEST(RolesTest, AfterTheSwapTheSitesCollectorsAreRedirectedAndOthersAreAsBefore) {
  StoredTopology base = TestBase();
  base.modes = {{"dc3", "", DeliveryMode::kRedirect, "dc1"},
                {"dc2", "orders", DeliveryMode::kSpool, ""}};
  const StoredTopology after = SwappedAway(base);
  EXPECT_EQ(ModeOf(after, "dc1", "clicks"), "redirect dc2");
  EXPECT_EQ(ModeOf(after, "dc2", "orders"), "spool");
  EXPECT_EQ(ModeOf(after, "dc2", "clicks"), "deliver");
  EXPECT_EQ(ModeOf(after, "dc3", "clicks"), "redirect dc2") << "its receiver goes away";
}

// Without a failback in between: it has been sent to the other cluster, and receives now.
TEST(RolesTest, WhoTakesOverDeliversWhateverWasRedirectedBefore) {
  const StoredTopology over = SwappedAway(TestBase());
  const RoleChange again = TakeAway(over, "dc2", "dc1", {});
  const StoredTopology after = Swapped(over, again, {}, "again");
  EXPECT_EQ(ModeOf(after, "dc1", "clicks"), "deliver");
  EXPECT_EQ(ModeOf(after, "dc2", "clicks"), "redirect dc1");
}

// It was redirected to whoever it relieves now: of one stream, or by way of a third.
TEST(RolesTest, NoChangeOfRolesLetsMessagesGoRoundInACircle) {
  StoredTopology base = TestBase();
  base.modes = {{"dc2", "", DeliveryMode::kRedirect, "dc1"}};
  const RoleChange away = TakeAwayOnly(base, "clicks", "dc1", "dc2");
  const StoredTopology over = Swapped(base, away, {}, "over");
  EXPECT_EQ(ModeOf(over, "dc1", "clicks"), "redirect dc2");
  EXPECT_EQ(ModeOf(over, "dc2", "clicks"), "deliver");
  EXPECT_EQ(ModeOf(over, "dc2", "views"), "redirect dc1");
  EXPECT_EQ(Swapped(over, BringBack(over, away), {}, "back").modes, base.modes);

  base.modes = {{"dc2", "", DeliveryMode::kRedirect, "dc3"},
                {"dc3", "", DeliveryMode::kRedirect, "dc1"}};
  for (const RoleChange& change :
       {TakeAway(base, "dc1", "dc2", {}), TakeAwayOnly(base, "clicks", "dc1", "dc2")}) {
    const StoredTopology after = Swapped(base, change, {}, "after");
    EXPECT_THAT(FindCircles(after.modes), testing::IsEmpty());
    EXPECT_EQ(ModeOf(after, "dc2", "clicks"), "deliver");
    EXPECT_EQ(Swapped(after, BringBack(after, change), {}, "back").modes, base.modes);
  }
}

TEST(RolesTest, WhatAnOlderProgramLetGoRoundDoesNotComeBackByUndoing) {
  StoredTopology base = TestBase();
  base.modes = {{"dc2", "", DeliveryMode::kRedirect, "dc1"},
                {"dc1", "views", DeliveryMode::kRedirect, "dc2"}};
  const RoleChange change = TakeAway(base, "dc1", "dc2", {});
  const StoredTopology undone = Undone(Spooling(base, change, "spool"), change, "undo");
  EXPECT_THAT(FindCircles(undone.modes), testing::IsEmpty());
  EXPECT_EQ(ModeOf(undone, "dc2", "clicks"), "redirect dc1");
}

TEST(RolesTest, ReceiversThatAreNamedTakeThePlaceOfTheLiveOnes) {
  const RoleChange change = TakeAway(TestBase(), "dc1", "dc2", {{"h1", 1463}});
  EXPECT_EQ(change.modes_after.back().to, "");
  EXPECT_THAT(change.modes_after.back().receivers, ElementsAre(Endpoint{"h1", 1463}));
}

TEST(RolesTest, FreezingIsForWhatMovesAndUndoingLeavesNothing) {
  const StoredTopology base = TestBase();
  const RoleChange change = TakeAway(base, "dc1", "dc2", {});
  const StoredTopology spooling = Spooling(base, change, "spool");
  const StoredTopology frozen = Frozen(spooling, change, "freeze");
  EXPECT_EQ(Stream(frozen, "clicks").publication, Publication::kFrozen);
  EXPECT_EQ(Stream(frozen, "orders").publication, Publication::kOpen);
  const StoredTopology undone = Undone(frozen, change, "undo");
  EXPECT_EQ(Stream(undone, "clicks").publication, Publication::kOpen);
  EXPECT_EQ(undone.modes, base.modes);
  EXPECT_EQ(PlainDigest(undone.topology), PlainDigest(base.topology));
  EXPECT_EQ(undone.epoch, base.epoch + 3);
}

TEST(RolesTest, ThereAndBackIsWhereItBegan) {
  StoredTopology base = TestBase();
  base.modes = {{"dc1", "logs", DeliveryMode::kSpool, ""}};
  const RoleChange away = TakeAway(base, "dc1", "dc2", {});
  const StoredTopology over = Swapped(base, away, {{"clicks", kTestMinute}}, "over");
  const RoleChange back = BringBack(over, away);
  EXPECT_EQ(back.from, "dc2");
  EXPECT_EQ(back.to, "dc1");
  const StoredTopology again = Swapped(over, back, {{"clicks", kTestMinute + 9}}, "back");
  EXPECT_EQ(PlainDigest(again.topology), PlainDigest(base.topology));
  EXPECT_EQ(again.modes, base.modes);
  EXPECT_EQ(Stream(again, "clicks").cut, kTestMinute + 9);
}

// The ways of all collectors, not only of the site's: of who had been sent there and took over, and
// of a third.
TEST(RolesTest, ThereAndBackEveryCollectorDeliversAsItDid) {
  StoredTopology first = TestBase();
  first.modes = {{"dc3", "", DeliveryMode::kRedirect, "dc1"}};
  const RoleChange given_up = TakeAway(first, "dc1", "dc2", {});
  const StoredTopology base = Swapped(first, given_up, {}, "given up");
  const RoleChange away = TakeAway(base, "dc2", "dc1", {});
  const StoredTopology over = Swapped(base, away, {}, "over");
  ASSERT_EQ(ModeOf(over, "dc1", "clicks"), "deliver");
  ASSERT_EQ(ModeOf(over, "dc3", "clicks"), "redirect dc1");
  const StoredTopology again = Swapped(over, BringBack(over, away), {}, "back");
  EXPECT_EQ(ModeOf(again, "dc1", "clicks"), "redirect dc2");
  EXPECT_EQ(ModeOf(again, "dc2", "clicks"), "deliver");
  EXPECT_EQ(ModeOf(again, "dc3", "clicks"), "redirect dc2");
  const StoredTopology home = Swapped(again, BringBack(again, given_up), {}, "home");
  EXPECT_EQ(PlainDigest(home.topology), PlainDigest(first.topology));
  EXPECT_EQ(home.modes, first.modes);
}

TEST(RolesTest, WaysThatWereEditedSinceStayAndThoseOfAClusterThatIsGoneDoNotComeBack) {
  StoredTopology base = TestBase();
  base.modes = {{"dc2", "", DeliveryMode::kRedirect, "dc1"},
                {"dc3", "", DeliveryMode::kRedirect, "dc1"},
                {"dc1", "logs", DeliveryMode::kRedirect, "dc3"}};
  const RoleChange away = TakeAway(base, "dc1", "dc2", {});
  StoredTopology over = Swapped(base, away, {}, "over");
  StoredTopology edited = over;
  std::erase_if(edited.modes, [](const ModeRule& rule) { return rule.cluster == "dc3"; });
  edited.modes.push_back({"dc2", "", DeliveryMode::kSpool});
  const StoredTopology kept = Swapped(edited, BringBack(edited, away), {}, "back");
  EXPECT_EQ(ModeOf(kept, "dc2", "clicks"), "spool");
  EXPECT_EQ(ModeOf(kept, "dc3", "clicks"), "deliver");
  EXPECT_EQ(ModeOf(kept, "dc1", "logs"), "redirect dc3");

  std::erase_if(over.topology.clusters, [](const ClusterSpec& each) { return each.name == "dc3"; });
  std::erase_if(over.modes, [](const ModeRule& rule) { return rule.cluster == "dc3"; });
  EXPECT_THAT(BringBack(over, away).modes_after,
              ElementsAre(ModeRule{"dc2", "", DeliveryMode::kRedirect, "dc1"}));
}

TEST(RolesTest, OfOneStreamOnlyNothingElseChangesAndBackIsWhereItBegan) {
  StoredTopology base = TestBase();
  base.modes = {{"dc1", "logs", DeliveryMode::kSpool, ""}};
  const RoleChange away = TakeAwayOnly(base, "clicks", "dc1", "dc2");
  EXPECT_THAT(away.Moving(), ElementsAre("clicks"));
  const StoredTopology spooling = Spooling(base, away, "spool");
  EXPECT_EQ(ModeOf(spooling, "dc1", "clicks"), "spool");
  EXPECT_EQ(ModeOf(spooling, "dc1", "views"), "deliver");
  const StoredTopology over = Swapped(base, away, {}, "over");
  EXPECT_EQ(ModeOf(over, "dc1", "clicks"), "redirect dc2");
  EXPECT_EQ(ModeOf(over, "dc1", "views"), "deliver");
  EXPECT_EQ(Stream(over, "views").Primary(), "dc1");
  EXPECT_TRUE(Stream(over, "views").HasSource("dc1"));
  const StoredTopology again = Swapped(over, BringBack(over, away), {}, "back");
  EXPECT_EQ(PlainDigest(again.topology), PlainDigest(base.topology));
  EXPECT_EQ(again.modes, base.modes);
}

TEST(RolesTest, AStreamThatHasMovedOnSinceIsLeftAlone) {
  const StoredTopology base = TestBase();
  const RoleChange away = TakeAway(base, "dc1", "dc2", {});
  StoredTopology over = Swapped(base, away, {}, "over");
  for (DestinationSpec& destination : over.topology.streams[0].destinations) {
    destination.role = destination.cluster == "dc3" ? Role::kPrimary : Role::kMirror;
  }
  over.topology.streams.push_back(over.topology.streams[1]);
  over.topology.streams.back().name = "new";
  EXPECT_THAT(BringBack(over, away).Moving(), ElementsAre("views"));
}

TEST(RolesTest, WhatWasEditedSinceStaysAndIsNoReasonToLeaveAStreamBehind) {
  using std::chrono::hours;
  StoredTopology base = TestBase();
  base.topology.streams[1].destinations.pop_back();  // views at dc3
  const RoleChange away = TakeAway(base, "dc1", "dc2", {});
  StoredTopology over = Swapped(base, away, {}, "over");
  StreamSpec& clicks = over.topology.streams[0];
  clicks.sources.pop_back();  // dc3
  clicks.destinations[1].retention = hours(99);
  over.topology.streams[1].destinations.push_back({"dc3", Role::kMirror, hours(7)});
  over.topology.streams[3].sources[0].retention = hours(12);  // of logs, renamed to dc2
  const RoleChange back = BringBack(over, away);
  EXPECT_THAT(back.Moving(), ElementsAre("clicks", "views"));
  EXPECT_THAT(NotBroughtBack(over, away), testing::IsEmpty());
  const StoredTopology again = Swapped(over, back, {}, "back");
  EXPECT_EQ(Stream(again, "clicks").Primary(), "dc1");
  EXPECT_TRUE(Stream(again, "clicks").HasSource("dc1"));
  EXPECT_FALSE(Stream(again, "clicks").HasSource("dc3"));
  EXPECT_EQ(Stream(again, "clicks").destinations[1].retention, hours(99));
  EXPECT_THAT(Stream(again, "views").Mirrors(), ElementsAre("dc2", "dc3"));
  ASSERT_EQ(Stream(again, "logs").sources.size(), 1U);
  EXPECT_EQ(Stream(again, "logs").sources[0].cluster, "dc1");
  EXPECT_EQ(Stream(again, "logs").sources[0].retention, hours(12));
}

// The site's collectors deliver there again; what they deliver must be merged.
TEST(RolesTest, WhereThePrimaryStaysTheSourceComesBackAndItIsTold) {
  const RoleChange away = TakeAway(TestBase(), "dc1", "dc2", {});
  StoredTopology over = Swapped(TestBase(), away, {}, "over");
  for (DestinationSpec& destination : over.topology.streams[0].destinations) {
    destination.role = destination.cluster == "dc3" ? Role::kPrimary : Role::kMirror;
  }
  std::erase_if(over.topology.streams[1].destinations,
                [](const DestinationSpec& to) { return to.cluster == "dc1"; });
  const StoredTopology again = Swapped(over, BringBack(over, away), {}, "back");
  EXPECT_EQ(Stream(again, "clicks").Primary(), "dc3");
  EXPECT_TRUE(Stream(again, "clicks").HasSource("dc1"));
  EXPECT_EQ(Stream(again, "views").Primary(), "dc2");
  EXPECT_THAT(NotBroughtBack(over, away),
              ElementsAre(testing::HasSubstr("clicks is not brought back: the stream has moved "
                                             "since, to dc3"),
                          testing::HasSubstr("views is not brought back: the stream has no "
                                             "destination dc1")));
}

TEST(RolesTest, TheSameChangeMadeTwiceIsTheSameText) {
  EXPECT_EQ(SwappedAway(TestBase()).Encode(), SwappedAway(TestBase()).Encode());
  const auto read = StoredTopology::Decode(SwappedAway(TestBase()).Encode(), "x");
  EXPECT_TRUE(read.ok()) << read.status().message();
}

}  // namespace
}  // namespace databus::failover
