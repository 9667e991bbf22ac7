#include "failover/newest_reader.h"

#include <chrono>

#include "cluster/paths.h"
#include "commit/minute_tree.h"

namespace databus::failover {
namespace {

constexpr int kLooksMax = 20;
// So far may the clocks of clusters be ahead of this one.
constexpr std::chrono::minutes kClocksApartMax{5};

int64_t HourOf(Minute minute) { return (minute - kFirstMinute) / 60; }

}  // namespace

Result<std::optional<Minute>> NewestReader::Read(Storage& storage, const std::string& stream,
                                                 WallTime now) {
  const std::string root = paths::Stream(View::kMerged, stream);
  const auto known = known_.find(stream);
  if (known != known_.end() && known->second.looks_left > 0 &&
      HourOf(known->second.newest) >= HourOf(Minute::Of(now + kClocksApartMax))) {
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest,
                             NewestMinuteOfHour(storage, root, known->second.newest));
    if (newest) {
      known->second = {*newest, known->second.looks_left - 1};
      return newest;
    }
  }
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest, NewestMinute(storage, root));
  if (newest) known_[stream] = {*newest, kLooksMax};
  return newest;
}

}  // namespace databus::failover
