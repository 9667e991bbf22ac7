// What goes when all of a commit is durable (G7): queue entries at their clusters, sources into the
// trash. What cannot be done now is a pending list (P12).
#pragma once

#include <vector>

#include "base/status.h"
#include "commit/apply.h"

namespace databus {

// Answers the clean-ups that could not be done now.
Result<std::vector<CleanUp>> DoCleanUps(ApplyContext& context,
                                        const std::vector<CleanUp>& clean_ups);

}  // namespace databus
