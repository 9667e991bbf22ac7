// The values that go in and out of a spool (collector/spool/spool.h).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/batch_id.h"

namespace databus {

struct SpoolIdentity {
  // P17: 16 lower-case hex digits, made when the spool was created.
  std::string incarnation;
  std::string collector;
  // P1: empty until RememberCluster.
  std::string cluster_id;
  // The first incarnation, by which the spool's own files know it. Another one: it was renewed.
  std::string first;
  // The last intent when this incarnation began.
  uint64_t since = 0;
  // P17: the last intent when deliveries began before the spool was compared with what heartbeats
  // had told of it. What is numbered later says nothing of how old it is.
  std::optional<uint64_t> unchecked;
};

// The records of one segment that begin in [begin, end), offsets in bytes. Both are record
// boundaries.
struct SpoolRange {
  uint64_t segment = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  friend auto operator<=>(const SpoolRange&, const SpoolRange&) = default;
};

enum class SpoolAge : uint8_t {
  kLive,     // of a segment begun since the spool was opened
  kBacklog,  // left by an earlier run
};

// Between two records: all that is durable lies before or behind it, and what is appended from then
// on behind it.
struct SpoolEnd {
  uint64_t segment = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const SpoolEnd&, const SpoolEnd&) = default;
};

struct UnsealedRange {
  SpoolRange range;
  // Not later than the acceptance of anything in the range.
  WallTime accepted;
  SpoolAge age = SpoolAge::kLive;
};

// One call's messages, read back.
struct SpoolRecord {
  // Its own bytes in the segment.
  SpoolRange range;
  WallTime accepted;
  uint32_t count = 0;
  // number 0: none.
  uint64_t sender = 0;
  uint64_t number = 0;
  // Raw list<LogEntry>.
  std::string_view entries;
};

// An entry that no stream can take, and why.
struct RejectedEntry {
  std::string stream;
  std::string message;
  std::string reason;
};

// What leaves the spool next, decided for good: a sealed file that is staged durably and is to be
// renamed (P20), or a hand-over to another collector (P22), which has no paths.
struct SpoolIntent {
  // Never used twice in one spool.
  uint64_t id = 0;
  std::string stream{};
  std::string staged_path{};
  std::string final_path{};
  // Whatever the delivering part wants to find again after a restart.
  std::string note{};
  friend bool operator==(const SpoolIntent&, const SpoolIntent&) = default;
};

// A stream of a cut about which nothing is decided yet.
struct SpoolDeferral {
  std::string stream;
  // Of its messages in the cut's ranges.
  uint64_t bytes = 0;
  WallTime oldest;  // acceptance
  friend bool operator==(const SpoolDeferral&, const SpoolDeferral&) = default;
};

struct BatchMark {
  uint64_t sender = 0;
  uint64_t number = 0;
  // When its last batch came.
  WallTime seen;
};

struct SpoolCut {
  uint64_t id = 0;
  std::vector<SpoolRange> ranges;
  std::vector<SpoolIntent> intents;
  // Its ranges are read again for these, and stay until then.
  std::vector<SpoolDeferral> deferred{};
  friend bool operator==(const SpoolCut&, const SpoolCut&) = default;
};

// What becomes of the streams in a cut's ranges.
struct SpoolPlan {
  std::vector<SpoolIntent> intents{};
  std::vector<SpoolDeferral> deferred{};
  // Of the batches in the cut's ranges (P22): from now on no damage to those can make a sender's
  // repeat look new.
  std::vector<BatchMark> marks{};
};

struct SpoolStats {
  // Accepted and not yet on disk.
  uint64_t queued_bytes = 0;
  uint64_t unsealed_bytes = 0;
  // Under a cut that is not settled.
  uint64_t sealed_bytes = 0;
  // Of those, in messages of streams that are deferred.
  uint64_t deferred_bytes = 0;
  uint64_t segments = 0;
  uint64_t open_intents = 0;
  // Not later than the acceptance of the oldest message that is under no cut.
  std::optional<WallTime> oldest_unsealed;
  std::optional<WallTime> oldest_deferred;
  // Files in damaged/, torn tails of killed runs included.
  uint64_t damaged_files = 0;
  // Bytes that should be in those which were set aside since the spool was opened, and were in no
  // file any more.
  uint64_t damaged_missing_bytes = 0;
  // Files of segments that are gone, though nobody but the spool may remove them: what of them was
  // not sealed is lost, unless they come back.
  std::vector<std::string> missing_segments;
  // Of those, the files that are there again, but have to be read by Open.
  std::vector<std::string> returned_segments;
  // Files of segments that the spool has removed, as all in them was delivered or given up, and
  // that are there again. They are not read.
  std::vector<std::string> stray_segments;
  // Bytes found behind the last whole record when the spool was opened: of a write that was never
  // acknowledged, or damage.
  uint64_t torn_tail_bytes = 0;
  // As last asked; 0: not yet, for that is done when a message comes.
  uint64_t free_bytes = 0;
  // Since the spool was opened:
  uint64_t kept_batches = 0;
  uint64_t kept_bytes = 0;
  uint64_t repeats = 0;
  uint64_t flushes = 0;
  uint64_t failed_flushes = 0;
  // Why nothing can be written any more (P21); empty while all is well.
  std::string retired;
  // Why TRY_LATER is answered at present; empty while all is well.
  std::string refusing;
  // Why freed segments are still there; empty while all is well.
  std::string cleanup_error;
  // The number of the last intent.
  uint64_t last_intent = 0;
  // What is written in `renewed`, as long as that file is there; or empty.
  std::string renewed;
};

}  // namespace databus
