// `databus status` about the stored topology.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/test_world.h"
#include "control/adopt_file.h"
#include "control/epoch_store.h"
#include "failover/driver_beat.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class StatusTopologyTest : public testing::Test {
 protected:
  StatusTopologyTest() {
    first_ = JudgeFile(*ParseTopology(kTestTopology, "databus.xml"), nullptr, {})->epoch;
    Store("dc1", first_);
    Store("dc2", first_);
    Beat("dc1", "worker-dc1", first_);
    Beat("dc2", "worker-dc2", first_);
  }
  void Store(const std::string& cluster, const TopologyEpoch& epoch) {
    ASSERT_TRUE(StoreEpoch(*world_.trees.at(cluster), SystemRandom(), epoch).ok());
  }
  void Beat(const std::string& cluster, const std::string& process, const TopologyEpoch& obeyed,
            const nlohmann::ordered_json& facts = nlohmann::ordered_json::object()) {
    Heartbeat beat;
    beat.process = process;
    beat.kind = process.substr(0, process.find('-'));
    beat.written = world_.clock.Wall() - seconds(1);
    beat.interval = seconds(2);
    beat.state = "running";
    beat.facts = facts;
    beat.facts["topology_epoch"] = obeyed.stored.epoch;
    beat.facts["topology_digest"] = obeyed.digest;
    ASSERT_TRUE(
        world_.trees.at(cluster)->Replace(paths::StatusFile(process), EncodeHeartbeat(beat)).ok());
  }
  void SayAsDriver(const failover::Journal& journal, seconds ago) {
    Heartbeat beat;
    beat.process = paths::DriverProcess(journal.id);
    beat.kind = failover::kDriverKind;
    beat.host = "h1";
    beat.pid = 812;
    beat.written = world_.clock.Wall() - ago;
    beat.interval = seconds(5);
    ASSERT_TRUE(world_.trees.at("dc2")
                    ->Replace(paths::StatusFile(beat.process), EncodeHeartbeat(beat))
                    .ok());
  }
  Ran Status(const std::string& option = "") {
    std::vector<std::string> args = {"status", "--topology", "databus.xml"};
    if (!option.empty()) args.push_back(option);
    return world_.Run(args);
  }

  TestWorld world_;
  TopologyEpoch first_;
};

TEST_F(StatusTopologyTest, TheEpochIsShownWhoHasItAndWhoObeysAnOlderOne) {
  StoredTopology next = first_.stored.Next("topology mode, on h1");
  next.modes.push_back({"dc1", "clicks", DeliveryMode::kRedirect, "dc2"});
  const TopologyEpoch second = TopologyEpoch::Of(next);
  Store("dc2", second);
  Beat("dc2", "worker-dc2", second);
  const std::string text = Status().out;
  EXPECT_THAT(text, AllOf(HasSubstr("epoch 2, digest " + second.digest), HasSubstr("; on dc2\n"),
                          HasSubstr("dc1 is behind: epoch 1"),
                          HasSubstr("collectors of dc1: redirect to dc2: clicks")));
  EXPECT_THAT(text, ContainsRegex("worker-dc1.*1, behind"));
  EXPECT_THAT(text, Not(ContainsRegex("worker-dc2.*behind")));
  const auto json = nlohmann::json::parse(Status("--json").out);
  EXPECT_EQ(json["topology"]["epoch"], 2);
  EXPECT_EQ(json["topology"]["stored"]["dc1"], 1);
}

TEST_F(StatusTopologyTest, TheStoredTopologyRulesNotTheFile) {
  StoredTopology next = first_.stored.Next("topology apply, on h1");
  StreamSpec orders = next.topology.streams[0];
  orders.name = "orders";
  next.topology.streams.push_back(orders);
  Store("dc1", TopologyEpoch::Of(next));
  EXPECT_THAT(Status().out, HasSubstr("clicks, orders"));
}

TEST_F(StatusTopologyTest, AConflictIsAProblemThatNamesTheStreamsAndTheWayOut) {
  StoredTopology there = first_.stored.Next("there");
  there.topology.streams[0].destinations[0].role = Role::kMirror;
  there.topology.streams[0].destinations[1].role = Role::kPrimary;
  Store("dc1", TopologyEpoch::Of(first_.stored.Next("here")));
  Store("dc2", TopologyEpoch::Of(there));
  EXPECT_THAT(Status().out,
              AllOf(HasSubstr("CONFLICT of epoch 2"), HasSubstr("(here, digest"),
                    HasSubstr("(there, digest"), HasSubstr("no merged minutes of: clicks"),
                    HasSubstr("databus topology choose")));
  EXPECT_EQ(nlohmann::json::parse(Status("--json").out)["topology"]["conflict"], true);
}

TEST_F(StatusTopologyTest, AFailoverThatIsUnderWayIsShownAndFrozenStreamsAreAProblemWithoutOne) {
  StoredTopology frozen = first_.stored.Next("failover");
  frozen.topology.streams[0].publication = Publication::kFrozen;
  Store("dc1", TopologyEpoch::Of(frozen));
  failover::Journal journal;
  journal.id = "20310506T100405Z-planned-dc1-dc2";
  journal.revision = 1;
  journal.step = failover::Step::kFreeze;
  journal.driver = "h1:812";
  ASSERT_TRUE(
      world_.Put("dc2", paths::FailoverJournal({journal.id, journal.revision}), journal.Encode())
          .ok());
  EXPECT_THAT(Status().out, HasSubstr("its driver h1:812 has gone, or says nothing"));
  SayAsDriver(journal, seconds(6));
  const std::string under_way = Status().out;
  EXPECT_THAT(under_way,
              AllOf(HasSubstr("UNDER WAY: planned " + journal.id + ", at step freeze"),
                    HasSubstr("driven by h1:812"), HasSubstr("merged stream frozen: clicks"),
                    Not(HasSubstr("no failover is under way")), Not(HasSubstr("stands at step"))));
  EXPECT_EQ(nlohmann::json::parse(Status("--json").out)["topology"]["failover"]["step"], "freeze");
  world_.gone_pids.insert(812);
  EXPECT_THAT(Status().out, AllOf(HasSubstr("stands at step freeze: its driver h1:812 is gone"),
                                  HasSubstr("'databus failover resume' goes on with it")))
      << "on this host it can be looked up";
  world_.gone_pids.clear();
  SayAsDriver(journal, seconds(300));
  EXPECT_THAT(Status().out, HasSubstr("its driver h1:812 has said nothing for 5 min"));
  SayAsDriver(journal, seconds(1));
  journal.revision = 2;
  journal.step = failover::Step::kAborted;
  ASSERT_TRUE(
      world_.Put("dc1", paths::FailoverJournal({journal.id, journal.revision}), journal.Encode())
          .ok());
  EXPECT_THAT(Status().out,
              AllOf(HasSubstr("no failover is under way: clicks"), Not(HasSubstr("UNDER WAY"))));
}

}  // namespace
}  // namespace databus
