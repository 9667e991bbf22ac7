// Joining the many small entries of a queue directory into few, and splitting entries that hold
// lines of several groups (P23), while workers read and remove entries of the same directory and
// whoever joins may be killed at any call.
//
// 1. Everything to be joined is read. Entries that disappear meanwhile were taken by a worker.
// 2. The lines are written anew in the order of the entries' ages, one file per group and some MiB,
//    each line once, into `system/tmp/queue.<token>`.
// 3. Each such file is renamed into the directory, without overwrite. Its name
//    (paths::JoinedEntryName) has the place in the order of the youngest entry it was made of, so
//    that it comes before everything that is enqueued later, and a random token, so that no name
//    is ever used twice: readers remember entries by their names.
// 4. When all of them stand, the entries they were made of are removed.
//
// So at any moment each line stands in at least one visible, complete entry. Until the fourth step
// is over some stand twice, as they do when a worker takes an entry between the first step and the
// fourth, or when two join at the same time; that is harmless, as the readers know what they have
// already (P19). Who is killed in the middle leaves such repetitions, which the next join removes,
// and files in `system/tmp`, which a worker that starts removes. An answer that is lost counts as a
// failure and nothing is removed.
//
// Lines that name no path of a view are kept, with their entry's other lines: whoever holds the
// group reports them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

struct QueueDirectory {
  Storage& storage;
  std::string path;  // system/consumers/<c> or system/mirrors/<c>
  Group groups = kGroupsDefault;
};

enum class JoinMode : uint8_t { kJoin, kDryRun };

struct JoinReport {
  size_t entries_before = 0;
  size_t entries_after = 0;
  size_t lines = 0;                     // in what was made
  size_t joined = 0;                    // entries that went; 0: there was nothing to join
  std::vector<std::string> left_alone;  // path and reason: no file, too long, empty, unreadable
};

// Joins what is there. With kDryRun: says what would be done, and changes nothing.
//   kNotFound     no such directory
//   kUnavailable  the cluster did not answer; nothing is lost, do it again
Result<JoinReport> JoinQueue(const QueueDirectory& queue, Random& random, JoinMode mode);

// An entry made of others, and how it gets into `queue` (steps 2 and 3 above).
struct JoinedEntry {
  SmallFile staged;
  Move placed;
};
// `youngest`: the name of the youngest entry that it is made of.
JoinedEntry MakeJoinedEntry(const std::string& queue, const std::string& youngest, Group group,
                            std::string text, Random& random);

// Replaces each of the entries `names` that holds lines of several groups by one per group. An
// entry that is gone is fine.
Status SplitQueueEntries(const QueueDirectory& queue, Random& random,
                         const std::vector<std::string>& names);

// What entries are ordered by, the oldest first: ours in the order in which they were made, after
// the original's, whose names are milliseconds. `name` is the last part of an entry's path.
struct QueueAge {
  uint64_t epoch = 0;
  uint64_t number = 0;
  std::string base;  // of the original's
  std::string name;  // of what was joined
  friend auto operator<=>(const QueueAge&, const QueueAge&) = default;
};
QueueAge QueueAgeOf(const std::string& name);

// The group whose holder reads an entry, by its name. One whose name tells none, as the original's,
// is read by all holders, until the holder of kClusterDuties has split it.
std::optional<Group> GroupOfEntry(const std::string& name);

// The longest entry that readers take, and the length at which a joined one is ended.
inline constexpr size_t kQueueEntryBytesMax = size_t{64} << 20;
inline constexpr size_t kJoinedBytes = size_t{4} << 20;

}  // namespace databus
