// The spool's `identity` file: who it belongs to. Text, written whole or not at all.
#pragma once

#include <string>

#include "base/random.h"
#include "base/status.h"
#include "collector/spool/spool_types.h"
#include "storage/disk/disk.h"

namespace databus {

// kNotFound: no identity yet. kCorrupt, kInvalid: damaged, or of a newer version.
Result<SpoolIdentity> ReadIdentity(Disk& disk, const std::string& dir);
// Durable on return; kUnavailable: unknown.
Status WriteIdentity(Disk& disk, const std::string& dir, const SpoolIdentity& identity);

}  // namespace databus
