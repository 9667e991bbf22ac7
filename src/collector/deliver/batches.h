// The batches of a hand-over: entries of some streams, in the order of the spool, cut into pieces
// of a bounded size. Where they begin is decided once and noted (HandOverNote); from then on the
// same batches can be made again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "collector/deliver/hand_over_note.h"
#include "collector/spool/spool.h"
#include "net/entry_list.h"

namespace databus {

// A record of the spool: where it is, and its raw list<LogEntry>.
struct RecordView {
  uint64_t segment = 0;
  uint64_t offset = 0;
  std::string_view entries;
};

struct BatchPlan {
  std::vector<SpoolPosition> begins;
  uint64_t messages = 0;
};

// Where the batches of `streams` begin. A batch has at most `bytes_max`, or one entry. Malformed
// records count up to where they are damaged.
BatchPlan PlanBatches(const std::vector<RecordView>& records,
                      const std::unordered_set<std::string_view>& streams, uint64_t bytes_max);

// The batches of `note`, from number `from` (0 is the first) on. One may be empty, when the spool
// was damaged since. Errors of Spool::ReadAgain.
Result<std::vector<EntryList>> MakeBatches(Spool& spool, const std::vector<SpoolRange>& ranges,
                                           const HandOverNote& note, uint64_t from);

}  // namespace databus
