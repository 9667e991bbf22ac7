// `databus bench`: what we do in a second, over what this machine can do at all.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>

#include "cli/all_commands.h"
#include "cli/bench/freshness.h"
#include "cli/bench/hdfs.h"
#include "cli/bench/ingest.h"
#include "cli/bench/load.h"
#include "cli/bench/machine.h"
#include "cli/bench/merge_memory.h"
#include "cli/bench/publish.h"
#include "cli/bench/receive.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "cluster/paths.h"
#include "net/tcp_socket.h"

namespace databus {
namespace {

struct Options {
  std::string directory = std::filesystem::temp_directory_path();
  bool json = false;
  int rounds = 3;
  int duration_ms = 2000;
  IngestOptions ingest;
  PublishOptions publish;
  FreshnessOptions freshness;
  std::string hdfs_task;
  HdfsTaskOptions hdfs;
  MergeMemoryOptions merge;
  LoadOptions load;
  std::string to;
};

// A directory of this run, removed with all that is in it.
class Scratch {
 public:
  static Result<Scratch> Make(const std::string& parent) {
    std::error_code error;
    std::string pattern =
        paths::Join(std::filesystem::absolute(parent, error).string(), "databus-bench-XXXXXX");
    if (::mkdtemp(pattern.data()) == nullptr) {
      return ErrnoStatus(Code::kRefused, "make " + pattern, errno);
    }
    return Scratch(pattern);
  }
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// What every benchmark prints: the machine first, then its own figures.
template <typename Figures>
Exit Print(const Options& options, Io& io, const MachineFacts& machine, const Figures& figures) {
  if (options.json) {
    const nlohmann::ordered_json json = {{"machine", ToJson(machine)},
                                         {"figures", ToJson(figures)}};
    io.out << json.dump(1) << "\n";
  } else {
    io.out << ToText(figures);
  }
  return Exit::kDone;
}

// Runs measure(directory) in a scratch directory.
template <typename Measure>
Exit Bench(const Options& options, Io& io, Seams& seams, Measure&& measure) {
  const auto scratch = Scratch::Make(options.directory);
  if (!scratch.ok()) return Report(io, scratch.status());
  const auto machine = LookAtMachine(scratch->path(), seams.clock);
  if (!machine.ok()) return Report(io, machine.status());
  if (!options.json) io.out << ToText(*machine) << std::flush;
  const auto figures = measure(scratch->path());
  return figures.ok() ? Print(options, io, *machine, *figures) : Report(io, figures.status());
}

Exit Ingest(Options& options, Io& io, Seams& seams) {
  options.ingest.rounds = options.rounds;
  options.ingest.duration = Milliseconds(options.duration_ms);
  const auto progress = [&](const std::string& text) {
    if (io.terminal == Terminal::kYes) io.err << "\r" << text << "   " << std::flush;
  };
  return Bench(options, io, seams, [&](const std::string& directory) {
    options.ingest.directory = directory;
    auto cases = MeasureIngest(options.ingest, seams, progress);
    if (io.terminal == Terminal::kYes) io.err << "\n";
    return cases;
  });
}

Exit Publish(Options& options, Io& io, Seams& seams) {
  options.publish.rounds = options.rounds;
  return Bench(options, io, seams, [&](const std::string& directory) {
    options.publish.directory = directory;
    return MeasurePublish(options.publish, seams);
  });
}

Exit MeasureAges(Options& options, Io& io, Seams& seams) {
  return Bench(options, io, seams, [&](const std::string& directory) {
    options.freshness.directory = directory;
    return MeasureFreshness(options.freshness, seams);
  });
}

Exit MergeMuch(Options& options, Io& io, Seams& seams) {
  options.merge.clusters = options.freshness.clusters;
  return Bench(options, io, seams, [&](const std::string& directory) {
    options.merge.directory = directory;
    return MeasureMergeMemory(options.merge, seams);
  });
}

Exit Hdfs(Options& options, Io& io, Seams& seams) {
  if (options.hdfs_task == "merge") return MergeMuch(options, io, seams);
  const bool copies = options.hdfs_task == "copy";
  if (options.hdfs.to.empty() || (copies && options.hdfs.from.empty())) {
    return Report(io, Status(Code::kInvalid, copies ? "copy needs --from URL and --to URL"
                                                    : options.hdfs_task + " needs --to URL"));
  }
  const auto run = copies                          ? CopyDirectory
                   : options.hdfs_task == "create" ? CreateFiles
                                                   : FillDirectory;
  const auto result = run(options.hdfs, seams);
  if (!result.ok()) return Report(io, result.status());
  io.out << (options.json ? ToJson(*result).dump() + "\n" : ToText(*result));
  return Exit::kDone;
}

Exit RunLoadCommand(Options& options, Io& io, Seams& seams) {
  const size_t colon = options.to.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(options.to.c_str() + colon + 1);
  if (port <= 0 || port > 65535) {
    return Report(io, Status(Code::kInvalid, "--to: found '" + options.to + "', expected IP:PORT"));
  }
  options.load.host = options.to.substr(0, colon);
  options.load.port = static_cast<uint16_t>(port);
  options.load.duration = Milliseconds(options.duration_ms);
  const auto result = RunLoad(options.load, seams.clock);
  if (!result.ok()) return Report(io, result.status());
  if (options.json) {
    io.out << ToJson(*result).dump() << "\n";
  } else {
    io.out << fmt::format(
        "{} messages/s, {:.1f} MB/s acknowledged, {} calls refused, p50 {:.2f} ms, p99 {:.2f} ms\n",
        Grouped(static_cast<uint64_t>(result->messages_per_s())), result->bytes_per_s() / 1e6,
        result->refused_calls, result->p50_us / 1e3, result->p99_us / 1e3);
  }
  return Exit::kDone;
}

Exit Receive(Io& io, Seams& seams) {
  StopFlag stop;
  SignalWatch signals([&stop] { stop.Stop(); });
  const Status run = RunBareReceiver(
      seams.network, seams.clock, [&](uint16_t port) { io.out << port << std::endl; },
      [&] {
        while (!stop.SleepUntil(seams.clock, seams.clock.Boot() + std::chrono::hours(1))) {
        }
      });
  return run.ok() ? Exit::kDone : Report(io, run);
}

void AddPlaceAndForm(CLI::App& app, Options& options) {
  app.add_option("--directory", options.directory, "Work below this one; its disk is measured")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_flag("--json", options.json, "Print JSON: three numbers are minimum, median, maximum");
}

void AddRounds(CLI::App& app, Options& options) {
  app.add_option("--rounds", options.rounds, "How often everything is measured")
      ->type_name("N")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

void AddDuration(CLI::App& app, Options& options) {
  app.add_option("--duration-ms", options.duration_ms, "How long each load lasts")
      ->type_name("N")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str();
}

void AddClusters(CLI::App& app, DemoClusters& clusters) {
  app.add_option("--dc1", clusters.dc1, "The hdfsurl of dc1, new (default: below DIR)")
      ->type_name("URL");
  app.add_option("--dc2", clusters.dc2, "The same of dc2")->type_name("URL");
}

void DefineIngest(CLI::App& app, Options& options) {
  AddPlaceAndForm(app, options);
  AddRounds(app, options);
  AddDuration(app, options);
  app.add_option("--batch", options.ingest.batches, "Messages a call")
      ->type_name("N,N...")
      ->delimiter(',');
  app.add_option("--connections", options.ingest.connections,
                 "Connections, one call at a time each")
      ->type_name("N,N...")
      ->delimiter(',');
  app.add_option("--single", options.ingest.single_in_flight,
                 "Also one message a call, N calls in flight on one connection; 0: not")
      ->type_name("N")
      ->capture_default_str();
}

void DefinePublish(CLI::App& app, Options& options) {
  AddPlaceAndForm(app, options);
  AddRounds(app, options);
  app.add_option("--bytes", options.publish.bytes, "How much is compressed")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1'000'000}, uint64_t{10'000'000'000}))
      ->capture_default_str();
}

void DefineFreshness(CLI::App& app, Options& options) {
  AddPlaceAndForm(app, options);
  app.add_option("--rate", options.freshness.events_per_s, "Messages a second, all together")
      ->type_name("N")
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  app.add_option("--seconds", options.freshness.seconds, "How long they are sent")
      ->type_name("S")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  AddClusters(app, options.freshness.clusters);
}

void DefineHdfs(CLI::App& app, Options& options) {
  HdfsTaskOptions& task = options.hdfs;
  app.add_option("TASK", options.hdfs_task,
                 "copy: as a worker copies; create: small files, as a collector writes them;\n"
                 "fill: input for the others; merge: much that has piled up, by a worker that\n"
                 "is started for it, and how much memory that takes")
      ->required()
      ->check(CLI::IsMember({"copy", "create", "fill", "merge"}));
  app.add_option("--from", task.from, "copy: the directory whose files are copied")
      ->type_name("URL");
  app.add_option("--to", task.to, "copy, create, fill: the directory where they go; is made")
      ->type_name("URL");
  app.add_option("--threads", task.threads, "copy: as databus.worker.copy_threads")
      ->type_name("N")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--files", task.files, "create, fill: how many")
      ->type_name("N")
      ->check(CLI::Range(1u, 10'000'000u))
      ->capture_default_str();
  app.add_option("--bytes", task.bytes, "create, fill: the length of each")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000'000}))
      ->capture_default_str();
  app.add_option("--merge-bytes", options.merge.bytes, "merge: of all files together")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000'000}))
      ->capture_default_str();
  app.add_option("--merge-file-bytes", options.merge.file_bytes, "merge: the length of each")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  AddClusters(app, options.freshness.clusters);
  AddPlaceAndForm(app, options);
}

void DefineLoad(CLI::App& app, Options& options) {
  LoadOptions& load = options.load;
  app.add_option("--to", options.to, "The server")->type_name("IP:PORT")->required();
  app.add_option("--stream", load.stream, "Name of the stream")->capture_default_str();
  const auto number = [&app](const char* name, uint32_t& value, const char* what) {
    app.add_option(name, value, what)
        ->type_name("N")
        ->check(CLI::Range(1u, 1'000'000u))
        ->capture_default_str();
  };
  number("--connections", load.connections, "Connections");
  number("--batch", load.batch, "Messages a call");
  number("--message-bytes", load.message_bytes, "Length of a message");
  number("--in-flight", load.in_flight, "Calls of a connection that wait for their answer");
  AddDuration(app, options);
  app.add_flag("--json", options.json, "Print JSON");
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  CLI::App* ingest = app.add_subcommand("ingest", "Durable ingest, over disk and bare network");
  CLI::App* publish = app.add_subcommand("publish", "Sealing, over igzip -1");
  CLI::App* freshness =
      app.add_subcommand("freshness", "From acceptance to visible, in two data centres");
  CLI::App* hdfs = app.add_subcommand("hdfs", "One task on clusters; ./run bench hdfs does it all");
  CLI::App* load = app.add_subcommand("load", "Send to a collector as fast as it answers");
  CLI::App* receive = app.add_subcommand("receive", "Answer OK and keep nothing, until TERM");
  DefineIngest(*ingest, *options);
  DefinePublish(*publish, *options);
  DefineFreshness(*freshness, *options);
  DefineHdfs(*hdfs, *options);
  DefineLoad(*load, *options);
  return [=](Io& io, Seams& seams) {
    if (ingest->parsed()) return Ingest(*options, io, seams);
    if (publish->parsed()) return Publish(*options, io, seams);
    if (freshness->parsed()) return MeasureAges(*options, io, seams);
    if (hdfs->parsed()) return Hdfs(*options, io, seams);
    if (load->parsed()) return RunLoadCommand(*options, io, seams);
    if (receive->parsed()) return Receive(io, seams);
    return Exit::kUsage;
  };
}

}  // namespace

const Command kBench{
    .name = "bench",
    .summary = "Measure, in ratios to what this machine can do.",
    .details =
        "Machines differ and are never quiet: every figure is taken next to its limit, several\n"
        "times, and given as minimum, median and maximum. 'databus bench ingest --help' says more.",
    .define = &Define};

}  // namespace databus
