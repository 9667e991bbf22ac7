// What the failover commands have in common: their options, the installation as they see it, and
// the journals.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/seams.h"
#include "control/topology_desk.h"
#include "failover/journal_store.h"
#include "failover/observer.h"
#include "failover/plan.h"

namespace databus {

// Which of the two words was typed.
enum class Way : uint8_t { kOver, kBack };
std::string_view WayName(Way way);  // failover, failback

// Whether a rehearsal that has ended is found by who names no id.
enum class Rehearsals : uint8_t { kToo, kNamed };

struct FailoverOptions {
  std::string topology_file;
  failover::Request request;
  std::string plan_id;      // only if the plan is still this one
  std::string accept_loss;  // the id of the loss statement
  std::string journal_id;   // the open one, or the last, when empty
  bool json = false;
  bool yes = false;
  bool dry_run = false;
};

void AddWithoutOption(CLI::App& app, FailoverOptions& options);
// --from, --to, and what else says what is wanted.
void AddRequestOptions(CLI::App& app, Way way, FailoverOptions& options);

// The command line that asks for the same: "databus failover run --from dc1 --to dc2".
std::string CommandLineOf(Way way, std::string_view verb, const FailoverOptions& options);

// One thread at a time.
class FailoverSession {
 public:
  // kInvalid: the topology file cannot be read or understood.
  static Result<std::unique_ptr<FailoverSession>> Open(const std::string& topology_file,
                                                       Seams& seams);

  TopologyDesk& desk() { return desk_; }
  failover::Observer& observer() { return observer_; }

  // All journals. kRefused: there are some that cannot be read.
  Result<std::map<std::string, failover::Journal>> Journals();
  // Looks, and plans.
  Result<failover::Plan> MakePlan(const failover::Request& request);
  // Looks at what the journal's present step waits for, other journals included.
  failover::Observation Look(const failover::Journal& journal);
  // The journal with this id; or the open one, or the last of this way. kNotFound: there is none.
  Result<failover::Journal> FindJournal(Way way, const std::string& id,
                                        Rehearsals rehearsals = Rehearsals::kToo);

 private:
  FailoverSession(const Topology& topology, Seams& seams);
  void WarnOfOtherTrees(failover::Plan& plan) const;

  const std::vector<ClusterSpec> of_the_file_;
  TopologyDesk desk_;
  failover::JournalStore store_;
  failover::Observer observer_;
};

}  // namespace databus
