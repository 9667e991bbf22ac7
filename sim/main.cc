// databus-sim: simulates installations from seeds and says what broke which promise.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/planted.h"
#include "base/random.h"
#include "sim/atlas.h"
#include "sim/correlated.h"
#include "sim/denials.h"
#include "sim/hadoop.h"
#include "sim/report.h"
#include "sim/tales.h"
#include "telemetry/log.h"

namespace databus::sim {
namespace {

constexpr int kShrinkRuns = 200;

struct Wishes {
  std::optional<uint64_t> seed{};
  uint64_t count = 1;
  uint64_t failures_max = 5;  // after so many, the rest is more of the same
  int64_t seconds = 0;
  unsigned jobs = 1;
  std::string seed_file{};
  Cuts cuts{};
  std::vector<size_t> without_incidents{};
  std::vector<size_t> without_producers{};
  std::vector<std::string> without_rates{};
  int64_t until_ms = 0;
  Wanted wanted{};
  bool trace = false;
  bool show = false;
  bool twice = false;
  bool coverage = false;
  bool require_coverage = false;
  bool no_shrink = false;
  std::string planted{};
};

struct ListedSeed {
  uint64_t seed = 0;
  std::string story{};  // empty: what is drawn
};

double Now() {
  return std::chrono::duration<double>(SystemClock().Boot().time_since_epoch()).count();
}

// Of processors, by this process and by the jobs that it has waited for.
double CoreSeconds() {
  double sum = 0;
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(whose, &used);
    for (const timeval& time : {used.ru_utime, used.ru_stime}) {
      sum += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    }
  }
  return sum;
}

// A failure as somebody wants to find it: made small, with its story and how to see it again.
void Explain(uint64_t seed, const Scenario& scenario, const Outcome& outcome,
             const Wishes& wishes) {
  fmt::print("{}", ViolationLine(seed, outcome));
  if (wishes.no_shrink) return;
  std::string wanted;
  if (wishes.wanted.size) wanted += fmt::format(" --size {}", SizeName(*wishes.wanted.size));
  if (wishes.wanted.share) wanted += " --share";
  if (!wishes.wanted.story.empty()) wanted += " --story " + wishes.wanted.story;
  if (wishes.wanted.denials == Denials::kNone) wanted += " --without-denials";
  if (wishes.wanted.denials == Denials::kMany) wanted += " --many-denials";
  if (wishes.wanted.hadoop == Hadoop::kNone) wanted += " --without-hadoop";
  if (wishes.wanted.hadoop == Hadoop::kMany) wanted += " --many-hadoop";
  const Cuts cuts = Shrink(scenario, outcome, kShrinkRuns, [](const Cuts&) {});
  fmt::print("{}again: databus-sim --seed {}{}{} --trace\n", Story(Apply(scenario, cuts)), seed,
             wanted, cuts.ToString());
}

// Equal seeds give equal runs; otherwise nothing that is found can be found again.
bool IsRepeatable(const Scenario& scenario, const Outcome& outcome) {
  const Outcome again = Simulate(scenario);
  if (again.digest == outcome.digest) return true;
  fmt::print("seed {}: two runs differ: digests {:016x} and {:016x}\n", scenario.seed,
             outcome.digest, again.digest);
  return false;
}

void RunSeed(uint64_t seed, const Wishes& wishes, Tally& tally) {
  const Scenario scenario = Apply(DrawScenario(seed, wishes.wanted), wishes.cuts);
  if (wishes.show) fmt::print("{}", scenario.ToString());
  RunOptions options;
  if (wishes.trace) {
    options.trace = [](const std::string& line) { fmt::print("{}\n", line); };
  }
  const Outcome outcome = Simulate(scenario, options);
  tally.Add(scenario, outcome);
  if (wishes.count == 1 || wishes.twice) fmt::print("{}", RunLine(seed, outcome));
  if (outcome.violation) {
    Explain(seed, scenario, outcome, wishes);
  } else if (const std::string why = TooSmall(scenario, outcome);
             !why.empty() && wishes.cuts.ToString().empty()) {
    fmt::print("seed {} is too small: {}\n", seed, why);
    ++tally.failed;
  }
  if (wishes.twice && !IsRepeatable(scenario, outcome)) ++tally.failed;
}

// The seeds of job `job` of wishes.jobs.
Tally RunJob(const std::vector<ListedSeed>& listed, uint64_t first, const Wishes& wishes,
             unsigned job) {
  Tally tally;
  const double end = wishes.seconds > 0 ? Now() + static_cast<double>(wishes.seconds)
                                        : std::numeric_limits<double>::max();
  const uint64_t count = !listed.empty()      ? listed.size()
                         : wishes.seconds > 0 ? std::numeric_limits<uint64_t>::max()
                                              : wishes.count;
  for (uint64_t i = job; i < count && Now() < end && tally.failed < wishes.failures_max;
       i += wishes.jobs) {
    if (listed.empty()) {
      RunSeed(first + i, wishes, tally);
      continue;
    }
    Wishes of_seed = wishes;
    of_seed.wanted.story = listed[i].story;
    RunSeed(listed[i].seed, of_seed, tally);
  }
  tally.CountRows();
  return tally;
}

// One process a job: a simulation is one thread and has globals.
Tally RunJobs(const std::vector<ListedSeed>& listed, uint64_t first, const Wishes& wishes) {
  if (wishes.jobs == 1) return RunJob(listed, first, wishes, 0);
  Tally all;
  std::vector<int> pipes;
  for (unsigned job = 0; job < wishes.jobs; ++job) {
    int ends[2] = {};
    if (pipe(ends) != 0) return all;
    std::fflush(stdout);
    if (fork() == 0) {
      const Tally tally = RunJob(listed, first, wishes, job);
      const bool told = write(ends[1], &tally, sizeof(tally)) == sizeof(tally);
      std::fflush(stdout);
      _exit(told ? 0 : 1);
    }
    close(ends[1]);
    pipes.push_back(ends[0]);
  }
  for (const int from : pipes) {
    Tally tally;
    if (read(from, &tally, sizeof(tally)) == sizeof(tally)) {
      all.Add(tally);
    } else {
      ++all.failed;
      fmt::print("a job died; run its seeds with --jobs 1\n");
    }
    close(from);
  }
  while (wait(nullptr) > 0) continue;
  return all;
}

// "SEED  why it is kept", one a line; '#' begins a comment, and "[STORY]" the seeds of one.
std::vector<ListedSeed> ReadSeeds(const std::string& path, const std::string& wanted) {
  std::ifstream file(path);
  if (!file) throw CLI::ValidationError("--seeds", path + ": cannot be read");
  std::vector<ListedSeed> seeds;
  std::string story = wanted;
  for (std::string line; std::getline(file, line);) {
    uint64_t seed = 0;
    if (line.starts_with('[')) story = line.substr(1, line.find(']') - 1);
    if (!line.starts_with('#') && std::istringstream(line) >> seed) seeds.push_back({seed, story});
  }
  return seeds;
}

// A mistake to be found (src/base/planted.h).
void PlantByName(const std::string& name) {
  for (const BugName& one : BugNames()) {
    if (one.name == name) return Plant(one.bug);
  }
  throw CLI::ValidationError("--planted", name + ": see --list-planted");
}

int Run(const Wishes& wishes) {
  if (!wishes.planted.empty()) PlantByName(wishes.planted);
  std::vector<ListedSeed> listed;
  if (!wishes.seed_file.empty()) listed = ReadSeeds(wishes.seed_file, wishes.wanted.story);
  const uint64_t first = wishes.seed.value_or(SystemRandom().Below(1'000'000'000));
  if (!wishes.seed && listed.empty()) fmt::print("fresh seeds from {}\n", first);
  const double begin = Now();
  const Tally tally = RunJobs(listed, first, wishes);
  const Took took{Now() - begin, CoreSeconds()};
  if (wishes.coverage) {
    fmt::print("{}{}{}", CoverageTable(tally.coverage), RowsTable(tally),
               FailoverTable(tally.failover_coverage));
  }
  const std::vector<std::string> unreached =
      wishes.require_coverage ? Unreached(tally) : std::vector<std::string>();
  for (const std::string& what : unreached) fmt::print("never reached: {}\n", what);
  fmt::print("{}", TallyLine(tally, took));
  return tally.failed == 0 && unreached.empty() ? 0 : 1;
}

void Declare(CLI::App& app, Wishes& wishes) {
  app.add_option("--seed", wishes.seed, "The first seed (default: a fresh one)");
  app.add_option("--count", wishes.count, "How many seeds");
  app.add_option("--failures", wishes.failures_max, "Stop after so many seeds that failed");
  app.add_option("--seconds", wishes.seconds, "As many seeds as fit in this time");
  app.add_option("--seeds", wishes.seed_file, "The seeds of this file");
  app.add_option("--jobs", wishes.jobs, "Processes at a time")->check(CLI::Range(1, 256));
  app.add_flag("--trace", wishes.trace, "Print every event");
  app.add_flag("--show", wishes.show, "Print what is simulated");
  app.add_flag("--twice", wishes.twice, "Run each seed twice and compare");
  app.add_flag("--coverage", wishes.coverage, "Print which faults met which steps");
  app.add_flag("--require-coverage", wishes.require_coverage,
               "Fail when what seeds can reach was not reached");
  app.add_flag("--no-shrink", wishes.no_shrink, "Do not look for a smaller failing run");
  app.add_option("--without-incidents", wishes.without_incidents, "Leave these out")
      ->delimiter(',');
  app.add_option("--without-producers", wishes.without_producers, "Leave these out")
      ->delimiter(',');
  app.add_option("--without-rates", wishes.without_rates, "Leave these out")->delimiter(',');
  app.add_flag_callback(
      "--without-denials", [&wishes] { wishes.wanted.denials = Denials::kNone; },
      "No directory is denied to anybody: as seeds were before there was that");
  app.add_flag_callback(
      "--many-denials", [&wishes] { wishes.wanted.denials = Denials::kMany; },
      "As the story `denied` has it, whatever else is told");
  app.add_flag_callback(
      "--without-hadoop", [&wishes] { wishes.wanted.hadoop = Hadoop::kNone; },
      "No server does what those of HDFS do and a local tree does not: as seeds were before");
  app.add_flag_callback(
      "--many-hadoop", [&wishes] { wishes.wanted.hadoop = Hadoop::kMany; },
      "As the story `hadoop` has it, whatever else is told");
  app.add_option("--planted", wishes.planted, "Put this bug in");
  app.add_flag_callback(
      "--atlas",
      [] {
        fmt::print("{}", Atlas());
        throw CLI::Success();
      },
      "Print which faults are promised to be survived");
  app.add_flag_callback(
      "--list-planted",
      [] {
        for (const BugName& one : BugNames()) fmt::print("{:<24} {}\n", one.name, one.rule);
        throw CLI::Success();
      },
      "Print the bugs that can be put in");
  static const std::map<std::string, Size> kSizeNames = {
      {"compact", Size::kCompact}, {"ordinary", Size::kOrdinary}, {"hours", Size::kHours}};
  app.add_option("--size", wishes.wanted.size, "compact, ordinary or hours (default: drawn)")
      ->transform(CLI::CheckedTransformer(kSizeNames).description(""));
  std::vector<std::string> stories = StoryNames();
  for (const std::string& tale : TaleNames()) stories.push_back(tale);
  stories.emplace_back(kDenialStory);
  stories.emplace_back(kHadoopStory);
  app.add_option("--story", wishes.wanted.story,
                 "Tell this one in any case: faults that hang together, or what operators do "
                 "(failover, failback, unplanned, return, opposite, abort, edit)")
      ->check(CLI::IsMember(stories));
  app.add_flag("--share", wishes.wanted.share,
               "Each cluster has two or three workers that share its groups");
  app.add_option("--until-ms", wishes.until_ms, "Faults stop at this time");
}

}  // namespace
}  // namespace databus::sim

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  databus::sim::Wishes wishes;
  CLI::App app{
      "Simulates whole installations under faults, each from a seed. Exits with 1 when a "
      "promise was broken."};
  databus::sim::Declare(app, wishes);
  try {
    app.parse(argc, argv);
    wishes.cuts.incidents.insert(wishes.without_incidents.begin(), wishes.without_incidents.end());
    wishes.cuts.producers.insert(wishes.without_producers.begin(), wishes.without_producers.end());
    wishes.cuts.rates.insert(wishes.without_rates.begin(), wishes.without_rates.end());
    wishes.cuts.until = std::chrono::milliseconds(wishes.until_ms);
    // A trace has what the processes log beside it, on stderr.
    const databus::LogLevel level =
        wishes.trace ? databus::LogLevel::kInfo : databus::LogLevel::kError;
    static_cast<void>(databus::StartLog({.level = level}));
    return databus::sim::Run(wishes);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
}
