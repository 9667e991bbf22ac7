// `databus failover|failback resume` and `abort`: by anyone, anywhere, whoever began it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/ask.h"
#include "cli/failover/commands.h"
#include "cli/failover/drive.h"
#include "cli/failover/scratch_stream.h"
#include "cli/failover/session.h"
#include "cli/installation.h"
#include "failover/driver_beat.h"
#include "failover/steps.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using failover::Journal;

Exit NothingOpen(Io& io, const std::string& message) {
  io.err << "databus: " << message << "\n";
  return Exit::kNothingToDo;
}

// The command that began a rehearsal is gone: so is the need for its stream.
Exit DriveOn(FailoverSession& session, const Journal& journal, const FailoverOptions& options,
             Io& io, Seams& seams) {
  const Exit exit = DriveFailover(session, journal, options, io, seams);
  if (!IsRehearsal(journal)) return exit;
  const auto ended = session.FindJournal(Way::kOver, journal.id);
  if (!ended.ok() || !ended->Ended()) return exit;
  return RemoveScratchStream(session.desk(), io.err) ? exit : Exit::kFailed;
}

// It notices, and stops; whoever watches it should know why.
void SayWhoIsRelieved(const Journal& journal, const TopologyDesk& desk, Io& io, WallTime now) {
  const auto beat = failover::LastBeat(desk, journal);
  if (!beat || !failover::MayLive(*beat, now)) return;
  io.err << fmt::format("databus: {} drives {} and spoke {} ago: it is taken over, and stops\n",
                        journal.driver, journal.id, ToHuman(now - beat->written));
}

// Before the swap the old primary has to hand over all that it has.
bool IsStillAsked(const Journal& journal, const std::string& cluster) {
  return journal.kind != failover::Kind::kUnplanned && cluster == journal.change.from &&
         !failover::MayHaveSwapped(journal);
}

Exit Resume(Way way, const FailoverOptions& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.topology_file, seams);
  if (!session.ok()) return Report(io, session.status());
  auto journal = (*session)->FindJournal(way, options.journal_id);
  if (journal.code() == Code::kNotFound) return NothingOpen(io, journal.status().message());
  if (!journal.ok()) return Report(io, journal.status());
  if (journal->Ended()) {
    const Exit known = DriveOn(**session, *journal, options, io, seams);
    if (known != Exit::kDone) return known;
    return NothingOpen(io, fmt::format("{} has ended: {}", journal->id, StepName(journal->step)));
  }
  for (const std::string& name : options.request.without) {
    if (std::ranges::count(journal->without, name) > 0) continue;
    if (IsStillAsked(*journal, name)) {
      return Report(io, {Code::kRefused,
                         fmt::format("--without {0}: {1} still waits for what {0} has to give. If "
                                     "it is lost: 'databus {2} abort', then 'databus failover plan "
                                     "--unplanned --from {0} --to {3}'",
                                     name, journal->id, failover::CommandOf(journal->kind),
                                     journal->change.to)});
    }
    journal->without.push_back(name);
    journal->Note(seams.clock.Wall(), "goes on without " + name);
  }
  SayWhoIsRelieved(*journal, (*session)->desk(), io, seams.clock.Wall());
  return DriveOn(**session, *journal, options, io, seams);
}

// The journal to be undone, as it is now. kExists: there is nothing to abort.
Result<Journal> Undoable(FailoverSession& session, Way way, const FailoverOptions& options) {
  DATABUS_ASSIGN_OR_RETURN(const Journal journal, session.FindJournal(way, options.journal_id));
  const failover::Observation seen = session.Look(journal);
  return failover::Abort(journal, seen, options.request.without);
}

bool IsNothingOpen(const Result<Journal>& journal) {
  return journal.code() == Code::kNotFound || journal.code() == Code::kExists;
}

std::string Consequence(const Journal& journal) {
  if (journal.Ended()) return "Aborting gives it up, and undoes nothing.";
  return fmt::format("Aborting makes collectors deliver as before, and {} publish again.",
                     journal.change.from);
}

Exit AbortIt(Way way, const FailoverOptions& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.topology_file, seams);
  if (!session.ok()) return Report(io, session.status());
  auto aborted = Undoable(**session, way, options);
  if (IsNothingOpen(aborted)) return NothingOpen(io, aborted.status().message());
  if (!aborted.ok()) return Report(io, aborted.status());
  if (!options.yes) {
    io.err << fmt::format("{} is open. {}\n", aborted->id, Consequence(*aborted));
    if (Ask(io, "Abort it?") == Answer::kNo) {
      io.err << "databus: nothing was changed\n";
      return Exit::kNothingToDo;
    }
    aborted = Undoable(**session, way, options);  // it may have gone on while we asked
    if (IsNothingOpen(aborted)) return NothingOpen(io, aborted.status().message());
    if (!aborted.ok()) return Report(io, aborted.status());
  }
  return DriveOn(**session, *aborted, options, io, seams);
}

void AddCommonOptions(CLI::App& app, FailoverOptions& options) {
  AddTopologyOption(app, options.topology_file);
  app.add_option("ID", options.journal_id, "Which one (default: the open one)");
  app.add_flag("--json", options.json, "Print the outcome as JSON");
}

template <Way kWay>
CommandBody DefineResume(CLI::App& app) {
  auto options = std::make_shared<FailoverOptions>();
  AddCommonOptions(app, *options);
  AddWithoutOption(app, *options);
  return [options](Io& io, Seams& seams) { return Resume(kWay, *options, io, seams); };
}

template <Way kWay>
CommandBody DefineAbort(CLI::App& app) {
  auto options = std::make_shared<FailoverOptions>();
  AddCommonOptions(app, *options);
  app.add_option("--without", options->request.without,
                 "This cluster is lost: do not wait for it; may be repeated")
      ->type_name("CLUSTER");
  app.add_flag("--yes", options->yes, "Do not ask");
  return [options](Io& io, Seams& seams) { return AbortIt(kWay, *options, io, seams); };
}

constexpr std::string_view kResumeDetails =
    "Anyone may, from anywhere; a process that still drives it notices and stops.\n"
    "Exit 0 done, 1 it cannot go on, 3 nothing is open.";
constexpr std::string_view kAbortDetails =
    "Possible until the swap: modes and publication become what they were before it began, and\n"
    "collectors deliver what they have kept. Where somebody else has changed the topology since,\n"
    "that stays, nothing is undone, and it is told what is left. If the cluster that takes over\n"
    "is lost itself, --without CLUSTER gives the failover up at any step.\n"
    "Exit 0 undone, 1 too late, or ended with nothing undone, 3 nothing is open.";

}  // namespace

const Command kFailoverResume{.name = "failover resume",
                              .summary = "Go on with a failover that was stopped or killed.",
                              .details = kResumeDetails,
                              .define = &DefineResume<Way::kOver>};
const Command kFailbackResume{.name = "failback resume",
                              .summary = "Go on with a failback that was stopped or killed.",
                              .details = kResumeDetails,
                              .define = &DefineResume<Way::kBack>};
const Command kFailoverAbort{.name = "failover abort",
                             .summary = "Undo a failover that has not swapped yet.",
                             .details = kAbortDetails,
                             .define = &DefineAbort<Way::kOver>};
const Command kFailbackAbort{.name = "failback abort",
                             .summary = "Undo a failback that has not swapped yet.",
                             .details = kAbortDetails,
                             .define = &DefineAbort<Way::kBack>};

}  // namespace databus
