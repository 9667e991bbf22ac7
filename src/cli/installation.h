// What commands about an installation have in common: the options that say which one and which
// part, and the clusters' trees.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "cli/seams.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "commit/minute_tree.h"
#include "control/topology_desk.h"

namespace CLI {
class App;
}

namespace databus {

struct MinuteRange {
  Minute from = kFirstMinute;
  Minute to = kLastMinute;  // inclusive
  bool Holds(Minute minute) const { return from <= minute && minute <= to; }
};

// `--topology FILE`, required.
void AddTopologyOption(CLI::App& app, std::string& file);
// `--from T`, `--to T`: whole minutes, UTC, both inclusive.
void AddRangeOptions(CLI::App& app, MinuteRange& range);
Status CheckRange(const MinuteRange& range);

// A file of the configuration. kInvalid when it cannot be read: somebody has to change something.
Result<std::string> ReadConfiguration(const Seams& seams, const std::string& file);
// kInvalid for what cannot be read or understood.
Result<Topology> LoadTopology(const Seams& seams, const std::string& file);
// The stored topology of the installation whose clusters are in `topology_file`; `seams` must
// outlive it. kInvalid as above. It has not looked yet.
Result<TopologyDesk> OpenDesk(Seams& seams, const std::string& topology_file);
// What is stored on the clusters rules, and where that is in conflict, the highest epoch; the
// file's as long as nothing is stored, or nothing can be read. kInvalid for the file, as above.
Result<Topology> CurrentTopology(Seams& seams, const std::string& topology_file);
Topology CurrentTopology(TopologyDesk& desk, const Topology& file);  // looks again
// The machine's own Seams::read_file.
Result<std::string> ReadTextFile(const std::string& path);

// kInvalid, naming those that exist, when there is no such cluster.
Result<std::unique_ptr<Storage>> OpenCluster(Seams& seams, const Topology& topology,
                                             const std::string& name);

// The names in a directory; none when it is not there.
Result<std::vector<DirEntry>> ListIfThere(Storage& storage, const std::string& path);
// What readers see of a minute directory.
Result<std::vector<DirEntry>> ListMinuteFiles(Storage& storage, const std::string& path);

}  // namespace databus
