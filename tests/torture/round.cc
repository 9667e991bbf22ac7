#include "tests/torture/round.h"

#include <fmt/format.h>

#include <deque>
#include <fstream>
#include <iterator>
#include <memory>

#include "cluster/paths.h"
#include "telemetry/iso_time.h"
#include "tests/torture/audit.h"

namespace databus {
namespace {

constexpr Milliseconds kTick{10};
constexpr Milliseconds kLookEvery{200};
constexpr size_t kLinesShown = 120;

struct Share {
  const char* what;
  int ms;
};
constexpr Share kShares[] = {
    {"processes start", 1'000},
    {"a heartbeat says that a disk is retired, its collector is restarted", 4'000},
    {"producers notice and try again", kAnswerTimeoutMs + kPauseMaxMs},
    {"a collector tries its cluster again and cuts", kRetryMs + kRotateMs},
    {"a collector gives up an answer of another one, and hands over again",
     kHandOverTimeoutMs + kRetryMs},
    {"a lease is taken over", kLeaseTimeoutMs + kLeaseTimeoutMs / 4},
    {"a full scan finds what nobody announced", kFullScanMs},
    {"local, merge and mirror run", 3 * kRunIntervalMs},
    {"this machine is busy", 10'000},
};

class Round {
 public:
  Round(const TortureOptions& options, Installation& installation, Random& random, Seams& seams,
        StopFlag& stop, const std::function<void(const std::string&)>& say, TortureTotals& totals)
      : options_(options),
        installation_(installation),
        seams_(seams),
        stop_(stop),
        say_(say),
        totals_(totals),
        started_(seams.clock.Boot()),
        log_file_(installation.site.LogFile("faults")),
        processes_(installation, seams.clock, [this](const std::string& text) { Log(text); }),
        faults_(installation, processes_, seams.clock, random,
                [this](const std::string& text) { Log(text); }),
        audit_(installation, seams) {}

  Status Run() {
    DATABUS_RETURN_IF_ERROR(processes_.StartAll());
    ++totals_.installations;
    Status status = Arrive();  // with nothing wrong yet, it is up
    for (int round = 1; status.ok() && round <= options_.rounds_max; ++round) {
      if (round > 1 && seams_.clock.Boot() >= options_.until) break;
      status = One(round);
    }
    if (status.ok()) status = End();
    totals_.faults.Add(faults_.Counts());
    totals_.acknowledged += audit_.acknowledged();
    totals_.files += audit_.files();
    if (!status.ok() && status.code() != Code::kStopped) Show();
    return status;
  }

 private:
  void Log(const std::string& text) {
    const auto at = std::chrono::duration_cast<Milliseconds>(seams_.clock.Boot() - started_);
    std::string line =
        fmt::format("{} {:>8} ms  {}", ToIsoMs(seams_.clock.Wall()), at.count(), text);
    log_file_ << line << "\n" << std::flush;
    lines_.push_back(std::move(line));
    if (lines_.size() > kLinesShown) lines_.pop_front();
  }

  void Show() {
    say_(fmt::format("The last faults (all are in {}):", installation_.site.LogFile("faults")));
    for (const std::string& line : lines_) say_("  " + line);
  }

  Status One(int round) {
    Drain(0);
    faults_.BeginRound();
    const BootTime end = seams_.clock.Boot() + options_.faults_last;
    while (seams_.clock.Boot() < end) {
      DATABUS_RETURN_IF_ERROR(faults_.Step());
      DATABUS_RETURN_IF_ERROR(processes_.Supervise());
      if (stop_.SleepUntil(seams_.clock, seams_.clock.Boot() + kTick)) {
        return {Code::kStopped, "stopped"};
      }
    }
    DATABUS_RETURN_IF_ERROR(faults_.Mend());
    DATABUS_RETURN_IF_ERROR(Arrive());
    DATABUS_RETURN_IF_ERROR(audit_.CheckTrees());
    ++totals_.rounds;
    FaultCounts so_far = totals_.faults;
    so_far.Add(faults_.Counts());
    say_(
        fmt::format("round {}.{}: {} messages acknowledged, {} visible everywhere {} ms after the "
                    "faults; so far {}",
                    totals_.installations, round, audit_.acknowledged(), audit_.seen(),
                    last_arrival_.count(), so_far.ToString()));
    return Status::Ok();
  }

  // A number not used before: a producer's answer to an earlier one is none.
  void Drain(uint64_t number) {
    for (const SourceRecord& record : installation_.records) (*record.file)->drain = number;
  }

  // Everything due must become visible within the bound.
  Status Arrive() {
    const BootTime mended = seams_.clock.Boot();
    const BootTime deadline = mended + ArrivalBound();
    Drain(++drain_);
    for (;;) {
      DATABUS_RETURN_IF_ERROR(processes_.Supervise());
      DATABUS_RETURN_IF_ERROR(processes_.RestartRetired());
      Status status = Arrived();
      const BootTime now = seams_.clock.Boot();
      last_arrival_ = std::chrono::duration_cast<Milliseconds>(now - mended);
      if (status.ok()) break;
      if (status.code() == Code::kCorrupt) return status;
      if (now > deadline) {
        return status.WithContext(
            fmt::format("{} s after the end of the faults", ArrivalBound().count() / 1000));
      }
      if (stop_.SleepUntil(seams_.clock, now + kLookEvery)) return {Code::kStopped, "stopped"};
    }
    totals_.longest_arrival = std::max(totals_.longest_arrival, last_arrival_);
    return Status::Ok();
  }

  Status Arrived() {
    for (const SourceRecord& record : installation_.records) {
      if ((*record.file)->drained == drain_) continue;
      return {Code::kUnavailable, fmt::format("{} to {}: not all is confirmed",
                                              record.source.stream, record.source.collector)};
    }
    DATABUS_RETURN_IF_ERROR(audit_.Read());
    DATABUS_RETURN_IF_ERROR(audit_.Complete());
    return audit_.CheckTrees();
  }

  Status End() {
    const std::string& topology = installation_.site.topology_file;
    DATABUS_ASSIGN_OR_RETURN(
        Child verify, Child::Start(options_.programs.databus,
                                   {"verify", "--topology", topology, "--wait", "30s", "--deep"},
                                   installation_.site.LogFile("verify")));
    DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, verify.Wait());
    if (end.exit_code != 0) {
      return {Code::kCorrupt, fmt::format("verify ended with {}:\n{}", end.exit_code, end.output)};
    }
    DATABUS_RETURN_IF_ERROR(audit_.ReadAgain());
    return processes_.StopAll();
  }

  const TortureOptions& options_;
  Installation& installation_;
  Seams& seams_;
  StopFlag& stop_;
  const std::function<void(const std::string&)>& say_;
  TortureTotals& totals_;
  const BootTime started_;
  std::ofstream log_file_;
  std::deque<std::string> lines_;
  Processes processes_;
  Faults faults_;
  Audit audit_;
  uint64_t drain_ = 0;
  Milliseconds last_arrival_{0};
};

}  // namespace

Milliseconds ArrivalBound() {
  Milliseconds sum{0};
  for (const Share& share : kShares) sum += Milliseconds(share.ms);
  return sum;
}

std::string DescribeBound() {
  std::string text;
  for (const Share& share : kShares) text += fmt::format("  {:>6} ms  {}\n", share.ms, share.what);
  return text + fmt::format("  {:>6} ms  in all\n", ArrivalBound().count());
}

Status Torture(const TortureOptions& options, Random& random, Seams& seams, StopFlag& stop,
               const std::function<void(const std::string&)>& say, TortureTotals& totals) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Installation> installation,
      MakeInstallation(options.directory, options.programs, options.small_disks, random));
  Status status;
  {
    const auto round =
        std::make_unique<Round>(options, *installation, random, seams, stop, say, totals);
    status = round->Run();
  }
  if (!status.ok() && status.code() != Code::kStopped) installation->KeepDisks();
  return status;
}

}  // namespace databus
