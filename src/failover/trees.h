// The trees of an installation's clusters, as a command sees them: opened once, and asked before
// each look whether they are what they should be (P1).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "cluster/stored_topology.h"
#include "storage/open.h"

namespace databus::failover {

// One thread at a time. The storages live as long as this does.
class Trees {
 public:
  explicit Trees(OpenClusterStorage open) : open_(std::move(open)) {}

  // Asks every cluster of the topology for its id.
  void Ask(const StoredTopology& topology);

  // Null: it did not answer as itself when it was asked last, and WhyAway says why.
  Storage* Find(const std::string& cluster) const;
  std::string WhyAway(const std::string& cluster) const;
  // All that answered, by name.
  std::map<std::string, Storage*> Answering() const;

 private:
  struct Tree {
    std::string url;
    std::unique_ptr<Storage> storage;
    Status state{Code::kUnavailable, "not asked yet"};
  };
  const OpenClusterStorage open_;
  std::map<std::string, Tree> trees_;
};

}  // namespace databus::failover
