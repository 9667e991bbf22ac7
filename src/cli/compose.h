// How the services are put together: from seams and a configuration's text to a running process.
// main() and the simulator share these.
#pragma once

#include <string>

#include "base/status.h"
#include "base/sync.h"
#include "cli/seams.h"
#include "worker/cluster_worker.h"

namespace databus {

struct ConfigText {
  std::string file;  // its name, for messages
  std::string text;
};

// Both run until `stop` is raised, then end cleanly, and answer ok. Not ok: it could not start; the
// message says what to do. kInvalid: the configuration has to be changed.

// `config` is a scribe.conf. What could not be delivered before the end stays in the spool.
Status RunCollector(Seams& seams, const ConfigText& config, StopFlag& stop);

// `config` is a databus.cfg; the topology that it names is read by Seams::read_file.
Status RunWorker(Seams& seams, const ConfigText& config, AdoptTree adopt_tree, StopFlag& stop);

}  // namespace databus
