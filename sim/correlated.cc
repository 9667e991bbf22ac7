#include "sim/correlated.h"

#include <algorithm>

#include <fmt/format.h>

namespace databus::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

struct Draw {
  SimRandom& random;
  const CorrelatedFacts& facts;
  Scenario& scenario;

  SimTime AnyTime() const {
    return milliseconds(random.Below(static_cast<uint64_t>(scenario.duration.count()) / 1'000'000));
  }
  size_t AnyCollector() const { return random.Below(scenario.collectors.size()); }
  // Longer than it takes until others have the lease.
  SimTime LongerThanALease() const {
    return milliseconds(facts.lease_timeout_ms * static_cast<int64_t>(random.Between(12, 50)) / 10);
  }
  void Add(const Incident& incident) { scenario.incidents.push_back(incident); }
};

// The numbers, as Incident::who, of the workers of a data centre.
std::vector<size_t> WorkersOf(const Scenario& scenario, size_t site) {
  std::vector<size_t> workers;
  for (size_t i = 0; i < scenario.workers.size(); ++i) {
    if (scenario.workers[i].site == site) workers.push_back(scenario.collectors.size() + i);
  }
  return workers;
}

// Those of any data centre; there are two at least.
std::vector<size_t> CompetingWorkers(Draw& draw) {
  Scenario& scenario = draw.scenario;
  const size_t site = draw.random.Below(scenario.clusters.size());
  if (WorkersOf(scenario, site).size() == 1) {
    const auto first =
        std::ranges::find(scenario.workers, site, [](const WorkerPlan& one) { return one.site; });
    WorkerPlan second = *first;
    second.host = fmt::format("{}-w2", scenario.clusters[site].name);
    scenario.workers.push_back(second);
  }
  return WorkersOf(scenario, site);
}

// What a failed sync had to write is gone, though the disk answers well ever after (P21).
void FailedSyncAndPowerCut(Draw& draw) {
  draw.Add({.kind = IncidentKind::kPowerCut,
            .at = draw.AnyTime(),
            .lasts = milliseconds(draw.random.Between(100, 5'000)),
            .who = draw.AnyCollector(),
            .calls = draw.random.Between(1, 40),
            .trigger = {Step::kSpoolSync, draw.random.Between(1, 10), StepAnswer::kFails}});
}

// What a killed process wrote is read by the next one, and then lost after all (P21).
void KilledBeforeSyncAndPowerCut(Draw& draw) {
  draw.Add({.kind = IncidentKind::kPowerCut,
            .at = draw.AnyTime(),
            .lasts = milliseconds(draw.random.Between(100, 5'000)),
            .who = draw.AnyCollector(),
            .calls = draw.random.Between(20, 100),
            .trigger = {Step::kSpoolAppend, draw.random.Between(1, 10), StepAnswer::kDies}});
}

// A flush takes so long that clients send again what waits for the next one, which fails (P22).
void RepeatInAFlushThatFails(Draw& draw) {
  const SimTime at = draw.AnyTime();
  const size_t collector = draw.AnyCollector();
  const uint64_t nth = draw.random.Between(1, 20);
  for (const StepAnswer answer : {StepAnswer::kSlow, StepAnswer::kFails}) {
    draw.Add({.kind = IncidentKind::kOneCall,
              .at = at,
              .who = collector,
              .trigger = {Step::kSpoolSync, nth, answer}});
  }
}

// A worker falls asleep between a step and the look at what became of it; others take over.
void SleepAfterAStep(Draw& draw) {
  static constexpr Step kStepsToSleepAt[] = {Step::kClaim,   Step::kRecord, Step::kPublish,
                                             Step::kPublish, Step::kClose,  Step::kQueue};
  static constexpr StepAnswer kAnswers[] = {StepAnswer::kAsIs, StepAnswer::kRequestLost,
                                            StepAnswer::kRequestLost, StepAnswer::kAnswerLost};
  const std::vector<size_t> workers = CompetingWorkers(draw);
  const SimTime at = draw.AnyTime();
  for (const size_t worker : workers) {
    draw.Add({.kind = IncidentKind::kPause,
              .at = at,
              .lasts = draw.LongerThanALease(),
              .who = worker,
              .trigger = {kStepsToSleepAt[draw.random.Below(std::size(kStepsToSleepAt))],
                          draw.random.Between(1, 12),
                          kAnswers[draw.random.Below(std::size(kAnswers))]}});
  }
}

// The workers of a data centre take over from each other again and again, and each fails at one of
// the first steps of it.
void TakeOversInARow(Draw& draw) {
  static constexpr Step kFirstSteps[] = {Step::kTakeEpoch, Step::kListEpochs, Step::kFence,
                                         Step::kRecord, Step::kLease};
  static constexpr StepAnswer kAnswers[] = {StepAnswer::kAsIs, StepAnswer::kAsIs,
                                            StepAnswer::kRequestLost, StepAnswer::kAnswerLost};
  const std::vector<size_t> workers = CompetingWorkers(draw);
  const SimTime at = draw.AnyTime();
  const uint64_t rounds = draw.random.Between(2, 4);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (const size_t worker : workers) {
      const bool dies = draw.random.Chance(300'000);
      draw.Add(
          {.kind = dies ? IncidentKind::kKill : IncidentKind::kPause,
           .at = at + milliseconds(static_cast<int64_t>(round) * draw.facts.lease_timeout_ms * 2),
           .lasts = draw.LongerThanALease(),
           .who = worker,
           .calls = draw.random.Between(1, 20),
           .trigger = {kFirstSteps[draw.random.Below(std::size(kFirstSteps))],
                       draw.random.Between(1, 4),
                       kAnswers[draw.random.Below(std::size(kAnswers))]}});
    }
  }
}

// Nobody tells the worker of a delivered file: only its full scan finds it (P25).
void LostAnnouncement(Draw& draw) {
  const uint64_t count = draw.random.Between(1, 4);
  for (uint64_t i = 0; i < count; ++i) {
    draw.Add({.kind = IncidentKind::kUnannounced,
              .at = draw.AnyTime(),
              .who = draw.AnyCollector(),
              .trigger = {Step::kAnnounce, draw.random.Between(1, 5), StepAnswer::kAsIs}});
  }
}

// A cluster is away for longer than anything is retained (P26).
void AwayForHours(Draw& draw) {
  const size_t clusters = draw.scenario.clusters.size();
  const size_t from = draw.random.Below(clusters);
  draw.Add({.kind = IncidentKind::kUnreachable,
            .at = minutes(draw.random.Between(0, 20)),
            .lasts = minutes(draw.random.Between(70, 150)),
            .who = from,
            .cluster = (from + draw.random.Between(1, clusters - 1)) % clusters});
}

}  // namespace

void DrawCorrelated(SimRandom& random, const CorrelatedFacts& facts, Scenario& scenario) {
  static constexpr void (*kStories[])(Draw&) = {
      FailedSyncAndPowerCut,   KilledBeforeSyncAndPowerCut,
      RepeatInAFlushThatFails, SleepAfterAStep,
      TakeOversInARow,         LostAnnouncement};
  Draw draw{random, facts, scenario};
  if (facts.hours && random.Chance(700'000)) AwayForHours(draw);
  const uint64_t stories = random.Chance(400'000) ? 0 : random.Between(1, 4);
  for (uint64_t i = 0; i < stories; ++i) kStories[random.Below(std::size(kStories))](draw);
  std::ranges::stable_sort(scenario.incidents, {}, &Incident::at);
}

}  // namespace databus::sim
