// How the minutes of one group's merged streams at a mirror differ from those at their primary
// (P32): by manifests, whoever closed the minutes, and by listing where there are none
// (commit/minute_comparison.h). Nothing is changed here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commit/minute_comparison.h"
#include "commit/minute_tree.h"

namespace databus {

struct Compared {
  std::set<Minute> here;  // empty where there is nothing to compare with
  std::set<Minute> there;
  // Minutes of the range that both retain (P35) and of what is later than it: of either side, and
  // not equal. One that the primary has not closed yet is equal to nothing.
  std::set<Minute> wrong;
  // Equal ones that a manifest describes there, and none here: they were closed here without the
  // stream, or not at all.
  std::set<Minute> undescribed;
  // All minutes up to this one are equal, or earlier than that range. Nothing: `here` is empty, or
  // begins late.
  std::optional<Minute> equal;
  // All that is right here is older than anything there: there would be a hole between.
  enum class TooOld : uint8_t { kNo, kYes } too_old = TooOld::kNo;
  // It begins here later than there, and not since it was purged: this cluster published it before
  // it had been a mirror of what is older. All is wrong then, as what is older comes first.
  enum class BeginsLate : uint8_t { kNo, kYes } begins_late = BeginsLate::kNo;
};

// Of one group, here and at one primary. Goes through the minutes of all streams at once, so that
// it reads each manifest once; in as many calls as are needed. One thread at a time.
class Comparison {
 public:
  struct Bounds {
    // The last minute that the primary before this one published; what is later here is no part of
    // the stream if it is not there, and was not before it was purged.
    std::optional<Minute> cut;
    // What is from then on is too young to be purged here.
    Minute kept_from = kLastMinute;
    // The same there. Another cluster may have published what the primary never had, before that
    // had begun: what is later here, not there, and described by no manifest there, is no part of
    // the stream, either.
    std::optional<Minute> kept_there{};
  };
  using Cuts = std::map<std::string, Bounds>;  // by stream
  using ByStream = std::map<std::string, Compared>;

  // Reads no more files than `budget`, and takes them off it. Nothing: that was not enough, the
  // next call goes on. What is answered is true of what was there during this call, but for closed
  // minutes that were compared before. More streams may be asked for by a later call, or less.
  // Those of which something certainly cannot be read are not in the answer, the others are.
  //   kRefused  a manifest may not be read, which is of all of them
  Result<std::optional<ByStream>> Compare(const MinuteComparison::Trees& trees, Group group,
                                          const Cuts& streams, uint64_t& budget);
  // What could not be read, here or there, since the last call: a file of that minute, or which
  // minutes there are.
  struct Unread {
    Status why{};
    std::optional<Minute> minute{};
  };
  std::map<std::string, Unread> TakeUnread() { return std::exchange(unread_, {}); }
  // Up to which minute it has come; nothing: it has not begun.
  std::optional<Minute> compared_to() const { return compared_to_; }

 private:
  // What is known of a stream's closed minutes from all calls.
  struct Judged {
    std::set<Minute> equal;
    std::set<Minute> wrong;
    std::set<Minute> undescribed;
  };
  struct Walk {
    Compared of{};
    std::vector<Minute> left{};  // to be compared; the earliest last
    std::optional<Minute> cut{};
  };
  Result<Walk> List(const MinuteComparison::Trees& trees, const std::string& stream,
                    const Bounds& bounds) const;
  Status ListAll(const MinuteComparison::Trees& trees, const Cuts& streams);
  // Whether it has come to the end.
  Result<bool> GoOn(const MinuteComparison::Trees& trees, Group group, uint64_t& budget);
  Status CompareMinute(MinuteComparison& comparison, const std::string& stream, Minute minute,
                       Walk& walk);
  Status JudgeOlder(MinuteComparison& comparison, const std::string& stream, Minute minute,
                    Walk& walk);

  std::map<std::string, Judged> judged_;
  std::map<std::string, Walk> walks_;  // empty: not listed
  std::map<std::string, Unread> unread_;
  std::optional<Minute> compared_to_;
};

}  // namespace databus
