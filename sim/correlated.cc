#include "sim/correlated.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "sim/scenario_draw.h"

namespace databus::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

struct Draw {
  SimRandom& random;
  const CorrelatedFacts& facts;
  Scenario& scenario;

  SimTime AnyTime() const { return sim::AnyTime(random, scenario); }
  size_t AnyWorker() const {
    return scenario.collectors.size() + random.Below(scenario.workers.size());
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
    draw.Add({.kind = IncidentKind::kHintLost,
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

// Nobody tells a mirror of a published file: only the primary's manifest names it (P16).
void LostQueueEntry(Draw& draw) {
  const uint64_t count = draw.random.Between(1, 3);
  for (uint64_t i = 0; i < count; ++i) {
    draw.Add({.kind = IncidentKind::kHintLost,
              .at = draw.AnyTime(),
              .who = draw.AnyWorker(),
              .trigger = {Step::kMirrorQueue, draw.random.Between(1, 5), StepAnswer::kAsIs}});
  }
}

// What a disk damaged costs the record that it was in, whatever happens next (P21).
void FlippedBits(Draw& draw) {
  const uint64_t count = draw.random.Between(1, 3);
  for (uint64_t i = 0; i < count; ++i) {
    const StepAnswer answer = draw.random.Chance(600'000) ? StepAnswer::kDies : StepAnswer::kAsIs;
    draw.Add({.kind = IncidentKind::kBitFlip,
              .at = draw.AnyTime(),
              .who = draw.AnyCollector(),
              .trigger = {Step::kSpoolSync, draw.random.Between(1, 20), answer}});
  }
}

// A record, or what it vouches for, is damaged before anybody has acted upon it (P10).
void FlippedStaging(Draw& draw) {
  draw.Add({.kind = IncidentKind::kStagedFlip,
            .at = draw.AnyTime(),
            .who = draw.AnyWorker(),
            .trigger = {Step::kRecord, draw.random.Between(1, 8), StepAnswer::kDies}});
}

// The machine is started with the wrong disk in the cluster's place (P1).
void WrongMount(Draw& draw) {
  draw.Add({.kind = IncidentKind::kWrongMount,
            .at = minutes(1) + draw.AnyTime(),
            .lasts = milliseconds(draw.random.Between(10'000, 120'000)),
            .who = draw.AnyCollector(),
            .cluster = draw.random.Below(draw.scenario.clusters.size())});
}

// A cluster loses its power just when somebody was not told whether a step was made (P8).
void PowerCutAfterAStep(Draw& draw) {
  static constexpr Step kStepsToCut[] = {Step::kPublish, Step::kPublish, Step::kClose, Step::kQueue,
                                         Step::kRecord,  Step::kClaim,   Step::kFence};
  draw.Add({.kind = IncidentKind::kTreeCut,
            .at = draw.AnyTime(),
            .lasts = milliseconds(draw.random.Between(100, 20'000)),
            .who = draw.AnyWorker(),
            .calls = draw.random.Between(1, 25),
            .trigger = {kStepsToCut[draw.random.Below(std::size(kStepsToCut))],
                        draw.random.Between(1, 12), StepAnswer::kAnswerLost}});
}

// A taker does not get the number that it asked for, and sleeps while another one gets it (P3).
void SleepWhileTaking(Draw& draw) {
  const std::vector<size_t> workers = CompetingWorkers(draw);
  const SimTime at = draw.random.Chance(500'000) ? SimTime() : draw.AnyTime();
  for (const size_t worker : workers) {
    draw.Add({.kind = IncidentKind::kPause,
              .at = at,
              .lasts = draw.LongerThanALease(),
              .who = worker,
              .trigger = {Step::kTakeEpoch, draw.random.Between(1, 3), StepAnswer::kRequestLost}});
  }
}

// Somebody works with a clock that is wrong by more than is tolerated (P13).
void ClockFarOff(Draw& draw) {
  const auto by_ms = static_cast<int64_t>(draw.random.Between(5 * 60'000, 60 * 60'000));
  draw.Add({.kind = IncidentKind::kClockStep,
            .at = draw.AnyTime(),
            .lasts = milliseconds(draw.random.Between(20'000, 200'000)),
            .who = draw.AnyWorker(),
            .amount = draw.random.Chance(700'000) ? by_ms : -by_ms});
}

// An operator edits settings and restarts, one process after the other, as things go wrong.
void NewSettings(Draw& draw) {
  const SimTime at = draw.AnyTime();
  const size_t processes = draw.scenario.collectors.size() + draw.scenario.workers.size();
  for (size_t who = 0; who < processes; ++who) {
    if (draw.random.Chance(400'000)) continue;
    draw.Add({.kind = IncidentKind::kReconfigure,
              .at = at + milliseconds(draw.random.Between(0, 60'000)),
              .who = who,
              .amount = static_cast<int64_t>(draw.random.Between(3, 20))});
  }
}

enum class HowOften : uint8_t { kOften, kSeldom };

struct Story {
  std::string_view name;
  HowOften how_often;
  void (*tell)(Draw&);
};

constexpr Story kStories[] = {
    {"failed-sync", HowOften::kOften, FailedSyncAndPowerCut},
    {"unsynced", HowOften::kOften, KilledBeforeSyncAndPowerCut},
    {"repeat", HowOften::kOften, RepeatInAFlushThatFails},
    {"sleep", HowOften::kOften, SleepAfterAStep},
    {"take-overs", HowOften::kOften, TakeOversInARow},
    {"announcement", HowOften::kOften, LostAnnouncement},
    {"queue-entry", HowOften::kSeldom, LostQueueEntry},
    {"spool-bits", HowOften::kSeldom, FlippedBits},
    {"staged-bits", HowOften::kSeldom, FlippedStaging},
    {"mount", HowOften::kSeldom, WrongMount},
    {"tree-power", HowOften::kSeldom, PowerCutAfterAStep},
    {"taking", HowOften::kSeldom, SleepWhileTaking},
    {"clock", HowOften::kSeldom, ClockFarOff},
    {"settings", HowOften::kSeldom, NewSettings},
};

void TellSome(Draw& draw, HowOften how_often, uint64_t count) {
  std::vector<const Story*> stories;
  for (const Story& one : kStories) {
    if (one.how_often == how_often) stories.push_back(&one);
  }
  for (uint64_t i = 0; i < count; ++i) stories[draw.random.Below(stories.size())]->tell(draw);
}

// Three times, so that it is likely to come at a time when it matters.
void TellWanted(Draw& draw, std::string_view name) {
  const auto story = std::ranges::find(kStories, name, &Story::name);
  if (story == std::end(kStories)) throw std::invalid_argument("no such story");
  for (int i = 0; i < 3; ++i) story->tell(draw);
}

}  // namespace

std::vector<std::string> StoryNames() {
  std::vector<std::string> names;
  for (const Story& one : kStories) names.emplace_back(one.name);
  return names;
}

void DrawCorrelated(SimRandom& random, const CorrelatedFacts& facts, Scenario& scenario) {
  Draw draw{random, facts, scenario};
  if (facts.hours && random.Chance(700'000)) AwayForHours(draw);
  TellSome(draw, HowOften::kOften, random.Chance(400'000) ? 0 : random.Between(1, 4));
  TellSome(draw, HowOften::kSeldom, random.Chance(300'000) ? 0 : random.Between(1, 3));
  if (!facts.wanted.empty()) TellWanted(draw, facts.wanted);
  std::ranges::stable_sort(scenario.incidents, {}, &Incident::at);
}

}  // namespace databus::sim
