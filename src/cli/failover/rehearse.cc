// `databus rehearse`: a failover and the failback of a scratch stream, through the live workers,
// collectors, queues, leases and topology; what it took is measured, and a dated report is left.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <ostream>

#include "base/sync.h"
#include "cli/all_commands.h"
#include "cli/ask.h"
#include "cli/demo/traffic.h"
#include "cli/failover/drive.h"
#include "cli/failover/plan_exit.h"
#include "cli/failover/rehearsal_check.h"
#include "cli/failover/rehearsal_report.h"
#include "cli/failover/rehearsal_traffic.h"
#include "cli/failover/render.h"
#include "cli/failover/salvage_report.h"
#include "cli/failover/scratch_stream.h"
#include "cli/failover/session.h"
#include "cli/installation.h"
#include "cli/verify_observe.h"

namespace databus {
namespace {

using failover::Kind;

constexpr const char* kStream = kScratchStream;
constexpr std::chrono::minutes kPatience{5};
constexpr std::chrono::seconds kQuiet{10};

struct Options {
  FailoverOptions failover;
  std::string report_dir = ".";
  bool planned = false;
  bool unplanned = false;
};

class Rehearsal {
 public:
  Rehearsal(const Options& options, FailoverSession& session, Io& io, Seams& seams)
      : options_(options), session_(session), io_(io), seams_(seams) {}

  Exit Run() {
    if (const Status added = AddStream(); !added.ok()) return Report(io_, added);
    const Exit exit = OverAndBack();
    if (!IsLeftOpen()) RemoveScratchStream(session_.desk(), io_.err);
    return exit == Exit::kDone ? Tell() : exit;
  }

 private:
  const std::string& From() const { return options_.failover.request.from; }
  const std::string& To() const { return options_.failover.request.to; }

  // Whether it was stopped in the middle. The stream stays as long, or the epoch that removes it
  // would be one that nobody may abort over.
  bool IsLeftOpen() {
    const auto journals = session_.Journals();
    const failover::Journal* const open = journals.ok() ? failover::FindOpen(*journals) : nullptr;
    if (open == nullptr || !IsRehearsal(*open)) return false;
    io_.err << fmt::format(
        "databus: the scratch stream stays until 'databus {0} resume' or 'databus {0} abort' has "
        "ended {1}\n",
        failover::CommandOf(open->kind), open->id);
    return true;
  }

  // Says what is waited for when it takes long, and when it is given up.
  template <typename Condition>
  bool Eventually(std::string_view what, Condition&& condition) {
    StopFlag never;
    const BootTime begun = seams_.clock.Boot();
    for (BootTime say = begun + kQuiet; seams_.clock.Boot() < begun + kPatience;) {
      if (condition()) return true;
      if (seams_.clock.Boot() >= say) {
        io_.err << fmt::format("rehearsal: waiting until {}, at most {} minutes in all\n", what,
                               kPatience.count());
        say = begun + kPatience;
      }
      never.SleepUntil(seams_.clock, seams_.clock.Boot() + Milliseconds(500));
    }
    io_.err << fmt::format("rehearsal: waited {} minutes in vain until {}\n", kPatience.count(),
                           what);
    return false;
  }

  Status AddStream() {
    DATABUS_ASSIGN_OR_RETURN(const auto journals, session_.Journals());
    if (const failover::Journal* const open = failover::FindOpen(journals)) {
      return {Code::kRefused,
              fmt::format("{} is open, at step {}: 'databus {} resume' or 'abort' ends it first",
                          open->id, StepName(open->step), failover::CommandOf(open->kind))};
    }
    for (const std::string& cluster : {From(), To()}) {
      DATABUS_ASSIGN_OR_RETURN(const SharedEpoch newest, session_.desk().picture().Newest());
      if (newest->stored.topology.FindCluster(cluster) != nullptr && From() != To()) continue;
      return {Code::kInvalid, fmt::format("--from and --to must be two clusters; found '{}' and "
                                          "'{}'",
                                          From(), To())};
    }
    DATABUS_ASSIGN_OR_RETURN(const SharedEpoch newest, session_.desk().Look().Newest());
    StoredTopology next = session_.desk().Next(*newest, "rehearsal: stream added");
    AddScratchStream(next, From(), To());
    return session_.desk().Store(TopologyEpoch::Of(std::move(next))).status();
  }

  // The first plan that may be run, once everybody obeys; or the last that may not.
  Result<failover::Plan> WaitForPlan(const failover::Request& request) {
    Result<failover::Plan> plan = session_.MakePlan(request);
    Eventually("the plan may be run", [&] {
      plan = session_.MakePlan(request);
      return !plan.ok() || plan->MayRun();
    });
    return plan;
  }

  // One way: the command, and what it took.
  Exit Drive(const failover::Request& request, const RehearsalTraffic& traffic,
             failover::Journal& ended) {
    const auto plan = WaitForPlan(request);
    if (!plan.ok()) return Report(io_, plan.status());
    io_.err << RenderPlan(*plan);
    if (const Exit exit = ExitOf(*plan); exit != Exit::kDone) return exit;
    const Setbacks before = SetbacksOf(traffic.Counts());
    const WallTime begun = seams_.clock.Wall();
    const failover::Journal journal = failover::Begin(*plan, begun);
    Io aside{.in = io_.in,
             .out = io_.err,
             .err = io_.err,
             .terminal = io_.terminal,
             .listen_for_stop = io_.listen_for_stop};
    FailoverOptions quiet = options_.failover;
    quiet.json = false;
    const Exit exit = DriveFailover(session_, journal, quiet, aside, seams_);
    if (exit != Exit::kDone) return exit;
    const Setbacks after = SetbacksOf(traffic.Counts());
    WayFigures& way = report_.figures.ways.emplace_back(
        WayFigures{.kind = request.kind,
                   .took = seams_.clock.Wall() - begun,
                   .refused = after.refused - before.refused,
                   .disconnected = after.disconnected - before.disconnected});
    const auto found = session_.FindJournal(Way::kOver, journal.id);
    if (!found.ok()) return Report(io_, found.status());
    ended = *found;
    MeasureJournal(ended, way);
    return Exit::kDone;
  }

  Exit OverAndBack() {
    failover::Request request = options_.failover.request;
    request.kind = options_.unplanned ? Kind::kUnplanned : Kind::kPlanned;
    request.only = kStream;
    const auto ready = WaitForPlan(request);
    if (!ready.ok()) return Report(io_, ready.status());
    const uint64_t earlier = Arrived(From());  // of rehearsals before
    RehearsalTraffic traffic(kStream, session_.observer().Look({}), seams_);
    if (!Eventually("messages are merged at " + From(),
                    [&] { return Arrived(From()) > earlier; })) {
      return Report(io_, {Code::kUnavailable, "nothing of the scratch stream becomes visible"});
    }
    failover::Journal over;
    if (const Exit exit = Drive(request, traffic, over); exit != Exit::kDone) return exit;
    if (Eventually("the first file is merged at " + To(),
                   [&] { return FirstVisible(over).has_value(); })) {
      report_.figures.ways.front().first_file = *FirstVisible(over) - over.started;
    }
    if (options_.unplanned) AccountFor(over);
    const failover::Request back{.kind = Kind::kFailback,
                                 .from = "",
                                 .to = From(),
                                 .without = request.without,
                                 .only = kStream};
    failover::Journal returned;
    if (const Exit exit = Drive(back, traffic, returned); exit != Exit::kDone) return exit;
    traffic.Finish();
    return Count(over, traffic);
  }

  // What the loss statement names is there, since the cluster lives: each line has to be recovered.
  void AccountFor(const failover::Journal& over) {
    Eventually("every line of the loss statement is recovered", [&] {
      const auto seen = session_.Look(over);
      report_.figures.loss = SumOf(AccountForLoss(over, session_.desk(), seen, seams_));
      return report_.figures.loss->AllRecovered();
    });
  }

  // Every message, as soon as all have arrived in every view.
  Exit Count(const failover::Journal& over, const RehearsalTraffic& traffic) {
    const auto newest = session_.desk().Look().Newest();
    if (!newest.ok()) return Report(io_, newest.status());
    const Topology& topology = (*newest)->stored.topology;
    const StreamSpec* const stream = topology.FindStream(kStream);
    if (stream == nullptr) {
      return Report(io_, {Code::kUnavailable, "somebody has removed the scratch stream"});
    }
    Result<RehearsalCounts> counts = RehearsalCounts();
    Eventually("every message is in every view", [&] {
      counts = CountMessages(*stream, topology, traffic, started_, seams_);
      return counts.ok() && counts->lost == 0;
    });
    if (!counts.ok()) return Report(io_, counts.status());
    report_.counts = *counts;
    report_.figures.lost = counts->lost;
    report_.figures.doubled = counts->doubled;
    if (!options_.unplanned) return Exit::kDone;
    const auto lack = LackAtSwap(over, *stream, topology, traffic, seams_);
    if (!lack.ok()) return Report(io_, lack.status());
    report_.figures.lack = *lack;
    return Exit::kDone;
  }

  // Messages in the merged stream at a cluster.
  uint64_t Arrived(const std::string& cluster) {
    const auto newest = session_.desk().Look().Newest();
    if (!newest.ok()) return 0;
    const StreamSpec* const stream = (*newest)->stored.topology.FindStream(kStream);
    if (stream == nullptr) return 0;
    VerifyObserver observer((*newest)->stored.topology, seams_, Depth::kHeaders);
    const SeenStream seen = observer.Observe(*stream, started_);
    uint64_t messages = 0;
    if (const SeenView* const view = seen.Find(cluster, View::kMerged)) {
      for (const auto& file : view->files) messages += file->messages;
    }
    return messages;
  }

  // When the first file became visible that the new primary published.
  std::optional<WallTime> FirstVisible(const failover::Journal& over) {
    Storage* const tree = session_.desk().Tree(To());
    const auto cut = over.cuts.find(kStream);
    const Minute first = cut != over.cuts.end() && cut->second ? cut->second->Next() : started_;
    const auto minutes =
        ListMinutes(*tree, paths::Stream(View::kMerged, kStream), first, kLastMinute);
    std::optional<WallTime> earliest;
    if (!minutes.ok()) return earliest;
    for (const Minute minute : *minutes) {
      const auto files = ListMinuteFiles(*tree, paths::MinuteDir(View::kMerged, kStream, minute));
      if (!files.ok()) continue;
      for (const DirEntry& file : *files) {
        if (!earliest || file.info.modified < *earliest) earliest = file.info.modified;
      }
    }
    return earliest;
  }

  Exit Tell() {
    report_.at = seams_.clock.Wall();
    report_.kind = options_.unplanned ? Kind::kUnplanned : Kind::kPlanned;
    report_.from = From();
    report_.to = To();
    const auto path = LeaveReport(report_, options_.report_dir);
    if (!path.ok()) return Report(io_, path.status());
    if (options_.failover.json) {
      io_.out << RehearsalToJson(report_).dump(1) << "\n";
    } else {
      io_.out << RenderRehearsal(report_) << "report " << *path << "\n";
    }
    return report_.IsClean() ? Exit::kDone : Exit::kFailed;
  }

  const Options& options_;
  FailoverSession& session_;
  Io& io_;
  Seams& seams_;
  const Minute started_ = Minute::Of(seams_.clock.Wall()) + (-2);
  RehearsalReport report_;
};

Exit Rehearse(const Options& options, Io& io, Seams& seams) {
  const auto session = FailoverSession::Open(options.failover.topology_file, seams);
  if (!session.ok()) return databus::Report(io, session.status());
  if (::access(options.report_dir.c_str(), W_OK | X_OK) != 0) {
    return databus::Report(
        io, {Code::kInvalid, fmt::format("--report {}: no report can be left there: {}",
                                         options.report_dir, std::strerror(errno))});
  }
  if (!options.failover.yes &&
      Ask(io, fmt::format("Rehearse with a scratch stream '{}'?", kStream)) == Answer::kNo) {
    io.err << "databus: nothing was changed\n";
    return Exit::kNothingToDo;
  }
  (*session)->desk().Look();
  return Rehearsal(options, **session, io, seams).Run();
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddTopologyOption(app, options->failover.topology_file);
  app.add_option("--from", options->failover.request.from, "The cluster that goes")
      ->required()
      ->type_name("CLUSTER");
  app.add_option("--to", options->failover.request.to, "The cluster that takes over")
      ->required()
      ->type_name("CLUSTER");
  auto* const planned =
      app.add_flag("--planned", options->planned, "With the help of --from (default)");
  app.add_flag("--unplanned", options->unplanned, "As if --from were lost")->excludes(planned);
  AddWithoutOption(app, options->failover);
  app.add_option("--report", options->report_dir, "Leave the report in this directory (default: .)")
      ->type_name("DIR");
  app.add_flag("--yes", options->failover.yes, "Do not ask");
  app.add_flag("--json", options->failover.json, "Print the report as JSON");
  return [options](Io& io, Seams& seams) { return Rehearse(*options, io, seams); };
}

}  // namespace

const Command kRehearse{
    .name = "rehearse",
    .summary = "Fail a scratch stream over and back, and measure what it takes.",
    .details =
        "Through the live workers, collectors, queues, leases and topology; streams of others are\n"
        "not touched. Leaves rehearsal-<time>-<from>-<to>.json with RTO (from the command to the\n"
        "first file of the new primary), RPO (numbered messages that were acknowledged and are "
        "not\n"
        "in every view) and the other figures, each with its limit. --unplanned: also what the "
        "new\n"
        "primary lacked at the swap, and whether every line of the loss statement is recovered.\n"
        "Exit 0 all arrived once, 1 not, or refused.",
    .define = &Define};

}  // namespace databus
