// The subcommands of `databus failover` and `databus failback`, over trees in memory, with puppets
// in the place of workers and collectors: exit codes, texts, JSON, prompts, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/failover/render.h"
#include "cli/failover/salvage_report.h"
#include "cli/failover/scratch_stream.h"
#include "cli/failover/test_failover.h"
#include "cli/failover/verification.h"
#include "failover/journal_store.h"
#include "failover/run.h"
#include "failover/steps.h"
#include "telemetry/facts.h"
#include "worker/salvage.h"

namespace databus {
namespace {

using failover::Step;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

const Minute kNow = kFailoverNow;

TEST_F(FailoverCliTest, ItGoesThroughAndComesBackAndEachCommandSaysSo) {
  testing::internal::CaptureStderr();
  const Ran over = Over({"--yes"});
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_EQ(over.code, 0) << over.out << over.err;
  EXPECT_THAT(log, Not(HasSubstr("journaled"))) << "the log does not speak into the phases";
  EXPECT_THAT(over.out,
              AllOf(HasSubstr("planned dc1 -> dc2, from topology epoch 1"), HasSubstr("dc1 -> dc2"),
                    HasSubstr("is done after"), HasSubstr("dc2 is the primary of clicks."),
                    HasSubstr("Nothing is lost, nothing is doubled.")));
  for (const char* step : {"spool", "freeze", "swap", "verify"}) {
    EXPECT_THAT(over.err, HasSubstr(step));
  }
  EXPECT_EQ(Primary(), "dc2");

  const Ran status = Run({"failover", "status"});
  EXPECT_EQ(status.code, 0);
  EXPECT_THAT(status.out, AllOf(HasSubstr("streams: clicks"), HasSubstr("driven by h1:1"),
                                HasSubstr("is done")));
  const Json json = StatusJson();
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["ended"], true);
  EXPECT_EQ(json["may_abort"], false);
  EXPECT_EQ(json["journal"]["step"], "done");
  EXPECT_EQ(json["journal"]["report"]["equal"], true);
  EXPECT_EQ(json["salvage"], Json::array());

  const Ran resumed = Run({"failover", "resume"});
  EXPECT_EQ(resumed.code, 3);
  EXPECT_THAT(resumed.err, HasSubstr("has ended: done"));
  const Ran aborted = Run({"failover", "abort", "--yes"});
  EXPECT_EQ(aborted.code, 3);
  EXPECT_THAT(aborted.err, HasSubstr("there is nothing to abort"));

  const Ran back = Run({"failback", "run", "--to", "dc1", "--yes", "--json"});
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(Json::parse(back.out)["journal"]["kind"], "failback");
  EXPECT_EQ(Primary(), "dc1");
  const std::string undone_by = Json::parse(back.out)["journal"]["id"];
  EXPECT_THAT(Run({"failover", "status"}).out,
              AllOf(HasSubstr("dc2 became the primary of clicks."), Not(HasSubstr("dc2 is the")),
                    HasSubstr("It is undone by " + undone_by), HasSubstr("\n  " + undone_by),
                    HasSubstr("Now dc1 is the primary of clicks.")));
  EXPECT_EQ(StatusJson()["undone_by"], undone_by);
  EXPECT_EQ(StatusJson()["primaries"]["clicks"], "dc1");
  EXPECT_EQ(Run({"failback", "run", "--to", "dc1", "--yes"}).code, 3) << "nothing is left to undo";
}

TEST_F(FailoverCliTest, NothingIsDoneBeforeTheAnswerIsYes) {
  for (const char* answer : {"n\n", "\n", "", "maybe\n"}) {
    const Ran ran = Over({}, answer);
    EXPECT_EQ(ran.code, 3) << answer;
    EXPECT_THAT(ran.err,
                AllOf(HasSubstr("Run this failover? [y/N]"), HasSubstr("nothing was changed")));
    const bool nobody = std::string_view(answer).empty();
    EXPECT_EQ(ran.err.find("nobody answers; --yes answers yes") != std::string::npos, nobody);
  }
  EXPECT_EQ(Over({"--dry-run"}).code, 0);
  EXPECT_EQ(At("dc1").stored.epoch, 1U);
  EXPECT_EQ(Run({"failover", "status"}).code, 3);
  EXPECT_EQ(Over({}, "y\n").code, 0);
  EXPECT_EQ(Primary(), "dc2");
}

TEST_F(FailoverCliTest, APlanIsRunAsItWasApprovedOrNotAtAll) {
  const Json plan = Json::parse(Plan("dc1", "dc2", {"--json"}).out);
  EXPECT_EQ(plan["version"], 1);
  EXPECT_EQ(plan["may_run"], true);
  EXPECT_EQ(plan["from"], "dc1");
  EXPECT_EQ(plan["base_epoch"], 1);
  EXPECT_EQ(plan["steps"][0]["step"], "spool");
  EXPECT_EQ(plan["steps"][0]["epoch"], 2);
  EXPECT_EQ(plan["refusals"], Json::array());
  EXPECT_FALSE(plan.contains("loss_id"));
  const std::string id = plan["plan_id"];
  StoreForeign();
  const Ran stale = Over({"--yes", "--plan", id});
  EXPECT_EQ(stale.code, 1);
  EXPECT_THAT(stale.err, AllOf(HasSubstr("plan " + id + " is stale"), HasSubstr("nothing was")));
  EXPECT_EQ(Run({"failover", "status"}).code, 3);
  const std::string now = Json::parse(Plan("dc1", "dc2", {"--json"}).out)["plan_id"];
  const std::string request = " --topology databus.xml --from dc1 --to dc2";
  EXPECT_THAT(stale.err, AllOf(HasSubstr("'databus failover plan" + request + "'"),
                               HasSubstr("'databus failover run" + request + " --plan " + now)));
  EXPECT_EQ(Over({"--yes", "--plan", now}).code, 0);
}

// The topology changes while the operator reads the plan: what was approved is not run.
TEST_F(FailoverCliTest, ATopologyThatChangedSinceItWasPlannedEndsItByItself) {
  int looks = 0;
  before_look = [&] {
    if (++looks == 2) StoreForeign();  // the desk has looked for the plan already
  };
  const Ran ran = Over({"--yes"});
  before_look = {};
  EXPECT_EQ(ran.code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("The topology has changed since it was planned"),
                             HasSubstr("an operator"), HasSubstr("Plan it again")));
  EXPECT_EQ(StatusJson()["journal"]["step"], "aborted");
  world_.clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Over({"--yes"}).code, 0) << "nothing is left open";
}

TEST_F(FailoverCliTest, WrongNamesAreUsageErrorsThatSayWhatThereIs) {
  struct {
    std::vector<std::string> args;
    const char* text;
  } const kWrongs[] = {
      {{"failover", "plan", "--from", "dc9", "--to", "dc2"},
       "no cluster 'dc9'; there are dc1, dc2"},
      {{"failover", "run", "--from", "dc1", "--to", "dc9", "--yes"}, "no cluster 'dc9'"},
      {{"failover", "plan", "--from", "dc1", "--to", "dc1"}, "name the same cluster: dc1"},
      {{"failover", "plan", "--from", "dc1", "--to", "dc2", "--without", "dc7/c1"}, "dc7"},
      {{"failback", "run", "--to", "dc9", "--yes"}, "no cluster 'dc9'"},
      {{"failover", "plan", "--from", "dc1", "--to", "dc2", "--redirect-to", "h"}, "HOST:PORT"},
      {{"failover", "plan", "--from", "dc1"}, "--to"},
  };
  for (const auto& wrong : kWrongs) {
    const Ran ran = Run(wrong.args);
    EXPECT_EQ(ran.code, 2) << wrong.text;
    EXPECT_THAT(ran.out + ran.err, HasSubstr(wrong.text));
  }
  EXPECT_EQ(At("dc1").stored.epoch, 1U);
}

TEST_F(FailoverCliTest, WhoIsThePrimaryOfNothingHasNothingToMove) {
  const Ran ran = Plan("dc2", "dc1");
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.out, HasSubstr("nothing to do: dc2 is the primary of no stream"));
  const Ran back = Run({"failback", "plan", "--to", "dc1"});
  EXPECT_EQ(back.code, 3);
  EXPECT_THAT(back.out, HasSubstr("failback to dc1, from topology epoch 1"));
}

// What is looked at is where the stored topology says.
TEST_F(FailoverCliTest, AFileThatHasAnotherTreeIsToldOf) {
  EXPECT_THAT(Plan("dc1", "dc2").out, Not(HasSubstr("the topology file has the tree")));
  StoredTopology next = At("dc1").stored.Next("moved");
  std::string& root = next.topology.clusters[1].root_dir;
  const std::string cluster = next.topology.clusters[1].name;
  root = "elsewhere";
  Store(next);
  const Ran ran = Plan("dc1", "dc2");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("warning: the topology file has the tree of " + cluster),
                             HasSubstr("/elsewhere, which holds: mend the file")));
}

TEST_F(FailoverCliTest, AClusterThatDoesNotAnswerIsNamedWithTheWayOut) {
  auto dc1 = std::move(world_.trees["dc1"]);
  world_.trees.erase("dc1");
  Ran ran = Plan("dc1", "dc2");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("refused: cluster dc1 does not answer"),
                             HasSubstr("'databus failover plan --unplanned --from dc1 --to dc2'")));
  world_.trees["dc1"] = std::move(dc1);
  auto dc2 = std::move(world_.trees["dc2"]);
  world_.trees.erase("dc2");
  ran = Plan("dc1", "dc2");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("cluster dc2 does not answer"));
  EXPECT_EQ(Over({"--yes"}).code, 1);
  world_.trees.erase("dc1");
  ran = Plan("dc1", "dc2");
  EXPECT_EQ(ran.code, 1) << "nobody answers";
  world_.trees["dc2"] = std::move(dc2);
}

TEST_F(FailoverCliTest, AMirrorOfNotEveryStreamIsToldWithTheCommandThatAddsIt) {
  StoredTopology next = At("dc1").stored.Next("more");
  next.topology.streams.push_back(
      {.name = "orders",
       .sources = {{"dc1", std::chrono::hours(1)}},
       .destinations = {{"dc1", Role::kPrimary, std::chrono::hours(1)}}});
  for (const auto& [cluster, tree] : world_.trees) {
    ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), TopologyEpoch::Of(next)).ok());
  }
  const Ran ran = Over({"--yes"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("refused: dc2 is no mirror of orders"),
                             HasSubstr("'databus topology mirror dc2 --of dc1'")));
  const Ran added = Run({"topology", "mirror", "dc2", "--of", "dc1", "--yes"});
  EXPECT_EQ(added.code, 0) << added.out << added.err;
  EXPECT_EQ(Over({"--yes"}).code, 0);
  EXPECT_EQ(PrimaryAt(At("dc2"), "orders"), "dc2");
}

TEST_F(FailoverCliTest, WhatWouldStopItHalfWayIsRefusedBefore) {
  free_bytes = 1000;
  EXPECT_THAT(Over({"--yes"}).out, AllOf(HasSubstr("1000 bytes free for its spool"),
                                         HasSubstr("make room on its disk")));
  free_bytes = 0;
  clock_ahead = std::chrono::minutes(5);
  EXPECT_THAT(Over({"--yes"}).out, AllOf(HasSubstr("apart"), HasSubstr("NTP")));
  clock_ahead = {};
  steering = 0;
  EXPECT_THAT(Over({"--yes"}).out, HasSubstr("cannot be taken through a failover"));
  steering = kSteeringVersion;
  EXPECT_EQ(At("dc1").stored.epoch, 1U);
  EXPECT_EQ(Run({"failover", "status"}).code, 3) << "nothing was begun";
}

TEST_F(FailoverCliTest, StoppedItCanBeSeenResumedAndAbortedByAnybody) {
  const Ran stopped = RunUntilItIsStopped();
  EXPECT_EQ(stopped.code, 1);
  EXPECT_THAT(stopped.err, AllOf(HasSubstr("stopped at step spool"), HasSubstr("can be resumed")));
  const Ran status = Run({"failover", "status"});
  EXPECT_EQ(status.code, 0);
  EXPECT_THAT(status.out,
              AllOf(HasSubstr("step 2 of 8, spool for"), HasSubstr("(planned: about "),
                    HasSubstr("in all about "), HasSubstr("waits: collector dc1/c1"),
                    HasSubstr("nobody drives it: "),
                    HasSubstr("'databus failover resume' goes on; 'databus failover abort'")));
  const Json json = StatusJson();
  EXPECT_EQ(json["ended"], false);
  EXPECT_EQ(json["may_abort"], true);
  EXPECT_EQ(json["waits"].size(), 1U);
  EXPECT_EQ(json["outstanding"], 1);

  const Ran second = Over({"--yes"});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.out, AllOf(HasSubstr("is open, at step spool"), HasSubstr("resume")));

  EXPECT_EQ(Run({"failover", "abort"}, "n\n").code, 3);
  EXPECT_EQ(StatusJson()["journal"]["step"], "spool");
  const Ran aborted = Run({"failover", "abort"}, "y\n");
  EXPECT_EQ(aborted.code, 0) << aborted.err;
  EXPECT_THAT(aborted.err, HasSubstr("Aborting makes collectors deliver as before, and dc1"));
  EXPECT_THAT(aborted.out, HasSubstr("modes and publication are as they were before"));
  EXPECT_TRUE(At("dc1").stored.modes.empty());
}

TEST_F(FailoverCliTest, WhoIsStillAskedIsNotLeftOutAndTheWayThatIsToldIsWhole) {
  ASSERT_EQ(RunUntilItIsStopped().code, 1);
  const Ran refused = Run({"failover", "resume", "--without", "dc1"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("'databus failover plan --unplanned --from dc1 --to dc2'"));
}

TEST_F(FailoverCliTest, ResumedWithoutASilentCollectorItGoesThrough) {
  ASSERT_EQ(RunUntilItIsStopped().code, 1);
  const Ran resumed = Run({"failover", "resume", "--without", "dc1/c1"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(Primary(), "dc2");
  EXPECT_THAT(Run({"failover", "status"}).out, HasSubstr("goes on without dc1/c1"));
}

TEST_F(FailoverCliTest, AnEpochOfSomebodyElseStopsItAndTheAbortSaysWhatIsLeft) {
  ASSERT_EQ(RunUntilItIsStopped().code, 1);
  StoreForeign();
  const Ran resumed = Run({"failover", "resume"});
  EXPECT_EQ(resumed.code, 1);
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("stored meanwhile by an operator"),
                                 HasSubstr("then abort, which keeps it")));
  const uint64_t epoch = At("dc1").stored.epoch;
  const Ran aborted = Run({"failover", "abort", "--yes"});
  EXPECT_EQ(aborted.code, 1);
  EXPECT_THAT(aborted.out,
              AllOf(HasSubstr("Nothing is undone"), HasSubstr("databus topology show"),
                    HasSubstr("collectors of dc1, dc2 spool"), HasSubstr("topology mode")));
  EXPECT_EQ(At("dc1").stored.epoch, epoch) << "nothing was stored";
  EXPECT_EQ(StatusJson()["ended"], true);
}

TEST_F(FailoverCliTest, ALossIsAcceptedByItsIdAloneAndAccountedForLater) {
  auto dc1 = std::move(world_.trees["dc1"]);
  world_.trees.erase("dc1");
  const Ran planned = Plan("dc1", "dc2", {"--unplanned"});
  EXPECT_EQ(planned.code, 0) << planned.out;
  EXPECT_THAT(planned.out,
              AllOf(HasSubstr("At risk until the cluster returns"), HasSubstr("loss statement")));
  const Json plan = Json::parse(Plan("dc1", "dc2", {"--unplanned", "--json"}).out);
  const std::string id = plan["loss_id"];
  const Ran refused = Over({"--unplanned", "--yes"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--accept-loss " + id));
  EXPECT_THAT(Over({"--unplanned", "--yes", "--accept-loss", "0"}).err,
              HasSubstr("the loss statement is another one by now"));
  EXPECT_EQ(At("dc2").stored.epoch, 1U);
  const Ran over = Over({"--unplanned", "--yes", "--accept-loss", id});
  ASSERT_EQ(over.code, 0) << over.out << over.err;
  EXPECT_EQ(Primary(), "dc2");
  EXPECT_THAT(over.out, AllOf(Not(HasSubstr("Nothing is lost")), HasSubstr("Of what can be read"),
                              HasSubstr("loss statement " + id)));
  const Ran away = Run({"failover", "status"});
  EXPECT_THAT(away.out, AllOf(HasSubstr("of the loss statement:"), HasSubstr("unknown"),
                              HasSubstr("cluster dc1 does not answer")));
  uncompared = {"dc1"};
  world_.trees["dc1"] = std::move(dc1);
  EXPECT_TRUE(StoreEpoch(*world_.trees["dc1"], SystemRandom(), At("dc2")).ok());
  const Json back = StatusJson();
  EXPECT_EQ(back["salvage_sum"]["unknown"], 1) << "its minutes are not compared yet";
  Compared("dc1");
  const Json status = StatusJson();
  EXPECT_EQ(status["salvage"].size(), 3U);
  for (const Json& line : status["salvage"]) {
    EXPECT_EQ(line["state"], "recovered") << line;
    EXPECT_TRUE(line.contains("recovered_files") && line.contains("missing_files")) << line;
    if (line["what"] == "spool") {
      EXPECT_NE(line["why"], "") << "there is no file to be counted";
    }
  }
  const Json& sum = status["salvage_sum"];
  EXPECT_EQ(sum["lines"], plan["loss"]["lines"].size());
  EXPECT_EQ(sum["recovered"], sum["lines"]);
  EXPECT_EQ(sum["unnamed_files"], 0);

  // What comes to dc1 after it has its business back is ordinary traffic.
  world_.clock.Advance(std::chrono::minutes(1));
  Obey();
  const Ran back_again = Run({"failback", "run", "--to", "dc1", "--yes"});
  ASSERT_EQ(back_again.code, 0) << back_again.out << back_again.err;
  const auto local = [&] {
    const Json now = StatusJson();
    for (const Json& line : now["salvage"]) {
      if (line["what"] == "local") return line;
    }
    return Json();
  };
  ASSERT_TRUE(world_.Publish("dc1", View::kLocal, kNow + 1, "dc1", 8).ok());
  EXPECT_EQ(local()["missing_files"], 0) << local();
  ASSERT_TRUE(world_.Publish("dc1", View::kLocal, kNow + (-1), "dc1", 9).ok());
  EXPECT_EQ(local()["state"], "on its way") << "dc1 has still to look for it";
  EXPECT_EQ(local()["files_on_their_way"], 1);
  EXPECT_THAT(std::string(local()["why"]), HasSubstr("not merged at dc1 yet"));
  LookedThrough("dc1", "dc1", kNow + 1, 1);
  EXPECT_EQ(local()["state"], "missing");
  EXPECT_EQ(local()["missing_files"], 1);
}

// What a purge has moved into the trash is counted there; when that is gone, too, it is said.
TEST_F(FailoverCliTest, WhatWasSetAsideIsAccountedForAfterItWasPurged) {
  auto dc1 = std::move(world_.trees["dc1"]);
  world_.trees.erase("dc1");
  const std::string id = Json::parse(Plan("dc1", "dc2", {"--unplanned", "--json"}).out)["loss_id"];
  ASSERT_EQ(Over({"--unplanned", "--yes", "--accept-loss", id}).code, 0);
  world_.trees["dc1"] = std::move(dc1);
  ASSERT_TRUE(StoreEpoch(*world_.trees["dc1"], SystemRandom(), At("dc2")).ok());
  Compared("dc1");
  const auto minutes = [&] {
    const Json status = StatusJson();
    for (const Json& line : status["salvage"]) {
      if (line["what"] == "minutes") return line;
    }
    return Json();
  };
  EXPECT_THAT(std::string(minutes()["why"]), HasSubstr("nothing is set aside"));
  const std::string era = (kNow + (-1)).ToDashed();
  const std::string file = paths::Join(paths::DivergentMinute(era, "clicks", kNow), "a.gz");
  ASSERT_TRUE(world_.Put("dc1", file, "x").ok());
  EXPECT_EQ(minutes()["state"], "missing");
  EXPECT_EQ(minutes()["unnamed_files"], 0);
  const std::string named_as_mirrored =
      paths::Join(paths::DivergentMinute(era, "clicks", kNow + (-2)), "b.gz");
  ASSERT_TRUE(world_.Put("dc1", named_as_mirrored, "x").ok());
  EXPECT_EQ(minutes()["unnamed_files"], 1);
  for (const std::string& path : {file, named_as_mirrored}) {
    ASSERT_TRUE(world_.trees["dc1"]->Remove(path).ok());
  }
  const std::string in_trash =
      paths::Join(paths::TrashHour(world_.clock.Wall()), file.substr(file.find('/') + 1));
  ASSERT_TRUE(world_.Put("dc1", in_trash, "x").ok());
  EXPECT_EQ(minutes()["state"], "recovered");
  EXPECT_EQ(minutes()["recovered_files"], 1);
}

TEST_F(FailoverCliTest, WhatIsAwayIsNeverTakenForNone) {
  world_.trees.erase("dc1");
  const Ran ran = Run({"failover", "status"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("nobody can tell whether there was a failover"),
                             HasSubstr("dc1 does not answer")));
}

TEST_F(FailoverCliTest, TheOpenOneIsMeantWhateverItIsCalled) {
  ASSERT_EQ(RunUntilItIsStopped().code, 1);
  asleep.clear();
  EXPECT_THAT(Run({"failback", "status"}).out, HasSubstr("planned"));
  const Ran aborted = Run({"failback", "abort", "--yes"});
  EXPECT_EQ(aborted.code, 0) << aborted.err;
  const Ran status = Run({"failover", "status", "--json"});
  EXPECT_THAT(status.out, AllOf(HasSubstr("spool: aborted"), Not(HasSubstr("spool: over"))));
}

TEST_F(FailoverCliTest, ALossIsAcceptedOfAnUnplannedOneOnly) {
  const Ran ran = Over({"--yes", "--accept-loss", "0"});
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_EQ(At("dc1").stored.epoch, 1U);
}

TEST_F(FailoverCliTest, AnUnreadableJournalIsNeverTakenForNone) {
  ASSERT_TRUE(world_.Put("dc2", "system/failover/x.1.json", "damaged").ok());
  for (const Ran& ran : {Over({"--yes"}), Run({"failover", "status"}), Run({"failover", "resume"}),
                         Run({"failover", "abort", "--yes"})}) {
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.err, AllOf(HasSubstr("nobody can tell whether a failover is open"),
                               HasSubstr("x.1.json")));
  }
}

TEST_F(FailoverCliTest, WithoutAJournalThereIsNothingToDo) {
  for (const char* way : {"failover", "failback"}) {
    for (const char* command : {"status", "resume", "abort"}) {
      const Ran ran = Run({way, command});
      EXPECT_EQ(ran.code, 3) << way << " " << command;
      EXPECT_THAT(ran.err, HasSubstr(fmt::format("there was no {} yet", way)));
    }
    EXPECT_THAT(Run({way, "status", "x"}).err, HasSubstr("there is no journal 'x'"));
  }
}

// A rehearsal that was killed: whoever ends its failover removes its stream, too.
TEST_F(FailoverCliTest, WhatAKilledRehearsalLeftGoesWithItsFailover) {
  for (const char* end : {"abort", "resume"}) {
    StoredTopology next = At("dc1").stored.Next("rehearsal: stream added");
    AddScratchStream(next, "dc1", "dc2");
    const TopologyEpoch added = TopologyEpoch::Of(next);
    for (const auto& [cluster, tree] : world_.trees) {
      ASSERT_TRUE(StoreEpoch(*tree, SystemRandom(), added).ok());
    }
    failover::Journal journal;
    journal.change = failover::TakeAwayOnly(next, kScratchStream, "dc1", "dc2");
    journal.started = world_.clock.Wall() + std::chrono::seconds(end[0]);
    journal.id = JournalId(journal.started, journal.kind, journal.change);
    journal.step = Step::kBegin;
    journal.revision = 1;
    journal.token = "killed";
    journal.base_epoch = next.epoch;
    journal.base_digest = added.digest;
    EXPECT_TRUE(IsRehearsal(journal));
    for (const char* cluster : {"dc1", "dc2"}) {
      ASSERT_TRUE(
          world_.Put(cluster, paths::FailoverJournal({journal.id, 1}), journal.Encode()).ok());
    }
    const Ran refused = Run({"rehearse", "--from", "dc1", "--to", "dc2", "--yes"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasSubstr("'databus failover resume' or 'abort' ends it first"));
    std::vector<std::string> args = {"failover", end};
    if (end[0] == 'a') args.emplace_back("--yes");
    const Ran ended = Run(args);
    EXPECT_EQ(ended.code, 0) << end << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("the scratch stream of the rehearsal is removed by topology"));
    const Ran status = Run({"failover", "status"});
    EXPECT_EQ(status.code, 3) << "a rehearsal is shown to who names it";
    EXPECT_THAT(status.err, AllOf(HasSubstr("there was no failover yet"), HasSubstr(journal.id),
                                  HasSubstr(", a rehearsal")));
    EXPECT_EQ(Run({"failover", "status", journal.id}).code, 0);
    const StoredTopology& left = At("dc2").stored;
    EXPECT_EQ(left.topology.FindStream(kScratchStream), nullptr) << end;
    EXPECT_TRUE(left.modes.empty()) << end;
    EXPECT_NE(left.topology.FindStream("clicks"), nullptr);
  }
}

// An epoch that removed it while its failover is open would be one of somebody else.
TEST_F(FailoverCliTest, ARehearsalThatIsStoppedLeavesItsStreamToWhoEndsIt) {
  int looks = 0;
  uint64_t files = 0;
  before_look = [&] {
    const StoredTopology stored = At("dc1").stored;
    if (stored.topology.FindStream(kScratchStream) == nullptr) return;
    asleep = {"dc1/c1"};  // it obeys so far, and no further
    if (!stored.modes.empty()) {
      if (++looks == 5) tell_to_stop();
      return;
    }
    std::string path = world_.PathIn(View::kMerged, kNow, "dc1", ++files);
    for (size_t at = 0; (at = path.find("clicks", at)) != std::string::npos;) {
      path.replace(at, 6, kScratchStream);
      at += std::string_view(kScratchStream).size();
    }
    ASSERT_TRUE(world_.Put("dc1", path, world_.Sealed("dc1", files, "one\n")).ok());
  };
  const Ran stopped =
      Run({"rehearse", "--from", "dc1", "--to", "dc2", "--yes", "--report", "/tmp"});
  before_look = {};
  EXPECT_EQ(stopped.code, 1);
  EXPECT_THAT(stopped.err, AllOf(HasSubstr("stopped at step spool"),
                                 HasSubstr("the scratch stream stays until 'databus failover "
                                           "resume' or 'databus failover abort' has ended")));
  EXPECT_NE(At("dc1").stored.topology.FindStream(kScratchStream), nullptr);
  asleep.clear();
  const Ran aborted = Run({"failover", "abort", "--yes"});
  EXPECT_EQ(aborted.code, 0) << aborted.out << aborted.err;
  EXPECT_THAT(aborted.err, HasSubstr("the scratch stream of the rehearsal is removed"));
  EXPECT_EQ(At("dc1").stored.topology.FindStream(kScratchStream), nullptr);
}

TEST_F(FailoverCliTest, TheNextRehearsalBeginsWithNothingOfTheLast) {
  StoredTopology next = At("dc1").stored.Next("x");
  AddScratchStream(next, "dc2", "dc1");
  next.modes.push_back({"dc2", kScratchStream, DeliveryMode::kRedirect, "dc1"});
  AddScratchStream(next, "dc1", "dc2");
  EXPECT_TRUE(next.modes.empty());
  EXPECT_EQ(next.topology.FindStream(kScratchStream)->Primary(), "dc1");
  EXPECT_EQ(next.topology.streams.size(), 2U);
}

class VerificationTest : public FailoverCliTest {
 protected:
  VerificationTest() {
    const StoredTopology base = At("dc2").stored;
    journal_.kind = failover::Kind::kUnplanned;
    journal_.change = failover::TakeAway(base, "dc1", "dc2", {});
    journal_.step = Step::kVerify;
    journal_.started = world_.clock.Wall();
    journal_.step_since = world_.clock.Wall();
    journal_.cuts = {{"clicks", kNow + (-1)}};
    Store(failover::Swapped(base, journal_.change, journal_.cuts, "swap"));
  }
  void Store(const StoredTopology& next) {
    for (const auto& [cluster, tree] : world_.trees) {
      EXPECT_TRUE(StoreEpoch(*tree, SystemRandom(), TopologyEpoch::Of(next)).ok());
    }
  }
  static TopologyDesk::Options DeskOptions(Seams& seams) {
    return {.random = SystemRandom(),
            .open =
                [&seams](const ClusterSpec& spec) {
                  return seams.open_storage(spec.url, spec.root_dir);
                },
            .clusters = ParseTopology(kTestTopology, "databus.xml")->clusters};
  }
  failover::Verification Check() {
    Seams seams = MakeSeams();
    TopologyDesk desk(DeskOptions(seams));
    desk.Look();
    FailoverVerification verification(desk, seams);
    const auto checked = verification.Check(journal_);
    EXPECT_TRUE(checked.ok()) << checked.status().message();
    return *checked;
  }

  failover::Journal journal_;
};

TEST_F(VerificationTest, WhatIsMissingIsAwaitedUntilTheNewPrimaryHasLookedForIt) {
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kNow, "dc2", 7).ok());
  EXPECT_THAT(Check().pending, testing::ElementsAre(HasSubstr("is to be merged anew")));
  LookedThrough("dc2", "dc2", kNow + (-1), 1);
  EXPECT_THAT(Check().pending, testing::SizeIs(1)) << "not that minute yet";
  LookedThrough("dc2", "dc1", kNow, 2);
  EXPECT_THAT(Check().pending, testing::SizeIs(1)) << "not that cluster";
  LookedThrough("dc2", "dc2", kNow, 3);
  const failover::Verification found = Check();
  EXPECT_THAT(found.pending, testing::IsEmpty());
  EXPECT_EQ(found.report["equal"], false);
  EXPECT_THAT(std::string(found.report["sentence"]), HasSubstr("NOT EQUAL: 1 file lost"));
}

TEST_F(VerificationTest, NorDoesVerifyCallItLostBefore) {
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kNow, "dc2", 7).ok());
  const Ran before = Run({"verify"});
  EXPECT_EQ(before.code, 0) << before.out << before.err;
  EXPECT_THAT(before.out, HasSubstr("dc2 has become the primary since, and has still to look for "
                                    "it in the local view of dc2"));
  LookedThrough("dc2", "dc2", kNow, 1);
  EXPECT_EQ(Run({"verify"}).code, 1);
}

// Counted from when the primary could have come to it.
TEST_F(VerificationTest, WhatThePrimaryDoesNotComeToIsLostAfterTwoPasses) {
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kNow, "dc2", 7).ok());
  Seams seams = MakeSeams();
  TopologyDesk desk(DeskOptions(seams));
  desk.Look();
  FailoverVerification verification(desk, seams);
  const auto check = [&](int minutes) {
    world_.clock.Advance(std::chrono::minutes(minutes));
    return *verification.Check(journal_);
  };
  EXPECT_THAT(check(0).pending, testing::SizeIs(1));
  EXPECT_THAT(check(19).pending, testing::SizeIs(1));
  network_.Add({.store_part = "dc2", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  EXPECT_THAT(check(30).pending, testing::Contains(HasSubstr("cannot be read")));
  network_.Clear();
  EXPECT_THAT(check(0).pending, testing::ElementsAre(HasSubstr("is to be merged anew")));
  const failover::Verification found = check(21);
  EXPECT_THAT(found.pending, testing::IsEmpty());
  EXPECT_EQ(found.report["lost"]["files"], 1);
}

// Somebody else has failed over, or chosen another side, in the meantime.
TEST_F(VerificationTest, OneThatWasOvertakenAwaitsWhatThePresentPrimaryHasToLookFor) {
  const StoredTopology now = At("dc1").stored;
  Store(failover::Swapped(now, failover::TakeAway(now, "dc2", "dc1", {}), {{"clicks", kNow}}, "x"));
  ASSERT_TRUE(world_.Publish("dc2", View::kLocal, kNow, "dc2", 7).ok());
  EXPECT_THAT(Check().pending, testing::ElementsAre(HasSubstr("is to be merged anew")));
}

TEST_F(VerificationTest, WhatIsMergedIsEqualAndCountedByView) {
  const failover::Verification found = Check();
  EXPECT_THAT(found.pending, testing::IsEmpty());
  EXPECT_EQ(found.report["equal"], true) << found.report;
  EXPECT_EQ(found.report["lost"]["files"], 0);
  EXPECT_EQ(found.report["streams"][0]["stream"], "clicks");
}

TEST_F(VerificationTest, WhatACollectorTellsOfItsSpoolIsSaidBesideEqualViews) {
  Heartbeat beat{.process = "collector-c2", .kind = "collector", .cluster = "dc2"};
  beat.problems = {{"2 damaged pieces of the spool are set aside", {}, ""}};
  beat.facts[facts::kDamagedFiles] = 2;
  ASSERT_TRUE(
      world_.trees["dc2"]->Replace(paths::StatusFile(beat.process), EncodeHeartbeat(beat)).ok());
  const failover::Verification found = Check();
  EXPECT_EQ(found.report["equal"], true);
  EXPECT_THAT(
      std::string(found.report["sentence"]),
      AllOf(Not(HasSubstr("Nothing is lost")), HasSubstr("dc2/c2: 2 damaged pieces of the spool")));
}

TEST(FailoverRenderTest, OneLineSaysTheStepAndTheFirstOfWhatIsWaitedFor) {
  failover::Journal journal;
  journal.step = Step::kDrain;
  const WallTime now = journal.step_since + std::chrono::seconds(7);
  EXPECT_EQ(RenderProgress(journal, {}, now).substr(0, 5), "drain");
  EXPECT_THAT(RenderProgress(journal, {{"a", "b", "c"}, 3}, now),
              AllOf(HasSubstr("7.0 s  step 3 of 8  a (and 2 more)")));
  EXPECT_THAT(RenderProgress(journal, {{"a", "b"}, 500}, now),
              HasSubstr("step 3 of 8  500 outstanding  a (and 1 more)"));
}

TEST(FailoverRenderTest, WhatIsLeftIsTheRestOfTheStepAndTheStepsThatFollow) {
  failover::Journal journal;
  journal.step = Step::kVerify;
  EXPECT_THAT(RenderProgress(journal, {}, {}), Not(HasSubstr("left"))) << "of an earlier version";
  journal.expected = {{Step::kDespool, seconds(50)}, {Step::kVerify, seconds(9)}};
  const auto left = [&](seconds spent) {
    return StateToJson(journal, {}, journal.step_since + spent)["left_ms"];
  };
  EXPECT_EQ(left(seconds(2)), 7'000);
  EXPECT_EQ(left(seconds(20)), 0) << "it takes longer";
  journal.step = Step::kDespool;
  EXPECT_EQ(left(seconds(60)), 9'000);
  EXPECT_THAT(RenderProgress(journal, {{"a"}, 1}, journal.step_since + seconds(20)),
              HasSubstr("about 39.0 s left  a"));
  journal.step = Step::kUndo;
  EXPECT_TRUE(left(seconds(0)).is_null());
}

TEST(FailoverRenderTest, AnOpenJournalTellsTenWaitsAndWhatToDo) {
  failover::Journal journal;
  journal.id = "x";
  journal.kind = failover::Kind::kFailback;
  journal.step = Step::kDespool;
  failover::Gate gate;
  for (int i = 0; i < 12; ++i) gate.waits.push_back("w" + std::to_string(i));
  gate.outstanding = 700;
  gate.notes = {"n"};
  const std::string before = RenderJournal(journal, gate, {"this", "that"}, {});
  EXPECT_THAT(before, AllOf(HasSubstr("step 8 of 9, despool for"), HasSubstr("700 outstanding"),
                            HasSubstr("waits: w9\n"), HasSubstr("and for 2 more"),
                            HasSubstr("note: n\n"), HasSubstr("next: this; that\n")));
  journal.epochs.push_back({Step::kSwap, 4, "d"});
  EXPECT_EQ(StateToJson(journal, gate, {})["may_abort"], false);
  EXPECT_EQ(StateToJson(journal, gate, {})["waits"].size(), 12U);
}

TEST(FailoverRenderTest, TheSalvageReportAccountsForEachLine) {
  std::vector<SalvageLine> lines(2);
  lines[0].line.stream = "clicks";
  lines[0].state = SalvageLine::State::kRecovered;
  lines[0].recovered_files = 2;
  lines[1].line.stream = "orders";
  lines[1].state = SalvageLine::State::kMissing;
  lines[1].missing_files = 1;
  lines[1].why = "not merged at dc2 yet";
  EXPECT_THAT(RenderSalvage(lines),
              AllOf(HasSubstr("recovered"), HasSubstr("2 files recovered"), HasSubstr("missing"),
                    HasSubstr("not merged at dc2 yet")));
  const Json json = SalvageToJson(lines);
  EXPECT_EQ(json[0]["state"], "recovered");
  EXPECT_EQ(json[1]["missing_files"], 1);
  EXPECT_EQ(json[1]["why"], "not merged at dc2 yet");
}

}  // namespace
}  // namespace databus
