// What is read of the heartbeats in a tree, whatever is among them.
#include "control/heartbeats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HeartbeatsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(InitializeTree(tree_, *random_, kGroupsDefault).ok());
    for (const char* process : {"collector-c1", "collector-c2", "failover-x", "worker-dc1"}) {
      Heartbeat beat;
      beat.process = process;
      Put(process, EncodeHeartbeat(beat));
    }
  }
  void Put(const std::string& process, const std::string& text) {
    ASSERT_TRUE(tree_.Replace(paths::StatusFile(process), text).ok());
  }
  static std::vector<std::string> Names(const auto& beats) {
    std::vector<std::string> names;
    for (const auto& one : beats) names.push_back(one.process);
    return names;
  }

  ManualClock clock_{WallTime(std::chrono::hours(24 * 365 * 60))};
  std::unique_ptr<Random> random_ = SeededRandom(1);
  MemoryStorage tree_{clock_};
  FaultPlan plan_;
  FaultStorage faulty_{tree_, plan_};
};

TEST_F(HeartbeatsTest, ThoseThatAreWantedAreReadByName) {
  TreeBeats all;
  ASSERT_TRUE(ReadHeartbeats(tree_, all).ok());
  EXPECT_THAT(Names(all.read),
              ElementsAre("collector-c1", "collector-c2", "failover-x", "worker-dc1"));
  EXPECT_THAT(all.unread, IsEmpty());
  EXPECT_EQ(all.read[0].beat.process, "collector-c1");
  EXPECT_EQ(all.read[0].modified, tree_.Stat(paths::StatusFile("collector-c1"))->modified);
  TreeBeats workers;
  const auto wanted = [](std::string_view process) { return process.starts_with("worker"); };
  ASSERT_TRUE(ReadHeartbeats(tree_, wanted, workers).ok());
  EXPECT_THAT(Names(workers.read), ElementsAre("worker-dc1"));
}

TEST_F(HeartbeatsTest, WhatCannotBeReadIsToldByItsPathAndHidesNothingElse) {
  Put("collector-c0", "no heartbeat");
  Put("collector-c3", "{\"version\": 99}");
  plan_.Add({.verb = Verb::kOpen, .path_part = "collector-c1", .fault = Fault::Denied()});
  plan_.Add({.verb = Verb::kOpen, .path_part = "collector-c2", .fault = Fault::RequestLost()});
  TreeBeats beats;
  ASSERT_TRUE(ReadHeartbeats(faulty_, beats).ok());
  EXPECT_THAT(Names(beats.read), ElementsAre("failover-x", "worker-dc1"));
  EXPECT_THAT(Names(beats.unread),
              ElementsAre("collector-c0", "collector-c1", "collector-c2", "collector-c3"));
  for (const UnreadBeat& unread : beats.unread) {
    EXPECT_THAT(unread.why.message(), HasSubstr(paths::StatusFile(unread.process)));
  }
}

TEST_F(HeartbeatsTest, WhatGoesMeanwhileOrIsNoHeartbeatByItsNameIsLeftOut) {
  ASSERT_TRUE(tree_.MakeDir("system/status/directory.json").ok());
  ASSERT_TRUE(tree_.Replace("system/status/notes", "x").ok());
  plan_.Add({.verb = Verb::kOpen,
             .path_part = "collector-c1",
             .fault = Fault::Delayed(
                 [&] { EXPECT_TRUE(tree_.Remove(paths::StatusFile("collector-c1")).ok()); })});
  TreeBeats beats;
  ASSERT_TRUE(ReadHeartbeats(faulty_, beats).ok());
  EXPECT_THAT(Names(beats.read), ElementsAre("collector-c2", "failover-x", "worker-dc1"));
  EXPECT_THAT(beats.unread, IsEmpty());
}

// Each may take long to give no answer.
TEST_F(HeartbeatsTest, ATreeThatDoesNotAnswerIsNotAskedForAllOfThem) {
  plan_.Add({.verb = Verb::kOpen, .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  TreeBeats beats;
  EXPECT_TRUE(ReadHeartbeats(faulty_, beats).unknown());
  EXPECT_THAT(Names(beats.unread), ElementsAre("collector-c1", "collector-c2"));
  plan_.Clear();
  plan_.Add({.verb = Verb::kList, .fault = Fault::Denied()});
  EXPECT_EQ(ReadHeartbeats(faulty_, beats).code(), Code::kRefused);
}

// It does answer: with a heartbeat, or that one may not be read.
TEST_F(HeartbeatsTest, ThoseWithoutAnAnswerCountInARowOnly) {
  for (const char* part : {"collector-c1", "collector-c2", "worker-dc1", "worker-dc3"}) {
    plan_.Add({.verb = Verb::kOpen, .path_part = part, .fault = Fault::RequestLost()});
  }
  plan_.Add({.verb = Verb::kOpen, .path_part = "worker-dc2", .fault = Fault::Denied()});
  for (const char* process : {"worker-dc2", "worker-dc3", "worker-dc4"}) {
    Heartbeat beat;
    beat.process = process;
    Put(process, EncodeHeartbeat(beat));
  }
  TreeBeats beats;
  ASSERT_TRUE(ReadHeartbeats(faulty_, beats).ok());
  EXPECT_THAT(Names(beats.read), ElementsAre("failover-x", "worker-dc4"));
  EXPECT_THAT(Names(beats.unread), ElementsAre("collector-c1", "collector-c2", "worker-dc1",
                                               "worker-dc2", "worker-dc3"));
}

}  // namespace
}  // namespace databus
