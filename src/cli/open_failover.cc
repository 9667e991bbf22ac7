#include "cli/open_failover.h"

#include <fmt/format.h>

#include "failover/journal_store.h"
#include "failover/plan.h"
#include "failover/steps.h"

namespace databus {

Status CheckNoFailoverIsOpen(const TopologyDesk& desk) {
  const failover::FoundJournals found = failover::JournalStore(desk).ReadAll();
  if (const failover::Journal* const open = failover::FindOpen(found.by_id)) {
    return {
        Code::kRefused,
        fmt::format("{} is under way, at step {}, and alone may change the topology: let it end "
                    "first ({})",
                    open->id, failover::StepName(open->step), failover::HowToEnd(*open))};
  }
  if (found.unreadable.empty()) return Status::Ok();
  return {Code::kRefused, fmt::format("nobody can tell whether a failover is under way: {}; mend "
                                      "what that says",
                                      found.unreadable.front())};
}

}  // namespace databus
