#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/failover/verification.h"
#include "cli/test_world.h"
#include "cli/verify_judge.h"
#include "cli/verify_observe.h"
#include "cluster/stored_topology.h"
#include "commit/record.h"
#include "control/epoch_store.h"
#include "storage/fault/fault_storage.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

using testing::_;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

// Within the retention of 48 hours before the world's 2031-05-06T12:00Z.
const Minute kMinute = *Minute::ParseIso("2031-05-06T10:04Z");

// One file of each cluster, everywhere it should be; the views have a later minute.
class VerifyTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* source : {"dc1", "dc2"}) {
      Publish(source, View::kLocal, source, 1);
      for (const char* cluster : {"dc1", "dc2"}) Publish(cluster, View::kMerged, source, 1);
    }
    for (const char* cluster : {"dc1", "dc2"}) {
      for (const View view : {View::kLocal, View::kMerged}) {
        ASSERT_TRUE(
            world_.Put(cluster, paths::Join(paths::MinuteDir(view, "clicks", kMinute + 1), "_"), "")
                .ok());
      }
    }
  }
  void Publish(const std::string& cluster, View view, const std::string& source, uint64_t counter) {
    ASSERT_TRUE(world_.Publish(cluster, view, kMinute, source, counter).ok());
  }
  void Remove(const std::string& cluster, View view, const std::string& source) {
    ASSERT_TRUE(world_.trees[cluster]->Remove(TestWorld::PathIn(view, kMinute, source, 1)).ok());
  }
  Ran Verify(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"verify", "--topology", "databus.xml"};
    args.insert(args.end(), more.begin(), more.end());
    return world_.Run(args);
  }
  TestWorld world_;
};

TEST_F(VerifyTest, EqualViewsAreEqual) {
  const Ran ran = Verify({"--deep"});
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("Nothing is lost, nothing is doubled.\n"));
  EXPECT_THAT(Verify({"--json"}).out, HasSubstr("\"messages\": 4"));
}

// No view can show what was in no view yet.
TEST_F(VerifyTest, NothingIsSaidToBeLostOnlyWhereNoCollectorTellsOfLoss) {
  Heartbeat beat{.process = "collector-c1", .kind = "collector", .cluster = "dc1"};
  // Words alone are none: whoever tells of loss says how much.
  beat.problems = {
      {"producers are told TRY_LATER: gone from the spool's disk is all room", {}, ""}};
  const auto put = [&] {
    Storage& tree = *world_.trees["dc1"];
    ASSERT_TRUE(EnsureDirsBelow(tree, "", paths::StatusRoot()).ok());
    ASSERT_TRUE(tree.Replace(paths::StatusFile(beat.process), EncodeHeartbeat(beat)).ok());
  };
  put();
  EXPECT_THAT(Verify().out, HasSubstr("Nothing is lost, nothing is doubled.\n"));
  EXPECT_EQ(nlohmann::json::parse(Verify({"--json"}).out)["told_by_collectors"].size(), 0U);
  beat.problems.push_back({"gone from the spool: 00000007.seg", {}, ""});
  beat.problems.erase(beat.problems.begin());
  beat.facts["missing_segments"] = 1;
  put();
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << "the views are equal";
  EXPECT_THAT(ran.out, Not(HasSubstr("Nothing is lost")));
  EXPECT_THAT(ran.out, HasSubstr("tells of messages that may be: dc1/c1: gone from the spool: "
                                 "00000007.seg."));
  EXPECT_EQ(nlohmann::json::parse(Verify({"--json"}).out)["told_by_collectors"],
            nlohmann::json({"dc1/c1: gone from the spool: 00000007.seg"}));
  beat.problems.clear();  // in words that are not known here
  beat.facts["damaged_files"] = 2;
  put();
  EXPECT_THAT(Verify().out, HasSubstr("dc1/c1: gone from the spool: 1 (and 1 more"));
}

// What it would tell, nobody knows; the views are compared all the same.
TEST_F(VerifyTest, AHeartbeatOfACollectorThatCannotBeReadIsTold) {
  Storage& tree = *world_.trees["dc1"];
  ASSERT_TRUE(EnsureDirsBelow(tree, "", paths::StatusRoot()).ok());
  const std::string path = paths::StatusFile("collector-c1");
  ASSERT_TRUE(tree.Replace(path, "damaged").ok());
  ASSERT_TRUE(tree.Replace(paths::StatusFile("worker-dc1"), "damaged").ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << "the views are equal";
  EXPECT_THAT(ran.out, HasSubstr("In the views nothing is lost, nothing is doubled. What a "
                                 "collector tells could not be read: dc1: " +
                                 path + ": not a heartbeat."));
  EXPECT_EQ(nlohmann::json::parse(Verify({"--json"}).out)["collectors_unread"].size(), 1U);
}

TEST_F(VerifyTest, ALocalFileThatIsNowhereElseIsLost) {
  Publish("dc2", View::kLocal, "dc2", 2);
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("lost      1 file, 2 messages"));
  EXPECT_THAT(ran.out,
              HasSubstr("clicks dc1 streams: streams_local/clicks/2031/05/06/10/04/dc2-c1"));
}

// Of a primary whose clock is behind.
TEST_F(VerifyTest, WhatWasMergedIntoAnEarlierMinuteThanIsAskedForIsNotLost) {
  ASSERT_TRUE(world_.Publish("dc1", View::kLocal, kMinute + 1, "dc1", 7).ok());
  for (const char* cluster : {"dc1", "dc2"}) {
    const std::string from = TestWorld::PathIn(View::kMerged, kMinute + 1, "dc1", 7);
    ASSERT_TRUE(world_.Publish(cluster, View::kMerged, kMinute + 1, "dc1", 7).ok());
    const std::string to =
        paths::MinuteFile(View::kMerged, "clicks", kMinute, std::string(paths::BaseName(from)));
    ASSERT_TRUE(world_.trees[cluster]->Rename(from, to).ok());
  }
  const Ran ran = Verify({"--from", (kMinute + 1).ToIso()});
  EXPECT_EQ(ran.code, 0) << ran.out;
}

TEST_F(VerifyTest, ALocalFileThatIsQueuedIsPending) {
  Publish("dc2", View::kLocal, "dc2", 2);
  const std::string line =
      "file:///dc2/databus/" + TestWorld::PathIn(View::kLocal, kMinute, "dc2", 2) + "\n";
  ASSERT_TRUE(world_.Put("dc2", paths::Join(paths::Consumers("dc1"), "3.1.1"), line).ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("pending   1 file, 2 messages"));
  EXPECT_EQ(Verify({"--wait", "1ms"}).code, 4);
}

// Just after a change of the primary, until the local service has put the line into the right
// queue.
TEST_F(VerifyTest, ALocalFileInTheQueueOfAFormerPrimaryIsPending) {
  Publish("dc2", View::kLocal, "dc2", 2);
  const std::string line =
      "file:///dc2/databus/" + TestWorld::PathIn(View::kLocal, kMinute, "dc2", 2) + "\n";
  ASSERT_TRUE(world_.Put("dc2", paths::Join(paths::Consumers("dc2"), "3.1.1"), line).ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("in the queue of dc2 for dc2, to be put into that for dc1"));
}

TEST_F(VerifyTest, AFileInACommitThatIsNotFinishedIsPending) {
  Remove("dc1", View::kMerged, "dc2");
  Remove("dc2", View::kMerged, "dc2");
  Record record;
  record.number = 1;
  record.moves.push_back(
      {MoveKind::kFile, "f1", TestWorld::PathIn(View::kMerged, kMinute, "dc2", 1), 1, 1});
  const std::string staging =
      paths::FencedStaging(View::kMerged, GroupOf("clicks", kGroupsDefault), 4);
  ASSERT_TRUE(
      world_.Put("dc1", paths::Join(staging, staged::RecordName(1, 0)), record.Encode()).ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("in a commit of dc1 that is not finished"));
}

TEST_F(VerifyTest, AFileThatTheMirrorLacksInAClosedMinuteIsLost) {
  Remove("dc2", View::kMerged, "dc1");
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("on the primary dc1, and not at this path here"));
}

TEST_F(VerifyTest, AFileOfTheMirrorsNewestMinuteIsPending) {
  for (const uint64_t counter : {2u}) {
    ASSERT_TRUE(world_.Publish("dc1", View::kLocal, kMinute + 1, "dc1", counter).ok());
    ASSERT_TRUE(world_.Publish("dc1", View::kMerged, kMinute + 1, "dc1", counter).ok());
  }
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("the mirror has not closed this minute yet"));
}

TEST_F(VerifyTest, AnIdentityThatIsThereTwiceIsDoubledWhateverItsName) {
  for (const char* cluster : {"dc1", "dc2"}) {
    ASSERT_TRUE(world_
                    .Put(cluster,
                         paths::MinuteFile(View::kMerged, "clicks", kMinute + 1,
                                           "x-dc1-c1-clicks-2031-05-06-10-05_00009.gz"),
                         TestWorld::Sealed("dc1", 1, "one\ntwo\n"))
                    .ok());
  }
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("doubled   2 files, 4 messages"));
  EXPECT_THAT(ran.out, HasSubstr("the same file is also in"));
  EXPECT_THAT(ran.out, HasSubstr("lost      0 files"));
}

// A spool that was restored from an older copy gives identities out again.
TEST_F(VerifyTest, AnIdentityWithAnotherContentIsNotCalledTheSameFile) {
  const std::string path = paths::MinuteFile(View::kMerged, "clicks", kMinute + 1,
                                             "x-dc1-c1-clicks-2031-05-06-10-05_00009.gz");
  for (const char* cluster : {"dc1", "dc2"}) {
    ASSERT_TRUE(world_.Put(cluster, path, TestWorld::Sealed("dc1", 1, "one\nTWO\n")).ok());
  }
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, Not(HasSubstr("the same file is also in")));
  EXPECT_THAT(ran.out, HasSubstr("another file of the same identity"));
}

TEST_F(VerifyTest, AMergedFileThatItsSourceLacksIsLostThere) {
  Remove("dc2", View::kLocal, "dc2");
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("clicks dc2 local: streams/clicks"));
}

// A failover takes the source away, not what it has published.
TEST_F(VerifyTest, ALocalFileOfAClusterThatIsNoSourceAnyMoreIsLostToo) {
  std::string& text = world_.files["databus.xml"];
  const std::string source = "<source><name>dc2</name></source>";
  text.erase(text.find(source), source.size());
  EXPECT_EQ(Verify().code, 0) << Verify().out;
  Publish("dc2", View::kLocal, "dc2", 2);
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("lost      1 file, 2 messages"));
  EXPECT_THAT(ran.out, HasSubstr("in the local view of dc2, in no queue, and not merged"));
  world_.trees.erase("dc2");
  EXPECT_EQ(Verify().code, 4);
}

// It need not have published anything.
TEST_F(VerifyTest, AClusterThatNeverWasASourceIsNotMissed) {
  std::string& text = world_.files["databus.xml"];
  const std::string source = "<source><name>dc2</name></source>";
  text.erase(text.find(source), source.size());
  Remove("dc2", View::kLocal, "dc2");
  Remove("dc1", View::kMerged, "dc2");
  Remove("dc2", View::kMerged, "dc2");
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, testing::Not(HasSubstr("dc2      local")));
}

TEST_F(VerifyTest, WhatRetentionTookIsPurgedAndNoError) {
  const Minute old = kMinute + -3 * 24 * 60;
  ASSERT_TRUE(world_.Publish("dc1", View::kMerged, old, "dc1", 7).ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("purged    2 files"));  // of the local view, and of the mirror
}

TEST_F(VerifyTest, WhatWasMergedLateMayBeGoneFromItsLocalView) {
  const Minute old = kMinute + -3 * 24 * 60;
  const std::string name(paths::BaseName(TestWorld::PathIn(View::kMerged, old, "dc1", 7)));
  for (const char* cluster : {"dc1", "dc2"}) {
    ASSERT_TRUE(world_
                    .Put(cluster, paths::MinuteFile(View::kMerged, "clicks", kMinute, name),
                         TestWorld::Sealed("dc1", 7, "one\n"))
                    .ok());
  }
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("purged    1 file"));
}

TEST_F(VerifyTest, ATruncatedFileIsLostAndFlippedBytesNeedDeep) {
  const std::string path = TestWorld::PathIn(View::kMerged, kMinute, "dc1", 1);
  std::string bytes = TestWorld::Sealed("dc1", 1, "one\ntwo\n");
  bytes[bytes.size() - 10] ^= 1;
  Remove("dc2", View::kMerged, "dc1");
  ASSERT_TRUE(world_.Put("dc2", path, bytes).ok());
  EXPECT_EQ(Verify().code, 0);
  const Ran deep = Verify({"--deep"});
  EXPECT_EQ(deep.code, 1);
  EXPECT_THAT(deep.out, HasSubstr("damaged: its checksum is"));
  Remove("dc2", View::kMerged, "dc1");
  ASSERT_TRUE(world_.Put("dc2", path, bytes.substr(0, bytes.size() - 1)).ok());
  EXPECT_THAT(Verify().out, HasSubstr("damaged: its length is"));
}

TEST_F(VerifyTest, AClusterThatIsAwayCannotBeDecided) {
  world_.trees.erase("dc2");
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 4);
  EXPECT_THAT(ran.out, HasSubstr("unmounted?"));
  EXPECT_THAT(ran.out, HasSubstr("CANNOT BE DECIDED"));
}

TEST_F(VerifyTest, WhatCollectorsDeliveredAndNobodyPublishedIsPending) {
  ASSERT_TRUE(world_.Put("dc1", "data/clicks/c1/clicks-2031-05-06-11-00_00005.gz", "x").ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("delivered by collectors, not yet published"));
}

TEST_F(VerifyTest, WhatLiesInTheQuarantineOfALocalStreamIsPending) {
  const std::string file = "system/quarantine/local/clicks/1-c1-clicks-2031-05-06-11-00_00005.gz";
  ASSERT_TRUE(world_.Put("dc1", file, "x").ok());
  ASSERT_TRUE(world_.Put("dc1", file + ".reason", "damaged\n").ok());
  const Ran ran = Verify();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("set aside, and in no view"));
  EXPECT_THAT(ran.out, HasSubstr("pending   1 file"));
}

TEST_F(VerifyTest, AnUnknownStreamIsAUsageErrorAndAnEmptyRangeNothingToDo) {
  EXPECT_EQ(Verify({"--stream", "clocks"}).code, 2);
  EXPECT_EQ(Verify({"--from", "2031-05-06T11:30Z"}).code, 3);
  EXPECT_EQ(Verify({"--wait", "soon"}).code, 2);
}

// How often each file of a queue or of a commit is opened, for three streams.
class VerifyCallsTest : public VerifyTest {
 protected:
  void SetUp() override {
    VerifyTest::SetUp();
    for (const char* stream : {"orders", "views"}) {
      StreamSpec more = topology_.streams[0];
      more.name = stream;
      topology_.streams.push_back(more);
    }
    world_.files["databus.xml"] = FormatTopology(topology_);
    seams_.open_storage = [this](const std::string& url, const std::string&) {
      const std::string cluster = url.substr(url.rfind('d'));
      return Result<std::unique_ptr<Storage>>(
          std::make_unique<FaultStorage>(*world_.trees[cluster], plan_));
    };
    for (int i = 0; i < 5; ++i) {
      PutEntry(paths::Join(paths::Consumers("dc1"), fmt::format("3.1.{}", i)));
      PutEntry(paths::Join(paths::Mirrors("dc2"), fmt::format("3.1.{}", i)));
    }
    for (const View view : {View::kLocal, View::kMerged}) {
      for (const StreamSpec& stream : topology_.streams) {
        Record record;
        record.number = 1;
        const std::string staging =
            paths::FencedStaging(view, GroupOf(stream.name, kGroupsDefault), 4);
        const std::string path = paths::Join(staging, staged::RecordName(1, 0));
        ASSERT_TRUE(world_.Put("dc1", path, record.Encode()).ok());
      }
    }
  }
  void PutEntry(const std::string& path) {
    std::string text;
    for (const StreamSpec& stream : topology_.streams) {
      text += paths::MinuteFile(View::kMerged, stream.name, kMinute, "a.gz") + "\n";
    }
    ASSERT_TRUE(world_.Put("dc1", path, text).ok());
  }
  // By path, of those that contain `part`.
  std::map<std::string, int> Opened(const std::string& part) {
    std::map<std::string, int> opened;
    for (const Call& call : plan_.trace()) {
      if (call.verb != Verb::kOpen || call.path.find(part) == std::string::npos) continue;
      ++opened[fmt::format("{} {}", call.store, call.path)];
    }
    return opened;
  }

  Topology topology_ = *ParseTopology(kTestTopology, "databus.xml");
  FaultPlan plan_;
  Seams seams_ = world_.MakeSeams();
};

TEST_F(VerifyCallsTest, QueuesAndCommitsAreReadOnceALookHoweverManyStreamsThereAre) {
  std::istringstream in;
  std::ostringstream out;
  Io io{.in = in, .out = out, .err = out};
  EXPECT_EQ(RunProgram({"verify", "--topology", "databus.xml"}, io, seams_), 0) << out.str();
  EXPECT_THAT(Opened("system/consumers/dc1/"), AllOf(SizeIs(5), Each(Pair(_, 1))));
  EXPECT_THAT(Opened("system/mirrors/dc2/"), AllOf(SizeIs(5), Each(Pair(_, 1))));
  // Of both views: dc1 is the primary of all streams, and so a mirror of none.
  EXPECT_THAT(Opened("record-"), AllOf(SizeIs(6), Each(Pair(_, 1))));
}

// Producers go on: what was on its way at the first look arrives, and something else takes its
// place.
class VerifyLiveTest : public VerifyTest {
 protected:
  // A new file is delivered before each look; `arrives`: the one before is gone from data/ by then.
  enum class Arrives : uint8_t { kNo, kYes };
  Exit VerifyLive(Arrives arrives) {
    int looks = 0;
    FaultPlan plan;
    plan.SetCallback([&](const Call& call) {
      if (call.verb != Verb::kList || !call.store.ends_with("dc1") || call.path != "data/clicks") {
        return Fault();
      }
      const auto path = [](int number) {
        return fmt::format("data/clicks/c1/clicks-2031-05-06-11-00_{:05}.gz", number);
      };
      if (arrives == Arrives::kYes && looks > 0) {
        EXPECT_TRUE(world_.trees["dc1"]->Remove(path(looks)).ok());
      }
      EXPECT_TRUE(world_.Put("dc1", path(++looks), "x").ok());
      return Fault();
    });
    Seams seams = world_.MakeSeams();
    seams.open_storage = [this, &plan](const std::string& url, const std::string&) {
      const std::string cluster = url.substr(url.rfind('d'));
      return Result<std::unique_ptr<Storage>>(
          std::make_unique<FaultStorage>(*world_.trees[cluster], plan));
    };
    std::istringstream in;
    Io io{.in = in, .out = out_, .err = out_};
    return static_cast<Exit>(
        RunProgram({"verify", "--topology", "databus.xml", "--wait", "3s"}, io, seams));
  }
  std::ostringstream out_;
};

TEST_F(VerifyLiveTest, WhatWasOnItsWayAtTheBeginningIsWaitedForAndNothingElse) {
  EXPECT_EQ(VerifyLive(Arrives::kYes), Exit::kDone) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr("something is still on its way"));
}

TEST_F(VerifyLiveTest, WhatDoesNotArriveIsSaid) {
  EXPECT_EQ(VerifyLive(Arrives::kNo), Exit::kUndecided) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr("STILL ON ITS WAY"));
}

TEST_F(VerifyCallsTest, WhatAPublishedFileHoldsIsReadOnceForAllLooks) {
  VerifyObserver observer(topology_, seams_, Depth::kHeaders);
  const auto first = observer.Look(topology_.streams, kFirstMinute);
  EXPECT_THAT(Opened("2031/05/06/10/04"), AllOf(SizeIs(6), Each(Pair(_, 1))));
  EXPECT_THAT(observer.Look(topology_.streams, kFirstMinute)[0].views[0].files, SizeIs(1));
  EXPECT_THAT(Opened("2031/05/06/10/04"), AllOf(SizeIs(6), Each(Pair(_, 1))));
  // One that has got another content by the same name is another file.
  const std::string path = TestWorld::PathIn(View::kLocal, kMinute, "dc1", 1);
  ASSERT_TRUE(world_.trees["dc1"]->Remove(path).ok());
  EXPECT_THAT(observer.Look(topology_.streams, kFirstMinute)[0].views[0].files, IsEmpty());
  ASSERT_TRUE(world_.Put("dc1", path, "foreign").ok());
  const auto last = observer.Look(topology_.streams, kFirstMinute);
  ASSERT_THAT(last[0].views[0].files, SizeIs(1));
  EXPECT_THAT(last[0].views[0].files[0]->identity, HasSubstr(" 7"));
}

// The last step of a failover that makes dc1 the primary of all streams.
class LastStepTest : public VerifyCallsTest {
 protected:
  void SetUp() override {
    VerifyCallsTest::SetUp();
    StoredTopology stored;
    stored.topology = topology_;
    stored.epoch = 1;
    for (const auto& [cluster, tree] : world_.trees) {
      ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), TopologyEpoch::Of(stored)).ok());
    }
    desk_.Look();
    journal_.change.to = "dc1";
    journal_.change.from = "dc2";
    journal_.started = kMinute.Start();
    for (const StreamSpec& stream : topology_.streams) {
      failover::StreamChange change{stream, stream};
      change.before.destinations[0].role = Role::kMirror;
      change.before.destinations[1].role = Role::kPrimary;
      journal_.change.streams.push_back(change);
    }
  }

  TopologyDesk desk_{{.random = SystemRandom(),
                      .open =
                          [this](const ClusterSpec& cluster) {
                            return seams_.open_storage(cluster.url, cluster.root_dir);
                          },
                      .clusters = topology_.clusters}};
  failover::Journal journal_;
  FailoverVerification verification_{desk_, seams_};
};

TEST_F(LastStepTest, ReadsQueuesOnceToo) {
  const auto equal = verification_.Check(journal_);
  ASSERT_TRUE(equal.ok()) << equal.status().ToString();
  EXPECT_EQ(equal->report["equal"], true);
  EXPECT_THAT(Opened("system/mirrors/dc2/"), AllOf(SizeIs(5), Each(Pair(_, 1))));
  // Something is lost: it is looked at a second time, and what an entry names is known by then.
  Remove("dc2", View::kMerged, "dc1");
  EXPECT_EQ(verification_.Check(journal_)->report["equal"], false);
  EXPECT_THAT(Opened("system/mirrors/dc2/"), AllOf(SizeIs(5), Each(Pair(_, 1))));
}

// One answer that is lost is no reason to end without having looked.
TEST_F(LastStepTest, WaitsForAViewThatDidNotAnswerOnce) {
  for (const char* cluster : {"dc1", "dc2"}) {
    plan_.Add({.verb = Verb::kList,
               .store_part = cluster,
               .path_part = "streams/clicks",
               .times = 1,
               .fault = Fault::AnswerLost()});
    const auto first = verification_.Check(journal_);
    ASSERT_TRUE(first.ok());
    EXPECT_THAT(first->pending, ElementsAre(HasSubstr("cannot be read")));
    EXPECT_THAT(verification_.Check(journal_)->pending, IsEmpty());
  }
}

// What is on its way is known when all could be read, and waited for from then on.
TEST_F(LastStepTest, AwaitsWhatWasOnItsWayThoughTheFirstLookCouldNotTell) {
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kMinute, "dc2", 7).ok());
  const std::string queued = TestWorld::PathIn(View::kLocal, kMinute, "dc2", 7);
  ASSERT_TRUE(world_.Put("dc2", paths::Join(paths::Consumers("dc1"), "3.1.9"), queued + "\n").ok());
  plan_.Add({.verb = Verb::kList,
             .store_part = "dc1",
             .path_part = "streams/clicks",
             .fault = Fault::AnswerLost()});
  EXPECT_THAT(verification_.Check(journal_)->pending, ElementsAre(HasSubstr("cannot be read")));
  EXPECT_THAT(verification_.Check(journal_)->pending, ElementsAre(HasSubstr("is to be merged")));
}

// P1: its disk is unmounted after its id was read.
TEST_F(LastStepTest, NothingIsAbsentFromATreeThatIsNotItselfAnyMore) {
  plan_.Add({.verb = Verb::kList,
             .store_part = "dc2",
             .path_part = "streams/clicks",
             .fault = Fault::Delayed(
                 [&] { ASSERT_TRUE(world_.trees["dc2"]->Remove(paths::ClusterId()).ok()); })});
  EXPECT_THAT(verification_.Check(journal_)->pending,
              Contains(HasSubstr("streams of dc2: cannot be read")));
}

TEST_F(LastStepTest, AnErrorOfTheErasOrOfDataIsNoAnswer) {
  for (const std::string& part : {paths::Data(), paths::Data() + "/clicks"}) {
    ASSERT_TRUE(
        EnsureDirsBelow(*world_.trees["dc1"], "", paths::DataCollector("clicks", "c1")).ok());
    plan_.Clear();
    plan_.Add({.verb = Verb::kList,
               .store_part = "dc1",
               .path_part = part,
               .times = FaultRule::kAlways,
               .fault = Fault::RequestLost()});
    EXPECT_THAT(verification_.Check(journal_)->pending,
                Contains(HasSubstr("what waits there cannot be read")))
        << part;
  }
}

// Could not tell is not no: neither calls lost what a queue may name, or a mirror may set aside.
TEST_F(VerifyCallsTest, NothingIsLostThatAQueueMayNameWhichDoesNotAnswer) {
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kMinute, "dc2", 7).ok());
  ASSERT_TRUE(world_.Publish("dc1", View::kMerged, kMinute, "dc2", 7).ok());
  Remove("dc1", View::kMerged, "dc1");
  Remove("dc2", View::kMerged, "dc1");
  const auto verify = [&] {
    std::istringstream in;
    std::ostringstream out;
    Io io{.in = in, .out = out, .err = out};
    const int code = RunProgram({"verify", "--topology", "databus.xml"}, io, seams_);
    return std::pair(code, out.str());
  };
  EXPECT_EQ(verify().first, 1);
  for (const char* queue : {"system/consumers/dc1", "system/mirrors/dc2"}) {
    plan_.Add({.verb = Verb::kList,
               .path_part = queue,
               .times = FaultRule::kAlways,
               .fault = Fault::RequestLost()});
  }
  const auto [code, text] = verify();
  EXPECT_EQ(code, 4) << text;
  EXPECT_THAT(text,
              AllOf(HasSubstr("lost      0 files"), HasSubstr("what waits there cannot be read")));
}

TEST_F(LastStepTest, DoesNotWaitForOneThatTheOperatorGaveUpAndSaysSo) {
  journal_.without = {"dc2"};
  plan_.Add({.store_part = "dc2", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  const auto found = verification_.Check(journal_);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->pending, IsEmpty());
  EXPECT_GE(found->report["unknown"], 1);
  EXPECT_THAT(std::string(found->report["sentence"]), HasSubstr("Of what can be read"));
}

TEST(ConfirmTest, WhatIsSeenOnlyOnceIsPending) {
  const Finding lost{Verdict::kLost, "clicks", "dc1", View::kMerged, "a", 1, 1, "gone"};
  EXPECT_EQ(Confirm({lost}, {lost})[0].verdict, Verdict::kLost);
  EXPECT_EQ(Confirm({}, {lost})[0].verdict, Verdict::kPending);
  EXPECT_THAT(Confirm({lost}, {}), IsEmpty());
}

}  // namespace
}  // namespace databus
