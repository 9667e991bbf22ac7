// P22: which batches of which senders are kept already. Judging a flush is tentative: what it
// accepts counts only after Commit, so that a failed write leaves no trace.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collector/spool/spool_types.h"
#include "net/batch_id.h"

namespace databus {

class MarkTable {
 public:
  enum class Verdict : uint8_t {
    kAccept,         // the next number: tentatively kept
    kRepeat,         // durable already
    kPendingRepeat,  // accepted earlier in this flush: shares its fate
    kGap,            // an earlier number is missing
  };

  explicit MarkTable(size_t senders_max) : senders_max_(senders_max) {}

  Verdict Judge(const BatchId& id);
  // What was accepted is durable now, in `segment`.
  void Commit(uint64_t segment, WallTime now);
  void RollBack() { pending_.clear(); }

  // A mark found on disk; `segment` 0: in the journal.
  void Restore(const BatchMark& mark, uint64_t segment);
  // Marks that nothing but this segment proves.
  std::vector<BatchMark> ProvedBy(uint64_t segment) const;
  // Forgets senders last seen before `before`.
  void Forget(WallTime before);

  std::vector<BatchMark> All() const;
  std::optional<uint64_t> Find(uint64_t sender) const;

 private:
  struct Mark {
    uint64_t number = 0;
    uint64_t segment = 0;
    WallTime seen;
  };
  void ForgetOldest();

  const size_t senders_max_;
  std::unordered_map<uint64_t, Mark> durable_;
  // Sender to the highest number accepted in this flush.
  std::map<uint64_t, uint64_t> pending_;
};

}  // namespace databus
