// Faults that hang together: an incident that begins at a step of the protocol, with an answer of
// its own for the call that makes the step.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage/fault/fault_plan.h"

namespace databus::sim {

// A call that matters. The comments say which; `group` directories are those below system/tmp.
enum class Step : uint8_t {
  kNone,
  kSpoolAppend,  // a collector writes to a segment
  kSpoolSync,    // and makes it durable
  kDeliver,      // renames a sealed file into data/
  kAnnounce,     // renames an announcement into place
  kClaim,        // a worker renames a file out of data/
  kTakeEpoch,    // gives its new staging directory a number
  kListEpochs,   // lists a group's staging directories
  kFence,        // renames an older staging directory away
  kRecord,       // names a record
  kPublish,      // renames a minute or a file into a view
  kClose,        // renames a manifest into place
  kQueue,        // renames a queue entry into place
  kLease,        // writes a lease
  kMirrorQueue,  // renames an entry into a mirror's queue
  kStoreEpoch,   // renames an epoch of the topology into place
  kJournal,      // renames a revision of a failover's journal into place
  kSetAside,     // renames something out of a view into staging
  kFetch,        // creates a file in a group's staging
};
inline constexpr int kSteps = 19;
std::string_view StepName(Step step);
bool IsAt(Step step, const Call& call);

enum class StepAnswer : uint8_t {
  kAsIs,
  kRequestLost,
  kAnswerLost,
  kFails,  // of a sync: what it had to write is never durable
  kSlow,   // takes longer than a client waits
  kDies,   // the process, after the call
  kLate,   // "unknown", and done later
};
inline constexpr int kStepAnswers = 7;
std::string_view StepAnswerName(StepAnswer answer);

struct Trigger {
  Step step = Step::kNone;  // kNone: the incident begins at its time
  uint64_t nth = 1;         // such call of its process, from the incident's time on
  StepAnswer answer = StepAnswer::kAsIs;
};

}  // namespace databus::sim
