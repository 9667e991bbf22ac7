#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/status_report.h"
#include "cli/test_world.h"
#include "commit/record.h"
#include "storage/fault/fault_storage.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class StatusTest : public testing::Test {
 protected:
  Heartbeat Process(const std::string& process) const {
    Heartbeat beat;
    beat.process = process;
    beat.kind = process.substr(0, process.find('-'));
    beat.host = "h1";
    beat.pid = 812;
    beat.written = world_.clock.Wall() - seconds(1);
    beat.interval = seconds(2);
    beat.state = "running";
    return beat;
  }
  void Put(const std::string& cluster, const Heartbeat& beat) {
    ASSERT_TRUE(world_.trees[cluster]
                    ->Replace(paths::StatusFile(beat.process), EncodeHeartbeat(beat))
                    .ok());
  }
  void Beat(const std::string& cluster, const std::string& process, Milliseconds age,
            std::vector<Problem> problems = {}) {
    Heartbeat beat = Process(process);
    beat.written = world_.clock.Wall() - age;
    beat.problems = std::move(problems);
    beat.facts["spool_bytes"] = 1'400'000;
    Put(cluster, beat);
  }
  void SetUp() override {
    Beat("dc1", "worker-dc1", seconds(1));
    Beat("dc2", "worker-dc2", seconds(1));
  }
  Ran Status(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"status", "--topology", "databus.xml"};
    args.insert(args.end(), more.begin(), more.end());
    return world_.Run(args);
  }
  TestWorld world_;
};

TEST_F(StatusTest, CallsToNameNodesAreShownWhereTheyAreCounted) {
  EXPECT_THAT(Status().out, Not(HasSubstr("Calls to name nodes")));
  Heartbeat beat = Process("worker-dc1");
  beat.facts["storage_calls"] = {
      {"by_tree",
       {{"hdfs://a/x", {{"getListing", 1200}, {"rename2", 30}}}, {"hdfs://b/x", {{"rename2", 7}}}}},
      {"per_file", 3.25},
      {"per_idle_run", 41.0}};
  Put("dc1", beat);
  EXPECT_THAT(Status().out,
              ContainsRegex("worker-dc1 +dc1 +1,237 +3.2 +41.0 +getListing 1,200, rename2 37"));
  beat.facts["storage_calls"] = {{"by_tree", {{"x", 7}, {"y", {{"z", -1}}}}}, {"per_file", "no"}};
  Put("dc1", beat);
  EXPECT_THAT(Status().out, Not(HasSubstr("Calls to name nodes"))) << "nothing that makes sense";
}

TEST_F(StatusTest, AnInstallationWithoutProblemsIsWell) {
  Beat("dc1", "collector-c1", seconds(1));
  const Ran ran = Status();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("All is well."));
  EXPECT_THAT(ran.out, HasSubstr("collector-c1"));
  EXPECT_THAT(ran.out, HasSubstr("1.4 MB"));
}

TEST_F(StatusTest, ASilentProcessIsNamedWithSinceWhenAndWhatToDo) {
  Beat("dc1", "collector-c1", minutes(3));
  const Ran ran = Status();
  EXPECT_THAT(ran.out, HasSubstr("1 problem, below."));
  EXPECT_THAT(ran.out, HasSubstr("collector-c1: silent (was pid 812 on h1), since "
                                 "2031-05-06T11:57:00.000Z (3 min 0 s)"));
  EXPECT_THAT(ran.out, HasSubstr("next: start it again"));
}

TEST_F(StatusTest, AHeartbeatThatCannotBeReadIsSaidToHideItsProcess) {
  ASSERT_TRUE(world_.trees["dc1"]->Replace(paths::StatusFile("collector-c1"), "{").ok());
  const std::string out = Status().out;
  EXPECT_THAT(out, HasSubstr("dc1: could not be read: system/status/collector-c1.json"));
  EXPECT_THAT(out, HasSubstr("next: that process is missing in this report"));
}

TEST_F(StatusTest, ALateProcessIsAProblemBeforeItIsSilent) {
  Beat("dc1", "collector-c1", seconds(4));
  EXPECT_THAT(Status().out, HasSubstr("All is well."));
  Beat("dc1", "collector-c1", seconds(5));
  const Ran ran = Status();
  EXPECT_THAT(ran.out, HasSubstr("1 problem, below."));
  EXPECT_THAT(ran.out, ContainsRegex("collector-c1 .* late "));
  EXPECT_THAT(ran.out,
              HasSubstr("collector-c1: late: a heartbeat is missing, since "
                        "2031-05-06T11:59:55.000Z (5.0 s)\n      next: wait some seconds;"));
}

TEST_F(StatusTest, NobodyIsToldToStartAWorkerThatAStandbyReplaces) {
  Beat("dc1", "worker-dc1", minutes(3));
  EXPECT_THAT(Status().out, HasSubstr("next: start it again: what is queued waits"));
  Heartbeat standby = Process("worker-dc1-standby-h2-9");
  standby.host = "h2";
  standby.pid = 9;
  standby.state = "standby";
  standby.waiting_on = "the lease, held by worker-dc1@h1:812#b00t-4026";
  Put("dc1", standby);
  const Ran ran = Status();
  EXPECT_THAT(ran.out,
              HasSubstr("next: worker-dc1-standby-h2-9 stands by and takes over by itself"));
  EXPECT_THAT(ran.out, Not(HasSubstr("start")));
  EXPECT_THAT(ran.out, HasSubstr("the lease, held by worker-dc1@h1:812\n"));
  EXPECT_THAT(Status({"--json"}).out, HasSubstr("worker-dc1@h1:812#b00t-4026"));
}

// Nothing waits for one that only stood by: somebody else works.
TEST_F(StatusTest, ADeadStandbyIsNotSaidToKeepAnything) {
  Beat("dc1", "worker-dc1", seconds(1));
  Heartbeat standby = Process("worker-dc1-standby-h2-9");
  standby.host = "h2";
  standby.pid = 9;
  standby.state = "standby";
  standby.written -= minutes(3);
  Put("dc1", standby);
  const std::string out = Status().out;
  EXPECT_THAT(out, HasSubstr("worker-dc1-standby-h2-9: silent (was pid 9 on h2)"));
  EXPECT_THAT(out, HasSubstr("next: nothing waits for it, as it only stood by"));
  EXPECT_THAT(out, Not(HasSubstr("what is queued waits")));
  Beat("dc1", "worker-dc1", minutes(3));
  EXPECT_THAT(Status().out, Not(HasSubstr("as it only stood by")));
}

// With ZooKeeper away the tree answers, and nobody holds the lease.
TEST_F(StatusTest, AHolderThatLostTheLeaseToNobodyIsNotCalledSilent) {
  Beat("dc1", "worker-dc1", minutes(3));
  Heartbeat itself = Process("worker-dc1-standby-h1-812");
  itself.state = "standby";
  itself.waiting_on = "the lease; its holder is not known yet";
  Put("dc1", itself);
  const std::string out = Status().out;
  EXPECT_THAT(out, HasSubstr("worker-dc1: holds the lease no longer"));
  EXPECT_THAT(out, HasSubstr("the process lives, as worker-dc1-standby-h1-812"));
  EXPECT_THAT(out, Not(HasSubstr("(was pid")));
  ++itself.pid;
  Put("dc1", itself);
  EXPECT_THAT(Status().out, HasSubstr("silent (was pid 812 on h1)"));
}

TEST_F(StatusTest, LeasesAreNamedWithTheirHoldersAndPlaces) {
  EXPECT_THAT(Status().out, Not(HasSubstr("Leases")));
  Heartbeat holder = Process("worker-dc1");
  holder.facts["lease_holder"] = "worker-dc1@h1:812#b00t-4026";
  holder.facts["lease_in"] = "ZooKeeper zk1:2181, /databus/dc1_";
  Put("dc1", holder);
  EXPECT_THAT(Status().out,
              ContainsRegex("dc1 +worker-dc1@h1:812 +ZooKeeper zk1:2181, /databus/dc1_"));
  EXPECT_THAT(Status().out, HasSubstr("All is well."));
}

TEST_F(StatusTest, WorkersThatShareAClusterAreNamedWithTheirGroups) {
  Heartbeat leader = Process("worker-dc1");
  Heartbeat other = Process("worker-dc1-share-h2-9");
  for (Heartbeat* beat : {&leader, &other}) {
    beat->facts["lease_holder"] = "worker-dc1@h1:812#b00t-4026";
    beat->facts["lease_in"] = "ZooKeeper zk1:2181, /databus/dc1_groups";
  }
  leader.facts["share"] = {{"groups", {0, 1, 2, 3, 7}}, {"of", 8}};
  other.facts["share"] = {{"groups", {4, 5, 6}}, {"of", 8}};
  Put("dc1", leader);
  Put("dc1", other);
  const std::string out = Status().out;
  EXPECT_THAT(out, ContainsRegex("/databus/dc1_groups +worker-dc1 +0-3, 7\n"));
  EXPECT_THAT(out, ContainsRegex("/databus/dc1_groups +worker-dc1-share-h2-9 +4-6\n"));
  EXPECT_THAT(out, HasSubstr("All is well."));
  Beat("dc1", "worker-dc1", minutes(3));
  EXPECT_THAT(Status().out, HasSubstr("its groups go to worker-dc1-share-h2-9"));
}

// Started again it has another number, and its old heartbeat stays for a day.
TEST_F(StatusTest, AWorkerThatWasStartedAgainIsMissedForTenMinutesOnly) {
  Beat("dc1", "worker-dc1-share-h1-700", minutes(9));
  EXPECT_THAT(Status().out, HasSubstr("worker-dc1-share-h1-700: silent"));
  Beat("dc1", "worker-dc1-share-h1-700", minutes(11));
  EXPECT_THAT(Status().out, HasSubstr("All is well."));
}

TEST_F(StatusTest, WhereHeartbeatsCannotBeListedNobodyIsSaidToBeDead) {
  world_.hidden = paths::StatusRoot();
  const std::string out = Status().out;
  EXPECT_THAT(out, HasSubstr("nobody can tell who is alive"));
  EXPECT_THAT(out, Not(HasSubstr("no worker is alive on this cluster")));
}

TEST_F(StatusTest, WorkersThatLookForTheLeaseInDifferentPlacesAreAProblem) {
  Heartbeat one = Process("worker-dc1");
  one.facts["lease_in"] = "ZooKeeper zk1:2181, /databus/dc1_";
  Heartbeat other = Process("worker-dc1-standby-h2-9");
  other.facts["lease_in"] = "the tree";
  Put("dc1", one);
  Put("dc1", other);
  EXPECT_THAT(Status().out,
              HasSubstr("different places: worker-dc1: ZooKeeper zk1:2181, /databus/dc1_; "
                        "worker-dc1-standby-h2-9: the tree"));
  other.facts["lease_in"] = one.facts["lease_in"];
  Put("dc1", other);
  EXPECT_THAT(Status().out, HasSubstr("All is well."));
}

TEST_F(StatusTest, AClusterThatNeverWasIsToldFromOneThatIsAway) {
  world_.trees.erase("dc2");
  EXPECT_THAT(Status().out, HasSubstr("; never initialised, or not mounted\n      next: mount"));
  Heartbeat worker = Process("worker-dc1");
  worker.facts["cluster_ids"] = {{"dc1", "1"}};
  Put("dc1", worker);
  EXPECT_THAT(Status().out, HasSubstr("unmounted?; never initialised: no worker of it has ever run"
                                      "\n      next: start its worker\n"));
  EXPECT_THAT(Status().out, HasSubstr("dc2: no worker is alive on this cluster"));
  worker.facts["cluster_ids"]["dc2"] = "2";
  Put("dc1", worker);
  EXPECT_THAT(Status().out, Not(HasSubstr("never initialised")));
  EXPECT_THAT(Status().out, HasSubstr("next: mount it, or start its worker;"));
  EXPECT_THAT(Status().out, HasSubstr("dc2: no worker is heard of"));
}

TEST_F(StatusTest, AProcessOfThisHostThatIsGoneIsDeadAtOnce) {
  Beat("dc1", "collector-c1", seconds(3));
  EXPECT_THAT(Status().out, HasSubstr("All is well."));
  world_.gone_pids.insert(812);
  EXPECT_THAT(Status().out, HasSubstr("collector-c1: dead (was pid 812 on h1), since"));
  const auto json = nlohmann::json::parse(Status({"--json"}).out);
  EXPECT_EQ(json["clusters"][0]["processes"][0]["life"], "dead");
  EXPECT_EQ(json["clusters"][0]["processes"][1]["life"], "alive") << "it goes on writing";
}

TEST_F(StatusTest, AFullDiskIsTheProblemAndNobodyIsToldToRestartAnything) {
  Beat("dc1", "worker-dc1", minutes(3));
  world_.disk.SetCapacity(100'000);
  const Ran ran = Status();
  EXPECT_THAT(ran.out, HasSubstr("dc1: disk full: 100.0 kB free\n      next: make room"));
  EXPECT_THAT(ran.out, HasSubstr("worker-dc1: silent"));
  EXPECT_THAT(ran.out, HasSubstr("dc1: no worker is heard of"));
  EXPECT_THAT(ran.out, Not(HasSubstr("start")));
  world_.disk.SetCapacity(100'000'000);
  EXPECT_THAT(Status().out, HasSubstr("dc1: disk nearly full: 100.0 MB free"));
  EXPECT_EQ(nlohmann::json::parse(Status({"--json"}).out)["clusters"][0]["free_bytes"],
            100'000'000);
}

TEST_F(StatusTest, WhatAProcessSaysIsStuckIsShownWithWhatHappensNext) {
  Beat("dc1", "worker-dc1", seconds(1),
       {{"stream clicks is parked: permission denied", world_.clock.Wall() - minutes(1),
         "tried again"}});
  EXPECT_THAT(Status().out,
              HasSubstr("worker-dc1: stream clicks is parked: permission denied, since "
                        "2031-05-06T11:59:00.000Z (1 min 0 s)\n      next: tried again"));
}

TEST_F(StatusTest, WhatAStoppedCollectorKeepsOrHasLostIsStillTold) {
  Heartbeat beat = Process("collector-c1");
  beat.state = "stopped";
  beat.facts["spool_bytes"] = 0;
  Put("dc1", beat);
  EXPECT_THAT(Status().out, HasSubstr("All is well"));
  beat.facts["spool_bytes"] = 1000;
  Put("dc1", beat);
  EXPECT_THAT(Status().out, ContainsRegex("collector-c1: stopped with .* that are not delivered"));
  EXPECT_THAT(Status().out, HasSubstr("next: start it"));
  beat.facts["spool_bytes"] = 0;
  beat.facts["damaged_files"] = 1;
  beat.problems = {{"producers are told TRY_LATER", beat.written, "-"},
                   {"1 damaged pieces of the spool are set aside", beat.written, "look at them"}};
  Put("dc1", beat);
  const std::string told = Status().out;
  EXPECT_THAT(told, HasSubstr("said before it was stopped: 1 damaged pieces of the spool"));
  EXPECT_THAT(told, Not(HasSubstr("TRY_LATER")));
  // It was started again since, and said so elsewhere.
  beat = Process("collector-c1@dc1");
  beat.written = world_.clock.Wall();
  Put("dc2", beat);
  EXPECT_THAT(Status().out, HasSubstr("All is well"));
}

TEST_F(StatusTest, AClusterThatIsAwayHidesNothingOfTheOthers) {
  world_.trees.erase("dc2");
  const Ran ran = Status();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("dc2: cannot be read: file:///dc2: unmounted?"));
  EXPECT_THAT(ran.out, HasSubstr("worker-dc1"));
  world_.trees.clear();
  EXPECT_EQ(Status().code, 1);
}

TEST_F(StatusTest, ALagAndABacklogAreShown) {
  ASSERT_TRUE(
      world_.Publish("dc1", View::kMerged, *Minute::ParseIso("2031-05-06T11:00Z"), "dc1", 1).ok());
  ASSERT_TRUE(world_.Put("dc1", "data/clicks/c1/clicks-2031-05-06-11-00_00005.gz", "12345").ok());
  ASSERT_TRUE(world_.Put("dc1", paths::Join(paths::Mirrors("dc2"), "3.1.1"), "a\nb\n").ok());
  const Ran ran = Status();
  EXPECT_THAT(ran.out, HasSubstr("the newest minute is 2031-05-06T11:00Z"));
  EXPECT_THAT(ran.out, HasSubstr("59 min 0 s"));
  EXPECT_THAT(ran.out, HasSubstr("data/clicks"));
  EXPECT_THAT(ran.out, HasSubstr("queue dc1 -> dc2, to be mirrored      2"));
}

TEST_F(StatusTest, AStreamThatIsOnlyIdleIsNotBehind) {
  const auto behind_ms = [&] {
    const auto json = nlohmann::json::parse(Status({"--json"}).out);
    return json["clusters"][0]["streams"][0]["behind_ms"].get<int64_t>();
  };
  const Minute now = Minute::Of(world_.clock.Wall());
  ASSERT_TRUE(world_.Publish("dc1", View::kMerged, now + -1, "dc1", 1).ok());
  world_.clock.Advance(seconds(59));
  EXPECT_EQ(behind_ms(), 0);
  world_.clock.Advance(seconds(11));
  EXPECT_EQ(behind_ms(), 10'000);
}

TEST_F(StatusTest, WhatIsInQuarantineIsShownWithItsReason) {
  ASSERT_TRUE(world_.Put("dc1", "system/quarantine/local/clicks/1-f1-x.gz", "x").ok());
  ASSERT_TRUE(world_.Put("dc1", "system/quarantine/local/clicks/1-f1-x.gz.reason", "bad\n").ok());
  EXPECT_THAT(Status().out, HasSubstr("set aside: system/quarantine/local/clicks/1-f1-x.gz: bad"));
}

TEST_F(StatusTest, AFileThatIsNoHeartbeatStopsNothing) {
  ASSERT_TRUE(world_.trees["dc1"]->Replace("system/status/x.json", "\x1b[31m{").ok());
  const Ran ran = Status();
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("system/status/x.json: not a heartbeat"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\x1b")));
}

TEST_F(StatusTest, TheJsonHoldsTheSameFacts) {
  Beat("dc1", "collector-c1", minutes(3));
  const auto json = nlohmann::json::parse(Status({"--json"}).out);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["clusters"][0]["processes"][0]["life"], "silent");
  EXPECT_EQ(json["problems"].size(), 1u);
}

TEST_F(StatusTest, WhatAWorkerHasTakenAndNotPublishedIsShown) {
  const std::string claim = staged::ClaimName(1, "c1", "clicks-2031-05-06-11-59_00001.gz");
  ASSERT_TRUE(
      world_.Put("dc1", paths::Join(paths::Staging(View::kLocal, 12) + "/3", claim), "x").ok());
  EXPECT_THAT(Status().out, ContainsRegex("dc1 +claimed of clicks +1 "));
  const auto json = nlohmann::json::parse(Status({"--json"}).out);
  EXPECT_EQ(json["clusters"][0]["open"][0]["claims"]["clicks"], 1);
}

TEST_F(StatusTest, RolesAndTheLagOfEveryHopAreShownOverAllClusters) {
  const auto publish = [&](const std::string& cluster, View view, const char* minute) {
    ASSERT_TRUE(world_.Publish(cluster, view, *Minute::ParseIso(minute), "dc1", 1).ok());
  };
  publish("dc1", View::kLocal, "2031-05-06T11:58Z");   // its end and the next minute's: no lag
  publish("dc1", View::kMerged, "2031-05-06T11:57Z");  // 60 s
  publish("dc2", View::kMerged, "2031-05-06T11:50Z");  // 480 s
  const std::string out = Status().out;
  EXPECT_THAT(out, ContainsRegex("STREAMS +dc1 +dc2\n +clicks +source, primary +source, mirror\n"));
  EXPECT_THAT(out, ContainsRegex("clicks +[0-9]+ +local +dc1 +2031-05-06T11:58Z +0\n"));
  EXPECT_THAT(out, ContainsRegex("clicks +[0-9]+ +local +dc2 +none yet +-\n"));
  EXPECT_THAT(out, ContainsRegex("clicks +[0-9]+ +merged +dc1 +2031-05-06T11:57Z +60\n"));
  EXPECT_THAT(out, ContainsRegex("clicks +[0-9]+ +mirror +dc2 +2031-05-06T11:50Z +480\n"));
  EXPECT_THAT(out, ContainsRegex("mirror +dc2 +1 +480 +clicks\n"));
  const auto json = nlohmann::json::parse(Status({"--json"}).out);
  const auto& stream = json["streams"][0];
  EXPECT_EQ(stream["name"], "clicks");
  EXPECT_EQ(stream["roles"].dump(), R"({"dc1":["source","primary"],"dc2":["source","mirror"]})");
  EXPECT_EQ(stream["group"], GroupOf("clicks", kGroupsDefault));
  ASSERT_EQ(stream["hops"].size(), 4u);
  EXPECT_EQ(stream["hops"][1]["lag_s"], nullptr);
  EXPECT_EQ(stream["hops"][3]["hop"], "mirror");
  EXPECT_EQ(stream["hops"][3]["cluster"], "dc2");
  EXPECT_EQ(stream["hops"][3]["lag_s"], 480);
}

TEST_F(StatusTest, TheLagOnAClusterThatIsAwayIsNotKnown) {
  world_.trees.erase("dc2");
  EXPECT_THAT(Status().out, ContainsRegex("clicks +[0-9]+ +mirror +dc2 +\\? +-\n"));
  EXPECT_EQ(nlohmann::json::parse(Status({"--json"}).out)["streams"][0]["hops"][3]["lag_s"],
            nullptr);
}

// A topology of clicks and stream0, stream1, ...
std::string ManyStreams(int count) {
  std::string text = kTestTopology;
  const size_t begin = text.find("<stream name");
  const size_t end = text.find("</streams>");
  const std::string one = text.substr(begin, end - begin);
  for (int i = 0; i < count; ++i) {
    std::string stream = one;
    text.insert(end, stream.replace(stream.find("clicks"), 6, "stream" + std::to_string(i)));
  }
  return text;
}

TEST_F(StatusTest, OfManyStreamsThoseFurthestBehindAreListed) {
  world_.files["databus.xml"] = ManyStreams(100);
  ASSERT_TRUE(world_
                  .Put("dc2",
                       paths::MinuteFile(View::kMerged, "stream77",
                                         *Minute::ParseIso("2031-05-06T11:00Z"), "x.gz"),
                       "x")
                  .ok());
  const std::string out = Status().out;
  EXPECT_THAT(out, ContainsRegex("stream77 +[0-9]+ +mirror +dc2 +2031-05-06T11:00Z +3,480\n"));
  EXPECT_THAT(out, HasSubstr("and 71 more, less far behind; --stream NAME shows one"));
  EXPECT_THAT(out, ContainsRegex(" and 97 more +source, primary +source, mirror\n"));
}

TEST_F(StatusTest, OneStreamCanBePicked) {
  world_.files["databus.xml"] = ManyStreams(2);
  ASSERT_TRUE(world_.Put("dc1", "data/clicks/c1/clicks-2031-05-06-11-00_00005.gz", "1").ok());
  ASSERT_TRUE(world_.Put("dc1", "data/stream1/c1/stream1-2031-05-06-11-00_00005.gz", "1").ok());
  const std::string out = Status({"--stream", "stream1"}).out;
  EXPECT_THAT(out, ContainsRegex("stream1 +[0-9]+ +local +dc1"));
  EXPECT_THAT(out, HasSubstr("data/stream1"));
  EXPECT_THAT(out, Not(HasSubstr("clicks")));
  EXPECT_THAT(out, Not(HasSubstr("stream0")));
  const Ran wrong = Status({"--stream", "stream9"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("has no stream 'stream9'; did you mean 'stream"));
}

TEST_F(StatusTest, WhatCollectorsDoWithTheirStreamsIsShown) {
  EXPECT_THAT(Status().out, Not(HasSubstr("Modes")));
  Heartbeat collector = Process("collector-c1");
  collector.facts["mode"] = {{"clicks", "spool"}, {"orders", "spool"}, {"views", "deliver"}};
  Put("dc1", collector);
  const std::string out = Status().out;
  EXPECT_THAT(out, ContainsRegex("collector-c1 +dc1 +spool +clicks, orders\n"));
  EXPECT_THAT(out, ContainsRegex("collector-c1 +dc1 +deliver +views\n"));
}

// Ends the watch by a signal when the trees are looked at for the third time.
TEST_F(StatusTest, AWatchShowsItAgainAndAgainUntilASignalEndsIt) {
  for (const bool json : {false, true}) {
    Seams seams = world_.MakeSeams();
    int looks = 0;  // at heartbeats, one in each look at each of two clusters
    FaultPlan plan(FaultPlan::Trace::kNone);
    plan.SetCallback([&](const Call& call) {
      if (call.verb == Verb::kList && call.path == paths::StatusRoot() && ++looks == 5) {
        kill(getpid(), SIGTERM);
      }
      return Fault{};
    });
    std::vector<std::unique_ptr<Storage>> trees;
    seams.open_storage = [&, open = seams.open_storage](
                             const std::string& url,
                             const std::string& root) -> Result<std::unique_ptr<Storage>> {
      DATABUS_ASSIGN_OR_RETURN(auto tree, open(url, root));
      trees.push_back(std::move(tree));
      return std::unique_ptr<Storage>(std::make_unique<FaultStorage>(*trees.back(), plan));
    };
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Io io{.in = in, .out = out, .err = err};
    std::vector<std::string> args = {"status", "--topology", "databus.xml", "--watch", "1"};
    if (json) args.emplace_back("--json");
    EXPECT_EQ(RunProgram(args, io, seams), 0) << err.str();
    EXPECT_GE(looks, 6);
    if (!json) continue;
    std::istringstream lines(out.str());
    int objects = 0;
    for (std::string line; std::getline(lines, line); ++objects) {
      EXPECT_EQ(nlohmann::json::parse(line)["version"], 1);
    }
    EXPECT_GE(objects, 3);
  }
}

TEST_F(StatusTest, AWatchsIntervalIsChecked) {
  for (const char* wrong : {"0", "3601", "x", "1.5"}) {
    const Ran ran = Status({"--watch", wrong});
    EXPECT_EQ(ran.code, 2) << wrong;
    EXPECT_THAT(ran.err, HasSubstr("expected a whole number from 1 to 3600 (s)"));
  }
}

}  // namespace
}  // namespace databus
