#include "collector/steer/roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class RosterTest : public testing::Test {
 protected:
  RosterTest() { EXPECT_TRUE(InitializeTree(tree_, *SeededRandom(1), kGroupsDefault).ok()); }

  void Beat(const std::string& process, const std::string& host,
            const std::string& state = "running", nlohmann::ordered_json facts = {}) {
    Heartbeat beat;
    beat.process = process;
    beat.kind = "collector";
    beat.host = host;
    beat.state = state;
    beat.facts["port"] = 1463;
    for (const auto& [key, value] : facts.items()) beat.facts[key] = value;
    ASSERT_TRUE(tree_.Replace(paths::StatusFile(process), EncodeHeartbeat(beat)).ok());
  }
  std::vector<std::string> Alive(const std::string& cluster = "dc2") {
    EXPECT_TRUE(roster_.Look("dc2", tree_).ok());
    std::vector<std::string> names;
    for (const Endpoint& address : roster_.Alive(cluster)) names.push_back(address.ToString());
    return names;
  }
  void Pass(seconds time) { clock_.Advance(time); }

  ManualClock clock_{WallTime(std::chrono::hours(24 * 365 * 50))};
  MemoryStorage tree_{clock_};
  Roster roster_{clock_};
};

TEST_F(RosterTest, CollectorsThatRunAreReachedAtTheirAddress) {
  Beat("collector-c2", "h2");
  Beat("collector-c1", "h1", "running", {{"address", "[2001:db8::1]:99"}});
  Beat("collector-c3", "h3", "stopped");
  Beat("worker-dc2", "h4");
  EXPECT_THAT(Alive(), ElementsAre("[2001:db8::1]:99", "h2:1463"));
}

TEST_F(RosterTest, AHeartbeatThatStandsStillIsOfTheDeadAndOneThatMovesAgainIsNot) {
  Beat("collector-c1", "h1");
  Beat("collector-c2", "h2");
  Alive();
  for (int i = 0; i < 4; ++i) {
    Pass(seconds(5));
    Beat("collector-c2", "h2");
    Alive();
  }
  EXPECT_THAT(Alive(), ElementsAre("h2:1463"));
  Beat("collector-c1", "h1");
  EXPECT_THAT(Alive(), ElementsAre("h1:1463", "h2:1463"));
}

TEST_F(RosterTest, WhileATreeIsAwayWhatWasKnownStays) {
  Beat("collector-c1", "h1");
  Alive();
  FaultPlan plan;
  plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  FaultStorage away(tree_, plan);
  Pass(seconds(60));
  EXPECT_TRUE(roster_.Look("dc2", away).unknown());
  EXPECT_THAT(roster_.Alive("dc2"), ElementsAre(Endpoint{"h1", 1463}));
}

TEST_F(RosterTest, ACollectorOfAnotherClusterIsOnlyThatClusters) {
  Beat("collector-c1@dc1", "h1");
  EXPECT_THAT(Alive("dc2"), IsEmpty());
  EXPECT_THAT(Alive("dc1"), ElementsAre("h1:1463"));
}

TEST_F(RosterTest, WhatCannotBeReadIsPassedOver) {
  ASSERT_TRUE(tree_.Replace(paths::StatusFile("collector-c1"), "not a heartbeat").ok());
  Beat("collector-c2", "h2", "running", {{"address", "no port"}});
  Beat("collector-c3", "", "running");
  EXPECT_THAT(Alive(), IsEmpty());
  Beat("collector-c1", "h1");
  EXPECT_THAT(Alive(), ElementsAre("h1:1463"));
}

TEST_F(RosterTest, MarksAreKeptByIncarnation) {
  Beat("collector-c1", "h1", "stopped",
       {{"incarnation", "00000000000000aa"},
        {"marks", {{"0000000000000007", "12"}, {"none", "1"}, {"0000000000000008", "x"}}}});
  Alive();
  EXPECT_THAT(roster_.marks(),
              ElementsAre(testing::Pair("00000000000000aa", ElementsAre(testing::Pair(7, 12)))));
}

}  // namespace
}  // namespace databus
