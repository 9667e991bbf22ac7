#include "worker/clusters.h"

namespace databus {

Clusters::Clusters(const Topology& topology, const OpenClusterStorage& open) {
  for (const ClusterSpec& spec : topology.clusters) {
    Entry& entry = entries_[spec.name];
    Result<std::unique_ptr<Storage>> storage = open(spec);
    if (storage.ok()) {
      entry.storage = std::move(*storage);
    } else {
      entry.state = storage.status();
    }
  }
}

void Clusters::Check() {
  for (auto& [name, entry] : entries_) Ask(entry);
}

void Clusters::CheckOne(const std::string& cluster) {
  const auto entry = entries_.find(cluster);
  if (entry != entries_.end()) Ask(entry->second);
}

void Clusters::Ask(Entry& entry) {
  if (entry.storage == nullptr) return;
  std::string remembered;
  {
    MutexLock lock(mutex_);
    remembered = entry.remembered;
  }
  const Result<ClusterIdentity> identity = CheckClusterId(*entry.storage, remembered);
  MutexLock lock(mutex_);
  entry.state = identity.status();
  if (!identity.ok()) return;
  entry.identity = *identity;
  entry.remembered = identity->id;
}

Storage* Clusters::Find(const std::string& cluster) const {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(cluster);
  if (entry == entries_.end() || !entry->second.state.ok()) return nullptr;
  return entry->second.storage.get();
}

Storage* Clusters::Any(const std::string& cluster) const {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(cluster);
  return entry == entries_.end() ? nullptr : entry->second.storage.get();
}

std::string Clusters::WhyAway(const std::string& cluster) const {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(cluster);
  if (entry == entries_.end()) return "not in the topology";
  return entry->second.state.ok() ? "" : entry->second.state.message();
}

Status Clusters::CheckStill(const std::string& cluster) {
  CheckOne(cluster);
  if (Find(cluster) != nullptr) return Status::Ok();
  return {Code::kUnavailable, WhyAway(cluster)};
}

ClusterIdentity Clusters::IdentityOf(const std::string& cluster) const {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(cluster);
  return entry == entries_.end() ? ClusterIdentity{"", 0} : entry->second.identity;
}

void Clusters::Remember(const std::string& cluster, const std::string& id) {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(cluster);
  if (entry != entries_.end() && entry->second.remembered.empty()) entry->second.remembered = id;
}

std::map<std::string, std::string> Clusters::KnownIds() const {
  MutexLock lock(mutex_);
  std::map<std::string, std::string> ids;
  for (const auto& [name, entry] : entries_) {
    if (!entry.remembered.empty()) ids[name] = entry.remembered;
  }
  return ids;
}

}  // namespace databus
