// The last step of a failover: are all views of the streams concerned equal, since it began?
#pragma once

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

  // What was on its way at the first call is waited for; what comes later is not.
  Result<failover::Verification> Check(const failover::Journal& journal);

 private:
  struct Looked {
    SeenStream seen;
    std::vector<Finding> findings;
  };
  // What is lost or doubled is believed when a second look says the same.
  std::vector<Looked> Look(const std::vector<StreamSpec>& streams, const MinuteRange& range);

  const TopologyDesk& desk_;
  Seams& seams_;
  SharedEpoch epoch_;  // the newest, whose topology the observer looks at
  std::unique_ptr<VerifyObserver> observer_;
  std::optional<BootTime> begun_;                 // the first check
  std::optional<std::set<std::string>> awaited_;  // paths
};

}  // namespace databus
