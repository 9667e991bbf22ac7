#include "failover/estimate.h"

#include <algorithm>

#include <fmt/format.h>

#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

constexpr Milliseconds kRunIntervalDefault{60'000};
constexpr Milliseconds kObeyTime{5'000};  // until a process has read an epoch and has said so
// What a machine and the link between clusters are assumed to do. Conservative: what is small is
// bounded by calls, what is large by the disk and the pace of `buffer_send_rate`.
constexpr int64_t kFilesPerSecond = 100;
constexpr Milliseconds kMirroredMinute{100};
constexpr uint64_t kSpoolBytesPerSecond = 10'000'000;

Milliseconds RunInterval(const Observation& seen) {
  Milliseconds longest{0};
  for (const auto& [cluster, worker] : seen.workers) {
    longest = std::max(longest, worker.run_interval);
  }
  return longest.count() > 0 ? longest : kRunIntervalDefault;
}

Milliseconds ForFiles(uint64_t files) {
  return Milliseconds(static_cast<int64_t>(files) * 1000 / kFilesPerSecond);
}

Milliseconds ForMinutes(int64_t minutes) { return minutes * kMirroredMinute; }

}  // namespace

Estimate::Estimate(Kind kind, const RoleChange& change, const Observation& seen)
    : kind_(kind), change_(change), seen_(seen), run_(RunInterval(seen)) {}

Milliseconds Estimate::Of(Step step) const {
  switch (step) {
    case Step::kCatchUp: return 2 * run_ + ForMinutes(MinutesBehind());
    case Step::kSpool:
    case Step::kSwap: return kObeyTime;
    case Step::kFence: return kAloneAfter;
    case Step::kDrain: return 3 * run_ + ForFiles(FilesToDrain());
    case Step::kFreeze: return kObeyTime + run_;
    case Step::kMirror: return 2 * run_ + ForFiles(LinesToMirror()) + CatchUpOfMirrors();
    case Step::kDespool: return kObeyTime + Fullest().empties_within;
    case Step::kVerify: return kObeyTime + 3 * run_;
    case Step::kBegin:
    case Step::kUndo:
    case Step::kDone:
    case Step::kAborted: break;
  }
  return Milliseconds(0);
}

std::vector<std::string> Estimate::Assumptions() const {
  std::vector<std::string> all = {fmt::format("workers run every {}", ToHuman(run_))};
  if (kind_ != Kind::kUnplanned) {
    all.push_back(fmt::format(
        "{} files a second are published, merged or mirrored, of which {} are on their way",
        kFilesPerSecond, FilesToDrain() + LinesToMirror()));
  }
  all.push_back(fmt::format(
      "a spool empties itself at {} MB a second, or as fast as it fills; the fullest will hold "
      "{} bytes at the swap",
      kSpoolBytesPerSecond / 1'000'000, Fullest().bytes));
  return all;
}

bool Estimate::Moves(const std::string& stream) const {
  const StreamChange* const change = change_.Find(stream);
  return change != nullptr && change->Moves();
}

bool Estimate::Goes(const std::string& cluster) const {
  return cluster == change_.site && cluster == change_.from;
}

// As the gate of the drain counts them.
uint64_t Estimate::FilesToDrain() const {
  uint64_t files = 0;
  for (const auto& [cluster, tree] : seen_.trees) {
    for (const auto& [stream, underway] : tree.flow) {
      if (!Moves(stream) && !Goes(cluster)) continue;
      files += underway.in_commit + underway.merging;
      for (const auto& [collector, count] : underway.data_files) files += count;
      for (const auto& [destination, lines] : underway.to_merge) files += lines;
    }
  }
  return files;
}

uint64_t Estimate::LinesToMirror() const {
  uint64_t lines = 0;
  for (const auto& [stream, underway] : seen_.TreeOf(change_.from).flow) {
    if (!Moves(stream)) continue;
    for (const auto& [mirror, count] : underway.to_mirror) lines += count;
  }
  return lines;
}

// Of the mirror that is farthest behind; one that has nothing yet is taken for an hour.
int64_t Estimate::MinutesBehind() const {
  int64_t minutes = 0;
  for (const auto& [key, mirror] : seen_.mirrors) {
    if (!mirror.primary_newest) continue;
    const Minute newest = mirror.newest.value_or(*mirror.primary_newest + (-60));
    minutes = std::max(minutes, *mirror.primary_newest - newest);
  }
  return minutes;
}

// A failback has a step of its own for it.
Milliseconds Estimate::CatchUpOfMirrors() const {
  return kind_ == Kind::kFailback ? Milliseconds(0) : ForMinutes(MinutesBehind());
}

Estimate::Spooled Estimate::SpooledBy(const SeenCollector& collector) const {
  // What it has came in within `lag`; a moment says nothing of how much that is.
  const double within = static_cast<double>(std::max<Milliseconds>(collector.lag, run_).count());
  const double per_ms = static_cast<double>(collector.spool_bytes) / within;
  const double bytes =
      static_cast<double>(collector.spool_bytes) + per_ms * static_cast<double>(spooling_.count());
  const double pace = std::max(per_ms, static_cast<double>(kSpoolBytesPerSecond) / 1000);
  return {static_cast<uint64_t>(bytes), Milliseconds(static_cast<int64_t>(bytes / pace))};
}

Estimate::Spooled Estimate::Fullest() const {
  Spooled fullest;
  for (const SeenCollector& collector : seen_.collectors) {
    if (collector.life != Life::kAlive) continue;
    const Spooled spooled = SpooledBy(collector);
    if (spooled.empties_within >= fullest.empties_within) fullest = spooled;
  }
  return fullest;
}

}  // namespace databus::failover
