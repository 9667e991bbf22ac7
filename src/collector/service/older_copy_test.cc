// A spool that is restored from an older copy (P17): no name and no number is given twice, it is
// told, and what was not delivered before is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "collector/service/test_collector.h"
#include "collector/service/test_redirect.h"
#include "collector/spool/files.h"
#include "telemetry/facts.h"

namespace databus {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using namespace testing_collector;

// All that is below `dir`, which has no deeper directories than these.
std::unique_ptr<MemoryDisk> CopyOf(Disk& disk, const std::string& dir) {
  auto copy = std::make_unique<MemoryDisk>();
  for (const std::string& below : {dir, dir + "/damaged", dir + "/rejected"}) {
    EXPECT_TRUE(copy->MakeDirs(below).ok());
    const auto names = disk.List(below);
    EXPECT_TRUE(names.ok()) << names.status().ToString();
    for (const std::string& name : *names) {
      const std::string path = below + "/" + name;
      const auto content = ReadWholeFile(disk, path);
      if (!content.ok() || name == kDiskLockName) continue;  // a directory
      EXPECT_TRUE(WriteFileDurably(*copy, below, name, *content).ok()) << path;
    }
  }
  return copy;
}

// The collector of CollectorTest, on disks that can be put in its place.
class OlderCopyTest : public CollectorTest {
 protected:
  ~OlderCopyTest() override { collector_.reset(); }  // before its disk

  std::unique_ptr<MemoryDisk> Copy() {
    return CopyOf(spool_ != nullptr ? *spool_ : world_.disk, "/spool/c1");
  }
  void StartOn(std::unique_ptr<MemoryDisk> disk) {
    collector_.reset();
    disk_.reset();
    spool_ = std::move(disk);
    StartAgain();
  }
  void StartAgain() {
    collector_.reset();
    net_ = {};
    plan_ = std::make_unique<FaultPlan>();
    disk_ = std::make_unique<FaultDisk>(*spool_, *plan_);
    cluster_ = std::make_unique<FaultStorage>(world_.cluster, *plan_);
    auto opened =
        Collector::Open({world_.clock, *world_.random, *disk_, net_, cluster_.get(), OpenNone()},
                        Config(), {.host = "h1", .pid = 42, .on_shutdown = {}, .on_reload = {}});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    collector_ = *std::move(opened);
    ASSERT_TRUE(collector_->Start(Drive::kByHand).ok());
  }
  // As the program does; a heartbeat of the incarnation before is watched for a while.
  void OpenAgain() {
    ASSERT_TRUE(collector_->WantsReopening());
    StartAgain();
    Run(20);
    EXPECT_FALSE(collector_->WantsReopening());
  }
  std::string Problems() {
    std::string text;
    for (const Problem& problem : collector_->Describe().problems) text += problem.what + "\n";
    return text;
  }
  std::string Incarnation() {
    return collector_->Describe().facts[facts::kIncarnation].get<std::string>();
  }
  // A run of the collector that takes and delivers this.
  void Live(const std::string& message) {
    StartAgain();
    ASSERT_EQ(Log({{"clicks", message}}), "1:ok");
    Run(4);
    ASSERT_THAT(world_.Lines(), Contains(Pair("clicks/" + message, 1)));
  }
  // A run that takes and stages this, and cannot deliver it.
  void StageOnly(const std::string& message) {
    StartAgain();
    plan_->Add({.verb = Verb::kRename,
                .path_part = "data/clicks",
                .times = FaultRule::kAlways,
                .fault = Fault::RequestLost()});
    ASSERT_EQ(Log({{"clicks", message}}), "1:ok");
    Run(4);
    ASSERT_THAT(world_.Staged(), SizeIs(1));
  }
  void ExpectNamedOnce() {
    std::set<FileIdentity> identities;
    for (const auto& [path, bytes] : world_.DataFiles()) {
      const auto head = DecodeSealedHeader(bytes);
      ASSERT_TRUE(head.ok()) << path;
      EXPECT_TRUE(identities.insert(head->header.identity).second) << path;
    }
    for (const AnnouncedFile& file : world_.Announced()) {
      EXPECT_TRUE(identities.contains(file.identity)) << file.path;
    }
  }

  std::unique_ptr<MemoryDisk> spool_ = std::make_unique<MemoryDisk>();
};

TEST_F(OlderCopyTest, NothingIsNamedTwiceAndItIsTold) {
  Live("one");
  auto copy = Copy();
  Live("two");
  const std::string was = Incarnation();
  StartOn(std::move(copy));
  EXPECT_EQ(Log({{"clicks", "three"}}), "1:ok") << "whatever its spool is";
  Run(2);
  EXPECT_THAT(world_.Lines(), Not(Contains(Pair("clicks/three", 1))));
  OpenAgain();
  EXPECT_THAT(world_.Lines(), UnorderedElementsAre(Pair("clicks/one", 1), Pair("clicks/two", 1),
                                                   Pair("clicks/three", 1)));
  ExpectNamedOnce();
  EXPECT_NE(Incarnation(), was);
  EXPECT_THAT(Problems(), HasSubstr("the spool was an older copy of itself"));
  EXPECT_THAT(Problems(), HasSubstr(was));
  StartAgain();
  Run(4);
  EXPECT_THAT(Problems(), HasSubstr("the spool was an older copy of itself"));
  ASSERT_TRUE(spool_->Remove("/spool/c1/renewed").ok());
  Run(4);
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(OlderCopyTest, WhatIsAsItWasTellsNothing) {
  Live("one");
  Live("two");
  StartOn(Copy());
  Run(4);
  EXPECT_FALSE(collector_->WantsReopening());
  EXPECT_THAT(Problems(), IsEmpty());
}

// A spool that was lost, a new one, and then somebody finds a copy of the first.
TEST_F(OlderCopyTest, ItIsKnownAlsoAfterAnotherSpoolHasHadTheName) {
  Live("one");
  auto copy = Copy();
  Live("two");
  StartOn(std::make_unique<MemoryDisk>());
  ASSERT_EQ(Log({{"clicks", "three"}}), "1:ok");
  Run(20);
  StartAgain();
  Run(4);
  StartOn(std::move(copy));
  ASSERT_EQ(Log({{"clicks", "four"}}), "1:ok");
  Run(20);
  OpenAgain();
  EXPECT_THAT(world_.Lines(),
              UnorderedElementsAre(Pair("clicks/one", 1), Pair("clicks/two", 1),
                                   Pair("clicks/three", 1), Pair("clicks/four", 1)));
  ExpectNamedOnce();
}

TEST_F(OlderCopyTest, TheSameCopyASecondTime) {
  Live("one");
  auto copy = Copy();
  auto again = Copy();
  Live("two");
  StartOn(std::move(copy));
  ASSERT_EQ(Log({{"clicks", "three"}}), "1:ok");
  Run(2);
  OpenAgain();
  StartOn(std::move(again));
  ASSERT_EQ(Log({{"clicks", "four"}}), "1:ok");
  Run(20);
  OpenAgain();
  EXPECT_THAT(world_.Lines(), SizeIs(4));
  ExpectNamedOnce();
}

// The machine that the copy was made of is still at work.
TEST_F(OlderCopyTest, ACopyBesideItsOriginalIsRefused) {
  Live("one");
  auto copy = Copy();
  Live("two");
  const std::string path = paths::StatusFile("collector-c1");
  auto beat = *DecodeHeartbeat(*world_.cluster.ReadFile(path), path);
  StartOn(std::move(copy));
  Run(2);
  ASSERT_TRUE(collector_->WantsReopening());
  StartAgain();
  for (int i = 0; i < 4; ++i) {
    beat.written += Milliseconds(3'000);
    ASSERT_TRUE(world_.cluster.Replace(path, EncodeHeartbeat(beat)).ok());
    Run(2);
  }
  EXPECT_THAT(collector_->Refused().message(), HasSubstr("two collectors must not have one name"));
}

// It is on its way under the name that it was sealed with.
TEST_F(OlderCopyTest, WhatIsUnderAnIntentKeepsItsIdentity) {
  StageOnly("one");
  auto copy = Copy();
  Live("two");
  StartOn(std::move(copy));
  Run(2);
  ASSERT_TRUE(collector_->WantsReopening());
  OpenAgain();
  EXPECT_THAT(world_.Lines(), UnorderedElementsAre(Pair("clicks/one", 1), Pair("clicks/two", 1)));
  ExpectNamedOnce();
  EXPECT_EQ(collector_->Describe().facts[facts::kOpenIntents], 0);
}

// Both at its place and staged, as after a rename that a power cut has undone in part.
TEST_F(OlderCopyTest, WhatIsThereAlreadyUnderItsOldIdentityIsNotDeliveredBesideIt) {
  StageOnly("one");
  const std::string staged = paths::Join(paths::CollectorStaging("c1"), world_.Staged().at(0));
  const std::string bytes = *world_.cluster.ReadFile(staged);
  auto copy = Copy();
  Live("two");
  ASSERT_TRUE(world_.cluster.WriteFile(staged, bytes).ok());
  StartOn(std::move(copy));
  Run(2);
  OpenAgain();
  EXPECT_THAT(world_.Lines(), UnorderedElementsAre(Pair("clicks/one", 1), Pair("clicks/two", 1)));
  EXPECT_THAT(world_.Staged(), IsEmpty());
}

// What is renewed in part is found to be older once more.
TEST_F(OlderCopyTest, ADeathAtAnyCallOfTheRenewalChangesNothing) {
  for (uint64_t call = 1;; ++call) {
    SCOPED_TRACE(call);
    collector_.reset();  // before its disk
    spool_ = std::make_unique<MemoryDisk>();
    static_cast<void>(world_.cluster.Remove(paths::StatusFile("collector-c1")));
    const std::string first = "first" + std::to_string(call);
    Live(first);
    auto copy = Copy();
    Live("second" + std::to_string(call));
    StartOn(std::move(copy));
    uint64_t seen = 0;
    plan_->SetCallback([&](const Call& made) {
      const bool of_it = made.store == "disk" && made.path.find("renewed") != std::string::npos;
      const bool identity = made.store == "disk" && made.path.find("identity") != std::string::npos;
      return (of_it || identity) && ++seen == call ? Fault::CrashAfter() : Fault{};
    });
    bool crashed = false;
    try {
      Run(2);
    } catch (const Crash&) {
      crashed = true;
    }
    StartAgain();
    Run(20);
    if (collector_->WantsReopening()) OpenAgain();
    const std::string last = "third" + std::to_string(call);
    ASSERT_EQ(Log({{"clicks", last}}), "1:ok");
    Run(4);
    EXPECT_EQ(world_.Lines()["clicks/" + last], 1);
    EXPECT_THAT(Problems(), HasSubstr("the spool was an older copy of itself"));
    ExpectNamedOnce();
    if (!crashed || HasFailure()) break;
    ASSERT_LT(call, 50U);
  }
}

// It cannot be told from another's, and may have told of more.
TEST_F(OlderCopyTest, AHeartbeatThatCannotBeReadIsTakenForOneThatToldOfMore) {
  Live("one");
  auto copy = Copy();
  Live("two");
  ASSERT_TRUE(world_.cluster.Replace(paths::StatusFile("collector-c1"), "{\"x").ok());
  StartOn(std::move(copy));
  ASSERT_EQ(Log({{"clicks", "three"}}), "1:ok");
  Run(20);
  OpenAgain();
  EXPECT_THAT(Problems(), HasSubstr("what its collector had told before cannot be read"));
  EXPECT_THAT(world_.Lines(), SizeIs(3));
  ExpectNamedOnce();
  StartAgain();  // once is enough
  Run(4);
  EXPECT_FALSE(collector_->WantsReopening());
}

// A machine that is put back with its memory: its collector starts nothing, and goes on.
TEST_F(OlderCopyTest, WhoIsPutBackWhileItLivesFindsItInItsHeartbeat) {
  Live("one");
  const std::string path = paths::StatusFile("collector-c1");
  Heartbeat later = *DecodeHeartbeat(*world_.cluster.ReadFile(path), path);
  later.facts[facts::kSpools][Incarnation()] = 1000U;
  ASSERT_TRUE(world_.cluster.Replace(path, EncodeHeartbeat(later)).ok());
  Run(8);
  OpenAgain();
  EXPECT_THAT(Problems(), HasSubstr("of 1000 its collector had told before"));
}

// A copy at rest that is started beside the living original, before either knows.
TEST_F(OlderCopyTest, AnotherProcessOfTheSameIncarnationIsTold) {
  Live("one");
  const std::string path = paths::StatusFile("collector-c1");
  Heartbeat other = *DecodeHeartbeat(*world_.cluster.ReadFile(path), path);
  other.pid += 1;
  ASSERT_TRUE(world_.cluster.Replace(path, EncodeHeartbeat(other)).ok());
  std::string problems;
  for (int i = 0; i < 20 && problems.empty(); ++i) {
    Run(1);
    problems = Problems();
  }
  EXPECT_THAT(problems, HasSubstr("another collector named c1 is alive"));
}

// What it hands over before it reaches its cluster is numbered in the spool as well.
TEST(OlderCopyOfSenderTest, WhatItHandsOverBeforeDoesNotHideItsAge) {
  testing_redirect::Installation world;
  world.b.Start(world.b.ToCluster());
  const auto live = [&](const std::string& conf, const std::string& message) {
    world.a.Start(conf);
    ASSERT_EQ(world.a.Log({{"clicks", message}}), "ok");
    world.Run(20);
  };
  live(world.a.ToCluster(), "one");
  world.a.Kill();
  auto copy = CopyOf(*world.a.disk, "/spool/a");
  for (const std::string message : {"two", "three"}) live(world.a.ToCluster(), message);
  world.a.Kill();
  world.a.disk = std::move(copy);
  for (int i = 0; i < 4; ++i) live(world.a.ToReceiver("b"), "r" + std::to_string(i));
  world.a.Start(world.a.ToCluster());
  world.Run(20);
  EXPECT_TRUE(world.a.collector->WantsReopening());
  live(world.a.ToCluster(), "after");
  EXPECT_THAT(world.a.Problems(), HasSubstr("the spool was an older copy of itself"));
  EXPECT_THAT(world.Lines("dc1"), SizeIs(4));
}

// A receiver knows the numbers that were given after the copy was made.
TEST(OlderCopyOfSenderTest, WhatItHandsOverIsNotTakenForARepeat) {
  testing_redirect::Installation world;
  world.b.Start(world.b.ToCluster());
  world.a.Start(world.a.ToReceiver("b"));
  ASSERT_EQ(world.a.Log({{"clicks", "one"}}), "ok");
  world.Run(3);
  world.a.Kill();
  auto copy = CopyOf(*world.a.disk, "/spool/a");
  world.a.Start(world.a.ToReceiver("b"));
  ASSERT_EQ(world.a.Log({{"clicks", "two"}}), "ok");
  world.Run(3);
  world.a.Kill();
  world.a.disk = std::move(copy);
  world.a.Start(world.a.ToReceiver("b"));
  ASSERT_EQ(world.a.Log({{"clicks", "three"}}), "ok");
  world.Run(3);
  EXPECT_THAT(world.Lines("dc2"), UnorderedElementsAre(Pair("clicks/one", 1), Pair("clicks/two", 1),
                                                       Pair("clicks/three", 1)));
}

}  // namespace
}  // namespace databus
