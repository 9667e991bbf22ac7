// What the processes of a cluster say of themselves in its tree (telemetry/heartbeat.h), for all
// who look at system/status/, by one rule: what cannot be read is told, with its path, and hides
// nothing else; what goes while it is looked for was never there.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "storage/storage.h"
#include "telemetry/heartbeat.h"

namespace databus {

struct ReadBeat {
  std::string process;  // the name of its file, without ".json"
  Heartbeat beat;
  WallTime modified;  // by the tree's clock
};

struct UnreadBeat {
  std::string process;
  Status why;  // names the path
};

struct TreeBeats {
  std::vector<ReadBeat> read;
  std::vector<UnreadBeat> unread;
};

// Appends those whose process is `wanted`, by name. Not ok: they cannot be listed, or one after the
// other gets no answer; then some may have been read.
Status ReadHeartbeats(Storage& tree, const std::function<bool(std::string_view process)>& wanted,
                      TreeBeats& beats);
Status ReadHeartbeats(Storage& tree, TreeBeats& beats);

}  // namespace databus
