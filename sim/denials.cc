#include "sim/denials.h"

#include <algorithm>
#include <string>

#include "cluster/paths.h"
#include "sim/scenario_draw.h"

namespace databus::sim {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// In a million.
constexpr uint64_t kSeedsWithDenials = 350'000;
constexpr uint64_t kSeedsWithPairs = 150'000;
constexpr uint64_t kOfThoseWithRefusals = 400'000;
constexpr uint64_t kForEverybody = 400'000;
// What is denied is often not looked at while it is.
constexpr uint64_t kOfTheStory = 8;
// Workers see the most of the trees.
constexpr uint64_t kOthers = 250'000;
constexpr uint64_t kAtHome = 500'000;
constexpr uint64_t kAtAStep = 300'000;

class Drawer : ScenarioDraw {
 public:
  Drawer(SimRandom& random, Scenario& scenario) : ScenarioDraw(random, scenario) {}

  void Add() {
    Incident incident{.kind = IncidentKind::kDenied};
    incident.at = AnyTime();
    incident.lasts =
        milliseconds(random_.Between(3'000, random_.Chance(300'000) ? 40'000 : 240'000));
    incident.who = AnyProcess(kOthers);
    incident.cluster = random_.Chance(kAtHome) ? SiteOf(incident.who) : AnyCluster();
    incident.everybody = random_.Chance(kForEverybody);
    if (random_.Chance(kAtAStep)) incident.trigger = AStep(incident.who);
    // Hidden only; AddRefusal has what may not be written into.
    const bool view = random_.Chance(400'000);
    static constexpr Access kAny[] = {Access::kListing, Access::kContents, Access::kReading,
                                      Access::kWriting, Access::kWriting,  Access::kBoth};
    incident.denial.denied = view ? Reading() : kAny[random_.Below(std::size(kAny))];
    incident.denial.directory = view ? InView(incident.at) : Elsewhere();
    scenario_.incidents.push_back(incident);
  }

  // Whoever does not know whether a file was delivered may not look whether it is still staged
  // (P20).
  void AddDelivery() {
    const size_t who = random_.Below(scenario_.collectors.size());
    const CollectorPlan& collector = scenario_.collectors[who];
    Incident incident = Begun(who, collector.cluster);
    incident.trigger = {Step::kDeliver, random_.Between(1, 6), StepAnswer::kRequestLost};
    incident.denial = {paths::CollectorStaging(collector.name), Reading()};
    scenario_.incidents.push_back(incident);
  }

  // Who takes over may not look at what is there already (P13).
  void AddTakeOver() {
    const size_t worker = random_.Below(scenario_.workers.size());
    const size_t who = scenario_.collectors.size() + worker;
    Incident denied = Begun(who, scenario_.workers[worker].site);
    Incident death{.kind = IncidentKind::kKill, .at = denied.at, .who = who, .calls = 1};
    death.lasts = milliseconds(random_.Between(100, 5'000));
    denied.trigger = {Step::kTakeEpoch, random_.Between(1, 3), StepAnswer::kAsIs};
    denied.denial = {random_.Chance(500'000) ? InView(denied.at) : Elsewhere(), Reading()};
    scenario_.incidents.push_back(death);
    scenario_.incidents.push_back(denied);
  }

  // Lines of its queue that a worker may list and not read (P24).
  void AddQueue() {
    const size_t worker = random_.Below(scenario_.workers.size());
    Incident incident = Begun(scenario_.collectors.size() + worker, AnyCluster());
    const std::string& reader = scenario_.clusters[scenario_.workers[worker].site].name;
    incident.denial = {random_.Chance(700'000) ? paths::Consumers(reader) : paths::Mirrors(reader),
                       Access::kContents};
    scenario_.incidents.push_back(incident);
  }

  // A view that takes nothing (P11).
  void AddRefusal() {
    const size_t worker = random_.Below(scenario_.workers.size());
    Incident incident = Begun(scenario_.collectors.size() + worker, scenario_.workers[worker].site);
    incident.everybody = random_.Chance(500'000);
    if (random_.Chance(300'000)) {
      incident.trigger = {random_.Chance(500'000) ? Step::kPublish : Step::kRecord,
                          random_.Between(1, 6), StepAnswer::kAsIs};
    }
    incident.denial = {InView(incident.at),
                       random_.Chance(700'000) ? Access::kWriting : Access::kBoth};
    scenario_.incidents.push_back(incident);
  }

  // Who looks whether something is on its way may not look there (P30).
  void AddGate() {
    const size_t operators = scenario_.operators.size();
    if (operators == 0) return;
    Incident incident =
        Begun(scenario_.collectors.size() + scenario_.workers.size() + random_.Below(operators),
              AnyCluster());
    incident.trigger = {Step::kJournal, random_.Between(1, 6), StepAnswer::kAsIs};
    const std::string cluster = ClusterName();
    const std::string stream = AnyStream();
    const std::string places[] = {paths::Data(), paths::DataStream(stream),
                                  paths::Consumers(cluster), paths::Mirrors(cluster),
                                  std::string(paths::Parent(paths::Staging(View::kLocal, 0)))};
    incident.denial = {places[random_.Below(std::size(places))], Reading()};
    scenario_.incidents.push_back(incident);
  }

 private:
  Access Reading() {
    static constexpr Access kReading[] = {Access::kListing, Access::kContents, Access::kReading};
    return kReading[random_.Below(std::size(kReading))];
  }

  // To one process, from any time on.
  Incident Begun(size_t who, size_t cluster) {
    Incident incident{.kind = IncidentKind::kDenied, .who = who, .cluster = cluster};
    incident.at = AnyTime();
    incident.lasts = milliseconds(random_.Between(5'000, 120'000));
    return incident;
  }

  size_t SiteOf(size_t process) const {
    const size_t collectors = scenario_.collectors.size();
    const size_t workers = scenario_.workers.size();
    if (process < collectors) return scenario_.collectors[process].cluster;
    if (process < collectors + workers) return scenario_.workers[process - collectors].site;
    return scenario_.operators[process - collectors - workers].site;
  }

  Trigger AStep(size_t who) {
    static constexpr Step kOfCollectors[] = {Step::kDeliver, Step::kAnnounce};
    static constexpr Step kOfWorkers[] = {
        Step::kClaim,   Step::kTakeEpoch, Step::kListEpochs, Step::kFence, Step::kRecord,
        Step::kPublish, Step::kClose,     Step::kQueue,      Step::kLease, Step::kMirrorQueue};
    static constexpr Step kOfOperators[] = {Step::kStoreEpoch, Step::kJournal};
    const size_t collectors = scenario_.collectors.size();
    Trigger trigger{.step = kOfWorkers[random_.Below(std::size(kOfWorkers))],
                    .nth = random_.Between(1, 4)};
    if (who < collectors) trigger.step = kOfCollectors[random_.Below(std::size(kOfCollectors))];
    if (who >= collectors + scenario_.workers.size()) {
      trigger.step = kOfOperators[random_.Below(std::size(kOfOperators))];
    }
    return trigger;
  }

  const std::string& AnyCollector() {
    return scenario_.collectors[random_.Below(scenario_.collectors.size())].name;
  }
  Group GroupOfAny() {
    const Group groups = scenario_.clusters[0].groups;
    return GroupOf(AnyStream(), groups == 0 ? kGroupsDefault : groups);
  }

  // A view, a stream, or the hour or a minute that is written about then.
  std::string InView(SimTime at) {
    const View view = AnyView();
    const std::string stream = AnyStream();
    const Minute now = Minute::Of(SimulatedStart() + duration_cast<milliseconds>(at));
    const Minute first = Minute::Of(SimulatedStart());
    const Minute minute = std::max(first, now + (3 - static_cast<int64_t>(random_.Below(6))));
    switch (random_.Below(6)) {
      case 0: return paths::ViewRoot(view);
      case 1: return paths::Hour(view, stream, minute);
      case 2: return paths::MinuteDir(view, stream, minute);
      default: return paths::Stream(view, stream);
    }
  }

  std::string Elsewhere() {
    const std::string collector = AnyCollector();
    const std::string stream = AnyStream();
    const std::string cluster = ClusterName();
    const View view = AnyView();
    const Group group = GroupOfAny();
    const auto above = [](const std::string& path) { return std::string(paths::Parent(path)); };
    const std::string all[] = {
        paths::Data(),
        paths::DataStream(stream),
        paths::DataCollector(stream, collector),
        paths::Consumers(cluster),
        above(paths::Consumers(cluster)),
        paths::Mirrors(cluster),
        above(paths::Mirrors(cluster)),
        paths::ManifestRoot(view, group),
        paths::ManifestRoot(view, group),
        above(paths::ManifestRoot(view, group)),
        above(above(paths::ManifestRoot(view, group))),
        paths::Tmp(),
        above(paths::Staging(view, group)),
        paths::Staging(view, group),
        paths::Staging(view, group),
        above(paths::CollectorStaging(collector)),
        paths::CollectorStaging(collector),
        paths::SealedRoot(),
        paths::Sealed(collector),
        paths::StatusRoot(),
        paths::TopologyRoot(),
        paths::FailoverRoot(),
        paths::Eras(),
        paths::Leases(),
        paths::DivergentRoot(),
        above(above(paths::Quarantine(view, stream))),
        paths::TrashRoot(),
        above(paths::Tmp()),
    };
    return all[random_.Below(std::size(all))];
  }
};

}  // namespace

void DrawDenials(SimRandom& random, bool wanted, Scenario& scenario) {
  Drawer drawer(random, scenario);
  const bool some = random.Chance(kSeedsWithDenials);
  const uint64_t drawn = random.Between(1, 5);
  const uint64_t count = wanted ? kOfTheStory : some ? drawn : 0;
  for (uint64_t i = 0; i < count; ++i) drawer.Add();
  if (wanted || random.Chance(kSeedsWithPairs)) {
    for (int i = 0; i < 2; ++i) {
      drawer.AddDelivery();
      drawer.AddTakeOver();
      drawer.AddQueue();
      drawer.AddGate();
    }
  }
  if (wanted || (some && random.Chance(kOfThoseWithRefusals))) {
    for (int i = 0; i < 2; ++i) drawer.AddRefusal();
  }
  std::ranges::stable_sort(scenario.incidents, {}, &Incident::at);
}

}  // namespace databus::sim
