// databus-sim: simulates installations from seeds and says what broke which promise.
#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "sim/world.h"
#include "telemetry/log.h"

namespace databus::sim {
namespace {

struct Wishes {
  uint64_t seed = 1;
  uint64_t count = 1;
  bool trace = false;
  bool show = false;
};

int Run(const Wishes& wishes) {
  using SteadyClock = std::chrono::steady_clock;
  const auto begin = SteadyClock::now();
  uint64_t calls = 0;
  uint64_t deaths = 0;
  uint64_t faults = 0;
  uint64_t failed = 0;
  for (uint64_t seed = wishes.seed; seed < wishes.seed + wishes.count; ++seed) {
    const Scenario scenario = DrawScenario(seed);
    if (wishes.show) fmt::print("{}", scenario.ToString());
    RunOptions options;
    if (wishes.trace) {
      options.trace = [](const std::string& line) { fmt::print("{}\n", line); };
    }
    const Outcome outcome = Simulate(scenario, options);
    calls += outcome.seam_calls;
    deaths += outcome.deaths;
    faults += outcome.faults;
    if (wishes.count == 1 || outcome.violation) {
      fmt::print(
          "seed {}: {} calls, {} faults, {} deaths, {} messages, {:.0f} s simulated, settled after "
          "{:.0f} s, digest {:016x}\n",
          seed, outcome.seam_calls, outcome.faults, outcome.deaths, outcome.messages,
          std::chrono::duration<double>(outcome.simulated).count(),
          std::chrono::duration<double>(outcome.settled_after).count(), outcome.digest);
    }
    if (!outcome.violation) continue;
    ++failed;
    fmt::print("seed {}: {} broken at {:.6f} s: {} {}\n", seed, outcome.violation->promise,
               std::chrono::duration<double>(outcome.violated_at).count(), outcome.violation->what,
               outcome.violation->path);
  }
  const double took = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  fmt::print("{} seeds, {} failed; {} seam calls ({:.0f}/s), {} faults, {} deaths, {:.1f} s\n",
             wishes.count, failed, calls, static_cast<double>(calls) / took, faults, deaths, took);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace databus::sim

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  databus::sim::Wishes wishes;
  CLI::App app{"Simulates whole installations under faults, each from a seed."};
  app.add_option("--seed", wishes.seed, "The first seed");
  app.add_option("--count", wishes.count, "How many");
  app.add_flag("--trace", wishes.trace, "Every event");
  app.add_flag("--show", wishes.show, "What is simulated");
  CLI11_PARSE(app, argc, argv);
  static_cast<void>(databus::StartLog({.level = databus::LogLevel::kError}));
  return databus::sim::Run(wishes);
}
