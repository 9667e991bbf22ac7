// The program on two real HDFS clusters: real processes, events through all of it, kill -9 in the
// middle, a planned failover, a cluster that dies whole, a failback; then every event is counted.

#include <gmock/gmock.h>

#include <csignal>

#include "cli/demo/demo_report.h"
#include "cli/demo/demo_run.h"
#include "cli/installation.h"
#include "commit/cluster_id.h"
#include "storage/open.h"
#include "storage/test_directory.h"
#include "tests/e2e/real_seams.h"
#include "tests/hdfs/rig.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() { std::signal(SIGPIPE, SIG_IGN); }

  static Status Obey(const std::string& line) {
    TheRig().Obey(line);
    return testing::Test::HasFailure() ? Status(Code::kRefused, line) : Status::Ok();
  }
  std::string Logs(const DemoSite& site) const {
    std::string all;
    for (const char* name : {"worker-dc1", "worker-dc2", "failover"}) {
      const auto log = ReadTextFile(site.LogFile(name));
      if (log.ok()) all += fmt::format("--- {}\n{}", name, *log);
    }
    return all;
  }

  const TestDirectory directory_;
  std::string told_;
};

TEST_F(ProgramTest, NothingIsLostOrDoubledThroughKillsAFailoverADeadClusterAndAFailback) {
  Seams seams = RealSeams();
  const auto input = DemoInput::Open("");
  ASSERT_TRUE(input.ok()) << input.status().ToString();
  const auto site = MakeDemoSite(directory_.path(), seams.network, seams.random,
                                 {.dc1 = TheRig().cluster(0).url, .dc2 = TheRig().cluster(1).url});
  ASSERT_TRUE(site.ok()) << site.status().ToString();
  const DemoOptions options{.program = DATABUS_PROGRAM,
                            .traffic = {.events_per_s = 300, .duration = 15s},
                            .strikes = {{.service = "worker-dc1", .at = 4s, .down = 1s},
                                        {.service = "worker-dc2", .at = 7s, .down = 1s},
                                        {.service = "dc1-c2", .at = 9s, .down = 1s}},
                            .story = DemoStory::kPlanned,
                            .absence = {.take_away = [] { return Obey("down 1"); },
                                        .bring_back = [] { return Obey("up 1"); }},
                            .look_every = 500ms,
                            .arrive_within = 240s};
  const DemoEvents events{.on_progress = [](const auto&, const HopWatch&) {},
                          .on_event =
                              [this](const std::string& text) {
                                told_ += text + "\n";
                                if (!text.starts_with(' ')) std::puts(text.c_str());
                              }};
  StopFlag stop;
  const auto report = RunDemo(*site, *input, options, events, seams, stop);
  ASSERT_TRUE(report.ok()) << report.status().ToString() << "\n" << told_ << Logs(*site);
  EXPECT_TRUE(report->Clean()) << RenderDemoReport(*report) << told_ << Logs(*site);
  for (const SequenceResult& result : report->sequences) {
    EXPECT_GT(result.acknowledged, 0u);
    EXPECT_EQ(result.seen, result.acknowledged) << RenderDemoReport(*report);
  }
  ASSERT_EQ(report->story.commands.size(), 2u) << told_;
  EXPECT_EQ(report->story.commands[0].measured.refused, 0U) << told_;
}

}  // namespace
}  // namespace databus
