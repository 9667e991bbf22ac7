#include "cli/failover/drive.h"

#include <fmt/format.h>

#include <ostream>
#include <set>
#include <string>

#include "cli/failover/render.h"
#include "cli/failover/verification.h"
#include "commit/cluster_id.h"
#include "failover/run.h"
#include "worker/queue_join.h"

namespace databus {
namespace {

using failover::Journal;

// On a terminal one line that is overwritten; else a line whenever something changes.
class Teller {
 public:
  Teller(Io& io, const Clock& clock) : io_(io), clock_(clock) {}
  ~Teller() {
    if (open_) io_.err << "\n";
  }

  void Tell(const failover::Progress& progress) {
    for (const std::string& note : progress.gate.notes) {
      TellOnce(std::string(failover::kNotePrefix) + note);
    }
    for (const failover::JournalEvent& event : progress.journal.events) {
      if (event.text.starts_with(failover::kNotePrefix)) TellOnce(event.text);
    }
    const std::string line = RenderProgress(progress.journal, progress.gate, clock_.Wall());
    const std::string what =
        fmt::format("{} {}", failover::StepName(progress.journal.step),
                    progress.gate.waits.empty() ? "" : progress.gate.waits.front());
    const bool next = step_ != progress.journal.step || !told_;
    if (io_.terminal == Terminal::kYes) {
      if (next && open_) io_.err << "\n";
      io_.err << "\r\x1b[K" << line << std::flush;
      open_ = true;
    } else if (what != what_) {
      io_.err << line << "\n" << std::flush;
    }
    what_ = what;
    step_ = progress.journal.step;
    told_ = true;
  }

 private:
  // A line of its own, which stays.
  void TellOnce(const std::string& note) {
    if (!notes_.insert(note).second) return;
    io_.err << (open_ ? "\n" : "") << note << "\n" << std::flush;
    open_ = false;
  }

  Io& io_;
  const Clock& clock_;
  std::set<std::string> notes_;
  failover::Step step_{};
  std::string what_;
  bool told_ = false;
  bool open_ = false;
};

Status JoinEntries(Storage& tree, const std::string& queue, Random& random) {
  DATABUS_ASSIGN_OR_RETURN(const ClusterIdentity identity, ReadClusterId(tree));
  const auto joined = JoinQueue({tree, queue, identity.groups}, random, JoinMode::kJoin);
  return joined.status();
}

Exit Finished(const Journal& journal, const FailoverOptions& options, Io& io, WallTime now) {
  if (options.json) {
    io.out << StateToJson(journal, {}, now)
                  .dump(1, ' ', true, nlohmann::json::error_handler_t::replace)
           << "\n";
  } else {
    io.out << RenderOutcome(journal);
  }
  if (!journal.report.is_object()) return Exit::kDone;
  const bool fine = journal.report.value("equal", true) && journal.report.value("undone", true);
  return fine ? Exit::kDone : Exit::kFailed;
}

}  // namespace

Exit DriveFailover(FailoverSession& session, const Journal& journal, const FailoverOptions& options,
                   Io& io, Seams& seams) {
  StopFlag stop;
  const auto listening =
      io.listen_for_stop ? io.listen_for_stop([&stop] { stop.Stop(); }) : nullptr;
  FailoverVerification verification(session.desk(), seams);
  Result<Journal> driven = journal;
  {
    Teller teller(io, seams.clock);
    failover::Runner runner(
        {.desk = session.desk(),
         .clock = seams.clock,
         .random = seams.random,
         .hooks = {.verify = [&](const Journal& j) { return verification.Check(j); },
                   .join_queue =
                       [&](Storage& tree, const std::string& queue) {
                         return JoinEntries(tree, queue, seams.random);
                       },
                   .tell = [&](const failover::Progress& p) { teller.Tell(p); }},
         .host = seams.host,
         .pid = seams.pid});
    driven = runner.Drive(journal, stop);
  }
  if (driven.ok()) return Finished(*driven, options, io, seams.clock.Wall());
  io.err << fmt::format("databus: {}: {}\n", journal.id, driven.status().message());
  return Exit::kFailed;
}

}  // namespace databus
