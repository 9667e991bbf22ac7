// `databus verify`, the facts: reads the views, queues and open commits of a stream on all
// clusters.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "cli/installation.h"
#include "cli/seams.h"
#include "cli/verify_judge.h"
#include "cli/verify_waiting.h"
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

  // All of `streams`, in this order. Reads in the direction of the flow, step by step for all of
  // them, so that a file that moves on meanwhile is seen at least once; and only once what they
  // share, commits and queues (twice a queue that is of the primary of some streams, and not of
  // others).
  std::vector<SeenStream> Look(const std::vector<StreamSpec>& streams, Minute from);
  SeenStream Observe(const StreamSpec& stream, Minute from);
  // At the last look.
  std::map<std::string, Storage*> AnsweringTrees() const;

 private:
  struct Tree {
    std::unique_ptr<Storage> storage;  // null: `away` says why
    std::string away;
    std::string id;
    Group groups = kGroupsDefault;
    QueueEntries queues{};
  };

  // One view of one stream.
  struct Place {
    std::string cluster;
    View view = View::kLocal;
    std::string stream;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  // What was read of one, by minute, name (of the file itself) and length.
  using FileKey = std::tuple<Minute, std::string_view, uint64_t>;
  using Files = std::map<FileKey, std::shared_ptr<const SeenFile>>;
  // A step of the flow at one cluster, for all streams; and what they share there.
  class Step;

  void OpenAll();
  std::vector<std::string> ClustersWithLocal(const StreamSpec& stream) const;
  // P1: nothing is absent from a cluster that went away while it was looked at.
  void CheckTrees(std::vector<SeenStream>& all);
  void ListDelivered(const std::string& cluster, SeenStream& seen);
  void ReadLocals(const StreamSpec& stream, Minute from, Step& step, SeenStream& seen);
  SeenView ReadWhole(const Place& place, Minute from, Step& step);
  Status ReadView(Tree& tree, const Place& place, Minute from, SeenView& seen);
  static Status ReadSetAside(Tree& tree, const Place& place, SeenView& seen);
  Result<SeenFile> ReadFile(Tree& tree, const Place& place, Minute minute, const DirEntry& entry);
  std::string SourceOf(const std::string& id_or_name) const;

  const Topology& topology_;
  Seams& seams_;
  const Depth depth_;
  std::map<std::string, Tree> trees_;
  std::map<Place, Files> known_;
};

}  // namespace databus
