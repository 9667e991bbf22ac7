// How one merged stream's minutes at a mirror differ from those at its primary (P32): by manifests,
// whoever closed the minutes, and by listing where there are none. Nothing is changed here.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "commit/minute_content.h"

namespace databus {

struct Compared {
  std::set<Minute> here;  // empty where there is nothing to compare with
  std::set<Minute> there;
  // Minutes of the range that both retain (P35) and of what is later than it: of either side, and
  // not equal. One that the primary has not closed yet is equal to nothing.
  std::set<Minute> wrong;
  // All minutes up to this one are equal, or earlier than that range. Nothing: `here` is empty.
  std::optional<Minute> equal;
  // All that is right here is older than anything there: there would be a hole between.
  enum class TooOld : uint8_t { kNo, kYes } too_old = TooOld::kNo;
};

// One group at two clusters. Made for one comparison, not to be kept. One thread at a time.
class Comparison {
 public:
  Comparison(Storage& here, Storage& there, Group group)
      : here_(here, View::kMerged, group),
        there_(there, View::kMerged, group),
        here_tree_(here),
        there_tree_(there) {}

  // `cut`: the last minute that the primary before this one published; what is later here is no
  // part of the stream if it is not there.
  Result<Compared> Compare(const std::string& stream, std::optional<Minute> cut);

 private:
  Result<bool> IsEqual(const std::string& stream, Minute minute, const Compared& of);
  Result<bool> IsListedEqual(const std::string& stream, Minute minute);

  MinuteContent here_;
  MinuteContent there_;
  Storage& here_tree_;
  Storage& there_tree_;
};

}  // namespace databus
