// A data centre goes and comes back under load, by one command each: two clusters of real
// processes, producers that never stop, and every message counted at the end. Nothing here is
// measured; the limits of time are far beyond what is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/bench/child.h"
#include "cli/demo/sequence_check.h"
#include "cli/demo/services.h"
#include "cli/demo/site.h"
#include "cli/demo/traffic.h"
#include "cli/installation.h"
#include "commit/minute_tree.h"
#include "control/epoch_store.h"
#include "storage/open.h"
#include "storage/test_directory.h"
#include "telemetry/heartbeat.h"
#include "tests/e2e/real_seams.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kPatience{240};

struct Ran {
  int exit_code = -1;
  std::string out;
  std::string log;
};

class FailoverE2eTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    auto input = DemoInput::Open("");
    ASSERT_TRUE(input.ok()) << input.status().ToString();
    input_ = std::make_unique<DemoInput>(*std::move(input));
    auto site = MakeDemoSite(directory_.path(), seams_.network, seams_.random);
    ASSERT_TRUE(site.ok()) << site.status().ToString();
    site_ = std::make_unique<DemoSite>(*std::move(site));
    services_ = std::make_unique<DemoServices>(*site_, DATABUS_PROGRAM, seams_.clock);
    const Status ready = services_->StartAll(seams_, stop_);
    ASSERT_TRUE(ready.ok()) << ready.ToString();
    traffic_ = std::make_unique<Traffic>(
        *site_, *input_, TrafficOptions{.events_per_s = 500, .duration = Milliseconds(1 << 30)},
        TrafficSeams{seams_.network, seams_.clock, seams_.random});
  }

  Ran Run(std::vector<std::string> args) const {
    args.insert(args.end(), {"--topology", site_->topology_file});
    const std::string log = site_->LogFile("command");
    auto child = Child::Start(DATABUS_PROGRAM, args, log);
    if (!child.ok()) return {-1, "", child.status().ToString()};
    const auto end = child->Wait();
    std::ostringstream text;
    text << std::ifstream(log).rdbuf();
    return end.ok() ? Ran{end->exit_code, end->output, text.str()} : Ran{-1, "", text.str()};
  }
  // Plans are refused until all processes have said that they obey.
  void WaitUntilPlanned(const std::vector<std::string>& args) const {
    Ran last;
    EXPECT_TRUE(Eventually([&] {
      last = Run(args);
      return last.exit_code == 0;
    })) << last.out
        << last.log;
  }
  template <typename Condition>
  bool Eventually(Condition&& condition) const {
    StopFlag pause;
    for (const BootTime end = seams_.clock.Boot() + kPatience; seams_.clock.Boot() < end;) {
      if (condition()) return true;
      pause.SleepUntil(seams_.clock, seams_.clock.Boot() + Milliseconds(200));
    }
    return false;
  }

  std::unique_ptr<Storage> Tree(const std::string& cluster) const {
    const ClusterSpec& spec = *site_->topology.FindCluster(cluster);
    return *OpenStorage(spec.url, spec.root_dir);
  }
  StoredTopology Stored(const std::string& cluster) const {
    const auto tree = Tree(cluster);
    return ReadEpoch(*tree, **NewestEpoch(*tree))->stored;
  }
  std::string PrimaryOf(const std::string& stream) const {
    return Stored("dc2").topology.FindStream(stream)->Primary();
  }
  // Of all collectors, by their heartbeats.
  uint64_t Sum(const char* fact) const {
    uint64_t sum = 0;
    for (const ClusterSpec& cluster : site_->topology.clusters) {
      const auto tree = Tree(cluster.name);
      for (const DirEntry& entry : *tree->List(paths::StatusRoot())) {
        if (entry.name.find('@') != std::string::npos) continue;
        const auto text = tree->ReadFile(paths::Join(paths::StatusRoot(), entry.name));
        if (!text.ok()) continue;
        const auto beat = DecodeHeartbeat(*text, entry.name);
        if (beat.ok() && beat->kind == "collector") sum += beat->facts.value(fact, uint64_t{0});
      }
    }
    return sum;
  }

  // Stops the producers, waits until everything has arrived, and counts every message.
  void ExpectAllThereOnce() {
    std::vector<SourceCount> sources = traffic_->Counts();
    const auto sent = [&] {
      uint64_t sum = 0;
      for (const SourceCount& source : sources) sum += source.sent;
      return sum;
    };
    EXPECT_GT(sent(), 1000U);
    EXPECT_EQ(Sum("calls_try_later"), 0U) << "a producer was refused";
    EXPECT_EQ(Sum("possible_duplicates"), 0U);
    traffic_->Stop();
    ASSERT_TRUE(Eventually([&] { return traffic_->Done(); }));
    sources = traffic_->Counts();
    for (const SourceCount& source : sources) EXPECT_EQ(source.unconfirmed(), 0U);
    std::vector<SequenceResult> results;
    const bool arrived = Eventually([&] {
      const auto checked = CheckSequences(site_->topology, *input_, sources, seams_);
      if (!checked.ok()) return false;
      results = *checked;
      return std::ranges::all_of(results, [](const auto& r) { return r.lost == 0; });
    });
    for (const SequenceResult& result : results) {
      EXPECT_TRUE(arrived && result.Clean())
          << result.stream << " hop " << static_cast<int>(result.hop) << ": lost " << result.lost
          << ", doubled " << result.doubled << ", strange " << result.strange << ": "
          << result.example;
      EXPECT_EQ(result.seen, result.acknowledged);
    }
    const Ran verified = Run({"verify", "--wait", "60s", "--deep"});
    EXPECT_EQ(verified.exit_code, 0) << verified.out;
    EXPECT_TRUE(services_->Check().ok());
    EXPECT_TRUE(services_->StopAll().ok());
  }

  const TestDirectory directory_;
  mutable Seams seams_ = RealSeams();
  mutable StopFlag stop_;
  std::unique_ptr<DemoInput> input_;
  std::unique_ptr<DemoSite> site_;
  std::unique_ptr<DemoServices> services_;
  std::unique_ptr<Traffic> traffic_;
};

TEST_F(FailoverE2eTest, ThereAndBackUnderLoadNothingIsRefusedLostOrDoubled) {
  WaitUntilPlanned({"failover", "plan", "--from", "dc1", "--to", "dc2"});
  const Ran over = Run({"failover", "run", "--from", "dc1", "--to", "dc2", "--yes", "--json"});
  ASSERT_EQ(over.exit_code, 0) << over.out << over.log;
  const auto outcome = nlohmann::json::parse(over.out);
  EXPECT_EQ(outcome["journal"]["step"], "done");
  EXPECT_EQ(outcome["journal"]["report"]["equal"], true);
  EXPECT_EQ(PrimaryOf("clicks"), "dc2");
  EXPECT_TRUE(Eventually([&] { return Sum("handed_over") > 0; }))
      << "the collectors of dc1 send on";

  WaitUntilPlanned({"failback", "plan", "--to", "dc1"});
  const Ran back = Run({"failback", "run", "--to", "dc1", "--yes"});
  ASSERT_EQ(back.exit_code, 0) << back.out << back.log;
  EXPECT_EQ(PrimaryOf("clicks"), "dc1");
  EXPECT_TRUE(Stored("dc1").modes.empty());
  EXPECT_EQ(PlainDigest(Stored("dc1").topology), PlainDigest(site_->topology));
  ExpectAllThereOnce();
}

TEST_F(FailoverE2eTest, KilledAgainAndAgainItIsCarriedThroughByResume) {
  WaitUntilPlanned({"failover", "plan", "--from", "dc1", "--to", "dc2"});
  const auto random = SeededRandom(7);
  std::vector<std::string> args = {"failover", "run", "--from", "dc1", "--to", "dc2", "--yes"};
  args.insert(args.end(), {"--topology", site_->topology_file});
  int kills = 0;
  const auto done = [&] {
    auto child = Child::Start(DATABUS_PROGRAM, args, site_->LogFile("command"));
    if (!child.ok()) return true;
    StopFlag pause;
    pause.SleepUntil(seams_.clock, seams_.clock.Boot() + Milliseconds(200 + random->Below(3000)));
    if (!child->Running()) return true;
    ++kills;
    ::kill(child->pid(), SIGKILL);
    const auto end = child->Wait();
    // Nobody knows whether it came so far as to begin.
    const Ran status = Run({"failover", "status"});
    if (status.exit_code == 0) args = {"failover", "resume", "--topology", site_->topology_file};
    return false;
  };
  ASSERT_TRUE(Eventually(done));
  EXPECT_GT(kills, 0);
  const Ran status = Run({"failover", "status", "--json"});
  ASSERT_EQ(status.exit_code, 0) << status.log;
  EXPECT_EQ(nlohmann::json::parse(status.out)["journal"]["step"], "done");
  WaitUntilPlanned({"failback", "plan", "--to", "dc1"});
  const Ran back = Run({"failback", "run", "--to", "dc1", "--yes"});
  ASSERT_EQ(back.exit_code, 0) << back.out << back.log;
  ExpectAllThereOnce();
}

TEST_F(FailoverE2eTest, AbortedInTheMiddleEverythingIsAsBefore) {
  WaitUntilPlanned({"failover", "plan", "--from", "dc1", "--to", "dc2"});
  // Without its worker dc1 is never drained.
  ASSERT_TRUE(services_->Kill("worker-dc1").ok());
  auto child = Child::Start(DATABUS_PROGRAM,
                            {"failover", "run", "--from", "dc1", "--to", "dc2", "--yes",
                             "--topology", site_->topology_file},
                            site_->LogFile("run"));
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE(Eventually([&] { return !Stored("dc1").modes.empty(); }));
  const Ran second = Run({"failover", "run", "--from", "dc2", "--to", "dc1", "--yes"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.out, testing::HasSubstr("is open"));
  const Ran aborted = Run({"failover", "abort", "--yes"});
  EXPECT_EQ(aborted.exit_code, 0) << aborted.out << aborted.log;
  const auto end = child->Wait();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->exit_code, 1) << "it notices that somebody else steers";
  EXPECT_TRUE(Stored("dc2").modes.empty());
  EXPECT_EQ(PlainDigest(Stored("dc2").topology), PlainDigest(site_->topology));
  ASSERT_TRUE(services_->Start("worker-dc1").ok());
  ExpectAllThereOnce();
}

// The cluster is lost with all its processes, in the middle of everything; it returns with its
// disks.
TEST_F(FailoverE2eTest, UnplannedWhatSurvivesIsSalvagedAndNothingIsDoubled) {
  namespace fs = std::filesystem;
  const std::vector<std::string> plan = {"failover", "plan", "--unplanned", "--from",
                                         "dc1",      "--to", "dc2",         "--json"};
  WaitUntilPlanned({"failover", "plan", "--from", "dc1", "--to", "dc2"});
  ASSERT_TRUE(
      Eventually([&] {  // something is merged and mirrored, so that there is a minute to cut
        const auto minutes = ListMinutes(*Tree("dc2"), paths::Stream(View::kMerged, "clicks"),
                                         kFirstMinute, kLastMinute);
        return minutes.ok() && !minutes->empty();
      }));
  for (const char* name : {"worker-dc1", "dc1-c1", "dc1-c2"}) {
    ASSERT_TRUE(services_->Kill(name).ok());
  }
  fs::rename(fs::path(site_->root) / "dc1", fs::path(site_->root) / "gone");

  WaitUntilPlanned(plan);
  std::vector<std::string> run = {"failover", "run",  "--unplanned", "--from",
                                  "dc1",      "--to", "dc2",         "--yes"};
  const Ran refused = Run(run);
  EXPECT_EQ(refused.exit_code, 1) << "--yes does not accept a loss";
  EXPECT_EQ(PrimaryOf("clicks"), "dc1");
  // What was being mirrored when dc1 died may arrive in between: then it is another statement.
  Ran over;
  ASSERT_TRUE(Eventually([&] {
    std::vector<std::string> accepting = run;
    accepting.insert(accepting.end(),
                     {"--accept-loss", nlohmann::json::parse(Run(plan).out)["loss_id"]});
    over = Run(accepting);
    return over.exit_code == 0 ||
           (over.out + over.log).find("another one by now") == std::string::npos;
  }));
  ASSERT_EQ(over.exit_code, 0) << over.out << over.log;
  EXPECT_EQ(PrimaryOf("clicks"), "dc2");

  fs::rename(fs::path(site_->root) / "gone", fs::path(site_->root) / "dc1");
  for (const char* name : {"worker-dc1", "dc1-c1", "dc1-c2"}) {
    ASSERT_TRUE(services_->Start(name).ok());
  }
  Ran status;
  EXPECT_TRUE(Eventually([&] {
    status = Run({"failover", "status", "--json"});
    const auto json = nlohmann::json::parse(status.out, nullptr, false);
    return !json.is_discarded() && !json["salvage"].empty() &&
           std::ranges::all_of(json["salvage"],
                               [](const auto& line) { return line["state"] == "recovered"; });
  })) << status.out;
  WaitUntilPlanned({"failback", "plan", "--to", "dc1"});
  const Ran back = Run({"failback", "run", "--to", "dc1", "--yes"});
  ASSERT_EQ(back.exit_code, 0) << back.out << back.log;
  EXPECT_EQ(PrimaryOf("clicks"), "dc1");
  ExpectAllThereOnce();
}

TEST_F(FailoverE2eTest, ARehearsalMeasuresAndTouchesNothingElse) {
  WaitUntilPlanned({"failover", "plan", "--from", "dc1", "--to", "dc2"});
  for (const char* kind : {"--planned", "--unplanned"}) {
    const Ran rehearsed = Run({"rehearse", "--from", "dc1", "--to", "dc2", kind, "--yes", "--json",
                               "--report", directory_.path()});
    ASSERT_EQ(rehearsed.exit_code, 0) << kind << ": " << rehearsed.out << rehearsed.log;
    const auto report = nlohmann::json::parse(rehearsed.out);
    EXPECT_EQ(report["rpo_messages"], 0) << kind;
    EXPECT_EQ(report["doubled_messages"], 0) << kind;
    EXPECT_GT(report["messages_arrived"], 0) << kind;
    EXPECT_TRUE(report["rto_ms"].is_number()) << kind;
    EXPECT_EQ(report.contains("lacked_at_swap"), kind == std::string("--unplanned"));
    std::set<std::string> known;
    for (const auto& figure : report["figures"]) {
      known.insert(figure["id"]);
      // How fast this machine is decides nothing here.
      EXPECT_TRUE(figure["unit"] == "s" || figure["within"] != false) << kind << ": " << figure;
    }
    for (const char* id : {"refused", "swap_s", "first_file_s", "lost", "doubled"}) {
      EXPECT_TRUE(known.contains(id)) << kind << ": " << id;
    }
    EXPECT_EQ(known.contains("loss_lines_open"), kind == std::string("--unplanned"));
  }
  EXPECT_EQ(PlainDigest(Stored("dc1").topology), PlainDigest(site_->topology));
  EXPECT_TRUE(Stored("dc1").modes.empty());
  ExpectAllThereOnce();
}

}  // namespace
}  // namespace databus
