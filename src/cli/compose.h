// How the services are put together: from seams and a configuration's text to a running process.
// main() and the simulator share these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/sync.h"
#include "cli/reload_flag.h"
#include "cli/seams.h"
#include "worker/cluster_worker.h"

namespace databus {

struct ConfigText {
  std::string file;  // its name, for messages
  std::string text;
};

// Both run until `stop` is raised, then end cleanly, and answer ok. Not ok: it could not start; the
// message says what to do. kInvalid: the configuration has to be changed.

// `config` is a scribe.conf. What could not be delivered before the end stays in the spool. When
// `reload` is asked for (fb303's reinitialize asks, too), the file is read again by
// Seams::read_file, within a second; a bad one is refused and told, and the one before stays.
Status RunCollector(Seams& seams, const ConfigText& config, StopFlag& stop, ReloadFlag& reload);

struct WorkerStart {
  AdoptTree adopt_tree = AdoptTree::kNo;
  // The stored topology epoch that an edited databus.xml was made from (P29).
  std::optional<uint64_t> adopt_config{};
};

// `config` is a databus.cfg; the databus.xml that it names is read by Seams::read_file. What is
// stored on the clusters rules; the file is where to look, and the first epoch if there is none.
Status RunWorker(Seams& seams, const ConfigText& config, const WorkerStart& start, StopFlag& stop);

}  // namespace databus
