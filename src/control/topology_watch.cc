#include "control/topology_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "telemetry/log.h"

namespace databus {
namespace {

// Whether both say the same of who publishes the stream.
bool Agree(const StreamSpec& one, const StreamSpec& other) {
  return one.Primary() == other.Primary() && one.publication == other.publication;
}

// Whether a look found out what a tree holds: something that is damaged, too.
bool WasRead(const Status& looked) { return looked.ok() || looked.code() == Code::kCorrupt; }

}  // namespace

std::set<std::string> StreamsInDispute(const Topology& one, const Topology& other) {
  std::set<std::string> streams;
  for (const StreamSpec& stream : one.streams) {
    const StreamSpec* theirs = other.FindStream(stream.name);
    if (theirs == nullptr || !Agree(stream, *theirs)) streams.insert(stream.name);
  }
  for (const StreamSpec& stream : other.streams) {
    if (one.FindStream(stream.name) == nullptr) streams.insert(stream.name);
  }
  return streams;
}

TopologyWatch::TopologyWatch(Options options, std::shared_ptr<const TopologyEpoch> known)
    : options_(std::move(options)), homes_(options_.homes), best_(std::move(known)) {
  Obey({});
}

bool TopologyWatch::Poll() {
  const std::shared_ptr<const ObeyedTopology> before = obeyed();
  OpenSites();
  std::map<std::string, std::string> away;
  for (auto& [cluster, site] : sites_) {
    site.looked = Look(cluster, site);
    if (!site.looked.ok()) away[cluster] = site.looked.message();
  }
  {
    MutexLock lock(mutex_);
    away_ = std::move(away);
  }
  const std::vector<Tip> tips = Tips();
  Choose(tips);
  KeepHomes();
  Obey(tips);
  return obeyed() != before;
}

bool TopologyWatch::Ask(const std::string& cluster, const std::string& id) {
  OpenSites();
  const auto site = sites_.find(cluster);
  if (site == sites_.end() || site->second.storage == nullptr) return true;
  // Before: what is not mounted yet has no epochs.
  if (!CheckClusterId(*site->second.storage, id).ok()) return false;
  site->second.looked = Look(cluster, site->second);
  const std::vector<Tip> tips = Tips();
  Choose(tips);
  Obey(tips);
  // Nor is an epoch absent from a tree that went away meanwhile (P1).
  return WasRead(site->second.looked) && CheckClusterId(*site->second.storage, id).ok();
}

// The clusters that the epoch obeyed names, or those we began with.
void TopologyWatch::OpenSites() {
  const std::vector<ClusterSpec>& clusters =
      best_ == nullptr ? options_.clusters : best_->stored.topology.clusters;
  for (const ClusterSpec& spec : clusters) {
    Site& site = sites_[spec.name];
    if (site.storage != nullptr && site.url == spec.RootUrl()) continue;
    site =
        Site{.storage = nullptr, .url = spec.RootUrl(), .newest = {}, .tip = nullptr, .looked = {}};
    auto storage = options_.open(spec);
    if (storage.ok()) site.storage = *std::move(storage);
  }
  std::erase_if(sites_, [&](const auto& site) {
    return std::ranges::count(clusters, site.first, &ClusterSpec::name) == 0;
  });
}

Status TopologyWatch::Look(const std::string& cluster, Site& site) {
  if (site.storage == nullptr) return {Code::kInvalid, site.url + ": cannot be opened"};
  DATABUS_ASSIGN_OR_RETURN(const std::optional<uint64_t> newest, NewestEpoch(*site.storage));
  site.told = newest.has_value();
  if (!newest || (newest == site.newest && site.tip != nullptr)) return Status::Ok();
  std::string id;  // P1: another disk in the place of the tree may hold an old topology
  if (best_ != nullptr && best_->stored.cluster_ids.contains(cluster)) {
    id = best_->stored.cluster_ids.at(cluster);
  }
  const auto identity = CheckClusterId(*site.storage, id);
  if (!identity.ok()) return identity.status();
  if (best_ != nullptr && best_->stored.epoch == *newest) {
    const auto text = site.storage->ReadFile(paths::TopologyFile(*newest));
    if (text.ok() && *text == best_->text) {
      site.tip = best_;
      site.newest = newest;
      return Status::Ok();
    }
  }
  DATABUS_ASSIGN_OR_RETURN(TopologyEpoch epoch, ReadEpoch(*site.storage, *newest));
  site.tip = std::make_shared<const TopologyEpoch>(std::move(epoch));
  site.newest = newest;
  return Status::Ok();
}

// By name, as commands do it (TopologyDesk::Store), wherever this process is at home: of several
// who begin at once the first create decides, and nobody else has stored anything by then.
Status TopologyWatch::Begin(const TopologyEpoch& epoch) {
  auto begun = std::make_shared<const TopologyEpoch>(epoch);
  Status of_homes;
  for (auto& [cluster, site] : sites_) {
    if (site.storage == nullptr || !ReadClusterId(*site.storage).ok()) continue;
    const Status stored = StoreEpoch(*site.storage, options_.random, epoch);
    if (stored.code() == Code::kExists) return stored;
    if (stored.ok()) {
      site.tip = begun;
      site.newest = epoch.stored.epoch;
    } else if (std::ranges::count(homes_, cluster) != 0) {
      of_homes = stored.WithContext(cluster);  // another takes it from the others when it is back
    }
  }
  DATABUS_RETURN_IF_ERROR(of_homes);
  best_ = std::move(begun);
  Obey(Tips());
  return Status::Ok();
}

// By age: each that follows takes the place of the one before.
std::vector<TopologyWatch::Tip> TopologyWatch::Tips() const {
  std::vector<Tip> tips;
  for (const auto& [cluster, site] : sites_) {
    if (site.tip != nullptr) tips.emplace_back(cluster, site.tip);
  }
  std::ranges::stable_sort(tips, {}, [](const Tip& tip) { return tip.second->stored.epoch; });
  return tips;
}

void TopologyWatch::Choose(const std::vector<Tip>& tips) {
  if (best_ == nullptr) {  // what this process stored in its last life, before what others say
    const auto home = std::ranges::find_if(
        tips, [&](const Tip& tip) { return std::ranges::count(homes_, tip.first) != 0; });
    if (home != tips.end()) best_ = home->second;
    const bool others = best_ == nullptr && !tips.empty();
    if (others && HomeIsKnown(*tips.back().second)) {
      best_ = tips.back().second;
      unseen_homes_.insert(homes_.begin(), homes_.end());
    }
  }
  if (best_ == nullptr) return;
  ReturnToHomes();
  for (const auto& [cluster, tip] : tips) {
    if (tip->Follows(*best_)) best_ = tip;
  }
}

// Nobody had seen it initialised, and it was away; now it shows what this process obeyed in its
// last life.
void TopologyWatch::ReturnToHomes() {
  std::erase_if(unseen_homes_, [&](const std::string& home) {
    const auto site = sites_.find(home);
    if (site == sites_.end()) return true;
    const auto& tip = site->second.tip;
    if (tip != nullptr && tip->digest != best_->digest && !best_->Follows(*tip)) best_ = tip;
    return site->second.looked.ok();
  });
}

// Whether it is certain that no home holds an epoch that this process obeyed in its last life,
// which the one of another cluster need not follow. A home that cannot be opened, or read, tells
// nothing, and neither does another disk in its place (P1); a damaged epoch is obeyed by nobody.
bool TopologyWatch::HomeIsKnown(const TopologyEpoch& other) const {
  bool none = true;
  for (const std::string& home : homes_) {
    const auto site = sites_.find(home);
    if (site == sites_.end()) continue;
    none = false;
    const Site& tree = site->second;
    const bool read = WasRead(tree.looked);
    // Nobody has seen it initialised yet: who stored that epoch may not have reached it.
    const auto id = other.stored.cluster_ids.find(home);
    if (id == other.stored.cluster_ids.end()) {
      if (read || !tree.told) return true;
      continue;
    }
    if (tree.storage == nullptr || !read) continue;
    if (CheckClusterId(*tree.storage, id->second).ok()) return true;
  }
  return none;
}

bool TopologyWatch::WaitsForHome() const { return best_ == nullptr && !Tips().empty(); }

void TopologyWatch::Obey(const std::vector<Tip>& tips) {
  if (best_ == nullptr) return;
  std::vector<std::string> conflicts;
  std::set<std::string> disputed;
  for (const auto& [cluster, tip] : tips) {
    if (tip->digest == best_->digest || best_->Follows(*tip)) continue;
    conflicts.push_back(fmt::format(
        "cluster {} has stored topology epoch {} ({}), which does not follow epoch {} "
        "({}) that is obeyed here",
        cluster, tip->stored.epoch, tip->stored.author, best_->stored.epoch, best_->stored.author));
    disputed.merge(StreamsInDispute(best_->stored.topology, tip->stored.topology));
  }
  const auto now = obeyed();
  if (now != nullptr && now->epoch.digest == best_->digest && now->conflicts == conflicts) return;
  auto next = std::make_shared<ObeyedTopology>();
  next->epoch = *best_;
  next->topology = best_->stored.topology;
  next->conflicts = std::move(conflicts);
  for (StreamSpec& stream : next->topology.streams) {
    if (disputed.contains(stream.name)) stream.publication = Publication::kFrozen;
  }
  LogInfo("control", "topology obeyed",
          {{"epoch", best_->stored.epoch},
           {"author", best_->stored.author},
           {"conflicts", next->conflicts.size()}});
  MutexLock lock(mutex_);
  obeyed_ = std::move(next);
}

// Who restarts alone finds in its own tree what it obeyed. A home that has not been initialised yet
// gets it later; one that is in conflict is left as it is.
void TopologyWatch::KeepHomes() {
  if (best_ == nullptr) return;
  for (const std::string& home : homes_) {
    const auto site = sites_.find(home);
    if (site == sites_.end() || site->second.storage == nullptr) continue;
    Site& tree = site->second;
    if (tree.tip != nullptr && !best_->Follows(*tree.tip)) continue;
    if (!WasRead(tree.looked)) continue;  // what does it hold?
    if (!ReadClusterId(*tree.storage).ok()) continue;
    const Status stored = StoreEpoch(*tree.storage, options_.random, *best_);
    if (!stored.ok()) {
      MutexLock lock(mutex_);
      away_[home] = stored.message();
      continue;
    }
    tree.tip = best_;
    tree.newest = best_->stored.epoch;
  }
}

std::shared_ptr<const ObeyedTopology> TopologyWatch::obeyed() const {
  MutexLock lock(mutex_);
  return obeyed_;
}

std::map<std::string, std::string> TopologyWatch::away() const {
  MutexLock lock(mutex_);
  return away_;
}

}  // namespace databus
