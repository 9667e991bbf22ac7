// Reading trees of minute directories (`YYYY/MM/DD/HH/MM` below some root): the views' streams and
// the manifests. Foreign names are skipped: they stop nothing (S11).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

inline constexpr Minute kFirstMinute{0};
inline constexpr Minute kLastMinute{4'223'371'679};  // 9999-12-31T23:59Z

enum class Order : uint8_t { kAscending, kDescending };

// What to do with one entry of an hour directory.
enum class Walk : uint8_t { kContinue, kStop };

// Calls `visit(hour, name)` for the entries of all hour directories that overlap [from, to], in the
// order of hours and, within an hour, of names. `hour` is the hour's first minute. A root that is
// not there has no entries.
Status WalkHours(Storage& storage, const std::string& root, Minute from, Minute to, Order order,
                 const std::function<Walk(Minute hour, const DirEntry& entry)>& visit);

// The minute directories of a stream's root, ascending, within [from, to].
Result<std::vector<Minute>> ListMinutes(Storage& storage, const std::string& root, Minute from,
                                        Minute to);
// Not later than `latest`.
Result<std::optional<Minute>> NewestMinute(Storage& storage, const std::string& root,
                                           Minute latest = kLastMinute);
// Of the hour that `minute` is in, by one call.
Result<std::optional<Minute>> NewestMinuteOfHour(Storage& storage, const std::string& root,
                                                 Minute minute);
Result<std::optional<Minute>> OldestMinute(Storage& storage, const std::string& root);

// Whether readers of these trees see it: a file whose name begins with neither '_' nor '.'.
bool IsVisibleFile(const DirEntry& entry);

// Which streams of a view may have files in a minute that no manifest names there. Looked up only
// for those that are missing in one.
class OldestMinutes {
 public:
  OldestMinutes(Storage& storage, View view) : storage_(storage), view_(view) {}

  Result<bool> MayHold(const std::string& stream, Minute minute);

 private:
  Storage& storage_;
  const View view_;
  std::map<std::string, std::optional<Minute>> oldest_;
};

// The minute of an hour that `name` is ("00" to "59"), or nothing.
std::optional<Minute> MinuteInHour(Minute hour, std::string_view name);

}  // namespace databus
