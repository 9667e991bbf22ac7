#include "sim/scenario.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "sim/correlated.h"
#include "sim/denials.h"
#include "sim/hadoop.h"
#include "sim/random.h"
#include "sim/tales.h"

namespace databus::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int64_t kFullScanSeconds = 60;
// What is told of operators takes several runs for each of its steps.
constexpr int64_t kRunOfTaleMs = 15'000;
constexpr minutes kLongTale{11};
// P34: what no queue names is looked for when a cluster has come back, and so often.
constexpr minutes kSalvageEvery{10};

// How the parts of a scenario depend on each other while it is drawn.
struct Drawing {
  explicit Drawing(uint64_t seed) : random(seed, 1) {}

  bool IsCompact() const { return size == Size::kCompact; }

  SimRandom random;
  Scenario scenario;
  Size size = Size::kCompact;
  std::optional<TalePlan> tale;
  int64_t run_interval_ms = 0;
  int64_t lease_timeout_ms = 0;
  bool share = false;
};

int64_t Seconds(SimTime time) { return std::chrono::duration_cast<seconds>(time).count(); }

// In a million: compact, ordinary; the rest lasts for hours.
constexpr uint64_t kCompactSeeds = 978'000;
constexpr uint64_t kOrdinarySeeds = 20'000;

Size DrawSize(SimRandom& random) {
  const uint64_t drawn = random.Below(1'000'000);
  if (drawn < kCompactSeeds) return Size::kCompact;
  return drawn < kCompactSeeds + kOrdinarySeeds ? Size::kOrdinary : Size::kHours;
}

SimTime DrawDuration(Drawing& drawing) {
  switch (drawing.size) {
    case Size::kCompact: return seconds(drawing.random.Between(8 * 60, 9 * 60));
    case Size::kOrdinary: return minutes(drawing.random.Between(10, 14));
    case Size::kHours: return minutes(drawing.random.Between(100, 180));
  }
  __builtin_unreachable();
}

void DrawClusters(Drawing& drawing) {
  const uint64_t two = drawing.IsCompact() ? 970'000 : 700'000;
  const uint64_t count =
      drawing.random.Chance(two) ? 2 : drawing.random.Between(3, drawing.IsCompact() ? 3 : 4);
  const uint64_t groups_max = !drawing.IsCompact() ? 3 : drawing.random.Chance(500'000) ? 2 : 1;
  for (uint64_t i = 1; i <= count; ++i) {
    const uint32_t groups = drawing.random.Chance(100'000)
                                ? 0
                                : static_cast<uint32_t>(drawing.random.Between(1, groups_max));
    drawing.scenario.clusters.push_back({fmt::format("dc{}", i), groups});
  }
  // The number of groups is the same in the whole installation.
  for (ClusterPlan& cluster : drawing.scenario.clusters) {
    cluster.groups = drawing.scenario.clusters[0].groups;
  }
}

void DrawTopology(Drawing& drawing) {
  SimRandom& random = drawing.random;
  const auto& clusters = drawing.scenario.clusters;
  static constexpr std::string_view kNames[] = {"clicks", "orders", "ad-views", "x"};
  std::string xml = fmt::format(
      "<databus>\n<defaults><rootdir>/databus</rootdir><retentioninhours>{}</retentioninhours>"
      "<trashretentioninhours>1</trashretentioninhours></defaults>\n<streams>\n",
      drawing.size == Size::kHours ? 1 : 48);
  uint64_t streams = random.Between(1, drawing.IsCompact() ? 2 : 3);
  // Something has to be where the tale takes it away, and to fit where it brings it.
  const TalePlan* const tale = drawing.tale ? &*drawing.tale : nullptr;
  const bool opposite = tale != nullptr && tale->tale == Tale::kOpposite;
  if (opposite) streams = std::max<uint64_t>(streams, 2);
  const auto concerned = [&](size_t c) {
    return tale != nullptr && (c == tale->from || c == tale->to);
  };
  for (uint64_t s = 0; s < streams; ++s) {
    xml += fmt::format("<stream name=\"{}\"{}>\n<sources>", kNames[s],
                       tale != nullptr && tale->waits ? " whenalone=\"wait\"" : "");
    const size_t sure = random.Below(clusters.size());
    for (size_t c = 0; c < clusters.size(); ++c) {
      if (c != sure && random.Chance(300'000)) continue;
      xml += fmt::format("<source><name>{}</name></source>", clusters[c].name);
    }
    xml += "</sources>\n<destinations>";
    size_t primary = random.Below(clusters.size());
    if (tale != nullptr && s == 0) primary = tale->from;
    if (opposite && s == 1) primary = tale->to;
    for (size_t c = 0; c < clusters.size(); ++c) {
      if (c != primary && random.Chance(250'000) && !concerned(c)) continue;
      xml += fmt::format("<destination><name>{}</name>{}</destination>", clusters[c].name,
                         c == primary ? "<primary>true</primary>" : "");
    }
    xml += "</destinations>\n</stream>\n";
  }
  xml += "</streams>\n<clusters>\n";
  for (const ClusterPlan& cluster : clusters) {
    xml += fmt::format(
        "<cluster name=\"{0}\" hdfsurl=\"file:///{0}\" jturl=\"local\" "
        "jobqueuename=\"default\"/>\n",
        cluster.name);
  }
  drawing.scenario.topology_xml = xml + "</clusters>\n</databus>\n";
  Result<Topology> topology = ParseTopology(drawing.scenario.topology_xml, "databus.xml");
  if (!topology.ok()) throw std::logic_error("scenario: " + topology.status().ToString());
  drawing.scenario.topology = *std::move(topology);
}

std::string CollectorConfigText(Drawing& drawing, const std::string& cluster,
                                const std::string& name) {
  SimRandom& random = drawing.random;
  return fmt::format(
      R"(port=1463
check_interval={}
{}
<store>
category=default
type=buffer
buffer_send_rate={}
retry_interval={}
retry_interval_range=1
replay_buffer=yes
<primary>
type=file
fs_type=hdfs
file_path=file:///{}/databus/data
sub_directory={}
rotate_period={}s
add_newlines=1
min_file_name=yes
</primary>
<secondary>
type=file
fs_type=std
file_path=/spool/{}
</secondary>
</store>
)",
      drawing.IsCompact() ? random.Between(4, 8) : random.Between(1, 3),
      random.Chance(200'000) ? "databus.collector.compress=no" : "", random.Between(1, 5),
      random.Between(2, 10), cluster, name,
      drawing.IsCompact() ? random.Between(8, 25) : random.Between(1, 20), name);
}

void DrawIntervals(Drawing& drawing) {
  static constexpr int64_t kShort[] = {2'000, 5'000, 10'000, 20'000, 30'000, 60'000};
  static constexpr int64_t kLong[] = {20'000, 30'000, 60'000, 60'000};
  SimRandom& random = drawing.random;
  switch (drawing.size) {
    case Size::kCompact:
      drawing.run_interval_ms = kLong[random.Below(std::size(kLong))];
      drawing.lease_timeout_ms = static_cast<int64_t>(random.Between(10, 30)) * 1'000;
      return;
    case Size::kOrdinary:
    case Size::kHours:
      drawing.run_interval_ms =
          drawing.size == Size::kHours ? 60'000 : kShort[random.Below(std::size(kShort))];
      drawing.lease_timeout_ms = static_cast<int64_t>(random.Between(4, 30)) * 1'000;
      return;
  }
}

std::string WorkerConfigText(const Drawing& drawing, const std::string& cluster,
                             uint64_t copy_threads) {
  return fmt::format(
      "com.inmobi.databus.clusters={}\ncom.inmobi.databus.cfg=databus.xml\n{}"
      "databus.worker.run_interval_ms={}\ndatabus.worker.lease_timeout_ms={}\n"
      "databus.worker.full_scan_interval_s={}\n"
      "databus.worker.copy_threads={}\ndatabus.worker.purge_interval_s=300\n",
      cluster,
      drawing.share ? "com.inmobi.databus.enablezk=true\n"
                      "com.inmobi.databus.zkconnect=zk:2181\n"
                      "databus.worker.spread_groups=true\n"
                    : "com.inmobi.databus.enablezk=false\n",
      drawing.run_interval_ms, drawing.lease_timeout_ms, kFullScanSeconds, copy_threads);
}

void DrawServices(Drawing& drawing) {
  SimRandom& random = drawing.random;
  Scenario& scenario = drawing.scenario;
  DrawIntervals(drawing);
  if (drawing.tale) drawing.run_interval_ms = std::min(drawing.run_interval_ms, kRunOfTaleMs);
  const bool equal_names = SimRandom(scenario.seed, 9).Chance(250'000);
  SimRandom shares(scenario.seed, 17);
  for (size_t c = 0; c < scenario.clusters.size(); ++c) {
    const std::string& cluster = scenario.clusters[c].name;
    const bool two = random.Chance(drawing.IsCompact() ? 100'000 : 500'000);
    for (uint64_t i = 1, count = two ? 2 : 1; i <= count; ++i) {
      const std::string host = fmt::format("{}-c{}", cluster, i);
      // P18: files of two clusters may have one name.
      const std::string name = equal_names ? fmt::format("c{}", i) : host;
      scenario.collectors.push_back({host, name, c, CollectorConfigText(drawing, cluster, name)});
    }
    uint64_t workers =
        random.Chance(drawing.IsCompact() ? 250'000 : 400'000) ? 2 : 1;  // the second one stands by
    if (drawing.share) workers = shares.Between(2, 3);
    for (uint64_t i = 1; i <= workers; ++i) {
      scenario.workers.push_back({fmt::format("{}-w{}", cluster, i), c,
                                  WorkerConfigText(drawing, cluster, random.Between(1, 3))});
    }
  }
}

void DrawTraffic(Drawing& drawing) {
  SimRandom& random = drawing.random;
  Scenario& scenario = drawing.scenario;
  for (size_t c = 0; c < scenario.collectors.size(); ++c) {
    const std::string& cluster = scenario.clusters[scenario.collectors[c].cluster].name;
    std::vector<std::string> streams;
    for (const StreamSpec& stream : scenario.topology.streams) {
      if (stream.HasSource(cluster)) streams.push_back(stream.name);
    }
    if (streams.empty()) continue;
    for (const ClientKind kind : {ClientKind::kPublisher, ClientKind::kPlain}) {
      if (kind == ClientKind::kPlain && random.Chance(500'000)) continue;
      scenario.producers.push_back(
          {kind, c, streams, seconds(random.Between(2, drawing.size == Size::kHours ? 600 : 60)),
           static_cast<uint32_t>(random.Between(1, 20))});
    }
  }
}

// One or two, of views that will have something in them.
void DrawReaders(SimRandom& random, Scenario& scenario) {
  const auto number_of = [&](const std::string& name) {
    return static_cast<size_t>(std::ranges::find(scenario.clusters, name, &ClusterPlan::name) -
                               scenario.clusters.begin());
  };
  for (uint64_t i = 0, count = random.Between(1, 2); i < count; ++i) {
    const StreamSpec& stream =
        scenario.topology.streams[random.Below(scenario.topology.streams.size())];
    ReaderPlan reader{.stream = stream.name, .pause = seconds(random.Between(5, 40))};
    if (random.Chance(300'000)) {
      reader.cluster = number_of(stream.sources[random.Below(stream.sources.size())].cluster);
    } else {
      reader.view = View::kMerged;
      reader.cluster =
          number_of(stream.destinations[random.Below(stream.destinations.size())].cluster);
    }
    scenario.readers.push_back(reader);
  }
}

void DrawIncidents(Drawing& drawing) {
  SimRandom& random = drawing.random;
  Scenario& scenario = drawing.scenario;
  const size_t processes = scenario.collectors.size() + scenario.workers.size();
  const uint64_t count = random.Between(0, 24);
  for (uint64_t i = 0; i < count; ++i) {
    Incident incident;
    incident.kind = static_cast<IncidentKind>(random.Below(kIncidentKindsAnyTime));
    if (random.Chance(400'000)) incident.kind = IncidentKind::kKill;
    incident.at =
        milliseconds(random.Below(static_cast<uint64_t>(scenario.duration.count()) / 1'000'000));
    // Mostly short; sometimes longer than a lease, than a minute, than everything.
    const uint64_t longest_ms = random.Chance(500'000) ? 5'000 : 240'000;
    incident.lasts = milliseconds(random.Between(100, longest_ms));
    incident.who = random.Below(processes);
    incident.cluster = random.Below(scenario.clusters.size());
    switch (incident.kind) {
      case IncidentKind::kKill: incident.calls = random.Between(1, 300); break;
      case IncidentKind::kPowerCut:
      case IncidentKind::kDiskFull:
      case IncidentKind::kSyncFails:
        incident.who = random.Below(scenario.collectors.size());
        incident.calls = random.Between(1, 60);
        break;
      case IncidentKind::kUnreachable:
      case IncidentKind::kAnswersLost: incident.who = random.Below(scenario.clusters.size()); break;
      case IncidentKind::kClockStep:
        incident.amount = static_cast<int64_t>(random.Between(0, 240'000)) - 120'000;
        break;
      case IncidentKind::kClockDrift:
        incident.amount = static_cast<int64_t>(random.Between(0, 1'000)) - 500;
        break;
      default: break;
    }
    scenario.incidents.push_back(incident);
  }
  std::ranges::stable_sort(scenario.incidents, {}, &Incident::at);
}

// A process that sleeps for hours, with whatever it holds: a lease, claims, a commit half way.
void DrawLongSleep(SimRandom& random, Scenario& scenario) {
  if (!random.Chance(400'000)) return;
  const SimTime lasts = minutes(random.Between(60, 110));
  const SimTime latest = std::max<SimTime>(scenario.duration - lasts, seconds(1));
  Incident incident{.kind = IncidentKind::kPause, .lasts = lasts};
  incident.at = milliseconds(random.Below(static_cast<uint64_t>(latest.count()) / 1'000'000));
  incident.who = random.Below(scenario.collectors.size() + scenario.workers.size());
  scenario.incidents.push_back(incident);
  std::ranges::stable_sort(scenario.incidents, {}, &Incident::at);
}

void DrawRates(Drawing& drawing) {
  SimRandom& random = drawing.random;
  const auto rate = [&](uint64_t most) { return random.Chance(500'000) ? 0 : random.Below(most); };
  drawing.scenario.rates = {.answer_lost = rate(10'000),
                            .request_lost = rate(10'000),
                            .no_space = rate(3'000),
                            .slow = rate(3'000),
                            .stale_list = rate(100'000),
                            .connection_breaks = rate(50'000)};
}

}  // namespace

std::string_view SizeName(Size size) {
  static constexpr std::string_view kNames[kSizes] = {"compact", "ordinary", "hours"};
  return kNames[static_cast<size_t>(size)];
}

std::string_view DeedName(Deed deed) {
  switch (deed) {
    case Deed::kFailOver: return "failover";
    case Deed::kGiveUp: return "failover --unplanned";
    case Deed::kFailBack: return "failback";
    case Deed::kResume: return "resume";
    case Deed::kAbort: return "abort";
    case Deed::kEdit: return "topology apply";
    case Deed::kSpool: return "topology mode";
  }
  __builtin_unreachable();
}

std::string_view IncidentName(IncidentKind kind) {
  switch (kind) {
    case IncidentKind::kKill: return "kill";
    case IncidentKind::kPowerCut: return "power-cut";
    case IncidentKind::kPause: return "pause";
    case IncidentKind::kRestart: return "restart";
    case IncidentKind::kNetworkCut: return "network-cut";
    case IncidentKind::kUnreachable: return "unreachable";
    case IncidentKind::kAnswersLost: return "answers-lost";
    case IncidentKind::kDiskFull: return "disk-full";
    case IncidentKind::kSyncFails: return "sync-fails";
    case IncidentKind::kTreeFull: return "tree-full";
    case IncidentKind::kClockStep: return "clock-step";
    case IncidentKind::kClockDrift: return "clock-drift";
    case IncidentKind::kOneCall: return "one-call";
    case IncidentKind::kHintLost: return "hint-lost";
    case IncidentKind::kBitFlip: return "bit-flip";
    case IncidentKind::kStagedFlip: return "staged-flip";
    case IncidentKind::kWrongMount: return "wrong-mount";
    case IncidentKind::kTreeCut: return "tree-cut";
    case IncidentKind::kReconfigure: return "reconfigure";
    case IncidentKind::kSiteCut: return "site-cut";
    case IncidentKind::kSiteDown: return "site-down";
    case IncidentKind::kDenied: return "denied";
    case IncidentKind::kNameNode: return "name-node";
    case IncidentKind::kSafeMode: return "safe-mode";
    case IncidentKind::kNoDataNodes: return "no-data-nodes";
    case IncidentKind::kUnreadable: return "unreadable";
    case IncidentKind::kQuota: return "quota";
  }
  __builtin_unreachable();
}

std::string Incident::ToString() const {
  std::string text =
      fmt::format("{:>7.1f} s  {} who={} cluster={} lasts={:.1f} s calls={} amount={}",
                  std::chrono::duration<double>(at).count(), IncidentName(kind), who, cluster,
                  std::chrono::duration<double>(lasts).count(), calls, amount);
  if (kind == IncidentKind::kDenied) {
    text += fmt::format(" {} of {}{}", AccessName(denial.denied), denial.directory,
                        everybody ? " to everybody" : "");
  }
  if (kind == IncidentKind::kUnreadable || kind == IncidentKind::kQuota) {
    text += fmt::format(" of {}", denial.directory.empty() ? "all" : denial.directory);
  }
  if (trigger.step == Step::kNone) return text;
  return text + fmt::format(" at {} {}, {}", StepName(trigger.step), trigger.nth,
                            StepAnswerName(trigger.answer));
}

std::string Scenario::ToString() const {
  std::string text =
      fmt::format("seed {}: {}, {} s with faults, then at most {} s\n{}", seed, SizeName(size),
                  Seconds(duration), Seconds(settle_within), topology_xml);
  for (const CollectorPlan& one : collectors) text += fmt::format("collector {}\n", one.host);
  for (const WorkerPlan& one : workers) text += fmt::format("worker {}\n{}", one.host, one.config);
  for (const OperatorPlan& one : operators) {
    text += fmt::format("operator {}:", one.host);
    for (const OperatorTask& task : one.tasks) {
      text += fmt::format(" {} from {} to {} at {:.1f} s;", DeedName(task.deed), task.from, task.to,
                          std::chrono::duration<double>(task.at).count());
    }
    text += "\n";
  }
  text += fmt::format(
      "in a million calls: answer lost {}, request lost {}, no space {}, slow {}, stale list {}, "
      "connection breaks {}, late {}\n",
      rates.answer_lost, rates.request_lost, rates.no_space, rates.slow, rates.stale_list,
      rates.connection_breaks, rates.late);
  for (size_t i = 0; i < incidents.size(); ++i) {
    text += fmt::format("incident {:>2} {}\n", i, incidents[i].ToString());
  }
  return text;
}

WallTime SimulatedStart() { return Minute::ParseIso("2031-05-06T22:51Z")->Start() + seconds(17); }

Scenario DrawScenario(uint64_t seed, const Wanted& wanted) {
  Drawing drawing(seed);
  drawing.scenario.seed = seed;
  drawing.size = DrawSize(drawing.random);
  if (wanted.size) drawing.size = *wanted.size;
  drawing.scenario.size = drawing.size;
  drawing.share = wanted.share;
  drawing.scenario.duration = DrawDuration(drawing);
  drawing.scenario.seam_calls_min = kSeamCallsMin;
  drawing.scenario.simulated_min = kSimulatedMin;
  DrawClusters(drawing);
  SimRandom operators(seed, 10);
  drawing.tale = DrawTale(operators, drawing.size, drawing.scenario.clusters.size(), wanted.story);
  if (drawing.tale && drawing.tale->IsLong()) {
    drawing.scenario.duration = std::max<SimTime>(drawing.scenario.duration, kLongTale);
  }
  DrawTopology(drawing);
  DrawServices(drawing);
  DrawTraffic(drawing);
  DrawRates(drawing);
  DrawIncidents(drawing);
  if (drawing.size == Size::kHours) {
    SimRandom sleeps(seed, 12);
    DrawLongSleep(sleeps, drawing.scenario);
  }
  SimRandom readers(seed, 8);
  DrawReaders(readers, drawing.scenario);
  SimRandom correlated(seed, 7);
  const bool denied = wanted.story == kDenialStory;
  const bool hadoop = wanted.story == kHadoopStory;
  const bool of_others = denied || hadoop || (drawing.tale && !wanted.story.empty());
  DrawCorrelated(correlated,
                 {drawing.lease_timeout_ms, drawing.size == Size::kHours,
                  of_others ? std::string_view() : std::string_view(wanted.story)},
                 drawing.scenario);
  if (drawing.tale) TellTale(operators, *drawing.tale, drawing.scenario);
  // Numbers of neighbouring seeds are alike; what these begin with is not.
  SimRandom denials(SimRandom(seed, 13).Next(), 13);
  if (wanted.denials != Denials::kNone) {
    DrawDenials(denials, denied || wanted.denials == Denials::kMany, drawing.scenario);
  }
  SimRandom servers(SimRandom(seed, 18).Next(), 18);
  if (wanted.hadoop != Hadoop::kNone) {
    DrawHadoop(servers, hadoop || wanted.hadoop == Hadoop::kMany, drawing.scenario);
  }
  // A file waits at most for a full scan, a take-over, the pauses after failures, and a few runs.
  drawing.scenario.settle_within =
      seconds(2 * kFullScanSeconds) +
      milliseconds(3 * drawing.lease_timeout_ms + 8 * drawing.run_interval_ms) + minutes(5);
  // Each step of a failover may have to wait for as much.
  drawing.scenario.operators_within = 4 * drawing.scenario.settle_within;
  if (drawing.tale && drawing.tale->IsForced()) drawing.scenario.settle_within += kSalvageEvery;
  return std::move(drawing.scenario);
}

}  // namespace databus::sim
