#include "sim/report.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "failover/journal.h"

namespace databus::sim {
namespace {

constexpr size_t kStoryLinesMax = 120;
constexpr size_t kLastLines = 15;

void AddCoverage(Coverage& sum, const Coverage& more) {
  for (size_t f = 0; f < kFaultKinds; ++f) {
    for (size_t p = 0; p < kPlaces; ++p) sum[f][p] += more[f][p];
  }
}

void AddFailovers(const FailoverCoverage& more, FailoverCoverage& sum) {
  for (size_t w = 0; w < kMeanwhiles; ++w) {
    for (size_t i = 0; i < kFailoverSteps; ++i) sum[w][i] += more[w][i];
  }
}

void AddFailovers(const Failovers& more, Failovers& sum) {
  sum.planned += more.planned;
  sum.unplanned += more.unplanned;
  sum.failback += more.failback;
  sum.aborted += more.aborted;
  sum.conflicts += more.conflicts;
}

struct ExceptedRow {
  RecoveryRow row;
  std::string_view why;
};
// Each is reached by crashing at every call in commit/recovery_rows_test.cc.
constexpr ExceptedRow kExceptedRows[] = {
    {RecoveryRow::kForeignInTheWay, "nobody but Databus writes to a simulated tree"},
    {RecoveryRow::kUnknownName, "nobody but Databus writes to a simulated tree"},
    {RecoveryRow::kMoveRefused, "a simulated tree refuses nothing for good"},
    {RecoveryRow::kMoveSourceAndOtherThere,
     "names are compared when a commit is planned; another file can only come from outside"},
    {RecoveryRow::kMoveSourceAndSameThere,
     "a simulated rename is whole: its source is gone when its destination is there"},
    {RecoveryRow::kMinuteDirThere, "only the holder makes minutes, one record after the other"},
    {RecoveryRow::kRecordSuperseded, "amendments follow refusals (above) and damage; too rare"},
};

bool IsExcepted(RecoveryRow row) {
  return std::ranges::find(kExceptedRows, row, &ExceptedRow::row) != std::end(kExceptedRows);
}

// Whether a call of `place` can meet the fault.
bool CanMeet(Fault::Kind fault, Place place) {
  const bool written_in_pieces =
      place == Place::kSpool || place == Place::kCollectorStaging || place == Place::kStaging;
  switch (fault) {
    // A disk answers; what it does wrong is in MemoryDisk.
    case Fault::Kind::kAnswerLost:
    case Fault::Kind::kRequestLost:
    case Fault::Kind::kLate: return place != Place::kSpool;
    case Fault::Kind::kCrashBefore:
    case Fault::Kind::kCrashAfter: return true;
    case Fault::Kind::kCrashTorn: return written_in_pieces;
    case Fault::Kind::kRefused: return written_in_pieces && place != Place::kSpool;
    // What is open stays open.
    case Fault::Kind::kDenied: return place != Place::kSpool;
    // Not drawn: slow calls, torn files and flipped bits have incidents of their own.
    case Fault::Kind::kNone:
    case Fault::Kind::kDelayed:
    case Fault::Kind::kTorn:
    case Fault::Kind::kFlipped: return false;
  }
  __builtin_unreachable();
}

double InSeconds(SimTime time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::string TooSmall(const Scenario& scenario, const Outcome& outcome) {
  if (outcome.seam_calls >= kSeamCallsMin && outcome.simulated >= kSimulatedMin &&
      scenario.clusters.size() >= kClustersMin) {
    return {};
  }
  return fmt::format("{} seam calls, {:.0f} s simulated, {} clusters", outcome.seam_calls,
                     InSeconds(outcome.simulated), scenario.clusters.size());
}

void Tally::Add(const Scenario& scenario, const Outcome& outcome) {
  ++seeds;
  ++sizes[static_cast<size_t>(scenario.size)];
  if (!outcome.violation) fewest_calls = std::min(fewest_calls, outcome.seam_calls);
  failed += outcome.violation ? 1 : 0;
  seam_calls += outcome.seam_calls;
  faults += outcome.faults;
  deaths += outcome.deaths;
  messages += outcome.messages;
  simulated_s += static_cast<uint64_t>(InSeconds(outcome.simulated));
  AddCoverage(coverage, outcome.coverage);
  AddFailovers(outcome.failover_coverage, failover_coverage);
  AddFailovers(outcome.failovers, failovers);
}

void Tally::CountRows() {
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = RecoveryRows::AllHits(kRecoveryTable[i].row);
  }
}

void Tally::Add(const Tally& other) {
  for (size_t i = 0; i < rows.size(); ++i) rows[i] += other.rows[i];
  for (size_t i = 0; i < sizes.size(); ++i) sizes[i] += other.sizes[i];
  fewest_calls = std::min(fewest_calls, other.fewest_calls);
  seeds += other.seeds;
  failed += other.failed;
  seam_calls += other.seam_calls;
  faults += other.faults;
  deaths += other.deaths;
  messages += other.messages;
  simulated_s += other.simulated_s;
  AddCoverage(coverage, other.coverage);
  AddFailovers(other.failover_coverage, failover_coverage);
  AddFailovers(other.failovers, failovers);
}

std::string RunLine(uint64_t seed, const Outcome& outcome) {
  return fmt::format(
      "seed {}: {} seam calls, {} faults, {} deaths, {} starts, {} messages, {:.0f} s simulated, "
      "settled within {:.0f} s, digest {:016x}\n",
      seed, outcome.seam_calls, outcome.faults, outcome.deaths, outcome.starts, outcome.messages,
      InSeconds(outcome.simulated), InSeconds(outcome.settled_after), outcome.digest);
}

std::string ViolationLine(uint64_t seed, const Outcome& outcome) {
  return fmt::format("seed {}: {} broken at {:.6f} s: {} {}\n", seed, outcome.violation->promise,
                     InSeconds(outcome.violated_at), outcome.violation->what,
                     outcome.violation->path);
}

std::string TallyLine(const Tally& tally, const Took& took) {
  std::string sizes;
  for (size_t i = 0; i < kSizes; ++i) {
    sizes +=
        fmt::format("{}{} {}", i == 0 ? "" : ", ", tally.sizes[i], SizeName(static_cast<Size>(i)));
  }
  const auto calls = static_cast<double>(tally.seam_calls);
  const uint64_t fewest = tally.seeds > tally.failed ? tally.fewest_calls : 0;
  return fmt::format(
      "{} seeds, {} failed; {} seam calls ({:.0f} a second, {:.0f} in a second of one core), {} "
      "faults, {} deaths, {} messages, {} h simulated; {}, {} seam calls at least; {} failovers, "
      "{} "
      "unplanned, {} failbacks, {} aborted, {} conflicts settled\n",
      tally.seeds, tally.failed, tally.seam_calls, calls / took.seconds, calls / took.core_seconds,
      tally.faults, tally.deaths, tally.messages, tally.simulated_s / 3600, sizes, fewest,
      tally.failovers.planned, tally.failovers.unplanned, tally.failovers.failback,
      tally.failovers.aborted, tally.failovers.conflicts);
}

std::string CoverageTable(const Coverage& coverage) {
  std::string text = fmt::format("{:<14}", "");
  for (size_t p = 0; p < kPlaces; ++p) {
    text += fmt::format("{:>12}", PlaceName(static_cast<Place>(p)));
  }
  text += '\n';
  for (size_t f = 0; f < kFaultKinds; ++f) {
    text += fmt::format("{:<14}", FaultName(f));
    for (const uint64_t count : coverage[f]) text += fmt::format("{:>12}", count);
    text += '\n';
  }
  return text;
}

std::string FailoverTable(const FailoverCoverage& coverage) {
  // Those after it are ends.
  constexpr auto kLast = static_cast<size_t>(failover::Step::kUndo);
  std::string text = fmt::format("{:<16}", "");
  for (size_t i = 0; i <= kLast; ++i) {
    text += fmt::format("{:>9}", failover::StepName(static_cast<failover::Step>(i)));
  }
  text += '\n';
  for (size_t w = 0; w < kMeanwhiles; ++w) {
    text += fmt::format("{:<16}", MeanwhileName(static_cast<Meanwhile>(w)));
    for (size_t i = 0; i <= kLast; ++i) text += fmt::format("{:>9}", coverage[w][i]);
    text += '\n';
  }
  return text;
}

std::string RowsTable(const Tally& tally) {
  std::string text = "rows of the recovery table:\n";
  for (size_t i = 0; i < tally.rows.size(); ++i) {
    text += fmt::format("{:>12}  {}\n", tally.rows[i], kRecoveryTable[i].found);
  }
  return text;
}

std::vector<std::string> Unreached(const Tally& tally) {
  std::vector<std::string> unreached;
  for (size_t i = 0; i < tally.rows.size(); ++i) {
    if (tally.rows[i] > 0 || IsExcepted(kRecoveryTable[i].row)) continue;
    unreached.push_back(fmt::format("row of the recovery table: {}", kRecoveryTable[i].found));
  }
  for (size_t f = 0; f < kFaultKinds; ++f) {
    for (size_t p = 0; p < kPlaces; ++p) {
      const auto place = static_cast<Place>(p);
      if (tally.coverage[f][p] > 0 || !CanMeet(static_cast<Fault::Kind>(f), place)) continue;
      unreached.push_back(fmt::format("{} at a call of {}", FaultName(f), PlaceName(place)));
    }
  }
  return unreached;
}

std::string Story(const Scenario& scenario) {
  const Outcome known = Simulate(scenario);
  if (!known.violation) return {};
  // The name of a minute alone is that of many.
  const std::string& path = known.violation->path;
  const std::string name =
      paths::BaseName(path).size() < 3 ? path : std::string(paths::BaseName(path));
  std::deque<std::string> about;
  std::deque<std::string> last;
  const auto keep = [](std::deque<std::string>& lines, const std::string& line, size_t most) {
    lines.push_back(line);
    if (lines.size() > most) lines.pop_front();
  };
  const auto hear = [&](const std::string& line) {
    const bool concerns = (!name.empty() && line.find(name) != std::string::npos) ||
                          line.find("incident") != std::string::npos ||
                          line.find("dies") != std::string::npos;
    if (concerns) keep(about, line, kStoryLinesMax);
    keep(last, line, kLastLines);
  };
  static_cast<void>(Simulate(scenario, {.trace = hear}));
  std::string text = "What happened to it:\n";
  for (const std::string& line : about) text += "  " + line + "\n";
  text += "The last events:\n";
  for (const std::string& line : last) text += "  " + line + "\n";
  return text;
}

}  // namespace databus::sim
