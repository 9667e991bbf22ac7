#include "failover/trees.h"

#include "commit/cluster_id.h"

namespace databus::failover {

void Trees::Ask(const StoredTopology& topology) {
  for (const ClusterSpec& spec : topology.topology.clusters) {
    Tree& tree = trees_[spec.name];
    if (tree.storage == nullptr || tree.url != spec.RootUrl()) {
      tree = Tree{.url = spec.RootUrl(), .storage = nullptr};
      auto opened = open_(spec);
      tree.state = opened.status();
      if (opened.ok()) tree.storage = *std::move(opened);
    }
    if (tree.storage == nullptr) continue;
    const auto id = topology.cluster_ids.find(spec.name);
    tree.state = CheckClusterId(*tree.storage, id == topology.cluster_ids.end() ? "" : id->second)
                     .status();
  }
}

Storage* Trees::Find(const std::string& cluster) const {
  const auto tree = trees_.find(cluster);
  return tree != trees_.end() && tree->second.state.ok() ? tree->second.storage.get() : nullptr;
}

std::string Trees::WhyAway(const std::string& cluster) const {
  const auto tree = trees_.find(cluster);
  return tree == trees_.end() ? "there is no such cluster" : tree->second.state.message();
}

std::map<std::string, Storage*> Trees::Answering() const {
  std::map<std::string, Storage*> answering;
  for (const auto& [cluster, tree] : trees_) {
    if (tree.state.ok()) answering[cluster] = tree.storage.get();
  }
  return answering;
}

}  // namespace databus::failover
