// Carries a failover through: looks, decides (failover/steps.h), writes the decision into the
// journal, acts, and looks again, until it has ended, somebody stops it, or it cannot go on. May be
// killed at any point; whoever resumes it goes on from the journal.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "control/topology_desk.h"
#include "failover/driver_beat.h"
#include "failover/gates.h"
#include "failover/journal.h"
#include "failover/journal_store.h"
#include "failover/observer.h"
#include "failover/steps.h"

namespace databus::failover {

// What a comparison of all views says of the streams concerned.
struct Verification {
  // Files that are on their way still: look again. Empty: it can be judged.
  std::vector<std::string> pending{};
  nlohmann::ordered_json report{};  // "result": "equal", or what is lost, doubled or unknown
};

struct Progress {
  const Journal& journal;
  const Gate& gate;  // what it waits for
};

// What a run needs of the world beyond the trees.
struct Hooks {
  // Compares the views of the streams that move. Not ok: it cannot be known now.
  std::function<Result<Verification>(const Journal& journal)> verify;
  // Joins the entries of a long queue (P23).
  std::function<Status(Storage& tree, const std::string& queue)> join_queue;
  // Called after every look.
  std::function<void(const Progress& progress)> tell;
};

// What a look needs to know of the journals besides `own`.
void SeeOthers(const FoundJournals& found, const std::string& own, Observation& seen);

class Runner {
 public:
  struct Options {
    TopologyDesk& desk;
    const Clock& clock;
    Random& random;
    Hooks hooks;
    std::string host;  // of this process, for people
    int64_t pid = 0;
  };
  explicit Runner(Options options)
      : options_(std::move(options)),
        store_(options_.desk),
        observer_(options_.desk, options_.clock),
        beat_({options_.desk, options_.clock, options_.host, options_.pid}) {}

  // Takes the journal over, in the name of this process, and drives it to its end. One that has
  // ended, and is somebody's (has a token), is only made known to every cluster that answers.
  //   kStopped      by `stop`; it can be resumed
  //   kExists       somebody else steers: another process has taken the journal over, or another
  //                 epoch of the topology was stored
  //   others        it cannot go on; the message says what to do
  Result<Journal> Drive(Journal journal, StopFlag& stop);

 private:
  // The next revision is this one.
  void Decide(Journal next);
  // Writes what is decided, the same bytes until it is known that they stand. True: they do.
  Result<bool> Settle(Journal& journal);
  // kExists: somebody has taken it over.
  static Status CheckOurs(const Journal& journal, const FoundJournals& found);
  // One look and what follows from it. True: something changed, look again at once.
  Result<bool> Round(Journal& journal);
  Result<bool> Act(Journal& journal, const Action& action);
  Result<bool> StoreNext(const Journal& journal, const TopologyEpoch& epoch);
  Result<bool> Wait(const Journal& journal, const Gate& gate);
  Result<bool> Verify(Journal& journal);
  Result<Journal> DriveOn(Journal journal, StopFlag& stop);
  void Tell(const Journal& journal);
  void JoinLongQueues(const Journal& journal, const Observation& seen);

  const Options options_;
  const JournalStore store_;
  Observer observer_;
  DriverBeat beat_;
  std::string waits_for_;           // when it was last told
  std::optional<Journal> decided_;  // and perhaps not written yet
  bool joined_ = false;
};

}  // namespace databus::failover
