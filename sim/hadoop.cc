#include "sim/hadoop.h"

#include <algorithm>
#include <string>

#include "cluster/paths.h"
#include "sim/scenario_draw.h"

namespace databus::sim {
namespace {

using std::chrono::milliseconds;

// In a million.
constexpr uint64_t kSeedsWithLateCalls = 300'000;
constexpr uint64_t kSeedsWithLateSteps = 250'000;
constexpr uint64_t kSeedsWithServers = 350'000;
constexpr uint64_t kLateMax = 10'000;
constexpr uint64_t kOthers = 200'000;  // than workers

class Drawer : ScenarioDraw {
 public:
  Drawer(SimRandom& random, Scenario& scenario) : ScenarioDraw(random, scenario) {}

  // A step of the protocol that is made later, by a server that has it in its queue, while who made
  // it goes on, sleeps, or is dead.
  void AddLateStep() {
    Incident incident = Begun(AnyCluster());
    incident.who = AnyProcess(kOthers);
    incident.trigger = {AStep(incident.who), random_.Between(1, 8), StepAnswer::kLate};
    const uint64_t how = random_.Below(10);
    incident.kind = how < 5   ? IncidentKind::kOneCall
                    : how < 8 ? IncidentKind::kKill
                              : IncidentKind::kPause;
    incident.calls = random_.Between(1, 8);
    scenario_.incidents.push_back(incident);
  }

  void AddServer() {
    static constexpr IncidentKind kKinds[] = {IncidentKind::kNameNode,   IncidentKind::kNameNode,
                                              IncidentKind::kSafeMode,   IncidentKind::kNoDataNodes,
                                              IncidentKind::kUnreadable, IncidentKind::kUnreadable,
                                              IncidentKind::kQuota};
    Incident incident = Begun(AnyCluster());
    incident.kind = kKinds[random_.Below(std::size(kKinds))];
    if (incident.kind == IncidentKind::kUnreadable) incident.denial.directory = Readable();
    if (incident.kind == IncidentKind::kQuota) incident.denial.directory = WithQuota();
    if (random_.Chance(300'000)) {
      incident.who = AnyProcess(kOthers);
      incident.trigger = {AStep(incident.who), random_.Between(1, 6), StepAnswer::kAsIs};
    }
    scenario_.incidents.push_back(incident);
  }

 private:
  Incident Begun(size_t cluster) {
    Incident incident{.cluster = cluster};
    incident.at = AnyTime();
    incident.lasts =
        milliseconds(random_.Between(1'000, random_.Chance(500'000) ? 30'000 : 240'000));
    return incident;
  }

  Step AStep(size_t who) {
    static constexpr Step kOfCollectors[] = {Step::kDeliver, Step::kAnnounce};
    static constexpr Step kOfWorkers[] = {
        Step::kClaim,       Step::kClaim,    Step::kTakeEpoch, Step::kFence, Step::kRecord,
        Step::kPublish,     Step::kPublish,  Step::kClose,     Step::kQueue, Step::kLease,
        Step::kMirrorQueue, Step::kSetAside, Step::kFetch};
    static constexpr Step kOfOperators[] = {Step::kStoreEpoch, Step::kJournal};
    const size_t collectors = scenario_.collectors.size();
    if (who < collectors) return kOfCollectors[random_.Below(std::size(kOfCollectors))];
    if (who < collectors + scenario_.workers.size()) {
      return kOfWorkers[random_.Below(std::size(kOfWorkers))];
    }
    return kOfOperators[random_.Below(std::size(kOfOperators))];
  }

  // Whose files are on data nodes that are away; "" is the whole tree.
  std::string Readable() {
    const View view = AnyView();
    const std::string all[] = {"",
                               "",
                               paths::Data(),
                               paths::ViewRoot(view),
                               paths::Stream(view, AnyStream()),
                               paths::Tmp(),
                               std::string(paths::Parent(paths::Staging(view, 0))),
                               std::string(paths::Parent(paths::ManifestRoot(view, 0))),
                               std::string(paths::Parent(paths::Consumers(ClusterName()))),
                               paths::TopologyRoot(),
                               paths::Leases()};
    return all[random_.Below(std::size(all))];
  }

  std::string WithQuota() {
    const View view = AnyView();
    const std::string all[] = {paths::Data(),
                               paths::ViewRoot(view),
                               paths::Stream(view, AnyStream()),
                               paths::Tmp(),
                               paths::ViewRoot(view),
                               paths::StatusRoot(),
                               paths::SealedRoot(),
                               std::string(paths::Parent(paths::Tmp())),
                               paths::Consumers(ClusterName())};
    return all[random_.Below(std::size(all))];
  }
};

}  // namespace

void DrawHadoop(SimRandom& random, bool wanted, Scenario& scenario) {
  Drawer drawer(random, scenario);
  const bool late = random.Chance(kSeedsWithLateCalls) || wanted;
  const uint64_t rate = random.Between(100, kLateMax);
  if (late) scenario.rates.late = rate;
  const bool steps = random.Chance(kSeedsWithLateSteps) || wanted;
  const uint64_t late_steps = random.Between(2, 10);
  for (uint64_t i = 0; steps && i < late_steps; ++i) drawer.AddLateStep();
  const bool servers = random.Chance(kSeedsWithServers) || wanted;
  const uint64_t incidents = random.Between(1, 6);
  for (uint64_t i = 0; servers && i < incidents; ++i) drawer.AddServer();
  std::ranges::stable_sort(scenario.incidents, {}, &Incident::at);
}

}  // namespace databus::sim
