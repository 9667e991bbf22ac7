#include "cli/open_failover.h"

#include <fmt/format.h>

#include "failover/journal_store.h"
#include "failover/plan.h"

namespace databus {

Status CheckNoFailoverIsOpen(const TopologyDesk& desk) {
  const failover::FoundJournals found = failover::JournalStore(desk).ReadAll();
  if (const failover::Journal* const open = failover::FindOpen(found.by_id)) {
    const std::string_view command = failover::CommandOf(open->kind);
    return {
        Code::kRefused,
        fmt::format("{0} is under way, at step {1}, and alone may change the topology: let it end "
                    "first ('databus {2} status' shows what it waits for, 'databus {2} resume' "
                    "goes on with it, 'databus {2} abort' undoes it)",
                    open->id, failover::StepName(open->step), command)};
  }
  if (found.unreadable.empty()) return Status::Ok();
  return {Code::kRefused, fmt::format("nobody can tell whether a failover is under way: {}; mend "
                                      "what that says",
                                      found.unreadable.front())};
}

}  // namespace databus
