// `databus rehearse`: a failover and the failback of a scratch stream, through the live workers,
// collectors, queues, leases and topology; what it took is measured, and a dated report is left.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/sync.h"
#include "cli/all_commands.h"
#include "cli/ask.h"
#include "cli/failover/drive.h"
#include "cli/failover/plan_exit.h"
#include "cli/failover/rehearsal_traffic.h"
#include "cli/failover/render.h"
#include "cli/failover/scratch_stream.h"
#include "cli/failover/session.h"
#include "cli/installation.h"
#include "cli/verify_observe.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using failover::Kind;
using Json = nlohmann::ordered_json;

constexpr const char* kStream = kScratchStream;
constexpr std::chrono::minutes kPatience{5};

struct Options {
  FailoverOptions failover;
  std::string report_dir = ".";
  bool planned = false;
  bool unplanned = false;
};

struct Figures {
  Milliseconds over{0};  // what each command took
  Milliseconds back{0};
  std::optional<Milliseconds> rto;  // from the command to the first file in the new merged stream
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t refused = 0;
  uint64_t arrived = 0;
};

class Rehearsal {
 public:
  Rehearsal(const Options& options, FailoverSession& session, Io& io, Seams& seams)
      : options_(options), session_(session), io_(io), seams_(seams) {}

  Exit Run() {
    if (const Status added = AddStream(); !added.ok()) return Report(io_, added);
    const Exit exit = OverAndBack();
    const Status removed = RemoveScratchStream(session_.desk());
    if (!removed.ok())
      io_.err << "databus: the scratch stream stays: " << removed.message() << "\n";
    if (exit != Exit::kDone) return exit;
    if (const Status written = WriteReport(); !written.ok()) return Report(io_, written);
    return figures_.arrived == figures_.acknowledged ? Exit::kDone : Exit::kFailed;
  }

 private:
  const std::string& From() const { return options_.failover.request.from; }
  const std::string& To() const { return options_.failover.request.to; }

  template <typename Condition>
  bool Eventually(Condition&& condition) {
    StopFlag never;
    for (const BootTime end = seams_.clock.Boot() + kPatience; seams_.clock.Boot() < end;) {
      if (condition()) return true;
      never.SleepUntil(seams_.clock, seams_.clock.Boot() + Milliseconds(500));
    }
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
    Eventually([&] {
      plan = session_.MakePlan(request);
      return !plan.ok() || plan->MayRun();
    });
    return plan;
  }

  Exit Drive(const failover::Request& request, Milliseconds& took, failover::Journal* ended) {
    const auto plan = WaitForPlan(request);
    if (!plan.ok()) return Report(io_, plan.status());
    io_.err << RenderPlan(*plan);
    if (const Exit exit = ExitOf(*plan); exit != Exit::kDone) return exit;
    const WallTime begun = seams_.clock.Wall();
    Io aside{.in = io_.in,
             .out = io_.err,
             .err = io_.err,
             .terminal = io_.terminal,
             .listen_for_stop = io_.listen_for_stop};
    FailoverOptions quiet = options_.failover;
    quiet.json = false;
    const Exit exit = DriveFailover(session_, failover::Begin(*plan, begun), quiet, aside, seams_);
    took = seams_.clock.Wall() - begun;
    if (ended != nullptr && exit == Exit::kDone) {
      const auto journal = session_.FindJournal(Way::kOver, "");
      if (journal.ok()) *ended = *journal;
    }
    return exit;
  }

  Exit OverAndBack() {
    failover::Request request = options_.failover.request;
    request.kind = options_.unplanned ? Kind::kUnplanned : Kind::kPlanned;
    request.only = kStream;
    const auto ready = WaitForPlan(request);
    if (!ready.ok()) return Report(io_, ready.status());
    const uint64_t earlier = Arrived(From());  // of rehearsals before
    RehearsalTraffic traffic(kStream, session_.observer().Look({}), seams_);
    if (!Eventually([&] { return Arrived(From()) > earlier; })) {
      return Report(io_, {Code::kUnavailable, "nothing of the scratch stream becomes visible"});
    }
    failover::Journal over;
    if (const Exit exit = Drive(request, figures_.over, &over); exit != Exit::kDone) return exit;
    if (Eventually([&] { return FirstVisible(over).has_value(); })) {
      figures_.rto = *FirstVisible(over) - over.started;
    }
    const failover::Request back{.kind = Kind::kFailback,
                                 .from = "",
                                 .to = From(),
                                 .without = request.without,
                                 .only = kStream};
    if (const Exit exit = Drive(back, figures_.back, nullptr); exit != Exit::kDone) return exit;
    traffic.Finish();
    figures_.sent = traffic.sent();
    figures_.acknowledged = traffic.acknowledged();
    figures_.refused = traffic.refused();
    Eventually([&] { return Arrived(From()) >= earlier + figures_.acknowledged; });
    figures_.arrived = Arrived(From()) - earlier;
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

  Status WriteReport() {
    const WallTime now = seams_.clock.Wall();
    const int64_t lost =
        static_cast<int64_t>(figures_.acknowledged) - static_cast<int64_t>(figures_.arrived);
    const Json json = {{"version", 1},
                       {"at", ToIsoMs(now)},
                       {"kind", options_.unplanned ? "unplanned" : "planned"},
                       {"from", From()},
                       {"to", To()},
                       {"failover_ms", figures_.over.count()},
                       {"failback_ms", figures_.back.count()},
                       {"rto_ms", figures_.rto ? Json(figures_.rto->count()) : Json(nullptr)},
                       {"rpo_messages", std::max<int64_t>(lost, 0)},
                       {"doubled_messages", std::max<int64_t>(-lost, 0)},
                       {"producers_refused", figures_.refused},
                       {"messages_sent", figures_.sent},
                       {"messages_acknowledged", figures_.acknowledged},
                       {"messages_arrived", figures_.arrived}};
    std::string name =
        fmt::format("rehearsal-{}-{}-{}.json", ToIsoMs(now).substr(0, 19), From(), To());
    std::ranges::replace(name, ':', '-');
    const std::filesystem::path path = std::filesystem::path(options_.report_dir) / name;
    std::ofstream file(path);
    file << json.dump(1) << "\n";
    if (!file.flush()) return {Code::kRefused, path.string() + ": cannot be written"};
    if (options_.failover.json) {
      io_.out << json.dump(1) << "\n";
      return Status::Ok();
    }
    io_.out << fmt::format(
        "{} rehearsal {} -> {}: failover {}, failback {}\n"
        "RTO {} (from the command to the first file of the new primary)\n"
        "RPO {} messages; {} doubled, {} refused of {}\nreport {}\n",
        options_.unplanned ? "unplanned" : "planned", From(), To(), ToHuman(figures_.over),
        ToHuman(figures_.back), figures_.rto ? ToHuman(*figures_.rto) : "not seen",
        std::max<int64_t>(lost, 0), std::max<int64_t>(-lost, 0), figures_.refused, figures_.sent,
        path.string());
    return Status::Ok();
  }

  const Options& options_;
  FailoverSession& session_;
  Io& io_;
  Seams& seams_;
  const Minute started_ = Minute::Of(seams_.clock.Wall()) + (-2);
  Figures figures_;
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
        "first file of the new primary) and RPO (messages acknowledged and not arrived).\n"
        "Exit 0 all arrived once, 1 not, or refused.",
    .define = &Define};

}  // namespace databus
