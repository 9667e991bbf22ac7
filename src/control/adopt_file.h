// P29: how the databus.xml that a process is started with stands to the stored topology.
#pragma once

#include <cstdint>
#include <optional>

#include "base/status.h"
#include "cluster/topology.h"
#include "control/epoch_store.h"

namespace databus {

// What to do with the file.
struct FileVerdict {
  enum class Kind : uint8_t {
    kFirst,   // nothing is stored: `epoch` is the first one, to be obeyed, and stored at home
    kStored,  // the stored topology rules; `epoch` is that one
    kNext,    // --adopt-config: `epoch` is new, to be stored everywhere before it is obeyed
  };
  Kind kind = Kind::kStored;
  TopologyEpoch epoch;
};

// `stored`: the newest epoch that could be found; null: none is. `adopt`: the epoch that the file
// was made from, by --adopt-config=N. The file may be older than what commands have made of it
// since it was adopted.
//   kInvalid   the file differs from what is stored, or was made from an epoch that is not the
//              newest any more; the message tells the differences and what to do
Result<FileVerdict> JudgeFile(const Topology& file, const TopologyEpoch* stored,
                              std::optional<uint64_t> adopt);

// Puts what the file says into an epoch that is being made. What a file cannot say stays as it is,
// but for the publication of streams that it gives to another primary (nobody is confirmed to be
// alone any more then, P28), and rules of delivery about clusters that it has not.
void TakeFile(const Topology& file, StoredTopology& next);

}  // namespace databus
