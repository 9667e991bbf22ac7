// What a cluster's tree keeps of how the installation came to be as it is: the epochs of the stored
// topology and the journals of failovers. Nobody needs the old ones: each epoch names those before
// it, and a failover that was undone, or never took place, matters no more.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "storage/storage.h"

namespace databus {

// What stays, whatever its age.
inline constexpr size_t kEpochsKept = 20;
inline constexpr size_t kEndedFailoversKept = 2;
inline constexpr std::chrono::hours kHistoryKept{24 * 30};

struct PurgedHistory {
  size_t epochs = 0;
  size_t journals = 0;  // files
};

// Removes what is older than kHistoryKept from `own`, but the newest ones, failovers that can be
// undone still, and failbacks whose failover some tree has; nothing at all while a
// failover is under way, or may be, as far as anybody can read its journal. `trees`: of the
// clusters that answer, `own` among them. For the holder of the cluster's lease.
Result<PurgedHistory> PurgeHistory(Storage& own, const std::vector<Storage*>& trees, WallTime now);

struct EndedFailover {
  std::string kind;    // as the journal says it; empty: it does not
  std::string undoes;  // of a failback: the id of the failover
  bool done = false;   // else aborted
};
// Nothing: it is no journal of a failover that has ended (failover/journal.h), or not whole.
std::optional<EndedFailover> ReadEndedFailover(std::string_view text);
// Whether the text is a journal of a failover that has ended (failover/journal.h), and whole.
bool IsEndedFailover(std::string_view text);

}  // namespace databus
