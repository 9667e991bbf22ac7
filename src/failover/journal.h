// The journal of a failover: what was decided, how far it is, and what was found on the way. It is
// all that a run knows; who resumes it, anywhere, needs nothing else.
//
// `system/failover/<id>.<revision>.json` on every cluster that answers:
//   {"version":1,"crc32c":"0123abcd","journal":{"id":...,"revision":7,...}}
// Each change is the next revision, a file of its own that is created and never overwritten: so of
// two who decide at once, one does (failover/journal_store.h). The highest that is found rules.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "failover/roles.h"

namespace databus::failover {

inline constexpr int kJournalVersion = 1;

enum class Kind : uint8_t {
  kPlanned,    // with the old primary's help: nothing is set aside, the swap finds empty queues
  kUnplanned,  // without it: what it had alone is salvaged when it returns
  kFailback,   // undoes one of them
};

// The picture of how they follow one another is in failover/steps.h.
enum class Step : uint8_t {
  kBegin,
  kCatchUp,
  kSpool,
  kDrain,
  kFreeze,
  kMirror,
  kFence,
  kSwap,
  kDespool,
  kVerify,
  kUndo,
  // Where a journal ends:
  kDone,
  kAborted,
};

std::string_view KindName(Kind kind);   // planned, unplanned, failback
std::string_view CommandOf(Kind kind);  // the command that steers it: failover, failback
std::string_view StepName(Step step);   // begin, catch-up, spool, ...
std::optional<Kind> ParseKind(std::string_view name);
std::optional<Step> ParseStep(std::string_view name);

// An epoch that a step stored, or was about to.
struct StepEpoch {
  Step step = Step::kSpool;
  uint64_t epoch = 0;
  std::string digest;
  friend bool operator==(const StepEpoch&, const StepEpoch&) = default;
};

struct JournalEvent {
  WallTime at;
  Step step = Step::kSpool;
  std::string text;
  friend bool operator==(const JournalEvent&, const JournalEvent&) = default;
};
inline constexpr size_t kJournalEventsMax = 200;  // the oldest go first
// Begins the text of an event that whoever watches is told at once.
inline constexpr std::string_view kNotePrefix = "note: ";

struct Journal {
  std::string id;
  uint64_t revision = 0;
  Kind kind = Kind::kPlanned;
  Step step = Step::kSpool;
  WallTime started;
  WallTime step_since;
  // Who drives it: "host:pid" and a random token. Another one in a newer revision has taken over.
  std::string driver;
  std::string token;

  RoleChange change;
  uint64_t base_epoch = 0;  // what was planned from
  std::string base_digest;
  std::vector<std::string> without;       // collectors that nobody waits for, "<cluster>/<name>"
  std::map<Step, Milliseconds> expected;  // how long each step may take, by the plan
  std::vector<StepEpoch> epochs;          // in the order in which they were stored
  Cuts cuts;                              // before the swap is stored
  // Since when nobody can miss the epoch of `fence`; by the driver's clock, so that who takes over
  // begins anew.
  std::optional<BootTime> fenced;
  std::optional<WallTime> swapped;        // when it was
  std::string undoes;                     // kFailback: the id of the failover
  nlohmann::ordered_json loss = nullptr;  // kUnplanned: the statement that was accepted
  // What the verification found; of one that is aborted, what was undone. Its "sentence" is for
  // people.
  nlohmann::ordered_json report = nullptr;
  std::vector<JournalEvent> events;

  bool Ended() const { return step == Step::kDone || step == Step::kAborted; }
  // Of `step`; null: it has not decided on one.
  const StepEpoch* EpochOf(Step step) const;
  // The digest of the epoch before the one that `step` stores.
  const std::string& ParentOf(Step step) const;
  void Note(WallTime at, std::string text);

  std::string Encode() const;
  // kCorrupt: damaged, or not one. kInvalid: of a newer version.
  static Result<Journal> Decode(std::string_view text, const std::string& where);
};

// "20310506T100405Z-planned-dc1-dc2"
std::string JournalId(WallTime started, Kind kind, const RoleChange& change);

}  // namespace databus::failover
