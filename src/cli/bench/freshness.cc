#include "cli/bench/freshness.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "base/sync.h"
#include "cli/demo/input.h"
#include "cli/demo/services.h"
#include "cli/demo/site.h"
#include "cli/demo/traffic.h"
#include "cli/installation.h"
#include "cli/stream_view.h"
#include "cli/table.h"
#include "cluster/paths.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

constexpr Milliseconds kLookEvery{50};
// Of clusters with servers, which have more to do. So much later something may be seen.
constexpr Milliseconds kLookAtServersEvery{250};

// How long the messages of one file took.
struct Age {
  int64_t ms = 0;
  uint64_t messages = 0;
};

int64_t AgeAt(const std::vector<Age>& ascending, double share, uint64_t messages) {
  auto left = static_cast<uint64_t>(share * static_cast<double>(messages));
  for (const Age& age : ascending) {
    if (age.messages >= left) return age.ms;
    left -= age.messages;
  }
  return ascending.empty() ? 0 : ascending.back().ms;
}

// Looks for new files in all views again and again.
class AgeWatch {
 public:
  AgeWatch(const Topology& topology, Seams& seams) : seams_(seams) {
    for (const HopView& view : HopViews(topology)) {
      auto storage = OpenCluster(seams, topology, view.cluster);
      if (storage.ok()) views_.push_back({.where = view, .storage = std::move(*storage)});
    }
  }

  void Look() {
    for (Watched& watched : views_) LookAt(watched);
  }

  HopAges Ages(Hop hop) const {
    std::vector<Age> ages = ages_[static_cast<size_t>(hop)];
    std::ranges::sort(ages, {}, &Age::ms);
    HopAges result{.hop = hop, .files = ages.size()};
    for (const Age& age : ages) result.messages += age.messages;
    result.p50_ms = AgeAt(ages, 0.5, result.messages);
    result.p99_ms = AgeAt(ages, 0.99, result.messages);
    if (!ages.empty()) result.max_ms = ages.back().ms;
    return result;
  }

 private:
  struct Watched {
    HopView where;
    std::unique_ptr<Storage> storage;
    Minute newest = Minute(0);
    std::set<std::string> seen = {};  // in `newest` and later
  };

  // A minute before the newest one does not grow any more.
  void LookAt(Watched& watched) {
    const HopView& where = watched.where;
    const auto minutes = ListMinutes(*watched.storage, paths::Stream(where.view(), where.stream),
                                     watched.newest, kLastMinute);
    if (!minutes.ok() || minutes->empty()) return;
    for (const Minute minute : *minutes) {
      const auto files =
          ListMinuteFiles(*watched.storage, paths::MinuteDir(where.view(), where.stream, minute));
      if (!files.ok()) return;
      for (const DirEntry& file : *files) {
        Take(watched, paths::MinuteFile(where.view(), where.stream, minute, file.name));
      }
    }
    watched.newest = minutes->back();
  }

  void Take(Watched& watched, const std::string& path) {
    if (watched.seen.contains(path)) return;
    const auto header = ReadSealedHeader(*watched.storage, path);
    if (!header.ok()) return;
    watched.seen.insert(path);
    const int64_t ms = (seams_.clock.Wall() - header->header.first_accepted).count();
    ages_[static_cast<size_t>(watched.where.hop)].push_back({ms, header->header.messages});
  }

  Seams& seams_;
  std::vector<Watched> views_;
  std::array<std::vector<Age>, kAllHops.size()> ages_;
};

// The local streams hold everything once; merged and mirrored ones do so together.
bool AllArrived(const AgeWatch& watch, uint64_t acknowledged) {
  return std::ranges::all_of(kAllHops,
                             [&](Hop hop) { return watch.Ages(hop).messages >= acknowledged; });
}

uint64_t Acknowledged(const Traffic& traffic) {
  uint64_t sum = 0;
  for (const SourceCount& count : traffic.Counts()) sum += count.acknowledged;
  return sum;
}

// Looks until `done`, kUnavailable when a process has ended.
template <typename Done>
Status Watch(AgeWatch& watch, const DemoServices& services, const Clock& clock, Milliseconds every,
             Done&& done) {
  StopFlag never;
  while (!done()) {
    DATABUS_RETURN_IF_ERROR(services.Check());
    const BootTime next = clock.Boot() + every;
    watch.Look();
    never.SleepUntil(clock, next);
  }
  return Status::Ok();
}

}  // namespace

Result<Freshness> MeasureFreshness(const FreshnessOptions& options, Seams& seams) {
  const Clock& clock = seams.clock;
  DATABUS_ASSIGN_OR_RETURN(const DemoSite site,
                           MakeDemoSite(paths::Join(options.directory, "site"), seams.network,
                                        seams.random, options.clusters));
  DATABUS_ASSIGN_OR_RETURN(const DemoInput input, DemoInput::Open(""));
  const Milliseconds every = options.clusters.dc1.empty() ? kLookEvery : kLookAtServersEvery;
  StopFlag stop;
  DemoServices services(site, std::string(Child::kSelf), clock);
  DATABUS_RETURN_IF_ERROR(services.StartAll(seams, stop));
  AgeWatch watch(site.topology, seams);
  const BootTime begin = clock.Boot();
  Traffic traffic(
      site, input,
      {.events_per_s = options.events_per_s, .duration = std::chrono::seconds(options.seconds)},
      {seams.network, clock, seams.random});
  DATABUS_RETURN_IF_ERROR(Watch(watch, services, clock, every, [&] { return traffic.Done(); }));
  Freshness freshness;
  freshness.acknowledged = Acknowledged(traffic);
  freshness.messages_per_s = static_cast<double>(freshness.acknowledged) /
                             std::chrono::duration<double>(clock.Boot() - begin).count();
  const BootTime deadline = clock.Boot() + options.arrive_within;
  DATABUS_RETURN_IF_ERROR(Watch(watch, services, clock, every, [&] {
    return clock.Boot() > deadline || AllArrived(watch, freshness.acknowledged);
  }));
  for (const Hop hop : kAllHops) freshness.hops.push_back(watch.Ages(hop));
  DATABUS_RETURN_IF_ERROR(services.StopAll());
  if (AllArrived(watch, freshness.acknowledged)) return freshness;
  return Status(Code::kUnavailable, "not everything was visible in time:\n" + ToText(freshness));
}

std::string ToText(const Freshness& freshness) {
  Table table({"hop", ">p50 ms", ">p99 ms", ">max ms", ">messages", ">files"});
  for (const HopAges& hop : freshness.hops) {
    table.Row({std::string(HopName(hop.hop)), Grouped(static_cast<uint64_t>(hop.p50_ms)),
               Grouped(static_cast<uint64_t>(hop.p99_ms)),
               Grouped(static_cast<uint64_t>(hop.max_ms)), Grouped(hop.messages),
               Grouped(hop.files)});
  }
  return fmt::format("{} messages acknowledged, {:.0f} a second; from acceptance to visible:\n{}",
                     Grouped(freshness.acknowledged), freshness.messages_per_s, table.ToString());
}

nlohmann::ordered_json ToJson(const Freshness& freshness) {
  nlohmann::ordered_json json = {{"acknowledged", freshness.acknowledged},
                                 {"messages_per_s", freshness.messages_per_s}};
  for (const HopAges& hop : freshness.hops) {
    json[std::string(HopName(hop.hop))] = {{"p50_ms", hop.p50_ms},
                                           {"p99_ms", hop.p99_ms},
                                           {"max_ms", hop.max_ms},
                                           {"messages", hop.messages},
                                           {"files", hop.files}};
  }
  return json;
}

}  // namespace databus
