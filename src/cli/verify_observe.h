// `databus verify`, the facts: reads the views, queues and open commits of a stream on all
// clusters.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cli/installation.h"
#include "cli/seams.h"
#include "cli/verify_judge.h"
#include "cluster/topology.h"
#include "storage/storage.h"

namespace databus {

enum class Depth : uint8_t {
  kHeaders,  // identity, counts and length, from each file's first bytes
  kBytes,    // all bytes as well: checksum, and that it can be uncompressed
};

// One thread at a time. What a file holds is read once and remembered: published files never
// change.
class VerifyObserver {
 public:
  VerifyObserver(const Topology& topology, Seams& seams, Depth depth);

  // Reads in the direction of the flow, so that a file that moves on meanwhile is seen at least
  // once.
  SeenStream Observe(const StreamSpec& stream, Minute from);

 private:
  struct Tree {
    std::unique_ptr<Storage> storage;  // null: `away` says why
    std::string away;
    std::string id;
    Group groups = kGroupsDefault;
  };

  void OpenAll();
  SeenView ObserveView(const std::string& cluster, View view, const std::string& stream,
                       Minute from);
  Status ReadView(Tree& tree, SeenView& seen, const std::string& stream, Minute from);
  Status ReadOpenCommits(Tree& tree, SeenView& seen, const std::string& stream);
  Status ReadSetAside(Tree& tree, SeenView& seen, const std::string& stream);
  Result<SeenFile> ReadFileFacts(Tree& tree, const std::string& path, const DirEntry& entry,
                                 const std::string& stream);
  void ReadQueue(const std::string& holder, const std::string& destination, View view,
                 SeenStream& seen);
  void CountDelivered(const std::string& cluster, SeenStream& seen);
  std::string SourceOf(const std::string& id_or_name) const;

  const Topology& topology_;
  Seams& seams_;
  const Depth depth_;
  std::map<std::string, Tree> trees_;
  std::map<std::string, SeenFile> known_;  // by root URL and path
};

}  // namespace databus
