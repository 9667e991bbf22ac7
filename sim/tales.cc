#include "sim/tales.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <fmt/format.h>

namespace databus::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<std::string_view, 7> kNames = {"failover", "failback", "unplanned", "return",
                                                    "abort",    "edit",     "opposite"};
// The first so many are drawn. How a conflict ends is told only when it is asked for, so that a
// seed stays what it was.
constexpr uint64_t kDrawn = 6;

// In a million seeds of each size.
uint64_t HowOften(Size size) { return size == Size::kCompact ? 120'000 : 500'000; }

class Teller {
 public:
  Teller(SimRandom& random, const TalePlan& tale, Scenario& scenario)
      : random_(random), tale_(tale), scenario_(scenario) {}

  void Tell() {
    switch (tale_.tale) {
      case Tale::kFailover: Failover(); break;
      case Tale::kFailback: Failback(); break;
      case Tale::kUnplanned: Unplanned(); break;
      case Tale::kReturn: Return(); break;
      case Tale::kOpposite: Opposite(); break;
      case Tale::kAbort: AbortIt(); break;
      case Tale::kEdit: Edit(); break;
    }
    for (size_t i = 0; i < scenario_.operators.size(); ++i) Trouble(i);
    std::ranges::stable_sort(scenario_.incidents, {}, &Incident::at);
  }

 private:
  SimTime Within(int64_t low, int64_t high) {
    return milliseconds(
        random_.Between(static_cast<uint64_t>(low) * 1'000, static_cast<uint64_t>(high) * 1'000));
  }
  const std::string& Name(size_t cluster) const { return scenario_.clusters[cluster].name; }
  size_t Either() { return random_.Chance(500'000) ? tale_.from : tale_.to; }
  OperatorTask Task(Deed deed, SimTime at) const {
    return {deed, at, Name(tale_.from), Name(tale_.to)};
  }
  OperatorTask Back(SimTime at) const {
    return {Deed::kFailBack, at, Name(tale_.to), Name(tale_.from)};
  }
  void Add(size_t site, std::vector<OperatorTask> tasks) {
    const size_t number = scenario_.operators.size() + 1;
    scenario_.operators.push_back(
        {fmt::format("{}-op{}", Name(site), number), site, std::move(tasks)});
  }
  // Somebody at another terminal who does not know that the first one is at it still.
  void AddHelper(SimTime at) {
    if (random_.Chance(600'000)) Add(Either(), {Task(Deed::kResume, at + Within(5, 150))});
  }
  void Lose(IncidentKind kind, SimTime at, SimTime lasts) {
    scenario_.incidents.push_back({.kind = kind,
                                   .at = at,
                                   .lasts = lasts,
                                   .who = tale_.from,
                                   .amount = random_.Chance(500'000) ? 1 : 0});
  }

  void Failover() {
    const SimTime at = Within(50, 150);
    Add(Either(), {Task(Deed::kFailOver, at)});
    AddHelper(at);
  }
  void Failback() {
    const SimTime at = Within(40, 80);
    Add(Either(), {Task(Deed::kFailOver, at), Back(at + Within(60, 200))});
    AddHelper(at + Within(0, 200));
  }
  void Unplanned() {
    const SimTime at = Within(70, 150);
    Lose(IncidentKind::kSiteDown, at, Within(100, 260));
    Add(tale_.to, {Task(Deed::kGiveUp, at + Within(10, 60))});
    if (random_.Chance(400'000)) Add(tale_.to, {Task(Deed::kResume, at + Within(20, 200))});
  }
  void Return() {
    const SimTime at = Within(70, 150);
    const SimTime lasts = Within(80, 200);
    Lose(IncidentKind::kSiteCut, at, lasts);
    Add(tale_.to, {Task(Deed::kGiveUp, at + Within(5, 60)), Back(at + lasts + Within(5, 60))});
  }
  void Opposite() {
    const SimTime at = Within(70, 150);
    Lose(IncidentKind::kSiteCut, at, Within(80, 180));
    Add(tale_.to, {Task(Deed::kGiveUp, at + Within(5, 50))});
    Add(tale_.from, {{Deed::kGiveUp, at + Within(5, 50), Name(tale_.to), Name(tale_.from)}});
  }
  void AbortIt() {
    const SimTime at = Within(50, 120);
    Add(Either(), {Task(Deed::kFailOver, at)});
    Add(Either(), {Task(Deed::kAbort, at + Within(2, 120))});
  }
  void Edit() {
    const SimTime at = Within(60, 120);
    const SimTime edit = at + Within(0, 60) - seconds(20);
    Add(Either(), {Task(Deed::kFailOver, at)});
    Add(Either(), {Task(Deed::kEdit, edit), Task(Deed::kSpool, edit + Within(5, 120))});
  }

  // What happens to an operator's machine, at any call or at those that matter.
  void Trouble(size_t number) {
    static constexpr StepAnswer kAnswers[] = {StepAnswer::kAsIs, StepAnswer::kRequestLost,
                                              StepAnswer::kAnswerLost, StepAnswer::kDies,
                                              StepAnswer::kDies};
    static constexpr IncidentKind kKinds[] = {IncidentKind::kKill, IncidentKind::kKill,
                                              IncidentKind::kPause, IncidentKind::kRestart};
    const SimTime begin = scenario_.operators[number].tasks.front().at;
    const size_t who = scenario_.collectors.size() + scenario_.workers.size() + number;
    for (uint64_t i = 0, count = random_.Below(4); i < count; ++i) {
      Incident incident{.kind = kKinds[random_.Below(std::size(kKinds))],
                        .at = begin + Within(0, 150),
                        .lasts = Within(0, 60),
                        .who = who,
                        .calls = random_.Between(1, 800)};
      if (random_.Chance(400'000)) {
        incident.trigger = {random_.Chance(500'000) ? Step::kJournal : Step::kStoreEpoch,
                            random_.Between(1, 6), kAnswers[random_.Below(std::size(kAnswers))]};
        incident.calls = random_.Between(1, 4);
        incident.at = begin;
      }
      scenario_.incidents.push_back(incident);
    }
  }

  SimRandom& random_;
  const TalePlan& tale_;
  Scenario& scenario_;
};

}  // namespace

std::vector<std::string> TaleNames() { return {kNames.begin(), kNames.end()}; }

std::optional<TalePlan> DrawTale(SimRandom& random, Size size, size_t clusters,
                                 std::string_view wanted) {
  const auto name = std::ranges::find(kNames, wanted);
  const bool drawn = random.Chance(HowOften(size)) && wanted.empty();
  if (!drawn && name == kNames.end()) return std::nullopt;
  const uint64_t any = random.Below(kDrawn);
  TalePlan plan{
      .tale = static_cast<Tale>(name == kNames.end() ? static_cast<int64_t>(any)
                                                     : std::distance(kNames.begin(), name)),
      .from = random.Below(clusters)};
  plan.to = (plan.from + random.Between(1, clusters - 1)) % clusters;
  plan.waits = random.Chance(300'000);
  return plan;
}

void TellTale(SimRandom& random, const TalePlan& tale, Scenario& scenario) {
  Teller(random, tale, scenario).Tell();
}

}  // namespace databus::sim
