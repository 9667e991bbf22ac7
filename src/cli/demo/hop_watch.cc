#include "cli/demo/hop_watch.h"

#include <algorithm>

#include "cli/stream_view.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kRecent{3};

}  // namespace

std::vector<HopView> HopViews(const Topology& topology) {
  std::vector<HopView> views;
  for (const StreamSpec& stream : topology.streams) {
    for (const SourceSpec& source : stream.sources) {
      views.push_back({stream.name, Hop::kLocal, source.cluster});
    }
    for (const DestinationSpec& to : stream.destinations) {
      views.push_back(
          {stream.name, to.role == Role::kPrimary ? Hop::kMerged : Hop::kMirror, to.cluster});
    }
  }
  return views;
}

int64_t LagAt(std::vector<int64_t> lags_ms, double share) {
  if (lags_ms.empty()) return 0;
  std::ranges::sort(lags_ms);
  const auto at = static_cast<size_t>(share * static_cast<double>(lags_ms.size() - 1) + 0.5);
  return lags_ms[std::min(at, lags_ms.size() - 1)];
}

HopWatch::HopWatch(const Topology& topology, Seams& seams) : seams_(seams) {
  for (const HopView& view : HopViews(topology)) {
    std::unique_ptr<Storage>& storage = clusters_[view.cluster];
    if (storage == nullptr) {
      auto opened = OpenCluster(seams, topology, view.cluster);
      if (!opened.ok()) continue;
      storage = *std::move(opened);
    }
    all_.push_back({.where = view, .storage = storage.get()});
  }
}

void HopWatch::Look() {
  const BootTime since = seams_.clock.Boot() - kRecent;
  for (Watched& watched : all_) {
    auto& recent = watched.recent_lags_ms;
    while (!recent.empty() && recent.front().first < since) recent.pop_front();
    LookAt(watched);
  }
}

// A minute is closed once a later one exists (G4), so only the newest one of the last look and what
// is later can have grown.
void HopWatch::LookAt(Watched& watched) {
  const auto minutes =
      ListMinutes(*watched.storage, paths::Stream(watched.where.view(), watched.where.stream),
                  watched.newest, kLastMinute);
  if (!minutes.ok() || minutes->empty()) return;
  Minute newest = watched.newest;
  for (const Minute minute : *minutes) {
    newest = minute;
    if (!LookAtMinute(watched, minute)) break;  // begins here again at the next look
  }
  if (newest == watched.newest) return;
  watched.newest = newest;
  const std::string directory =
      paths::MinuteDir(watched.where.view(), watched.where.stream, watched.newest);
  std::erase_if(watched.seen,
                [&](const std::string& path) { return paths::Parent(path) != directory; });
}

bool HopWatch::LookAtMinute(Watched& watched, Minute minute) {
  const HopView& where = watched.where;
  const auto files =
      ListMinuteFiles(*watched.storage, paths::MinuteDir(where.view(), where.stream, minute));
  if (!files.ok()) return files.code() == Code::kNotFound;
  bool whole = true;
  for (const DirEntry& file : *files) {
    const std::string path = paths::MinuteFile(where.view(), where.stream, minute, file.name);
    if (watched.seen.contains(path)) continue;
    const auto header = ReadSealedHeader(*watched.storage, path);
    if (!header.ok()) {
      whole = whole && !header.unknown();
      continue;
    }
    watched.seen.insert(path);
    const int64_t lag_ms = (seams_.clock.Wall() - header->header.last_accepted).count();
    watched.count.messages += header->header.messages;
    watched.count.lags_ms.push_back(lag_ms);
    watched.recent_lags_ms.emplace_back(seams_.clock.Boot(), lag_ms);
  }
  return whole;
}

HopCount HopWatch::Count(std::string_view stream, Hop hop) const {
  HopCount sum;
  for (const Watched& watched : all_) {
    if (watched.where.stream != stream || watched.where.hop != hop) continue;
    sum.messages += watched.count.messages;
    sum.lags_ms.insert(sum.lags_ms.end(), watched.count.lags_ms.begin(),
                       watched.count.lags_ms.end());
  }
  return sum;
}

int64_t HopWatch::RecentLagMs(std::string_view stream, Hop hop) const {
  int64_t worst = 0;
  for (const Watched& watched : all_) {
    if (watched.where.stream != stream || watched.where.hop != hop) continue;
    for (const auto& [seen, lag_ms] : watched.recent_lags_ms) worst = std::max(worst, lag_ms);
  }
  return worst;
}

}  // namespace databus
