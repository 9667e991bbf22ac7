// Room in a mirror's minute for what is to be copied into it.
#pragma once

#include <map>
#include <string>

#include "commit/group_writer.h"

namespace databus {

// Names, and what the primary's closed minute holds under each; null while that is open.
using WantedFiles = std::map<std::string, const ManifestFile*>;

struct WantedMinute {
  std::string stream;
  Minute minute;
  std::string primary;  // whose files they are
};

// To be called before anything is copied. What stands where a wanted file must go, or in the way of
// its directory, and is certainly something else goes to quarantine. What cannot be judged yet,
// because the primary's minute is open, leaves `wanted`.
//   kRefused  it cannot be moved; the writer stays usable
Status MakeWay(GroupWriter& writer, const WantedMinute& at, WantedFiles& wanted);

}  // namespace databus
