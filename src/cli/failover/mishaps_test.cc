// What happens in the middle of a failover, as an operator sees it: clusters that die and come
// back, a network that is cut, what the last step waits for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "cli/failover/test_failover.h"

namespace databus {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

const Minute kNow = kFailoverNow;

TEST_F(FailoverCliTest, WhenTheTargetDiesInTheMiddleItIsAbortedWithoutIt) {
  ASSERT_EQ(RunUntilItIsStopped().code, 1);
  auto dc2 = std::move(world_.trees["dc2"]);
  world_.trees.erase("dc2");
  const Ran resumed = Run({"failover", "resume"});
  EXPECT_EQ(resumed.code, 1);
  EXPECT_THAT(resumed.err, HasSubstr("cluster dc2 does not answer"));
  // It may only be out of reach from here, and go on there.
  const Ran refused = Run({"failover", "abort", "--yes"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("'databus failover abort --without dc2'"));
  const Ran aborted = Run({"failover", "abort", "--without", "dc2", "--yes"});
  EXPECT_EQ(aborted.code, 0) << aborted.err;
  EXPECT_TRUE(At("dc1").stored.modes.empty());
  world_.trees["dc2"] = std::move(dc2);
  EXPECT_EQ(StatusJson()["journal"]["step"], "aborted") << "an old revision at dc2 counts no more";
  // As its worker does when it is back.
  ASSERT_TRUE(StoreEpoch(*world_.trees["dc2"], SystemRandom(), At("dc1")).ok());
  asleep.clear();
  world_.clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Over({"--yes"}).code, 0);
}

// A cut network, and an operator on each side who takes the other one for lost: both swap. What
// heals is a conflict, and whoever settles it, nothing stays open.
TEST_F(FailoverCliTest, OppositeDirectionsDuringAPartitionEndInAConflictThatIsChosen) {
  StoredTopology next = At("dc1").stored.Next("more");
  next.topology.streams.push_back(
      {.name = "orders",
       .sources = {{"dc2", std::chrono::hours(1)}},
       .destinations = {{"dc2", Role::kPrimary, std::chrono::hours(1)},
                        {"dc1", Role::kMirror, std::chrono::hours(1)}}});
  Store(next);
  for (const auto& [from, to] : {std::pair("dc1", "dc2"), std::pair("dc2", "dc1")}) {
    cut_off = {from};
    const Ran ran = Unplanned(from, to);
    ASSERT_EQ(ran.code, 0) << from << ran.out << ran.err;
  }
  const TopologyEpoch dc1 = At("dc1");
  const TopologyEpoch dc2 = At("dc2");
  EXPECT_EQ(dc1.stored.epoch, 3U);
  EXPECT_EQ(dc2.stored.epoch, 3U);
  for (const char* stream : {"clicks", "orders"}) {
    EXPECT_EQ(PrimaryAt(dc1, stream), "dc1") << "each side obeys its own";
    EXPECT_EQ(PrimaryAt(dc2, stream), "dc2");
  }

  cut_off.clear();
  const Ran status = Run({"status"});
  EXPECT_THAT(status.out, AllOf(HasSubstr("CONFLICT of epoch 3"),
                                HasSubstr("no merged minutes of: clicks, orders"),
                                HasSubstr("databus topology choose")));
  for (const auto& [from, to] : {std::pair("dc1", "dc2"), std::pair("dc2", "dc1")}) {
    const Ran refused = Plan(from, to);
    EXPECT_EQ(refused.code, 1) << from;
    EXPECT_THAT(refused.out, HasSubstr("databus topology choose"));
  }
  const Ran chosen = Run({"topology", "choose", "3/" + dc2.digest, "--yes"});
  ASSERT_EQ(chosen.code, 0) << chosen.out << chosen.err;
  EXPECT_EQ(At("dc1").digest, At("dc2").digest);
  for (const char* stream : {"clicks", "orders"}) {
    EXPECT_EQ(PrimaryAt(At("dc1"), stream), "dc2");
    EXPECT_NE(At("dc1").stored.topology.FindStream(stream)->settled, 0U)
        << "what the other side has is looked for";
  }
  EXPECT_THAT(Run({"status"}).out, Not(HasSubstr("CONFLICT")));
  const Ran back = Run({"failback", "run", "--to", "dc1", "--yes"});
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(PrimaryAt(At("dc2"), "clicks"), "dc1");
  EXPECT_EQ(PrimaryAt(At("dc2"), "orders"), "dc2") << "which the other run had moved";
}

class ReturnTest : public FailoverCliTest {
 protected:
  ReturnTest() {
    StoredTopology waits = At("dc1").stored.Next("waits when alone");
    waits.topology.streams[0].when_alone = WhenAlone::kWait;
    Store(waits);
    cut_off = {"dc1"};
  }
  // dc1 is there again when dc2 shows what `is_due` wants, and obeys some looks later.
  Ran RunWithReturn(const std::function<bool(const StreamSpec& clicks)>& is_due) {
    int looks = 0;
    before_look = [&, is_due] {
      if (looks == 0 && !is_due(*At("dc2").stored.topology.FindStream("clicks"))) return;
      cut_off.clear();
      Pass(seconds(3));
      if (++looks == 6) TakeOverEpoch("dc1", "dc2");
    };
    Ran ran = Unplanned("dc1", "dc2");
    before_look = {};
    EXPECT_GT(looks, 6) << "it did not come back in the middle";
    return ran;
  }
  // So that nobody has to wait for the fence; who speaks is not silent meanwhile.
  void Pass(seconds time) {
    world_.clock.Advance(time);
    const BootTime until = world_.clock.Boot() + time;
    while (world_.clock.Boot() < until) continue;
  }
  void ExpectItEndedWell(const Ran& ran) {
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("note: cluster dc1 answers: its worker obeys topology epoch"));
    EXPECT_THAT(ran.out, HasSubstr("dc1 is back: 'databus failover status' accounts for what loss "
                                   "statement"));
    EXPECT_EQ(At("dc1").digest, At("dc2").digest);
    EXPECT_EQ(Primary(), "dc2");
    EXPECT_THAT(Run({"failover", "status"}).out, HasSubstr("note: cluster dc1 answers"));
    EXPECT_EQ(Run({"failback", "run", "--to", "dc1", "--yes"}).code, 0);
  }
};

TEST_F(ReturnTest, AClusterThatComesBackAtTheFenceObeysAndTheOperatorIsTold) {
  const Ran ran = RunWithReturn(
      [](const StreamSpec& clicks) { return clicks.publication == Publication::kFrozen; });
  EXPECT_THAT(ran.err, HasSubstr("would put nothing at risk")) << "nothing is swapped yet";
  ExpectItEndedWell(ran);
}

TEST_F(ReturnTest, AClusterThatComesBackAtTheSwapIsWaitedForUntilItsCollectorsObey) {
  const Ran ran = RunWithReturn([](const StreamSpec& clicks) { return clicks.Primary() == "dc2"; });
  EXPECT_THAT(ran.err, AllOf(HasSubstr("collector dc1/c1 obeys topology epoch 2, not yet 4"),
                             Not(HasSubstr("would put nothing at risk"))));
  ExpectItEndedWell(ran);
}

// What an operator does who reads it: nothing was swapped, so all is put back, and planned anew.
TEST_F(ReturnTest, BeforeTheSwapItMayBeAbortedAndDoneAsAPlannedOne) {
  int looks = 0;
  before_look = [&] {
    const StoredTopology& stored = At("dc2").stored;
    if (stored.topology.FindStream("clicks")->publication != Publication::kFrozen) return;
    if (++looks == 4) tell_to_stop();
  };
  EXPECT_EQ(Unplanned("dc1", "dc2").code, 1);
  before_look = {};
  cut_off.clear();
  TakeOverEpoch("dc1", "dc2");
  const Ran status = Run({"failover", "status"});
  EXPECT_THAT(status.out,
              AllOf(HasSubstr("step 2 of 5, fence for"), HasSubstr("note: cluster dc1 answers"),
                    HasSubstr("'databus failover abort' undoes it")));
  EXPECT_EQ(StatusJson()["notes"].size(), 1U);
  const Ran aborted = Run({"failover", "abort", "--yes"});
  EXPECT_EQ(aborted.code, 0) << aborted.out << aborted.err;
  world_.clock.Advance(std::chrono::seconds(1));
  const Ran planned = Over({"--yes"});
  EXPECT_EQ(planned.code, 0) << planned.out << planned.err;
  EXPECT_THAT(planned.out, HasSubstr("Nothing is lost, nothing is doubled."));
}

TEST_F(FailoverCliTest, WhenTheTargetDiesAfterTheSwapItIsGivenUpAndAnotherBegins) {
  int looks = 0;
  before_look = [&] {
    if (PrimaryAt(At("dc1"), "clicks") != "dc2") return;
    cut_off = {"dc2"};
    if (++looks == 6) tell_to_stop();
  };
  const Ran died = Over({"--yes"});
  before_look = {};
  EXPECT_EQ(died.code, 1);
  EXPECT_THAT(died.err, AllOf(HasSubstr("cluster dc2 does not answer"), HasSubstr("Bring it back"),
                              HasSubstr("'databus failover abort --without dc2'")));
  const Ran status = Run({"failover", "status"});
  EXPECT_THAT(
      status.out,
      AllOf(HasSubstr("step 6 of 8, swap for"), HasSubstr("waits: cluster dc2 does not answer"),
            HasSubstr("next: 'databus failover resume' goes on; if dc2 is lost, 'databus "
                      "failover abort --without dc2' gives it up")));
  EXPECT_EQ(StatusJson()["next"].size(), 2U);
  EXPECT_EQ(StatusJson()["waits"].size(), 1U) << "nothing is told twice";
  const Ran given_up = Run({"failover", "abort", "--without", "dc2", "--yes"});
  EXPECT_EQ(given_up.code, 1) << "nothing is undone";
  EXPECT_THAT(given_up.out, HasSubstr("'databus failover plan --unplanned --from dc2 --to dc1'"));
  world_.clock.Advance(std::chrono::seconds(1));
  const Ran over = Unplanned("dc2", "dc1");
  EXPECT_EQ(over.code, 0) << over.out << over.err;
  EXPECT_EQ(PrimaryAt(At("dc1"), "clicks"), "dc1");
  // It is back, and its worker has got the newest epoch: the first roles return step by step.
  cut_off.clear();
  ASSERT_TRUE(StoreEpoch(*world_.trees["dc2"], SystemRandom(), At("dc1")).ok());
  for (const char* home : {"dc2", "dc1"}) {
    world_.clock.Advance(std::chrono::seconds(1));
    const Ran back = Run({"failback", "run", "--to", home, "--yes"});
    EXPECT_EQ(back.code, 0) << back.out << back.err;
    EXPECT_EQ(PrimaryAt(At("dc1"), "clicks"), home);
  }
  EXPECT_TRUE(At("dc1").stored.modes.empty());
}

TEST_F(FailoverCliTest, StatusSaysWhatTheComparisonAtTheEndWaitsFor) {
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kNow, "dc2", 7).ok());
  int looks = 0;
  before_look = [&] {
    if (Primary() == "dc2" && ++looks == 24) tell_to_stop();
  };
  const Ran stopped = Over({"--yes"});
  before_look = {};
  EXPECT_THAT(stopped.err, HasSubstr("stopped at step verify"));
  EXPECT_THAT(Run({"failover", "status"}).out,
              AllOf(HasSubstr("step 8 of 8, verify for"), HasSubstr("waits: "),
                    HasSubstr("is to be merged anew")));
  const Json json = StatusJson();
  EXPECT_EQ(json["step_number"], 8);
  EXPECT_EQ(json["steps"], 8);
  EXPECT_EQ(json["outstanding"], 1);
  ASSERT_TRUE(world_.Publish("dc2", View::kMerged, kNow, "dc2", 7).ok());
  ASSERT_TRUE(world_.Publish("dc1", View::kMerged, kNow, "dc2", 7).ok());
  EXPECT_EQ(StatusJson()["waits"], Json::array()) << "it has come";
  EXPECT_EQ(Run({"failover", "resume"}).code, 0);
}

}  // namespace
}  // namespace databus
