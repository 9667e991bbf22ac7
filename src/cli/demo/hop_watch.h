// Counts what becomes visible on each hop of a demo while it runs, from the headers of new files
// only, and how long it took them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/minute.h"
#include "cli/hop.h"
#include "cli/seams.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "storage/storage.h"

namespace databus {

// One view of one cluster that is a stream's local, merged or mirrored stream.
struct HopView {
  std::string stream;
  Hop hop = Hop::kLocal;
  std::string cluster;
  View view() const { return hop == Hop::kLocal ? View::kLocal : View::kMerged; }
};
// All of a topology.
std::vector<HopView> HopViews(const Topology& topology);

struct HopCount {
  uint64_t messages = 0;
  // From the acceptance of a file's last message until the file was seen, of all files.
  std::vector<int64_t> lags_ms;
};
// The `share` of `lags_ms` that is not larger; 0 when there are none.
int64_t LagAt(std::vector<int64_t> lags_ms, double share);

// One thread at a time. What cannot be read now is read at the next look.
class HopWatch {
 public:
  // `topology` and `seams` must outlive it.
  HopWatch(const Topology& topology, Seams& seams);

  // Finds the files that are new since the last look. Cost: listing the newest minutes.
  void Look();
  // Summed over the hop's clusters.
  HopCount Count(std::string_view stream, Hop hop) const;
  // The longest lag of what came lately, in the last 3 s; 0 when nothing came.
  int64_t RecentLagMs(std::string_view stream, Hop hop) const;

 private:
  struct Watched {
    HopView where;
    Storage* storage = nullptr;
    Minute newest = Minute(0);
    std::set<std::string> seen = {};  // paths, of `newest` and later
    HopCount count = {};
    std::deque<std::pair<BootTime, int64_t>> recent_lags_ms = {};  // with when they were seen
  };
  void LookAt(Watched& watched);
  // Whether all of it could be looked at.
  bool LookAtMinute(Watched& watched, Minute minute);

  Seams& seams_;
  std::map<std::string, std::unique_ptr<Storage>> clusters_;
  std::vector<Watched> all_;
};

}  // namespace databus
