// `databus-torture`: real processes, disks and sockets, and everything that may befall them.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "cli/installation.h"
#include "cli/signals.h"
#include "storage/open.h"
#include "telemetry/iso_time.h"
#include "tests/e2e/real_seams.h"
#include "tests/torture/round.h"

namespace databus {
namespace {

constexpr int kRoundsOfOneInstallation = 40;

struct Options {
  double minutes = 0;
  int rounds = 0;
  uint64_t seed = 0;
  int faults_last_ms = 10'000;
  std::string directory;
  std::string record;
  Programs programs;
};

Seams TortureSeams() {
  Seams seams = RealSeams();
  seams.host = "torture";
  seams.pid = ::getpid();
  return seams;
}

void Say(const std::string& text) { std::cout << text << std::endl; }

std::string Summary(const TortureTotals& totals) {
  return fmt::format(
      "{} installations, {} rounds, {} messages acknowledged, {} files read, at most {} ms until "
      "all "
      "was visible; {}",
      totals.installations, totals.rounds, totals.acknowledged, totals.files,
      totals.longest_arrival.count(), totals.faults.ToString());
}

// What was counted, a line each, as `tools/evidence add` wants it: kind, count, unit, outcome.
Status Record(const Options& options, const TortureTotals& totals, const Status& outcome) {
  const std::string end =
      fmt::format("seed {}, {}", options.seed,
                  outcome.ok() ? "clean" : "BROKEN: " + std::string(CodeName(outcome.code())));
  std::ofstream file(options.record);
  const auto line = [&](std::string_view kind, uint64_t count, std::string_view unit) {
    file << fmt::format("{}\t{}\t{}\t{}\n", kind, count, unit, end);
  };
  const FaultCounts& faults = totals.faults;
  for (size_t victim = 0; victim < faults.kills.size(); ++victim) {
    line(kVictimNames[victim], faults.kills[victim], "kills");
  }
  line("paused process", faults.pauses, "pauses");
  line("lease taken from a sleeper", faults.takeovers, "take-overs");
  line("injected ENOSPC", faults.no_space, "calls");
  line("injected EIO", faults.io_errors, "calls");
  line("full disk", faults.full_disks, "times");
  line("network", faults.cuts, "cuts");
  line("messages acknowledged", totals.acknowledged, "messages");
  file.close();
  return file ? Status::Ok() : Status(Code::kRefused, options.record + ": cannot be written");
}

int Run(const Options& options) {
  StopFlag stop;
  SignalWatch signals([&stop] { stop.Stop(); });
  Seams seams = TortureSeams();
  std::array<char, 4096> self{};
  if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return 1;
  TortureOptions torture{
      .seed = options.seed, .directory = options.directory, .programs = options.programs};
  torture.programs.torture = self.data();
  const Status mounts = OwnMounts();
  torture.small_disks = mounts.ok() ? SmallDisks::kYes : SmallDisks::kNo;
  torture.faults_last = Milliseconds(options.faults_last_ms);
  const auto length = std::chrono::duration<double, std::ratio<60>>(options.minutes);
  torture.until = seams.clock.Boot() + std::chrono::duration_cast<BootClock::duration>(length);
  torture.rounds_max = options.rounds > 0 ? options.rounds : kRoundsOfOneInstallation;
  if (options.rounds > 0) torture.until += std::chrono::hours(24);

  Say(fmt::format("Seed {}, in {}.", options.seed, options.directory));
  Say(mounts.ok() ? "Small disks: tmpfs, mounted for this process only."
                  : "No small disks, " + mounts.message());
  Say(options.programs.preload.empty() ? "No library that injects errors of disks."
                                       : "Errors of disks: injected by a library.");
  Say("When the faults of a round end, everything is to be visible after\n" + DescribeBound());
  const auto random = SeededRandom(options.seed);
  TortureTotals totals;
  Status status;
  do status = Torture(torture, *random, seams, stop, &Say, totals);
  while (status.ok() && options.rounds == 0 && seams.clock.Boot() < torture.until);

  const bool stopped = status.code() == Code::kStopped;
  if (!status.ok() && !stopped) {
    Say(fmt::format("\nBROKEN, seed {}, see {}:\n  {}", options.seed, options.directory,
                    status.ToString()));
  }
  if (!options.record.empty()) {
    const Status recorded = Record(options, totals, stopped ? Status::Ok() : status);
    if (!recorded.ok()) Say(recorded.message());
  }
  Say((status.ok() || stopped ? "Nothing lost, doubled or repaired: " : "Until then: ") +
      Summary(totals));
  return status.ok() || stopped ? 0 : 1;
}

void DefineProduce(CLI::App& app, ProducerOptions& options) {
  app.add_option("--input", options.input)->required();
  app.add_option("--collector", options.collector)->required();
  app.add_option("--port", options.port)->required();
  app.add_option("--rate", options.events_per_s)->required();
  app.add_option("--in-flight", options.in_flight_max)->required();
  app.add_option("--stream", options.streams)->required();
  app.add_option("--record", options.records)->required();
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Kills, pauses, fills and cuts a real installation, and counts every message.",
               "databus-torture");
  Options options;
  options.seed = SystemRandom().Next() % 1'000'000;
  options.directory = (std::filesystem::temp_directory_path() / "databus-torture").string();
  app.add_option("MINUTES", options.minutes, "How long; a round that has begun is ended");
  app.add_option("--rounds", options.rounds, "Instead: so many rounds on one installation");
  app.add_option("--seed", options.seed, "What the faults are drawn from");
  app.add_option("--faults-ms", options.faults_last_ms, "How long the faults of a round last")
      ->capture_default_str();
  app.add_option("--dir", options.directory, "Where; made from nothing")->capture_default_str();
  app.add_option("--record", options.record, "Write the counts to this file, a line each");
  app.add_option("--program", options.programs.databus, "The databus that is put to the torture")
      ->capture_default_str();
  app.add_option("--preload", options.programs.preload, "The library that injects errors of disks")
      ->capture_default_str();
  ProducerOptions producer;
  CLI::App* const produce = app.add_subcommand("produce", "One producer; started by the above");
  produce->group("");
  DefineProduce(*produce, producer);
  CLI11_PARSE(app, argc, argv);
  if (*produce) {
    const Status produced = Produce(producer);
    if (!produced.ok()) std::cerr << produced.ToString() << std::endl;
    return produced.ok() ? 0 : 1;
  }
  if (options.minutes <= 0 && options.rounds <= 0) {
    std::cerr << app.help();
    return 2;
  }
  return Run(options);
}

}  // namespace
}  // namespace databus

int main(int argc, char** argv) { return databus::Main(argc, argv); }
