// The wiki page by which data centres were failed over before there was a command for it, step by
// step, by hand: editors, signals, databus.sh, and looking. Producers send all the time; at the end
// every message is counted. docs/runbook.md has the same steps with the same numbers.
//
// Nothing is waited for but facts that an operator could look at; the limits of time are far beyond
// what is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/sync.h"
#include "cli/bench/child.h"
#include "cli/demo/free_ports.h"
#include "cli/demo/input.h"
#include "cli/demo/sequence_check.h"
#include "cli/demo/site.h"
#include "cli/demo/traffic.h"
#include "cli/installation.h"
#include "cluster/paths.h"
#include "control/epoch_store.h"
#include "net/entry_list.h"
#include "net/scribe_codec.h"
#include "storage/test_directory.h"
#include "tests/e2e/real_seams.h"

namespace databus {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr seconds kPatience{300};
constexpr size_t kLongQueue = 60;  // the page's figure

std::string Text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void Write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string Replaced(std::string text, std::string_view from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The files below a directory, at any depth. Those that go while this looks are not there.
std::vector<std::string> FilesBelow(const fs::path& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_regular_file(error)) files.push_back(at->path().string());
  }
  return files;
}

struct Finished {
  int exit_code = -1;
  std::string output;
};

// What stands in conf/examples, as databus.xml is edited in step 5: dc2 is the primary of both
// streams, dc1 a mirror and no source.
std::string WithoutDc1(const std::string& topology) {
  std::string text = Replaced(
      topology, "<source><name>dc1</name><retentioninhours>24</retentioninhours></source>", "");
  text = Replaced(text, "<source><name>dc1</name></source>", "");
  text = Replaced(text, "<name>dc1</name><primary>true</primary>", "<name>dc1</name>");
  return Replaced(text, "<name>dc2</name><retentioninhours>48</retentioninhours>",
                  "<name>dc2</name><primary>true</primary><retentioninhours>48</retentioninhours>");
}

class PageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    auto site = MakeDemoSite(directory_.path(), TcpNetwork(), SystemRandom());
    ASSERT_TRUE(site.ok()) << site.status().ToString();
    site_ = std::make_unique<DemoSite>(*std::move(site));
    auto input = DemoInput::Open("");
    ASSERT_TRUE(input.ok()) << input.status().ToString();
    input_ = std::make_unique<DemoInput>(*std::move(input));
    topology_ = Text(site_->topology_file);
    WriteConfigurations();
    for (const std::string dc : {"dc1", "dc2"}) ASSERT_EQ(StartWorker(dc).exit_code, 0);
    for (const DemoService& collector : site_->collectors) StartCollector(collector);
    ASSERT_TRUE(Eventually([&] {
      return Of({"dc1", "dc2"}, [&](const auto& name) { return Metric(name, "lag_ms") >= 0; });
    })) << "the collectors are not there";
    traffic_ = std::make_unique<Traffic>(
        *site_, *input_, TrafficOptions{.events_per_s = 400, .duration = std::chrono::hours(1)},
        TrafficSeams{TcpNetwork(), SystemClock(), SystemRandom()});
  }

  void TearDown() override {
    traffic_.reset();
    collectors_.clear();
    for (const std::string dc : {"dc1", "dc2"}) DatabusSh({"stop", WorkerConfig(dc)});
    if (HasFailure()) {
      for (const std::string& file : FilesBelow(site_->root + "/log")) {
        const std::string text = Text(file);
        std::cerr << "== the end of " << file << "\n"
                  << text.substr(text.size() - std::min<size_t>(text.size(), 3000));
      }
    }
  }

  // --- The hands: files, signals, scripts.

  std::string Conf(const std::string& file) const { return site_->root + "/conf/" + file; }
  std::string WorkerConfig(const std::string& dc) const { return Conf("databus-" + dc + ".cfg"); }
  fs::path Tree(const std::string& dc) const { return site_->root + "/" + dc + "/databus"; }

  // Each data centre has its own databus.xml, as on machines of its own, and each collector shows
  // its metrics.
  void WriteConfigurations() {
    Write(Conf("databus.env"),
          "DATABUS_PID_DIR=" + site_->root + "/pid\nDATABUS_LOG_DIR=" + site_->root + "/log\n");
    for (const std::string dc : {"dc1", "dc2"}) {
      Write(Conf(dc + ".xml"), topology_);
      Write(WorkerConfig(dc), Replaced(Text(WorkerConfig(dc)), "databus.xml", dc + ".xml"));
    }
    FreePorts ports(TcpNetwork(), SystemRandom());
    for (const DemoService& collector : site_->collectors) {
      http_[collector.name] = *ports.Next();
      delivering_[collector.name] = WithMetrics(collector.name, Text(collector.config));
      Write(collector.config, delivering_[collector.name]);
    }
    nobody_ = *ports.Next();
  }
  std::string WithMetrics(const std::string& name, const std::string& config) {
    return "databus.http_port=" + std::to_string(http_[name]) + "\n" + config;
  }
  // That of the example for step 8, handing everything to a port.
  std::string Redirecting(const DemoService& collector, uint16_t port) {
    return WithMetrics(collector.name, Filled(Text(DATABUS_EXAMPLES "/scribe-redirect.conf"),
                                              {{"@ROOT@", site_->root},
                                               {"@NAME@", collector.name},
                                               {"@PORT@", std::to_string(collector.port)},
                                               {"@REDIRECT_PORT@", std::to_string(port)}}));
  }

  Finished Run(const std::string& program, const std::vector<std::string>& args) {
    auto child = Child::Start(program, args, site_->root + "/log/hand.log");
    if (!child.ok()) return {-1, child.status().ToString()};
    const auto end = child->Wait();
    return {end.ok() ? end->exit_code : -1, end.ok() ? end->output : end.status().ToString()};
  }
  Finished DatabusSh(std::vector<std::string> args) {
    const std::string home = fs::path(DATABUS_PROGRAM).parent_path().string();
    args.insert(args.begin(), {"DATABUS_HOME=" + home, "bash", DATABUS_SH});
    return Run("env", args);
  }
  Finished StartWorker(const std::string& dc, const std::vector<std::string>& options = {}) {
    std::vector<std::string> args = {"start", WorkerConfig(dc)};
    args.insert(args.end(), options.begin(), options.end());
    return DatabusSh(args);
  }
  void StopWorker(const std::string& dc) {
    const Finished stopped = DatabusSh({"stop", WorkerConfig(dc)});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.output;
  }
  void StartCollector(const DemoService& collector) {
    auto started = Child::Start(DATABUS_PROGRAM, {"collector", "--config", collector.config},
                                site_->LogFile(collector.name));
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    collectors_.emplace(collector.name, *std::move(started));
  }
  // Puts a configuration in place, sends HUP, and sees that it was taken.
  void Hup(const DemoService& collector, const std::string& config) {
    const double reloads = Metric(collector.name, "reloads_total");
    Write(collector.config, config);
    ASSERT_EQ(::kill(collectors_.at(collector.name).pid(), SIGHUP), 0);
    ASSERT_TRUE(Eventually([&] { return Metric(collector.name, "reloads_total") > reloads; }))
        << collector.name << " did not take\n"
        << config;
  }
  void EditTopology(const std::string& text) {
    for (const std::string dc : {"dc1", "dc2"}) Write(Conf(dc + ".xml"), text);
  }

  // --- The eyes.

  template <typename Condition>
  bool Eventually(Condition&& condition) const {
    StopFlag pause;
    for (const BootTime end = SystemClock().Boot() + kPatience; SystemClock().Boot() < end;) {
      if (condition()) return true;
      pause.SleepUntil(SystemClock(), SystemClock().Boot() + Milliseconds(100));
    }
    return false;
  }
  // Whether something is so for all collectors of these data centres.
  template <typename Condition>
  bool Of(const std::vector<std::string>& dcs, Condition&& condition) const {
    return std::ranges::all_of(site_->collectors, [&](const DemoService& collector) {
      const bool meant = std::ranges::any_of(
          dcs, [&](const auto& dc) { return collector.name.starts_with(dc + "-"); });
      return !meant || condition(collector.name);
    });
  }
  // A number that a collector shows, or -1.
  double Metric(const std::string& collector, const std::string& name) const {
    const auto got = httplib::Client("127.0.0.1", http_.at(collector)).Get("/metrics");
    if (!got) return -1;
    const std::string line = "\ndatabus_collector_" + name + " ";
    const size_t at = got->body.find(line);
    return at == std::string::npos ? -1 : std::stod(got->body.substr(at + line.size()));
  }
  // The newest stored epoch that a data centre has, as `databus topology show` says.
  uint64_t Epoch(const std::string& dc) const {
    const auto tree = OpenStorage("file://" + Tree(dc).string(), "");
    if (!tree.ok()) return 0;
    const auto newest = NewestEpoch(**tree);
    return newest.ok() ? newest->value_or(0) : 0;
  }
  size_t QueueLength(const std::string& dc, const std::string& queue) const {
    return FilesBelow(Tree(dc) / queue).size();
  }
  // Step 2: nothing is on its way any more, neither to a primary nor to a mirror.
  bool Drained() const {
    for (const std::string dc : {"dc1", "dc2"}) {
      for (const char* part : {"data", "system/tmp/data", "system/consumers", "system/mirrors"}) {
        if (!FilesBelow(Tree(dc) / part).empty()) return false;
      }
    }
    return true;
  }
  std::string NewestMinute(const std::string& dc) const {
    std::string newest;
    for (const std::string& file : FilesBelow(Tree(dc) / "streams/clicks")) {
      newest =
          std::max(newest, fs::path(file).parent_path().string().substr(Tree(dc).string().size()));
    }
    return newest;
  }

  // --- Several hands at once.

  void SpoolEverywhere() {
    for (const DemoService& collector : site_->collectors) {
      Hup(collector, Redirecting(collector, nobody_));
    }
    ASSERT_TRUE(Eventually([&] {
      return Of({"dc1", "dc2"},
                [&](const auto& name) { return Metric(name, "open_intents") == 0; });
    }));
  }
  // Nothing in these collectors' spools is older than this moment.
  void ExpectDespooled(const std::vector<std::string>& dcs) {
    const BootTime since = SystemClock().Boot();
    EXPECT_TRUE(Eventually([&] {
      const auto passed = SystemClock().Boot() - since;
      const auto passed_ms = std::chrono::duration_cast<Milliseconds>(passed).count();
      return Of(dcs, [&](const auto& name) {
        const double lag_ms = Metric(name, "lag_ms");
        return lag_ms >= 0 && lag_ms < static_cast<double>(passed_ms);
      });
    }));
  }
  // An empty list of messages: the run-books' way of saying "try now".
  void SendNothing(const DemoService& collector) {
    const BootTime deadline = SystemClock().Boot() + kPatience;
    auto client =
        TcpNetwork().Connect({.host = "127.0.0.1", .port = collector.port, .deadline = deadline});
    ASSERT_TRUE(client.ok()) << client.status().ToString();
    const EntryList none;
    const std::string call = EncodeLogCall({.header = {.seqid = 1}, .entries = none.bytes()});
    const std::string_view frame = call;
    ASSERT_TRUE((*client)->Send({&frame, 1}, deadline).ok());
    const auto answer = (*client)->Receive(deadline);
    ASSERT_TRUE(answer.ok() && answer->has_value());
    EXPECT_EQ(DecodeLogReply(**answer)->code, ResultCode::kOk);
  }
  void FailOver();
  void ComeBack();
  void GoBack();
  void CountEverything();

  const TestDirectory directory_;
  std::unique_ptr<DemoSite> site_;
  std::unique_ptr<DemoInput> input_;
  std::string topology_;
  std::map<std::string, uint16_t> http_;
  std::map<std::string, std::string> delivering_;  // the configurations of every day
  uint16_t nobody_ = 0;                            // a port where nobody listens
  std::map<std::string, Child> collectors_;
  std::unique_ptr<Traffic> traffic_;
};

// Steps 1 to 9.
void PageTest::FailOver() {
  // 1, 2
  ASSERT_NO_FATAL_FAILURE(SpoolEverywhere());
  ASSERT_TRUE(Eventually([&] { return Drained(); }));
  // 3
  for (const std::string dc : {"dc1", "dc2"}) StopWorker(dc);
  // 4
  fs::rename(site_->root + "/dc1", site_->root + "/dc1.off");
  // 5
  EditTopology(WithoutDc1(topology_));
  // 6: without the option it is refused, for the file differs from what is stored.
  const Finished forgotten = StartWorker("dc2");
  EXPECT_EQ(forgotten.exit_code, 2) << forgotten.output;
  EXPECT_THAT(Text(site_->root + "/log/databus-dc2.log"), HasSubstr("--adopt-config=1"));
  const Finished started = StartWorker("dc2", {"--adopt-config=1"});
  ASSERT_EQ(started.exit_code, 0) << started.output;
  ASSERT_TRUE(Eventually([&] { return Epoch("dc2") == 2; }));
  // 7, and the white list of 8
  for (const DemoService& collector : site_->collectors) {
    if (!collector.name.starts_with("dc2-")) continue;
    ASSERT_NO_FATAL_FAILURE(
        Hup(collector, "databus.collector.allow=127.0.0.0/8\n" + delivering_[collector.name]));
  }
  // 8
  const DemoService& to = site_->collectors.back();
  for (const DemoService& collector : site_->collectors) {
    if (collector.name.starts_with("dc1-")) Hup(collector, Redirecting(collector, to.port));
  }
  // 9
  for (const DemoService& collector : site_->collectors) SendNothing(collector);
  ExpectDespooled({"dc1", "dc2"});
}

// Maintenance, and steps 10 to 13.
void PageTest::ComeBack() {
  const std::string queue = paths::Mirrors("dc1");
  ASSERT_TRUE(Eventually([&] { return QueueLength("dc2", queue) > kLongQueue; }));
  fs::rename(site_->root + "/dc1.off", site_->root + "/dc1");
  // 10
  StopWorker("dc2");
  // 11
  const Finished collapsed =
      DatabusSh({"collapse", "file://" + site_->root + "/dc2", "/databus/" + queue});
  EXPECT_EQ(collapsed.exit_code, 0) << collapsed.output;
  EXPECT_LE(QueueLength("dc2", queue), kGroupsDefault);
  // 12: a mirror goes on when the primary's worker has closed a minute, so that is started, too.
  const std::string before = NewestMinute("dc2");
  const Finished started = StartWorker("dc1");
  ASSERT_EQ(started.exit_code, 0) << started.output;
  ASSERT_EQ(StartWorker("dc2").exit_code, 0);
  // 13
  ASSERT_TRUE(Eventually([&] { return NewestMinute("dc1") > before; }));
  EXPECT_EQ(Epoch("dc1"), 2U);
}

// Steps 14 to 16.
void PageTest::GoBack() {
  // 14: what dc2 took since then comes to dc1 before it is stopped.
  ASSERT_NO_FATAL_FAILURE(SpoolEverywhere());
  ASSERT_TRUE(Eventually([&] { return Drained(); }));
  for (const std::string dc : {"dc1", "dc2"}) StopWorker(dc);
  // 15
  EditTopology(topology_);
  // 16
  const Finished started = StartWorker("dc1", {"--adopt-config=2"});
  ASSERT_EQ(started.exit_code, 0) << started.output;
  ASSERT_EQ(StartWorker("dc2").exit_code, 0);
  ASSERT_TRUE(Eventually([&] { return Epoch("dc1") == 3 && Epoch("dc2") == 3; }));
  for (const DemoService& collector : site_->collectors) {
    ASSERT_NO_FATAL_FAILURE(Hup(collector, delivering_[collector.name]));
  }
  ExpectDespooled({"dc1", "dc2"});
}

void PageTest::CountEverything() {
  traffic_->Stop();
  ASSERT_TRUE(Eventually([&] { return traffic_->Done(); }));
  const Finished verified = Run(
      DATABUS_PROGRAM, {"verify", "--topology", site_->topology_file, "--wait", "200s", "--deep"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  const std::vector<SourceCount> counts = traffic_->Counts();
  for (const SourceCount& count : counts) {
    EXPECT_GT(count.acknowledged, 1'000U);
    EXPECT_EQ(count.unconfirmed(), 0U);
    EXPECT_EQ(count.failures, 0U) << "a producer of " << count.source.collector << " was refused";
  }
  Seams seams = RealSeams();
  const auto results = CheckSequences(site_->topology, *input_, counts, seams);
  ASSERT_TRUE(results.ok()) << results.status().ToString();
  for (const SequenceResult& result : *results) {
    EXPECT_TRUE(result.Clean()) << result.stream << " " << HopName(result.hop) << ": "
                                << result.example;
    EXPECT_EQ(result.seen, result.acknowledged) << result.stream << " " << HopName(result.hop);
  }
  EXPECT_TRUE(Of({"dc1", "dc2"}, [&](const auto& name) {
    return Metric(name, "try_later_total") == 0 && Metric(name, "rejected_total") == 0;
  }));
}

TEST_F(PageTest, ADataCentreIsTakenAwayAndComesBackByHandAndNothingIsRefusedLostOrDoubled) {
  ASSERT_NO_FATAL_FAILURE(FailOver());
  ASSERT_NO_FATAL_FAILURE(ComeBack());
  ASSERT_NO_FATAL_FAILURE(GoBack());
  CountEverything();
}

}  // namespace
}  // namespace databus
