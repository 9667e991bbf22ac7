#include "failover/newest_reader.h"

#include <cstdlib>

#include "cluster/paths.h"
#include "commit/minute_tree.h"

namespace databus::failover {
namespace {

// So far may the clocks of clusters and this one be apart.
constexpr int64_t kApartMinutesMax = 5;

int64_t HourOf(Minute minute) { return (minute - kFirstMinute) / 60; }

// Whether no minute of a later hour can have been published yet.
bool IsInPresentHour(Minute newest, Minute now) {
  const int64_t apart = newest - now;
  return std::abs(apart) <= kApartMinutesMax && HourOf(newest) == HourOf(now + kApartMinutesMax);
}

}  // namespace

Result<std::optional<Minute>> NewestReader::Read(Storage& storage, const std::string& stream,
                                                 WallTime now) {
  const std::string root = paths::Stream(View::kMerged, stream);
  const auto known = known_.find(stream);
  if (known != known_.end() && IsInPresentHour(known->second, Minute::Of(now))) {
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest,
                             NewestMinuteOfHour(storage, root, known->second));
    if (newest) {
      known->second = *newest;
      return newest;
    }
  }
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest, NewestMinute(storage, root));
  if (newest) known_[stream] = *newest;
  return newest;
}

}  // namespace databus::failover
