// The promises G1, G2 and G3 with real processes, sockets and disks: collectors and workers are
// killed with -9 again and again while events flow, and then every event is counted in every view.
// Nothing here is measured; the limits of time are far beyond what is needed.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "cli/demo/demo_report.h"
#include "cli/demo/demo_run.h"
#include "cli/installation.h"
#include "storage/open.h"
#include "storage/test_directory.h"
#include "tests/e2e/real_seams.h"

namespace databus {
namespace {

constexpr Milliseconds kTraffic{24'000};
constexpr Milliseconds kDownMax{1'500};

// Each service dies once in each of `rounds` parts of the time, at a moment that the seed decides.
std::vector<Strike> Strikes(const DemoSite& site, int rounds, Random& random) {
  std::vector<Strike> strikes;
  const Milliseconds part = kTraffic / rounds;
  for (const auto* services : {&site.collectors, &site.workers}) {
    for (const DemoService& service : *services) {
      for (int round = 0; round < rounds; ++round) {
        const Milliseconds down(random.Below(static_cast<uint64_t>(kDownMax.count())));
        const auto room = static_cast<uint64_t>((part - down).count());
        strikes.push_back({service.name, part * round + Milliseconds(random.Below(room)), down});
      }
    }
  }
  return strikes;
}

TEST(KillTest, NoEventIsLostOrDoubledWhenEveryProcessIsKilledAgainAndAgain) {
  std::signal(SIGPIPE, SIG_IGN);
  constexpr uint64_t kSeed = 1;
  SCOPED_TRACE(kSeed);
  const auto random = SeededRandom(kSeed);
  const TestDirectory directory;
  Seams seams = RealSeams();
  const auto input = DemoInput::Open("");
  ASSERT_TRUE(input.ok()) << input.status().ToString();
  const auto site = MakeDemoSite(directory.path(), seams.network, *random);
  ASSERT_TRUE(site.ok()) << site.status().ToString();

  constexpr int kRounds = 3;
  const DemoOptions options{.program = DATABUS_PROGRAM,
                            .traffic = {.events_per_s = 1000, .duration = kTraffic},
                            .strikes = Strikes(*site, kRounds, *random)};
  int kills = 0;
  const DemoEvents events{
      .on_progress = [](const auto&, const HopWatch&) {},
      .on_event = [&](const std::string& text) { kills += text.starts_with("kill -9") ? 1 : 0; }};
  StopFlag stop;
  const auto report = RunDemo(*site, *input, options, events, seams, stop);
  ASSERT_TRUE(report.ok()) << report.status().ToString();

  EXPECT_EQ(kills, 6 * kRounds);
  EXPECT_TRUE(report->Clean()) << RenderDemoReport(*report);
  for (const SequenceResult& result : report->sequences) {
    EXPECT_GT(result.acknowledged, 0u);
    EXPECT_EQ(result.unconfirmed, 0u) << "a batch that was sent again is answered in the end";
    EXPECT_EQ(result.seen, result.acknowledged);
  }
}

TEST(KillTest, ADirectoryThatIsNotADemosIsLeftAlone) {
  const TestDirectory directory;
  const std::string file = (std::filesystem::path(directory.path()) / "precious").string();
  std::ofstream(file) << "kept";
  const auto site = MakeDemoSite(directory.path(), TcpNetwork(), SystemRandom());
  EXPECT_EQ(site.code(), Code::kRefused);
  EXPECT_TRUE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace databus
