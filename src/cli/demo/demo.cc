// `databus demo`: two data centres on this machine, killed while they run, and every event counted.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>

#include "cli/all_commands.h"
#include "cli/demo/demo_report.h"
#include "cli/demo/demo_run.h"
#include "cli/signals.h"
#include "cli/table.h"

namespace databus {
namespace {

struct Options {
  std::string directory;
  std::string input;
  std::optional<int> seconds;
  uint32_t rate = 5000;
  std::string failover = "no";
  uint32_t kills = 0;
  std::optional<uint64_t> seed;
  DemoClusters clusters;
  std::string take_away;
  std::string bring_back;
  std::string json;

  DemoStory Story() const {
    if (failover == "planned") return DemoStory::kPlanned;
    return failover == "unplanned" ? DemoStory::kUnplanned : DemoStory::kKills;
  }
  // Of the stream that is taken away from dc1 with nobody to ask it: so that a primary that is cut
  // off has to be waited for, and may not publish after that.
  WhenAlone Policy() const {
    return Story() == DemoStory::kUnplanned ? WhenAlone::kWait : WhenAlone::kContinue;
  }
  // Of events, before the story.
  std::chrono::seconds Duration() const {
    return std::chrono::seconds(seconds.value_or(Story() == DemoStory::kKills ? 60 : 20));
  }
};

// In a source tree below its build directory; else below the system's directory for such things.
std::string DefaultDirectory() {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory("build", error)) return (fs::path("build") / "demo").string();
  return (fs::temp_directory_path(error) / "databus-demo").string();
}

constexpr std::chrono::seconds kArriveWithin{240};
// Of clusters with servers, which have more to do.
constexpr Milliseconds kLookAtServersEvery{500};

// A command of the machine's shell; empty: none.
std::function<Status()> ShellCommand(const std::string& command) {
  if (command.empty()) return {};
  return [command]() -> Status {
    DATABUS_ASSIGN_OR_RETURN(Child child, Child::Start("/bin/sh", {"-c", command}, ""));
    DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child.Wait());
    if (end.exit_code == 0) return Status::Ok();
    return {Code::kRefused, fmt::format("{}: exit {}: {}", command, end.exit_code, end.output)};
  };
}

DemoOptions Plan(const Options& options) {
  const Milliseconds duration = options.Duration();
  DemoOptions plan{
      .traffic = {.events_per_s = options.rate, .duration = duration},
      .strikes = {{.service = "dc1-c2", .at = duration * 3 / 10, .down = duration / 20},
                  {.service = "worker-dc1", .at = duration * 5 / 10, .down = duration / 20}},
      .story = options.Story(),
      .absence = {ShellCommand(options.take_away), ShellCommand(options.bring_back)},
      .drill = {.kills = options.kills, .seed = options.seed.value_or(0)},
      .arrive_within = kArriveWithin};
  if (!options.clusters.dc1.empty()) plan.look_every = kLookAtServersEvery;
  return plan;
}

// Where they are not in the directory of the demo.
std::string WhereTheClustersAre(const DemoSite& site) {
  std::string where;
  for (const ClusterSpec& cluster : site.topology.clusters) {
    if (cluster.url.starts_with("file://" + site.root)) continue;
    where += fmt::format(" {}: {}.", cluster.name, cluster.RootUrl());
  }
  return where;
}

Status LeaveJson(const DemoReport& report, const std::string& path) {
  if (path.empty()) return Status::Ok();
  std::ofstream file(path);
  file << DemoReportToJson(report).dump(1) << "\n";
  if (file.flush()) return Status::Ok();
  return {Code::kRefused, path + ": cannot be written"};
}

Exit Demo(Options options, Io& io, Seams& seams) {
  if (options.kills > 0 && options.Story() == DemoStory::kKills) {
    io.err << "databus: --kills is for --failover planned or unplanned\n";
    return Exit::kUsage;
  }
  if (options.take_away.empty() != options.bring_back.empty()) {
    io.err << "databus: --take-away and --bring-back belong together\n";
    return Exit::kUsage;
  }
  if (!options.seed) options.seed = seams.random.Below(1'000'000'000);
  StopFlag stop;
  SignalWatch signals([&stop] { stop.Stop(); });
  const auto input = DemoInput::Open(options.input);
  if (!input.ok()) return Report(io, input.status());
  const auto site = MakeDemoSite(options.directory.empty() ? DefaultDirectory() : options.directory,
                                 seams.network, seams.random, options.clusters, options.Policy());
  if (!site.ok()) return Report(io, site.status());
  io.out << fmt::format(
                "Two data centres in {}, two collectors and a worker each.{}\n"
                "Input: {} of {}, each with a number; {} events a second for {} s{}.\n",
                site->root, WhereTheClustersAre(*site), Plural(input->lines(), "line"),
                input->name(), Grouped(options.rate), options.Duration().count(),
                options.Story() == DemoStory::kKills ? "" : ", and until dc1 is back")
         << std::flush;
  if (options.kills > 0) {
    io.out << fmt::format("Kills: up to {} while a command runs, seed {}.\n", options.kills,
                          *options.seed);
  }
  DemoDisplay display(io, seams.clock);
  const DemoEvents events{
      .on_progress = [&](const auto& progress,
                         const HopWatch& watch) { display.Progress(progress, watch); },
      .on_event = [&](const std::string& text) { display.Event(text); }};
  const auto report = RunDemo(*site, *input, Plan(options), events, seams, stop);
  if (!report.ok()) return Report(io, report.status());
  std::error_code error;
  const auto program = std::filesystem::read_symlink(Child::kSelf, error);
  io.out << RenderDemoReport(*report)
         << RenderNextSteps(*site, error ? "databus" : program.string());
  if (const Status left = LeaveJson(*report, options.json); !left.ok()) return Report(io, left);
  return report->Clean() ? Exit::kDone : Exit::kFailed;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--dir", options->directory,
                 "Where; made from nothing (default: build/demo in a source tree, else a directory "
                 "for temporary files)")
      ->type_name("DIR");
  app.add_option("--input", options->input,
                 "Whose lines are the events (default: a log of this machine)")
      ->type_name("FILE");
  app.add_option("--seconds", options->seconds,
                 "How long events are sent (60); before a failover begins (20)")
      ->type_name("S")
      ->check(CLI::Range(5, 86'400));
  app.add_option("--failover", options->failover,
                 "Whether dc1 is then taken away and comes back: no, planned or unplanned")
      ->type_name("HOW")
      ->check(CLI::IsMember({"no", "planned", "unplanned"}))
      ->capture_default_str();
  app.add_option("--rate", options->rate, "Events a second, of all producers together")
      ->type_name("N")
      ->check(CLI::Range(10u, 1'000'000u))
      ->capture_default_str();
  app.add_option("--kills", options->kills,
                 "While each of the two commands of --failover runs, kill -9 so many times: the "
                 "command, which is resumed, workers and collectors")
      ->type_name("N")
      ->check(CLI::Range(0u, 1'000u));
  app.add_option("--seed", options->seed, "Whom and when (default: another one each time, told)")
      ->type_name("S");
  app.add_option("--json", options->json, "Leave the verdict and the figures in this file, as JSON")
      ->type_name("FILE");
  app.add_option("--dc1", options->clusters.dc1,
                 "The hdfsurl of dc1, new (default: a directory below DIR)")
      ->type_name("URL");
  app.add_option("--dc2", options->clusters.dc2, "The same of dc2")->type_name("URL");
  app.add_option("--take-away", options->take_away,
                 "A command for /bin/sh by which --failover takes dc1's storage away (default: "
                 "its tree is renamed)")
      ->type_name("COMMAND");
  app.add_option("--bring-back", options->bring_back, "The command by which it comes back")
      ->type_name("COMMAND");
  return [options](Io& io, Seams& seams) { return Demo(*options, io, seams); };
}

}  // namespace

const Command kDemo{
    .name = "demo",
    .summary = "Run two data centres on this machine, kill parts of them, count every event.",
    .details =
        "Starts four collectors and two workers of this program, sends numbered lines to all\n"
        "collectors, kills one collector and one worker with -9 and starts them again, waits,\n"
        "verifies, and looks for every number in every view. lag: from the acceptance of a file's\n"
        "last event until the file is visible. Exit 0 only if nothing is lost or doubled.\n"
        "--failover planned: then dc1 is failed over to dc2, all of its processes are killed, its\n"
        "disk is away for a while, and it is failed back. unplanned: it dies first, and the "
        "stream\n"
        "that it was the primary of waits when it is alone (whenalone), which takes half a minute\n"
        "more; what its loss statement names has to come back. --kills: while they run, the\n"
        "commands themselves, which are resumed then, workers and collectors die.",
    .define = &Define};

}  // namespace databus
