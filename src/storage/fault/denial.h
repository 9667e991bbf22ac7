// A directory that somebody may not read, or not change: a wrong ACL. Real stores answer kRefused
// to all that is done below it, whether there is anything or not (storage/posix.h,
// storage/hdfs/errors.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/fault/fault_plan.h"

namespace databus {

enum class Access : uint8_t {
  kListing,   // directories cannot be listed, what is in them can be opened
  kContents,  // the other way round
  kReading,
  kWriting,
  kBoth,
};
std::string_view AccessName(Access access);

struct Denial {
  std::string directory;
  Access denied = Access::kBoth;

  // What is open stays open: rights are looked at when a file is opened. The directory's own name
  // belongs to its parent: it can still be renamed.
  bool Holds(const Call& call) const;

  friend bool operator==(const Denial&, const Denial&) = default;
};

}  // namespace databus
