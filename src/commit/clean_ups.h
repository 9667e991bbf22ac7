// What goes when all of a commit is durable (G7): queue entries at their clusters, sources into the
// trash. What cannot be done now is a pending list (P12).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "commit/apply.h"

namespace databus {

// Answers the clean-ups that could not be done now.
Result<std::vector<CleanUp>> DoCleanUps(ApplyContext& context,
                                        const std::vector<CleanUp>& clean_ups);

// Tries the pending lists in the own staging directory again. `pending` is the names of those that
// are left.
Status RetryPending(ApplyContext context, std::set<std::string>& pending);

// For when a copy is not published: whatever the entries of the queues name is looked at again.
void KeepSources(std::vector<CleanUp>& clean_ups);

}  // namespace databus
