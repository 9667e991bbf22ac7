// What an intent carries along that hands messages over to another collector (P22): enough to make
// the same batches again from the spool, under the same numbers, as often as needed.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cluster/route.h"
#include "collector/spool/spool_types.h"

namespace databus {

// An entry of the spool: the record at `offset` of a segment, and which of its entries.
struct SpoolPosition {
  uint64_t segment = 0;
  uint64_t offset = 0;
  uint64_t entry = 0;
  friend auto operator<=>(const SpoolPosition&, const SpoolPosition&) = default;
};

struct HandOverNote {
  Endpoint receiver;
  // The receiver's, 16 hexadecimal digits. Empty: it is of another make and remembers no batches.
  std::string incarnation{};
  // Batches are numbered from `first` on; both are 0 towards another make.
  uint64_t sender = 0;
  uint64_t first = 0;
  // So many batches are certainly with the receiver.
  uint64_t acknowledged = 0;
  uint64_t messages = 0;
  // Where each batch begins, in the cut's ranges. It ends where the next one begins: a batch is the
  // same also when the spool has been damaged since.
  std::vector<SpoolPosition> batches{};
  // Whose messages they are.
  std::vector<SpoolDeferral> streams{};
  friend bool operator==(const HandOverNote&, const HandOverNote&) = default;
};

std::string EncodeHandOverNote(const HandOverNote& note);
// kCorrupt: not such a note.
Result<HandOverNote> DecodeHandOverNote(std::string_view text);

// An intent without paths is a hand-over.
inline bool IsHandOver(const SpoolIntent& intent) { return intent.staged_path.empty(); }

}  // namespace databus
