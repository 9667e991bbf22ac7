// `databus verify`, the facts that streams share: what waits at a cluster outside its views, in
// commits that are not finished and in queues. Read once, and for all streams of a look.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

// By stream.
using NamesOfStreams = std::map<std::string, std::set<std::string>>;

// What the staging of one view and group holds.
struct StagedFiles {
  Status read;                 // not ok: there may be more
  NamesOfStreams claimed{};    // data files that are in no commit yet: names to be
  NamesOfStreams in_commit{};  // names that files get
};
StagedFiles ReadStaged(Storage& tree, View view, Group group);

struct QueuedPaths {
  Status read;  // not ok: there may be more
  NamesOfStreams paths{};
};
// What each entry names, by its path: names are never used twice.
using QueueEntries = std::map<std::string, NamesOfStreams>;
// What the entries of a queue name. Those that `known` has are not read again; it gets the others.
QueuedPaths ReadQueue(Storage& tree, const std::string& directory, QueueEntries& known);

}  // namespace databus
