// Applying a commit record: moves, then queue entries, then clean-ups (P8), each step idempotent,
// so that a record may be applied again from any point by anyone who holds the lease. The decisions
// are the rows of commit/recovery_table.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "commit/record.h"
#include "commit/recovery_table.h"
#include "commit/staging_area.h"

namespace databus {

// The storage of a cluster by name, or null while it cannot be reached.
using FindCluster = std::function<Storage*(const std::string& cluster)>;

// What happened that somebody should hear of.
struct Incident {
  std::string what;  // one line: which file, why, where it is now
  // Whether people have to see to it; else it is just told.
  enum class Asks : uint8_t { kForPeople, kNothing } asks = Asks::kForPeople;
};

// P33: where a file goes instead, of a stream whose minutes this cluster may publish no more by its
// own right; empty: it may.
using UndoneTo = std::function<std::string(const paths::MinutePath& to)>;

// P28: whether something may become visible there at this moment; asked before each batch of moves
// by which this cluster publishes by its own right.
using MayMove = std::function<Status(const paths::MinutePath& to)>;

struct ApplyContext {
  StagingArea& own;
  const FindCluster& find_cluster;
  RecoveryRows& rows;
  std::vector<Incident>& incidents;
  const UndoneTo& undone_to;
  const MayMove& may_move;
};

// How much is known about the staged sources of a record.
enum class Sources : uint8_t {
  kJustStaged,  // by this holder, a moment ago: all there, verified
  kFound,       // in a directory taken over: some may be gone, and what is there is verified (P10)
};

// A file or a minute directory whose place in a view refuses it, with nothing wrong about itself: a
// wrong ACL, something in the way (P11).
struct Refusal {
  std::string staged;  // a claim stays under this name; a copy, or a minute directory, is gone
  std::string to;      // where it was to go
  std::string why;

  std::string ToString() const { return to + ": " + why; }
  // The minute whose directory it is about; nothing: it is about a file.
  std::optional<paths::MinutePath> AsMinute() const;
};

struct Applied {
  Record record;        // as it stands after amendments: where each file went
  std::string pending;  // the name of the list of clean-ups that could not be done; or empty
  std::vector<Refusal> refused;

  // kRefused, with the first of them, for whoever needs all of it.
  Status AllTaken() const;
};

// How often what did not settle is looked at, before it is left to the next run.
inline constexpr int kRoundsMax = 4;

// The newest minute of a stream that stands, where a record was to make all up to `last`.
Minute NewestMade(const Applied& applied, const std::string& stream, Minute last);

// Applies `record`, which lies with its staged files in `dir` (the own staging directory or one
// taken over into it), and removes it at the end. Clean-ups whose cluster is away become a pending
// list. Nothing is cleaned up behind a copy that was refused: it is made again.
//   kRefused      a place refuses what the others of the record depend on, as a minute's manifest
//                 does on its files; the record stands
//   kStale        fenced; stop.
//   kUnavailable, kNoSpace  not finished; the record stands; apply it again later.
Result<Applied> ApplyRecord(ApplyContext context, const std::string& dir, Record record,
                            Sources sources);

// What is set aside has its reason beside it, under its own name and this.
inline constexpr std::string_view kReasonSuffix = ".reason";
// The path in quarantine for a staged file that was to get the path `to`.
std::string QuarantinePath(const StagingArea& own, std::string_view staged_name,
                           std::string_view to);
// Makes the quarantine directory and leaves the reason beside the file.
Status PrepareQuarantine(StagingArea& own, const std::string& quarantine_path,
                         std::string_view reason);

}  // namespace databus
