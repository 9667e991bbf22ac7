#include "failover/observer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/names.h"
#include "commit/manifest.h"
#include "commit/record.h"
#include "failover/gates.h"
#include "failover/test_puppets.h"

namespace databus::failover {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class ObserverTest : public testing::Test {
 protected:
  Observation Look(const Scope& scope) {
    desk_.Look();
    return observer_.Look(scope);
  }
  static Scope Flow() {
    Scope scope;
    scope.flow = Scope::Flow::kLook;
    scope.streams = {"clicks"};
    scope.whole = "dc1";
    return scope;
  }
  static std::string DataName(const std::string& stream) {
    return DataFileName{stream, kTestMinute, 1, true}.ToString();
  }
  // A closed minute of clicks at both, with what each holds.
  void Close(const std::string& cluster, const std::string& primary, Minute minute,
             const MinuteFiles& files) {
    world_.MakeMinute(cluster, "clicks", minute);
    const Group group = GroupOf("clicks", kGroupsDefault);
    const Manifest manifest{View::kMerged, group, minute, primary, {{"clicks", files}}};
    world_.Put(cluster, paths::Manifest(View::kMerged, group, minute, primary), manifest.Encode());
  }
  SeenMirror Mirror(Scope::Mirrored::Depth depth) {
    Scope scope;
    scope.mirrored = {{"clicks", "dc1", "dc2", depth}};
    return Look(scope).mirrors.at({"clicks", "dc2"});
  }

  Puppets world_;
  FaultPlan plan_{FaultPlan::Trace::kNone};
  TopologyDesk desk_ = world_.Desk(&plan_);
  Observer observer_{desk_, world_.clock};
};

TEST_F(ObserverTest, WhatIsUnderWayIsCountedAtEveryPlaceWhereItMayBe) {
  world_.Put("dc2", paths::DataFile("clicks", "c1", DataName("clicks")), "x");
  world_.Put("dc2", paths::DataFile("clicks", "c2", "clicks_current"), "x");
  world_.Put("dc2", paths::DataFile("clicks", "c2", "notes.txt"), "of nobody, left alone by all");
  world_.Put("dc2", paths::DataFile("orders", "c1", DataName("orders")), "x");
  const std::string staging = paths::EpochStaging(View::kLocal, 3, 7);
  world_.Put("dc2", paths::Join(staging, staged::ClaimName(1, "c1", DataName("clicks"))), "x");
  const std::string fenced = paths::FencedStaging(View::kLocal, 3, 6);
  world_.Put("dc2", paths::Join(fenced, staged::ClaimName(1, "c1", DataName("clicks"))), "x");
  Record record;
  record.number = 2;
  record.moves = {{MoveKind::kFile, "f1",
                   paths::MinuteFile(View::kMerged, "clicks", kTestMinute, "a.gz"), 1, 1}};
  world_.Put("dc1", paths::Join(paths::EpochStaging(View::kMerged, 3, 1), staged::RecordName(2, 0)),
             record.Encode());
  const std::string line = paths::MinuteFile(View::kLocal, "clicks", kTestMinute, "a.gz");
  world_.Put("dc3", paths::Consumers("dc1") + "/0.1.1",
             "file:///dc3/databus/" + line + "\n" + line + "\n");
  world_.Put("dc1", paths::Mirrors("dc2") + "/0.1.1",
             paths::MinuteDir(View::kMerged, "clicks", kTestMinute) + "\n");

  Observation seen = Look(Flow());
  const Underway& at_dc2 = seen.trees["dc2"].flow["clicks"];
  EXPECT_THAT(at_dc2.data_files, ElementsAre(Pair("c1", 1), Pair("c2", 0)));
  EXPECT_EQ(at_dc2.in_commit, 2U) << "a fenced claim counts as well";
  EXPECT_FALSE(seen.trees["dc2"].flow.contains("orders")) << "not asked for";
  EXPECT_EQ(seen.trees["dc1"].flow["clicks"].merging, 1U);
  EXPECT_THAT(seen.trees["dc3"].flow["clicks"].to_merge, ElementsAre(Pair("dc1", 2)));
  EXPECT_THAT(seen.trees["dc1"].flow["clicks"].to_mirror, ElementsAre(Pair("dc2", 1)));
  EXPECT_EQ(seen.trees["dc1"].mirror_entries["dc2"], 1U);
  // What is gone is not remembered.
  ASSERT_TRUE(world_.trees["dc3"]->Remove(paths::Consumers("dc1") + "/0.1.1").ok());
  EXPECT_TRUE(Look(Flow()).trees["dc3"].flow["clicks"].to_merge.empty());
}

// A new holder adopts the claim of the one before, from an older directory into a newer one.
TEST_F(ObserverTest, AClaimThatChangesHandsWhileItIsLookedAtIsCounted) {
  const std::string claim = staged::ClaimName(1, "c1", DataName("clicks"));
  const std::string before = paths::Join(paths::FencedStaging(View::kLocal, 3, 9), claim);
  const std::string after = paths::Join(paths::EpochStaging(View::kLocal, 3, 10), claim);
  world_.Put("dc2", before, "x");
  world_.Put("dc2", paths::Join(paths::Parent(after), "0"), "");
  bool looked_at_newer = false;
  plan_.SetCallback([&](const Call& call) {
    if (call.verb == Verb::kList && call.path == paths::Parent(after)) looked_at_newer = true;
    if (call.verb == Verb::kList && call.path == paths::Parent(before) && looked_at_newer) {
      EXPECT_TRUE(world_.trees["dc2"]->Rename(before, after).ok());
    }
    return Fault();
  });
  EXPECT_EQ(Look(Flow()).trees["dc2"].flow["clicks"].in_commit, 1U);
  plan_.Clear();
}

// Into a queue that was listed before its own; or into another entry of its own, as joins do.
TEST_F(ObserverTest, QueueLinesThatAreMovedWhileTheyAreLookedAtAreCounted) {
  const std::string from = paths::Consumers("dc2") + "/0.1.1";
  const std::string line = paths::MinuteFile(View::kLocal, "clicks", kTestMinute, "a.gz") + "\n";
  struct Case {
    Verb verb;  // of the call after which they are not where they were
    std::string path;
    std::string to;
  };
  for (const Case& one : {Case{Verb::kList, paths::Consumers("dc2"), paths::Consumers("dc1")},
                          Case{Verb::kOpen, from, paths::Consumers("dc2")}}) {
    world_.Put("dc3", from, line);
    const std::string to = paths::Join(one.to, "1.1.1");
    bool moved = false;
    plan_.SetCallback([&](const Call& call) {
      const bool hits =
          call.store.ends_with("dc3") && call.verb == one.verb && call.path == one.path;
      if (hits && !std::exchange(moved, true)) {
        world_.Put("dc3", to, line);
        EXPECT_TRUE(world_.trees["dc3"]->Remove(from).ok());
      }
      return Fault();
    });
    const Observation seen = Look(Flow());
    EXPECT_TRUE(moved) << one.path;
    EXPECT_THAT(seen.TreeOf("dc3").flow.at("clicks").to_merge,
                ElementsAre(Pair(std::string(paths::BaseName(one.to)), 1)));
    plan_.Clear();
    EXPECT_TRUE(world_.trees["dc3"]->Remove(to).ok());
  }
}

TEST_F(ObserverTest, QueueLinesThatAnEditorEndedInItsOwnWayAreCounted) {
  const std::string line = paths::MinuteFile(View::kLocal, "clicks", kTestMinute, "a.gz");
  world_.Put("dc3", paths::Consumers("dc1") + "/0.1.1", line + "\r\n" + line + "  \n");
  EXPECT_THAT(Look(Flow()).trees["dc3"].flow["clicks"].to_merge, ElementsAre(Pair("dc1", 2)));
}

TEST_F(ObserverTest, OfTheClusterThatGoesAllStreamsAreLookedAt) {
  world_.Put("dc1", paths::DataFile("orders", "c1", DataName("orders")), "x");
  EXPECT_EQ(Look(Flow()).trees["dc1"].flow["orders"].data_files["c1"], 1U);
}

TEST_F(ObserverTest, APartThatDoesNotAnswerIsUnknownAndTheOthersAreKnown) {
  for (const std::string& part : {paths::Data(), paths::Staging(View::kLocal, 0),
                                  paths::Consumers("dc1"), paths::Mirrors("dc2")}) {
    const std::string root = part == paths::Data() ? part : std::string(paths::Parent(part));
    plan_.Clear();
    plan_.Add({.verb = Verb::kList,
               .store_part = "dc2",
               .path_part = root,
               .times = FaultRule::kAlways,
               .fault = Fault::RequestLost()});
    const Observation seen = Look(Flow());
    EXPECT_THAT(seen.TreeOf("dc2").why_flow_unknown, HasSubstr("lost")) << root;
    EXPECT_EQ(seen.TreeOf("dc1").why_flow_unknown, "") << root;
  }
}

// A worker that recovers what another one left may fall asleep in the middle of it.
TEST_F(ObserverTest, WhatAWorkerHasTakenOverAndNotPublishedYetIsInCommit) {
  const std::string taken = paths::Join(paths::EpochStaging(View::kLocal, 3, 7), "r5");
  world_.Put("dc2", paths::Join(taken, staged::ClaimName(4, "c1", DataName("clicks"))), "x");
  EXPECT_EQ(Look(Flow()).trees["dc2"].flow["clicks"].in_commit, 1U);
}

TEST_F(ObserverTest, ARecordThatCannotBeReadIsNotTakenForNone) {
  world_.Put("dc2", paths::Join(paths::EpochStaging(View::kLocal, 3, 7), staged::RecordName(2, 0)),
             "damaged");
  EXPECT_NE(Look(Flow()).TreeOf("dc2").why_flow_unknown, "");
}

TEST_F(ObserverTest, StagingThatChangesHandsMeanwhileIsLookedAtAgain) {
  const std::string staging = paths::EpochStaging(View::kLocal, 3, 7);
  world_.Put("dc2", paths::Join(staging, staged::ClaimName(1, "c1", DataName("clicks"))), "x");
  plan_.Add(
      {.verb = Verb::kList,
       .store_part = "dc2",
       .path_part = staging,
       .fault = Fault::Delayed([&] {
         ASSERT_TRUE(
             world_.trees["dc2"]->Rename(staging, paths::FencedStaging(View::kLocal, 3, 7)).ok());
       })});
  EXPECT_THAT(Look(Flow()).TreeOf("dc2").why_flow_unknown, HasSubstr("changed hands"));
  EXPECT_EQ(Look(Flow()).trees["dc2"].flow["clicks"].in_commit, 1U);
}

TEST_F(ObserverTest, ProcessesAreKnownByTheirNewestHeartbeatInAnyTree) {
  Heartbeat beat = NewBeat("collector", "collector-c1@dc1", "dc1");
  beat.written = world_.clock.Wall() + std::chrono::seconds(1);
  beat.facts["cluster"] = "dc1";
  beat.facts["lag_ms"] = 77;
  beat.facts["spool_bytes_before_epoch"] = 9;
  beat.facts["backlog"]["clicks"] = {{"open_intents", 3}};
  world_.Put("dc2", paths::StatusFile("collector-c1@dc1"), EncodeHeartbeat(beat));
  const Observation seen = Look({});
  ASSERT_EQ(seen.collectors.size(), 3U);
  EXPECT_EQ(seen.collectors[0].Label(), "dc1/c1");
  EXPECT_EQ(seen.collectors[0].lag.count(), 77);
  EXPECT_EQ(seen.collectors[0].bytes_before_epoch, 9U);
  EXPECT_EQ(seen.collectors[0].backlog.at("clicks").open_intents, 3U);
  EXPECT_EQ(seen.WorkerOf("dc1").life, Life::kAlive);
  EXPECT_EQ(seen.WorkerOf("dc9").life, Life::kSilent);
}

TEST_F(ObserverTest, WhoSaysNothingIsSilentAndWhoSaidGoodbyeIsStopped) {
  Heartbeat beat = NewBeat("collector", "collector-old", "dc1");
  beat.written = world_.clock.Wall() - std::chrono::seconds(10);
  world_.Put("dc1", paths::StatusFile("collector-old"), EncodeHeartbeat(beat));
  beat.process = "collector-over";
  beat.state = "stopped";
  world_.Put("dc1", paths::StatusFile("collector-over"), EncodeHeartbeat(beat));
  const Observation seen = Look({});
  EXPECT_EQ(seen.collectors[0].life, Life::kAlive);
  EXPECT_EQ(seen.collectors[1].life, Life::kSilent);
  EXPECT_EQ(seen.collectors[2].life, Life::kStopped);
}

// Its clock is an hour ahead; what it says does not change.
TEST_F(ObserverTest, WhoIsWatchedIsSilentWhenItSaysNothingNewWhateverItsClockSays) {
  Heartbeat beat = NewBeat("collector", "collector-ahead", "dc1");
  beat.written = world_.clock.Wall() + std::chrono::hours(1);
  world_.Put("dc1", paths::StatusFile("collector-ahead"), EncodeHeartbeat(beat));
  EXPECT_EQ(Look({}).collectors[0].life, Life::kAlive);
  EXPECT_EQ(Look({}).collectors[0].life, Life::kSilent);
}

TEST_F(ObserverTest, WhoIsWatchedLivesWhileItSaysSomethingNewThoughItsClockIsBehind) {
  Heartbeat beat = NewBeat("collector", "collector-behind", "dc1");
  const auto look = [&] {
    beat.written += std::chrono::seconds(1);
    EXPECT_TRUE(world_.trees["dc1"]
                    ->Replace(paths::StatusFile("collector-behind"), EncodeHeartbeat(beat))
                    .ok());
    return Look({}).collectors[0].life;
  };
  beat.written = world_.clock.Wall() - std::chrono::hours(1);
  EXPECT_EQ(look(), Life::kSilent);
  EXPECT_EQ(look(), Life::kAlive);
}

TEST_F(ObserverTest, AHeartbeatOfAnotherVersionIsOfACollectorThatIsSilent) {
  world_.Put("dc1", paths::StatusFile("collector-new"), "{\"version\": 99}");
  world_.Put("dc2", paths::StatusFile("collector-far@dc3"), "damaged");
  world_.Put("dc2", paths::StatusFile("collector-c1@dc1"), "damaged");
  const Observation seen = Look({});
  ASSERT_EQ(seen.collectors.size(), 5U);
  EXPECT_EQ(seen.collectors[0].life, Life::kAlive) << "c1 is readable in its own tree";
  EXPECT_EQ(seen.collectors[1].Label(), "dc1/new");
  EXPECT_EQ(seen.collectors[1].life, Life::kSilent);
  EXPECT_THAT(seen.collectors[1].Silence(), HasSubstr("says what cannot be read"));
  EXPECT_EQ(seen.collectors[4].Label(), "dc3/far");
}

TEST_F(ObserverTest, AHeartbeatThatCannotBeReadHidesNoOther) {
  world_.Put("dc1", paths::StatusFile("collector-c0"), "damaged");
  const std::string too_long(kHeartbeatBytesMax + 1, ' ');
  ASSERT_TRUE(world_.trees["dc1"]->Replace(paths::StatusFile("worker-dc1"), too_long).ok());
  const Observation seen = Look({});
  EXPECT_EQ(seen.TreeOf("dc1").why_away, "");
  EXPECT_EQ(seen.collectors.at(0).Label(), "dc1/c0");
  EXPECT_EQ(seen.collectors.at(1).Label(), "dc1/c1");
  EXPECT_EQ(seen.collectors.at(1).life, Life::kAlive);
  EXPECT_EQ(seen.WorkerOf("dc1").life, Life::kSilent);
  EXPECT_THAT(seen.WorkerOf("dc1").WhyNone("dc1"),
              AllOf(HasSubstr("is alive; one says what cannot be read: "),
                    HasSubstr("system/status/worker-dc1.json: longer than")));
}

TEST_F(ObserverTest, AnAcknowledgementThatCannotBeReadIsNone) {
  Heartbeat beat = NewBeat("worker", "worker-dc1", "dc1");
  beat.written = world_.clock.Wall() + std::chrono::seconds(1);
  beat.facts["frozen"] = {{"clicks", "next week"}, {"orders", ""}};
  ASSERT_TRUE(
      world_.trees["dc1"]->Replace(paths::StatusFile("worker-dc1"), EncodeHeartbeat(beat)).ok());
  EXPECT_THAT(Look({}).WorkerOf("dc1").frozen, ElementsAre(Pair("orders", std::nullopt)));
}

TEST_F(ObserverTest, WhoLivesAndDoesNotHoldTheLeaseIsNamedBesideTheHolder) {
  Heartbeat standby = NewBeat("worker", "worker-dc1-standby-h2-9", "dc1");
  standby.state = "standby";
  standby.waiting_on = "the lease; its holder is not known yet";
  standby.written = world_.clock.Wall();
  const auto say = [&] {
    standby.written += Milliseconds(1);
    EXPECT_TRUE(world_.trees["dc1"]
                    ->Replace(paths::StatusFile(standby.process), EncodeHeartbeat(standby))
                    .ok());
  };
  const auto why_none = [&] { return Look({}).WorkerOf("dc1").WhyNone("dc1"); };
  const std::string waits =
      "no worker of dc1 holds its lease: worker-dc1-standby-h2-9 waits for the lease; its holder "
      "is not known yet";
  say();
  EXPECT_EQ(why_none(), waits);
  ASSERT_TRUE(world_.trees["dc1"]->Remove(paths::StatusFile("worker-dc1")).ok());
  say();
  EXPECT_EQ(why_none(), waits);
  EXPECT_EQ(why_none(), "no worker of dc1 is alive") << "it has said nothing for an hour";
}

// The groups of dc1 are spread (docs/decisions/0013).
class SharesTest : public ObserverTest {
 protected:
  void Say(const std::string& process, std::vector<int> groups, uint64_t epoch,
           std::map<std::string, std::string> frozen = {}, const std::string& state = "running",
           const std::string& digest = "") {
    Heartbeat beat = NewBeat("worker", process, "dc1");
    beat.written = world_.clock.Wall() + said_++ * Milliseconds(1);
    beat.state = state;
    beat.facts["topology_epoch"] = epoch;
    beat.facts["topology_digest"] = digest.empty() ? "of " + std::to_string(epoch) : digest;
    beat.facts["share"] = {{"groups", groups}, {"of", 4}};
    if (!frozen.empty()) beat.facts["frozen"] = frozen;
    beat.problems = problems_;
    ASSERT_TRUE(
        world_.trees["dc1"]->Replace(paths::StatusFile(process), EncodeHeartbeat(beat)).ok());
  }
  SeenWorker See() { return Look({}).WorkerOf("dc1"); }

  int said_ = 1;
  std::vector<Problem> problems_;
};

TEST_F(SharesTest, TogetherTheyAreTheWorkerOfTheCluster) {
  Say("worker-dc1", {0, 1}, 7, {{"clicks", "2031-05-06T10:00Z"}});
  Say("worker-dc1-share-h2-9", {2, 3}, 6, {{"orders", ""}});
  const SeenWorker all = See();
  EXPECT_EQ(all.life, Life::kAlive);
  EXPECT_EQ(all.epoch, 6u) << "what the slowest obeys";
  EXPECT_EQ(all.digest, "of 6");
  EXPECT_EQ(all.frozen.size(), 2u);
}

TEST_F(SharesTest, WhatKeepsAStreamIsSaidByWhoeverHoldsIt) {
  problems_ = {{"clicks: denied", {}, "mend it", {"clicks", "views"}}};
  Say("worker-dc1-share-h2-9", {2, 3}, 7);
  problems_ = {{"something", {}, "", {}}};
  Say("worker-dc1", {0, 1}, 7);
  const SeenWorker all = See();
  EXPECT_EQ(all.problems.size(), 2u);
  ASSERT_NE(all.WhyWaits("views"), nullptr);
  EXPECT_EQ(all.WhyWaits("views")->what, "clicks: denied");
  EXPECT_EQ(all.WhyWaits("orders"), nullptr);
}

TEST_F(SharesTest, WhoObeyDifferentEpochsOfOneNumberObeyNone) {
  Say("worker-dc1", {0, 1}, 7);
  Say("worker-dc1-share-h2-9", {2, 3}, 7, {}, "running", "of another 7");
  const SeenWorker all = See();
  EXPECT_EQ(all.epoch, 7u);
  EXPECT_EQ(all.digest, "");
}

TEST_F(SharesTest, AGroupThatNobodyHoldsIsNamedAndTheClusterHasNoWorkerUntilSomebodyDoes) {
  Say("worker-dc1", {0, 1}, 7);
  Say("worker-dc1-share-h2-9", {3}, 7);
  const SeenWorker all = See();
  EXPECT_EQ(all.life, Life::kSilent);
  EXPECT_EQ(all.WhyNone("dc1"), "no worker of dc1 that is alive has group 2");
  EXPECT_TRUE(all.OthersLive());
  Say("worker-dc1", {0, 1, 2}, 7);
  Say("worker-dc1-share-h2-9", {3}, 7);
  EXPECT_EQ(See().life, Life::kAlive);
}

// What it said of streams is true no more: whoever has its groups now may do anything with them.
TEST_F(SharesTest, WhatOneThatIsSilentSaysCountsForNothing) {
  Say("worker-dc1", {0, 1}, 7);
  Say("worker-dc1-share-h2-9", {2, 3}, 7, {{"clicks", "2031-05-06T10:00Z"}});
  EXPECT_THAT(See().frozen, SizeIs(1));
  Say("worker-dc1", {0, 1}, 7);
  const SeenWorker all = See();  // h2 has said nothing new
  EXPECT_EQ(all.life, Life::kSilent);
  EXPECT_THAT(all.frozen, IsEmpty());
  EXPECT_THAT(all.unheld, ElementsAre(2u, 3u));
  Say("worker-dc1", {0, 1, 2, 3}, 7);
  EXPECT_EQ(See().life, Life::kAlive) << "the heartbeat of the dead one still lies there";
}

TEST_F(SharesTest, TheClusterHasAWorkerWhileNobodyLeads) {
  Say("worker-dc1", {0, 1}, 7, {}, "stopped");
  Say("worker-dc1-share-h2-9", {0, 1, 2, 3}, 7);
  EXPECT_EQ(See().life, Life::kAlive);
}

TEST_F(ObserverTest, ACollectorThatNeverSaidAnythingIsForeign) {
  world_.Put("dc1", paths::DataFile("clicks", "scribe7", DataName("clicks")), "x");
  world_.Put("dc1", paths::DataFile("clicks", "c1", DataName("clicks")), "x");
  EXPECT_THAT(ForeignCollectors(Look(Flow()), "dc1"), ElementsAre("scribe7"));
}

TEST_F(ObserverTest, AMirrorIsComparedMinuteByMinute) {
  const ManifestFile one{1, 1, 0, {}};
  const ManifestFile other{1, 2, 0, {}};
  const Minute first = kTestMinute + (-3);
  Close("dc1", "", first, {{"a.gz", one}});
  Close("dc2", "dc1", first, {{"a.gz", one}});
  Close("dc1", "", first + 1, {{"b.gz", one}});
  Close("dc2", "dc1", first + 1, {{"b.gz", one}});
  Close("dc1", "", first + 2, {});
  Close("dc2", "dc1", first + 2, {});
  using Depth = Scope::Mirrored::Depth;
  SeenMirror mirror = Mirror(Depth::kAll);
  EXPECT_EQ(mirror.why_unknown, "");
  EXPECT_EQ(mirror.differs, std::nullopt) << mirror.difference;
  EXPECT_EQ(mirror.compared, 4U);
  EXPECT_EQ(mirror.newest, kTestMinute);
  EXPECT_EQ(Mirror(Depth::kNewest).compared, 1U);

  // One minute of another installation, in which the middle is not the same.
  Close("dc1", "", kTestMinute + 1, {{"c.gz", one}});
  Close("dc2", "dc1", kTestMinute + 1, {{"c.gz", other}});
  world_.MakeMinute("dc2", "clicks", kTestMinute + 2);
  world_.MakeMinute("dc1", "clicks", kTestMinute + 2);
  mirror = Mirror(Depth::kAll);
  EXPECT_EQ(mirror.differs, kTestMinute + 1);
  EXPECT_THAT(mirror.difference, HasSubstr("c.gz is not the same file"));
  EXPECT_EQ(Mirror(Depth::kNewest).differs, std::nullopt);
}

TEST_F(ObserverTest, OnlyTheRangeThatBothRetainIsCompared) {
  Close("dc1", "", kTestMinute + (-1), {});
  const SeenMirror mirror = Mirror(Scope::Mirrored::Depth::kAll);
  EXPECT_EQ(mirror.compared, 1U) << "the mirror has no minute before the one at hand";
  EXPECT_EQ(mirror.differs, std::nullopt);
}

// P1: its disk is unmounted after its id was read: nothing is absent from it.
TEST_F(ObserverTest, AClusterThatGoesAwayWhileItIsLookedAtDoesNotAnswer) {
  Close("dc1", "", kTestMinute, {});
  Close("dc2", "dc1", kTestMinute, {});
  plan_.Add({.verb = Verb::kList,
             .store_part = "dc2",
             .path_part = paths::Data(),
             .fault = Fault::Delayed(
                 [&] { ASSERT_TRUE(world_.trees["dc2"]->Remove(paths::ClusterId()).ok()); })});
  Scope scope = Flow();
  scope.mirrored = {{"clicks", "dc1", "dc2", Scope::Mirrored::Depth::kNewest}};
  const Observation seen = Look(scope);
  EXPECT_FALSE(seen.TreeOf("dc2").Answers());
  EXPECT_NE(seen.TreeOf("dc2").why_flow_unknown, "");
  EXPECT_FALSE(seen.mirrors.at({"clicks", "dc2"}).Known());
  EXPECT_TRUE(seen.TreeOf("dc1").Answers());
}

TEST_F(ObserverTest, AnEntryThatWasNotFoundOnceIsReadAgain) {
  const std::string line = paths::MinuteFile(View::kLocal, "clicks", kTestMinute, "a.gz");
  const std::string entry = paths::Consumers("dc1") + "/0.1.1";
  world_.Put("dc3", entry, line + "\n");
  plan_.Add({.verb = Verb::kOpen, .path_part = entry, .fault = Fault::Refused(Code::kNotFound)});
  EXPECT_TRUE(Look(Flow()).trees["dc3"].flow["clicks"].to_merge.empty());
  EXPECT_THAT(Look(Flow()).trees["dc3"].flow["clicks"].to_merge, ElementsAre(Pair("dc1", 1)));
}

// It may be equal by chance before it sets aside what it has too much (P32).
TEST_F(ObserverTest, AMirrorIsComparedWhenItSaysSoItself) {
  StoredTopology next = TestBase().Next("swap");
  next.topology.streams.front().cut = kTestMinute;
  ASSERT_EQ(next.topology.streams.front().name, "clicks");
  for (const auto& [cluster, tree] : world_.trees) {
    ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), TopologyEpoch::Of(next)).ok());
  }
  const auto why = [&] { return Mirror(Scope::Mirrored::Depth::kAll).why_not_compared; };
  EXPECT_THAT(why(), HasSubstr("is not compared yet with dc1"));
  Eras eras;
  const auto say = [&](const Era& era, uint64_t number) {
    eras.streams["clicks"] = era;
    const paths::QueueEntryName name{GroupOf("clicks", kGroupsDefault), 1, number};
    world_.Put("dc2", paths::Join(paths::Eras(), name.ToString()), eras.Encode());
  };
  say({"dc2", kTestMinute}, 2);
  EXPECT_THAT(why(), HasSubstr("is not compared yet with dc1"));
  say(EraOf(next.topology.streams.front()), 3);
  EXPECT_EQ(why(), "");
  plan_.Add({.verb = Verb::kList,
             .store_part = "dc2",
             .path_part = paths::Eras(),
             .fault = Fault::RequestLost()});
  EXPECT_NE(why(), "") << "could not tell is not yes";
}

// An unplanned failover is decided by it: the primary is away just then.
TEST_F(ObserverTest, TheNewestMinuteOfAMirrorIsKnownThoughThePrimaryIsAway) {
  Close("dc2", "dc1", kTestMinute, {});
  plan_.Add({.store_part = "dc1", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  const SeenMirror mirror = Mirror(Scope::Mirrored::Depth::kNewest);
  EXPECT_THAT(mirror.why_unknown, HasSubstr("dc1 does not answer"));
  EXPECT_EQ(mirror.newest, kTestMinute);
}

TEST_F(ObserverTest, AMirrorThatDoesNotAnswerIsUnknown) {
  plan_.Add({.store_part = "dc2", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  const SeenMirror mirror = Mirror(Scope::Mirrored::Depth::kNewest);
  EXPECT_THAT(mirror.why_unknown, HasSubstr("dc2 does not answer"));
  EXPECT_FALSE(Look({}).TreeOf("dc2").Answers());
}

}  // namespace
}  // namespace databus::failover
