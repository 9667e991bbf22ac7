#include "collector/steer/steering.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "collector/spool/files.h"
#include "commit/cluster_id.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kPoll{1};
// How often heartbeats of others are looked at, and one's own is shown to others.
constexpr std::chrono::seconds kBeat{3};

// In the spool's directory: the epoch obeyed last, as it is stored in the trees.
constexpr std::string_view kKeptName = "topology";

// What its own cluster is called, and where to look, before any epoch says which clusters there
// are.
constexpr char kHome[] = "home";

std::vector<ClusterSpec> OnlyHome(const std::string& root_url) {
  ClusterSpec home;
  home.name = kHome;
  home.url = root_url;
  return {home};
}

}  // namespace

Steering::Steering(const Seams& seams, Self self, Calls calls)
    : seams_(seams),
      self_(std::move(self)),
      calls_(std::move(calls)),
      watch_({seams.random, seams.open, OnlyHome(self_.root_url), {}}, Kept()),
      roster_(seams.clock) {
  const auto obeyed = watch_.obeyed();
  if (obeyed != nullptr) kept_ = obeyed->epoch.digest;
  orders_ = Obeyed();
}

void Steering::Start() {
  thread_ = Thread("steer", [this] {
    while (true) {
      const BootTime next = Step();
      MutexLock lock(mutex_);
      while (!end_ && seams_.clock.Boot() < next) wake_.WaitUntil(lock, seams_.clock, next);
      if (end_) return;
    }
  });
}

void Steering::EndThread() {
  {
    MutexLock lock(mutex_);
    end_ = true;
    wake_.NotifyAll();
  }
  thread_.Join();
}

Orders Steering::orders() const {
  MutexLock lock(mutex_);
  return orders_;
}

Orders Steering::Obeyed() {
  Orders now{watch_.obeyed()};
  now.asks_home = asks_home_;
  now.blind = !looked_ && now.topology == nullptr;
  if (now.topology == nullptr) return now;
  Keep(*now.topology);
  now.cluster = FindSelf(now.topology->epoch.stored);
  return now;
}

// Before the others, which may take long to answer. A topology that does not know it says nothing
// to it.
void Steering::AskHome() {
  const Orders before = orders();
  const std::string home = before.topology == nullptr ? kHome : before.cluster;
  if (!home.empty() && !watch_.Ask(home, seams_.spool.identity().cluster_id)) return;
  asks_home_ = false;
  Give(Obeyed());
}

BootTime Steering::Step() {
  if (asks_home_) AskHome();
  watch_.Poll();
  looked_ = true;
  Orders now = Obeyed();
  if (now.topology != nullptr) OpenSites(now.topology->epoch.stored.topology);
  LookAround(now);
  now.receivers = Receivers(now);
  TellTroubles(now);
  Give(std::move(now));
  if (seams_.clock.Boot() >= next_show_) {
    next_show_ = seams_.clock.Boot() + kBeat;
    Show();
  }
  return seams_.clock.Boot() + kPoll;
}

// What cannot be read is as good as nothing: the trees have it.
std::shared_ptr<const TopologyEpoch> Steering::Kept() const {
  const std::string path = paths::Join(self_.spool_directory, kKeptName);
  auto text = ReadWholeFile(seams_.disk, path);
  if (text.code() == Code::kNotFound) return nullptr;
  auto epoch = text.ok() ? TopologyEpoch::Decode(*std::move(text), path)
                         : Result<TopologyEpoch>(text.status());
  if (epoch.ok()) return std::make_shared<const TopologyEpoch>(*std::move(epoch));
  LogWarning("collector", "the topology that was obeyed last cannot be read; asking the clusters",
             {{"why", epoch.status()}});
  return nullptr;
}

// Before anything is done by it: who restarts must not fall behind it.
void Steering::Keep(const ObeyedTopology& obeyed) {
  constexpr char kTopic[] = "topology kept";
  if (obeyed.epoch.digest == kept_) return;
  const Status written = WriteFileDurably(seams_.disk, self_.spool_directory,
                                          std::string(kKeptName), obeyed.epoch.text);
  if (!written.ok()) {
    return seams_.problems.Raise(
        kTopic, "the topology that is obeyed cannot be kept in the spool: " + written.message(),
        "tried again every second; mend the spool's disk");
  }
  kept_ = obeyed.epoch.digest;
  seams_.problems.Clear(kTopic);
}

// By the tree's URL, or else by the id of the tree that is delivered into.
std::string Steering::FindSelf(const StoredTopology& stored) const {
  for (const ClusterSpec& cluster : stored.topology.clusters) {
    if (cluster.RootUrl() == self_.root_url) return cluster.name;
  }
  const std::string id = seams_.spool.identity().cluster_id;
  for (const auto& [cluster, known] : stored.cluster_ids) {
    if (!id.empty() && known == id) return cluster;
  }
  return "";
}

void Steering::OpenSites(const Topology& topology) {
  for (const ClusterSpec& spec : topology.clusters) {
    Site& site = sites_[spec.name];
    if (site.tree != nullptr && site.url == spec.RootUrl()) continue;
    auto tree = seams_.open(spec);
    site = Site{spec.RootUrl(), tree.ok() ? *std::move(tree) : nullptr};
  }
  std::erase_if(sites_,
                [&](const auto& site) { return topology.FindCluster(site.first) == nullptr; });
}

// The clusters whose collectors are receivers; and all of them while a hand-over is in doubt.
void Steering::LookAround(const Orders& orders) {
  if (seams_.clock.Boot() < next_look_) return;
  const bool in_doubt = calls_.wants_marks();
  std::set<std::string> wanted;
  if (orders.Steer()) {
    for (const ModeRule& rule : orders.topology->epoch.stored.modes) {
      if (rule.cluster == orders.cluster && !rule.to.empty()) wanted.insert(rule.to);
    }
  }
  if (wanted.empty() && !in_doubt) return;
  next_look_ = seams_.clock.Boot() + kBeat;
  for (auto& [cluster, site] : sites_) {
    if (site.tree == nullptr || (!in_doubt && !wanted.contains(cluster))) continue;
    static_cast<void>(roster_.Look(cluster, *site.tree));  // what is known stays
  }
  if (!in_doubt) return;
  for (const auto& [incarnation, marks] : roster_.marks()) calls_.note_marks(incarnation, marks);
}

// Not all of a cluster's collectors begin with the same receiver.
std::map<std::string, std::vector<Endpoint>> Steering::Receivers(const Orders& orders) {
  std::map<std::string, std::vector<Endpoint>> receivers;
  if (!orders.Steer()) return receivers;
  for (const ModeRule& rule : orders.topology->epoch.stored.modes) {
    if (rule.cluster != orders.cluster || rule.to.empty()) continue;
    std::vector<Endpoint> alive = roster_.Alive(rule.to);
    if (alive.empty()) continue;
    const size_t first = Crc32c(self_.collector) % alive.size();
    std::ranges::rotate(alive, alive.begin() + static_cast<std::ptrdiff_t>(first));
    receivers[rule.to] = std::move(alive);
  }
  return receivers;
}

void Steering::Give(Orders orders) {
  {
    MutexLock lock(mutex_);
    if (orders == orders_) return;
    orders_ = std::move(orders);
  }
  calls_.changed();
}

void Steering::TellTroubles(const Orders& orders) {
  std::vector<std::string> conflicts;
  std::vector<std::string> alone;
  const bool known = orders.topology != nullptr;
  if (known) conflicts = orders.topology->conflicts;
  if (orders.Steer()) {
    for (const ModeRule& rule : orders.topology->epoch.stored.modes) {
      if (rule.cluster != orders.cluster || rule.to.empty() || !rule.receivers.empty()) continue;
      if (!orders.receivers.contains(rule.to)) alone.push_back(rule.to);
    }
    std::ranges::sort(alone);
    alone.erase(std::ranges::unique(alone).begin(), alone.end());
  }
  const auto tell = [&](const char* topic, const std::string& what, const std::string& next) {
    what.empty() ? seams_.problems.Clear(topic) : seams_.problems.Raise(topic, what, next);
  };
  tell("topology conflict", conflicts.empty() ? "" : conflicts.front(),
       "nothing is redirected until one of them is chosen; messages stay in the spool");
  tell("receivers",
       alone.empty() ? ""
                     : fmt::format("redirect to {}: none of its collectors is known to live",
                                   fmt::join(alone, ", ")),
       "messages stay in the spool; start its collectors, or make its tree readable from here");
  tell("topology home",
       !known || !orders.cluster.empty()
           ? ""
           : fmt::format("the stored topology (epoch {}) has no cluster with the tree {}",
                         orders.topology->epoch.stored.epoch, self_.root_url),
       "messages go by scribe.conf; mend file_path there, or hdfsurl in the topology");
}

// A tree that has been away for a moment only, or not been asked yet, is no news.
bool Steering::HomeIsAway() {
  const BootTime now = seams_.clock.Boot();
  if (calls_.reached() || away_at_ == BootTime{}) away_at_ = now + 2 * kBeat;
  return now >= away_at_;
}

// What an earlier life has left there goes, too, when nobody needs it any more.
void Steering::Show() {
  const Orders now = orders();
  if (now.cluster.empty()) return;
  const std::string process = CollectorProcessName{self_.collector, now.cluster}.ToString();
  std::string text;  // empty: it is not to be there
  if (HomeIsAway() || now.Steer()) {
    Heartbeat beat = calls_.describe();
    beat.process = process;
    text = EncodeHeartbeat(beat);
  }
  const std::map<std::string, std::string>& ids = now.topology->epoch.stored.cluster_ids;
  for (auto& [cluster, site] : sites_) {
    if (cluster == now.cluster || site.tree == nullptr || (text.empty() && !site.shown)) continue;
    const auto id = ids.find(cluster);
    if (!CheckClusterId(*site.tree, id == ids.end() ? "" : id->second).ok()) continue;
    const std::string path = paths::StatusFile(process);
    const Status done = text.empty() ? site.tree->Remove(path) : site.tree->Replace(path, text);
    const bool gone = text.empty() && (done.ok() || done.code() == Code::kNotFound);
    site.shown = !gone;
  }
}

}  // namespace databus
