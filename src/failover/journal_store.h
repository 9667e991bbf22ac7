// The journals of an installation: `system/failover/` of every cluster that answers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "control/topology_desk.h"
#include "failover/journal.h"

namespace databus::failover {

struct FoundJournals {
  std::map<std::string, Journal> by_id;  // of each the highest revision
  // Files that cannot be read, and of which no other cluster has a copy that can: nobody knows
  // whether they are open.
  std::vector<std::string> unreadable;
};

// By the desk's last look. One thread at a time.
class JournalStore {
 public:
  explicit JournalStore(const TopologyDesk& desk) : desk_(desk) {}

  FoundJournals ReadAll() const;

  // Replaces the journal on every cluster that answers.
  //   kUnavailable  one of `required` may not have it; write it again
  Status Write(const Journal& journal, const std::vector<std::string>& required) const;

 private:
  std::map<std::string, Storage*> Answering() const;

  const TopologyDesk& desk_;
};

}  // namespace databus::failover
