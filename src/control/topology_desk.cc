#include "control/topology_desk.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/mode_circles.h"
#include "commit/cluster_id.h"

namespace databus {
namespace {

// Sites may send us on to others, which may send us on: as often as this, at most.
constexpr int kRoundsMax = 4;

// P1: another disk in the place of a tree may hold an old topology. Whom any other contradicts is
// not believed.
void DoubtStrangers(std::vector<TopologyAt>& clusters) {
  std::map<std::string, std::string> doubts;
  for (const TopologyAt& witness : clusters) {
    if (witness.newest == nullptr) continue;
    const auto& ids = witness.newest->stored.cluster_ids;
    for (const TopologyAt& at : clusters) {
      const auto known = ids.find(at.cluster);
      if (!at.away.empty() || known == ids.end() || known->second == at.id) continue;
      doubts.try_emplace(
          at.cluster,
          fmt::format("{}: has {}, but cluster {} knows it by the id {}: is its disk mounted?",
                      at.url, at.id.empty() ? "no system/cluster-id" : "the id " + at.id,
                      witness.cluster, known->second));
    }
  }
  for (TopologyAt& at : clusters) {
    const auto doubt = doubts.find(at.cluster);
    if (doubt == doubts.end()) continue;
    at.away = doubt->second;
    at.newest = nullptr;
    at.id.clear();
  }
}

std::vector<SharedEpoch> HeadsOf(const std::vector<TopologyAt>& clusters) {
  std::map<std::string, SharedEpoch> by_digest;
  for (const TopologyAt& at : clusters) {
    if (at.newest != nullptr) by_digest.emplace(at.newest->digest, at.newest);
  }
  std::vector<SharedEpoch> heads;
  for (const auto& [digest, epoch] : by_digest) {
    const bool followed = std::ranges::any_of(
        by_digest, [&](const auto& other) { return other.second->stored.Follows(digest); });
    if (!followed) heads.push_back(epoch);
  }
  std::ranges::stable_sort(heads, std::greater(),
                           [](const SharedEpoch& head) { return head->stored.epoch; });
  return heads;
}

// P27: whatever command made the epoch. One that is there already may stay while it is mended.
Status CheckCircles(const std::map<std::string, TopologyAt>& all, const TopologyEpoch& next) {
  std::vector<ModeCircle> fresh = FindCircles(next.stored.modes);
  for (const auto& [cluster, at] : all) {
    if (at.newest == nullptr || fresh.empty()) continue;
    fresh = WithoutKnown(std::move(fresh), at.newest->stored.modes);
  }
  if (fresh.empty()) return Status::Ok();
  return {Code::kRefused,
          fmt::format("messages would go round in a circle, of {}; nothing is changed. Let one of "
                      "them deliver first: `databus topology mode {}{}{} deliver`",
                      fresh.front().Describe(), fresh.front().clusters.front(),
                      fresh.front().stream.empty() ? "" : "/", fresh.front().stream)};
}

std::string Describe(const TopologyEpoch& epoch) {
  return fmt::format("epoch {} ({}, digest {})", epoch.stored.epoch, epoch.stored.author,
                     epoch.digest);
}

}  // namespace

Result<SharedEpoch> TopologyPicture::Newest() const {
  if (heads.size() == 1) return heads.front();
  if (heads.size() > 1) {
    return Status(Code::kRefused,
                  fmt::format("the stored topologies are in conflict: {}; settle it first, with "
                              "`databus topology choose`",
                              fmt::join(DescribeHeads(*this), "; ")));
  }
  std::vector<std::string> away;
  for (const TopologyAt& at : clusters) {
    if (!at.away.empty()) away.push_back(fmt::format("{}: {}", at.cluster, at.away));
  }
  if (!away.empty()) {
    return Status(Code::kUnavailable,
                  fmt::format("no stored topology can be read: {}", fmt::join(away, "; ")));
  }
  return Status(Code::kNotFound,
                "no topology is stored yet: the first start of a worker stores its databus.xml");
}

std::vector<std::string> TopologyPicture::HoldersOf(const TopologyEpoch& epoch) const {
  std::vector<std::string> holders;
  for (const TopologyAt& at : clusters) {
    if (at.newest != nullptr && at.newest->digest == epoch.digest) holders.push_back(at.cluster);
  }
  return holders;
}

std::map<std::string, std::string> TopologyPicture::ClusterIds() const {
  std::map<std::string, std::string> ids;
  for (const TopologyAt& at : clusters) {
    if (!at.id.empty()) ids.emplace(at.cluster, at.id);
  }
  return ids;
}

std::vector<std::string> DescribeHeads(const TopologyPicture& picture) {
  std::vector<std::string> lines;
  lines.reserve(picture.heads.size());
  for (const SharedEpoch& head : picture.heads) {
    lines.push_back(
        fmt::format("{} on {}", Describe(*head), fmt::join(picture.HoldersOf(*head), ", ")));
  }
  return lines;
}

const TopologyPicture& TopologyDesk::Look() {
  for (int round = 0; round < kRoundsMax; ++round) {
    const std::vector<ClusterSpec> clusters = KnownClusters();
    OpenSites(clusters);
    picture_ = {};
    for (const ClusterSpec& cluster : clusters) {
      picture_.clusters.push_back(LookAt(cluster.name, sites_.at(cluster.name)));
    }
    DoubtStrangers(picture_.clusters);
    picture_.heads = HeadsOf(picture_.clusters);
    const auto same = [](const ClusterSpec& one, const ClusterSpec& other) {
      return one.name == other.name && one.RootUrl() == other.RootUrl();
    };
    if (std::ranges::equal(clusters, KnownClusters(), same)) break;
  }
  return picture_;
}

// As the heads say; where they differ, the highest does.
std::vector<ClusterSpec> TopologyDesk::KnownClusters() const {
  if (picture_.heads.empty()) return options_.clusters;
  std::vector<ClusterSpec> clusters;
  for (const SharedEpoch& head : picture_.heads) {
    for (const ClusterSpec& cluster : head->stored.topology.clusters) {
      if (std::ranges::count(clusters, cluster.name, &ClusterSpec::name) == 0) {
        clusters.push_back(cluster);
      }
    }
  }
  return clusters;
}

void TopologyDesk::OpenSites(const std::vector<ClusterSpec>& clusters) {
  for (const ClusterSpec& cluster : clusters) {
    Site& site = sites_[cluster.name];
    if (site.storage != nullptr && site.url == cluster.RootUrl()) continue;
    site = Site{.url = cluster.RootUrl(), .storage = {}, .why_not = {}, .id = {}, .tip = {}};
    auto storage = options_.open(cluster);
    if (storage.ok()) {
      site.storage = *std::move(storage);
    } else {
      site.why_not = storage.status().message();
    }
  }
}

TopologyAt TopologyDesk::LookAt(const std::string& cluster, Site& site) {
  TopologyAt at{.cluster = cluster, .url = site.url};
  if (site.storage == nullptr) {
    at.away = site.why_not;
    return at;
  }
  const auto identity = ReadClusterId(*site.storage);
  if (identity.code() == Code::kNotFound) return at;
  const auto newest = identity.ok() ? NewestEpoch(*site.storage)
                                    : Result<std::optional<uint64_t>>(identity.status());
  if (!newest.ok()) {
    at.away = newest.status().message();
    return at;
  }
  // P1: that no topology is stored is believed of a tree that is still itself.
  if (!*newest) {
    const auto still = CheckClusterId(*site.storage, identity->id);
    if (!still.ok()) {
      at.away = still.status().message();
      return at;
    }
  }
  at.id = identity->id;
  if (at.id != site.id) site.tip = nullptr;
  site.id = at.id;
  if (!*newest) return at;
  if (site.tip == nullptr || site.tip->stored.epoch != **newest) {
    auto read = ReadEpoch(*site.storage, **newest);
    if (!read.ok()) {
      at.away = read.status().message();
      return at;
    }
    site.tip = std::make_shared<const TopologyEpoch>(*std::move(read));
  }
  at.newest = site.tip;
  return at;
}

Storage* TopologyDesk::Tree(const std::string& cluster) const {
  const auto site = sites_.find(cluster);
  return site == sites_.end() ? nullptr : site->second.storage.get();
}

std::map<std::string, Storage*> TopologyDesk::AnsweringTrees() const {
  std::map<std::string, Storage*> answering;
  for (const TopologyAt& at : picture_.clusters) {
    Storage* const tree = Tree(at.cluster);
    if (at.away.empty() && !at.id.empty() && tree != nullptr) answering[at.cluster] = tree;
  }
  return answering;
}

StoredTopology TopologyDesk::Next(const TopologyEpoch& base, std::string author) const {
  StoredTopology next = base.stored.Next(std::move(author));
  for (const auto& [cluster, id] : picture_.ClusterIds()) next.cluster_ids.emplace(cluster, id);
  return next;
}

// Those of `next` that the picture lacks are new to the installation.
std::map<std::string, TopologyAt> TopologyDesk::LookForAll(const Topology& next) {
  Look();
  std::map<std::string, TopologyAt> all;
  for (const TopologyAt& at : picture_.clusters) all.emplace(at.cluster, at);
  std::vector<ClusterSpec> fresh = next.clusters;
  std::erase_if(fresh, [&](const ClusterSpec& cluster) { return all.contains(cluster.name); });
  OpenSites(fresh);
  for (const ClusterSpec& cluster : fresh) {
    all.emplace(cluster.name, LookAt(cluster.name, sites_.at(cluster.name)));
  }
  return all;
}

Status TopologyDesk::StoreAt(const TopologyAt& at, const TopologyEpoch& next) {
  if (!at.away.empty()) return {Code::kUnavailable, at.away};
  if (at.id.empty()) {
    return {Code::kUnavailable, "never initialised: its worker stores it at its first start"};
  }
  return StoreEpoch(*sites_.at(at.cluster).storage, options_.random, next);
}

Result<TopologyDesk::Stored> TopologyDesk::Store(const TopologyEpoch& next) {
  const std::map<std::string, TopologyAt> all = LookForAll(next.stored.topology);
  for (const auto& [cluster, at] : all) {
    const bool fits = at.newest == nullptr || at.newest->digest == next.digest ||
                      next.stored.Follows(at.newest->digest);
    if (fits) continue;
    return Status(Code::kExists,
                  fmt::format("cluster {} has stored {}, which this does not follow; nothing is "
                              "changed, look at it and decide again",
                              cluster, Describe(*at.newest)));
  }
  DATABUS_RETURN_IF_ERROR(CheckCircles(all, next));
  Stored stored;
  Status failed(Code::kUnavailable, "no cluster answered");
  for (const auto& [cluster, at] : all) {
    const Status done = StoreAt(at, next);
    if (done.ok()) {
      stored.on.push_back(cluster);
    } else if (done.code() == Code::kExists) {
      return done.WithContext(stored.on.empty()
                                  ? "somebody else was faster, nothing is changed"
                                  : fmt::format("now in conflict with what was stored on {}",
                                                fmt::join(stored.on, ", ")));
    } else {
      stored.not_on[cluster] = done.message();
      failed = done;
    }
  }
  if (stored.on.empty()) return failed;
  return stored;
}

}  // namespace databus
