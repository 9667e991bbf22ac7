// Which collectors there are, where to reach them and what they have kept (P22), by the heartbeats
// in the clusters' trees. That one lives shows in that its heartbeat changes: clocks of different
// machines are not compared.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "cluster/names.h"
#include "cluster/route.h"
#include "storage/storage.h"

namespace databus {

// One thread at a time.
class Roster {
 public:
  // A heartbeat that stands still for this long is of the dead.
  static constexpr std::chrono::seconds kSilence{15};

  explicit Roster(const Clock& clock) : clock_(clock) {}

  // Looks into the tree of `cluster`: a listing, and the heartbeats that changed since the last
  // look. Not ok: what is known of it stays as it is.
  Status Look(const std::string& cluster, Storage& tree);

  // The addresses of a cluster's collectors that lived when their tree was looked at, each once, in
  // the order of the collectors' names.
  std::vector<Endpoint> Alive(const std::string& cluster) const;

  // What each spool, by its incarnation, has kept of each sender, as its heartbeat says.
  using Marks = std::map<uint64_t, uint64_t>;
  const std::map<std::string, Marks>& marks() const { return marks_; }

 private:
  struct Seen {
    WallTime modified;     // by the tree's own clock: compared with itself only
    BootTime changed;      // when we saw it change
    bool running = false;  // it said so
    std::string cluster;   // its own
    std::string collector;
    Endpoint address;
  };
  struct Site {
    BootTime looked;
    std::map<std::string, Seen> seen;  // by process
  };
  Status Read(Storage& tree, const CollectorProcessName& process, Seen& seen);

  const Clock& clock_;
  std::map<std::string, Site> sites_;  // by the tree's cluster
  std::map<std::string, Marks> marks_;
};

}  // namespace databus
