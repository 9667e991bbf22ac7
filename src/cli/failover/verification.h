// The last step of a failover: are all views of the streams concerned equal, since it began?
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/seams.h"
#include "cli/verify_judge.h"
#include "cli/verify_observe.h"
#include "control/topology_desk.h"
#include "failover/run.h"

namespace databus {

// The streams that the failover moves, as they are now, with all clusters that were their sources.
std::vector<StreamSpec> StreamsToVerify(const failover::Journal& journal, const Topology& topology);
// One of those that it changes; nothing: it is not configured any more.
std::optional<StreamSpec> StreamToVerify(const failover::StreamChange& change,
                                         const Topology& topology);

// Of one failover. One thread at a time.
class FailoverVerification {
 public:
  FailoverVerification(const TopologyDesk& desk, Seams& seams) : desk_(desk), seams_(seams) {}

  // What was on its way when all could be read first is waited for, and what comes later is not;
  // what cannot be read, is to be compared, or to be looked for anew is waited for in any case.
  Result<failover::Verification> Check(const failover::Journal& journal);

 private:
  struct Looked {
    SeenStream seen;
    std::vector<Finding> findings;
  };
  // What a look has found that is waited for.
  struct Waits {
    std::set<std::string> missing{};    // paths of local files, to be merged anew
    std::set<std::string> pending{};    // paths of those that are on their way
    std::set<std::string> unread{};     // sentences
    std::set<std::string> divergent{};  // the same
  };
  void Sort(const Finding& finding, const failover::Journal& journal, const std::string& primary,
            Waits& waits) const;
  // Of what is missing; the primary had the time to come to it.
  std::set<std::string> Overdue(const Waits& waits);
  // What is lost or doubled is believed when a second look says the same.
  std::vector<Looked> Look(const std::vector<StreamSpec>& streams, const MinuteRange& range);

  const TopologyDesk& desk_;
  Seams& seams_;
  SharedEpoch epoch_;  // the newest, whose topology the observer looks at
  std::unique_ptr<VerifyObserver> observer_;
  std::map<std::string, BootTime> missed_since_;  // paths to be merged anew
  std::optional<std::set<std::string>> awaited_;  // paths
};

}  // namespace databus
