// The journals of an installation: `system/failover/` of every cluster that answers.
//
// A revision is decided where it is created first: of several processes that would write the same
// one, exactly one gets the name there, and the others stop. Two revisions behind the newest they
// are removed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "control/topology_desk.h"
#include "failover/journal.h"

namespace databus::failover {

struct FoundJournals {
  // Of each the highest revision; where clusters differ about that, what its `to` holds.
  std::map<std::string, Journal> by_id;
  // Files of which nobody knows what they say, and no cluster has a copy, or a later revision, that
  // can be read: nobody knows whether they are open.
  std::vector<std::string> unreadable;
};

// Where a revision must stand before anybody acts by it. Before the swap nobody goes on without
// both clusters; so who gets the next revision on one of them has stopped all others, and one is
// enough to abort.
enum class Quorum : uint8_t {
  kBoth,    // `to`, then `from`
  kTo,      // `to`
  kEither,  // whichever of them answers, `to` before `from`
};

// By the desk's last look. One thread at a time.
class JournalStore {
 public:
  explicit JournalStore(const TopologyDesk& desk) : desk_(desk) {}

  // What was read at each cluster, by file name: a revision never changes.
  using Known = std::map<std::string, std::map<std::string, Journal>>;

  FoundJournals ReadAll() const;

  // Creates the journal's revision, first where it is decided, then on every other cluster that
  // answers, as far as possible.
  //   kExists       somebody else has written this revision, or a later one: he steers
  //   kUnavailable  it may stand, or not everywhere that it must: call again with the very same
  //                 journal, until the answer is another one
  Status Create(const Journal& journal, Quorum quorum, Random& random) const;

  // What has ended, to the clusters that lack it: who ended it may have died before all knew.
  //   kExists, kUnavailable  some cluster has another, or may lack it
  Status Spread(const Journal& journal, Random& random) const;

 private:
  Status Somebody(const Journal& journal) const;

  const TopologyDesk& desk_;
  mutable Known known_;
};

}  // namespace databus::failover
