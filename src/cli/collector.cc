// `databus collector`: a collector in the foreground.
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

Exit RunInForeground(const ServiceOptions& options, Io& io, Seams& seams) {
  if (const Status log = StartServiceLog(options); !log.ok()) return Report(io, log);
  StopFlag stop;
  ReloadFlag reload;
  SignalWatch signals([&stop] { stop.Stop(); }, [&reload] { reload.Ask(); });
  // All that it has accepted is in its spool.
  const EndInTime end(seams, stop, Milliseconds(0));
  const auto text = ReadConfiguration(seams, options.config_file);
  if (!text.ok()) return Report(io, text.status());
  const Status run = RunCollector(seams, {options.config_file, *text}, stop, reload);
  return run.ok() ? Exit::kDone : Report(io, run);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<ServiceOptions>();
  AddServiceOptions(app, "scribe.conf", *options);
  return [options](Io& io, Seams& seams) { return RunInForeground(*options, io, seams); };
}

}  // namespace

const Command kCollector{
    .name = "collector",
    .summary = "Run a collector: take messages over the Scribe protocol and deliver them.",
    .details =
        "Stays in the foreground. TERM or INT ends it cleanly, a second one at once; what is\n"
        "accepted is safe either way. HUP, or fb303's reinitialize, makes it read the file again,\n"
        "without dropping a connection or a message: a file that is refused changes nothing, and\n"
        "the log and 'databus status' say why. 'databus settings' lists what scribe.conf may "
        "hold,\n"
        "and what of it takes a restart.\n"
        "Exit 2 when the configuration is refused or cannot be read.",
    .define = &Define};

}  // namespace databus
