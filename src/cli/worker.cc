// `databus worker`: a worker in the foreground.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/all_commands.h"
#include "cli/compose.h"
#include "cli/end_in_time.h"
#include "cli/installation.h"
#include "cli/service_options.h"
#include "cli/signals.h"

namespace databus {
namespace {

// What a worker has begun it ends, as long as that does not take for ever.
constexpr std::chrono::seconds kEndWithin{10};

struct Options {
  ServiceOptions service;
  bool init = false;
  std::optional<uint64_t> adopt_config;
};

Exit RunInForeground(const Options& options, Io& io, Seams& seams) {
  if (const Status log = StartServiceLog(options.service); !log.ok()) return Report(io, log);
  const std::string& file = options.service.config_file;
  const auto text = ReadConfiguration(seams, file);
  if (!text.ok()) return Report(io, text.status());
  StopFlag stop;
  SignalWatch signals([&stop] { stop.Stop(); });
  const EndInTime end(seams, stop, kEndWithin);
  const WorkerStart start{options.init ? AdoptTree::kYes : AdoptTree::kNo, options.adopt_config};
  const Status run = RunWorker(seams, {file, *text}, start, stop);
  return run.ok() ? Exit::kDone : Report(io, run);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddServiceOptions(app, "databus.cfg", options->service);
  app.add_flag(
      "--init", options->init,
      "Take over a tree that holds files of the original Databus and no system/cluster-id");
  app.add_option("--adopt-config", options->adopt_config,
                 "Make the edited databus.xml the next topology epoch; N is the stored epoch that "
                 "it was made from")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  return [options](Io& io, Seams& seams) { return RunInForeground(*options, io, seams); };
}

}  // namespace

const Command kWorker{
    .name = "worker",
    .summary = "Run a worker: publish, merge, mirror and purge the streams of its clusters.",
    .details =
        "Stays in the foreground. TERM or INT ends it cleanly, a second one at once; nothing is\n"
        "lost either way. A second worker on the same cluster stands by. 'databus settings'\n"
        "lists what databus.cfg may hold. Exit 2 when the configuration is refused or cannot be "
        "read.",
    .define = &Define};

}  // namespace databus
